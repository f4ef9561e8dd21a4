"""One running utility for all journeys, and the browsers of the people in it."""

import os
import secrets
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect
from playwright.sync_api import Error as PlaywrightError
from psycopg import sql

from kernel import clock
from kernel.database import Scope, enter_scope
from kernel.i18n import Translate, translator
from registry import operations as registry
from registry import queries as registry_queries
from scripts import running_demo
from scripts.running_demo import RunningDemo
from suiden.embedded.access import Login
from suiden.embedded.broker import MosquittoBroker
from suiden.founding import DEMO_PASSWORD, UTILITY_CODE, sender_names

Language = Literal["ja", "en"]

OWN_SERVER = "suiden-test-"  # in the folder of the database server that the other tests start for themselves
PATIENCE_MS = 60_000  # three days of the town
expect.set_options(timeout=PATIENCE_MS)

PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 900}

# No robot takes the crew's tickets, and nobody else pays: the people of the stories do.
PEOPLE_ONLY = {"SUIDEN_TOWN_CREW": "0", "SUIDEN_TOWN_RESIDENTS": "0"}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody signed in, in a browser of their own."""

    page: Page
    language: Language
    translate: Translate

    def mark(self) -> None:
        """Remember this very document, to tell later that what changed on it came by itself."""
        self.page.evaluate("window.neverReloaded = true")

    def has_not_reloaded(self) -> bool:
        return bool(self.page.evaluate("window.neverReloaded === true"))


@dataclass(slots=True)
class People:
    """Opens browsers at the running utility."""

    browser: Browser
    url: str
    pictures: Path  # where to keep what they saw when a story failed
    pages: dict[str, Page] = field(default_factory=dict[str, Page])

    def sign_in(self, login_name: str, *, language: Language, size: ViewportSize) -> Person:
        """Sign somebody in, and choose the language on the page."""
        context = self.browser.new_context(viewport=size, base_url=self.url, locale="fr", reduced_motion="reduce")
        page = context.new_page()
        self.pages[login_name] = page
        page.goto("/login")
        page.fill("#login_name", login_name)
        page.fill("#password", DEMO_PASSWORD)
        page.click("form.fields button")
        page.wait_for_url(lambda address: urlsplit(address).path != "/login")
        if page.get_attribute("html", "lang") != language:
            choice = page.locator(f'button[name="locale"][value="{language}"]')
            page.locator("details.menu").filter(has=choice).locator("summary").click()
            choice.click()
        expect(page.locator("html")).to_have_attribute("lang", language)
        return Person(page, language, translator(language))


@pytest.fixture(params=["ja", "en"])
def language(request: pytest.FixtureRequest) -> Language:
    """The language in which a story is told."""
    return request.param


@pytest.fixture(scope="package")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """The whole utility with its town; it must stop cleanly at the end."""
    with servers(tmp_path_factory) as environment:
        demo = running_demo.start(tmp_path_factory.mktemp("town"), environment={**PEOPLE_ONLY, **environment})
        yield demo
        code, alive = demo.stop()
        assert code == 0, f"Ctrl-C ended the demo with exit code {code}\n{demo.logs()}"
        assert not alive, f"these outlived the demo: {alive}\n{demo.logs()}"


@pytest.fixture
def people(town: RunningDemo, browser: Browser) -> Iterator[People]:
    """Browsers that are closed after the story."""
    found = People(browser, town.url, town.data_dir / "pictures")
    yield found
    for page in found.pages.values():
        page.context.close()


@pytest.fixture(scope="package")
def add_customer(town: RunningDemo) -> Callable[[str, str], None]:
    """Let a customer of the town, named by an account, sign in."""

    def add(login_name: str, account_number: str) -> None:
        with psycopg.connect(town.servers()["database_url"]) as conn:
            scope = {"utility_id": registry_queries.utility(conn, code=UTILITY_CODE).utility_id}
            now = clock.load(conn).at(clock.wall_now())
            enter_scope(conn, scope=Scope(scope["utility_id"], "journeys", now))
            account = registry_queries.account_by_number(conn, **scope, account_number=account_number)
            party = registry_queries.party(conn, **scope, party_id=account.party_id)
            registry.add_login(
                conn,
                **scope,
                login_name=login_name,
                display_name=party.name,
                password=DEMO_PASSWORD,
                roles=("customer",),
                party_id=party.party_id,
                locale="ja",
            )

    return add


@contextmanager
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Give the variables that name the servers under test; none where the demo is to start its own."""
    environment: dict[str, str] = {}
    given = os.environ.get("SUIDEN_TEST_DATABASE_URL", "")
    fresh = ""
    if given and not _is_our_own(given):
        fresh = f"suiden_journeys_{secrets.token_hex(4)}"
        _administer(given, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(fresh)))
        environment["DATABASE_URL"] = urlunsplit(urlsplit(given)._replace(path=f"/{fresh}"))
    broker = None
    if os.environ.get("SUIDEN_TEST_MQTT_URL"):
        environment["MQTT_URL"] = os.environ["SUIDEN_TEST_MQTT_URL"]
    elif os.environ.get("SUIDEN_TEST_BROKER") == "mosquitto":
        password = secrets.token_urlsafe(12)  # the town's senders use that of MQTT_URL
        logins = [Login("suiden", password, is_service=True), *(Login(name, password) for name in sender_names())]
        broker = MosquittoBroker(data_dir=tmp_path_factory.mktemp("mosquitto"), logins=logins)
        environment["MQTT_URL"] = broker.start().replace("mqtt://", f"mqtt://suiden:{password}@")
    yield environment
    if broker is not None:
        broker.stop()
    if fresh:
        _administer(given, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(fresh)))


def _is_our_own(database_url: str) -> bool:
    with psycopg.connect(database_url) as conn:
        row = conn.execute("SHOW data_directory").fetchone()
    return row is not None and OWN_SERVER in row[0]


def _administer(database_url: str, command: sql.Composed) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(command)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failed story what its people saw, and the end of every process's log."""
    report = yield
    if not report.failed or not isinstance(item, pytest.Function):
        return report
    people, town = item.funcargs.get("people"), item.funcargs.get("town")
    if isinstance(people, People) and report.when == "call":
        report.sections.append(("what they saw", "\n".join(_pictures(item, people, folder=people.pictures))))
    if isinstance(town, RunningDemo):
        report.sections.append(("the processes", town.logs()))
    return report


def _pictures(item: pytest.Item, people: People, *, folder: Path) -> list[str]:
    folder.mkdir(exist_ok=True)
    told: list[str] = []
    for login_name, page in people.pages.items():
        path = folder / f"{item.name}-{login_name}.png".replace("/", "_")
        try:
            page.screenshot(path=path, full_page=True)
        except PlaywrightError as error:
            told.append(f"{login_name}: no picture of {page.url}: {error}")
        else:
            told.append(f"{login_name} at {page.url}: {path}")
    return told
