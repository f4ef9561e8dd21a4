"""A meter reader walks where there is no network: nothing is lost, and everything arrives once."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from playwright.sync_api import BrowserContext, BrowserType, Page, ViewportSize, expect

from customer_app.app import create_app
from customer_app.server import Server
from customer_app.settings import WebSettings
from kernel.clock import FixedClock
from kernel.database import Pool, Scope, enter_scope, open_pool
from kernel.i18n import translator
from kernel.metrics import Metrics
from registry import operations as registry_operations
from tests.integration.customer_app import town

pytestmark = [pytest.mark.journey, pytest.mark.browser, pytest.mark.timeout(300)]

PHONE: ViewportSize = {"width": 390, "height": 844}


@dataclass(slots=True)
class Web:
    """The application on one port, which can be stopped and started again."""

    database_url: str
    pool: Pool
    port: int = 0
    _server: Server | None = None
    _threads: list[threading.Thread] = field(default_factory=list[threading.Thread])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        settings = WebSettings(database_url=self.database_url, utility="test")
        app = create_app(settings, pool=self.pool, clock=FixedClock(town.NOW), metrics=Metrics())
        self._server = Server(app, host="127.0.0.1", port=self.port)
        thread = threading.Thread(target=self._server.run, name="web")
        thread.start()
        self._threads.append(thread)
        while not self._server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.02)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]

    def stop(self) -> None:
        if self._server is None:
            return
        self._server.should_exit = True
        self._threads.pop().join(timeout=20)
        self._server = None


@pytest.fixture
def web(database_url: str) -> Iterator[Web]:
    """The small town with a reader who may sign in."""
    with psycopg.connect(database_url) as conn:
        utility_id = town.found(conn)
        enter_scope(conn, scope=Scope(utility_id, "test", town.NOW))
        town.live_through(conn, utility_id=utility_id, days=5)
        for locale in ("en", "ja"):
            registry_operations.add_login(
                conn,
                utility_id=utility_id,
                login_name=f"reader-{locale}",
                display_name="Reader",
                password=town.PASSWORD,
                roles=["reader"],
                party_id=None,
                locale=locale,
            )
    with open_pool(database_url, role="suiden_app", process="web test", max_size=4) as pool:
        web = Web(database_url, pool)
        web.start()
        yield web
        web.stop()


@contextmanager
def handheld(browser_type: BrowserType, arguments: dict[str, Any], folder: Path) -> Iterator[BrowserContext]:
    """A browser that keeps its store on the disk, as a handheld does when it is switched off."""
    context = browser_type.launch_persistent_context(
        folder, **arguments, viewport=PHONE, is_mobile=True, has_touch=True
    )  # type: ignore[arg-type]
    context.set_default_timeout(30_000)
    yield context
    context.close()


@pytest.mark.parametrize("locale", ["en", "ja"])
def test_readings_taken_without_a_network_arrive_once(
    web: Web, browser_type: BrowserType, browser_type_launch_args: dict[str, Any], tmp_path: Path, locale: str
) -> None:
    _ = translator(locale)
    with handheld(browser_type, browser_type_launch_args, tmp_path) as context:
        page = context.pages[0]
        sign_in(page, web, name=f"reader-{locale}")
        expect(page.locator("#stops li")).to_have_count(4)
        expect(page.locator("html[data-offline-ready]")).to_be_attached()
        lose_network(web, context)

        page.reload()
        expect(page.locator("#network")).to_have_text(_("No network"))
        read(page, find="やまだ", serial="W-customer", typed=shown(web, "W-customer", more=1))
        expect(page.locator("#waiting-count")).to_have_text("1")
        doubtful(page, translate=_, serial="E-customer")
        expect(page.locator("#waiting-count")).to_have_text("2")

    with handheld(browser_type, browser_type_launch_args, tmp_path) as context:
        # Switched off and on again, still without a network; the session is gone with the browser.
        context.set_offline(True)
        page = context.pages[0]
        page.goto(f"{web.url}/handheld")
        expect(page.locator("#waiting-count")).to_have_text("2")
        read(page, find="neighbour", serial="W-neighbour", typed=shown(web, "W-neighbour", more=0))
        expect(page.locator("#waiting-count")).to_have_text("3")
        expect(page.locator("#done-text")).to_have_text("3 / 4")

        web.start()
        context.set_offline(False)
        expect(page.locator("#ended")).to_be_visible()
        assert entries(web) == [], "nothing is taken from one who is not signed in"
        page.click("#ended a")
        fill_in(page, name=f"reader-{locale}")
        expect(page.locator("#waiting-count")).to_have_text("0")
        expect(page.locator("#network")).to_have_text(_("Connected"))
        send_all_again(page, web)

    found = entries(web)
    assert sorted(serial for serial, _outcome, _reason in found) == ["E-customer", "W-customer", "W-neighbour"]
    assert {outcome for _serial, outcome, _reason in found} == {"stored"}
    assert ("E-customer", "stored", "read_twice") in found
    assert count(web, "SELECT sum(stored) FROM intake_batch WHERE source = 'handheld'") == 3


def sign_in(page: Page, web: Web, *, name: str) -> None:
    page.goto(f"{web.url}/handheld")
    fill_in(page, name=name)


def fill_in(page: Page, *, name: str) -> None:
    page.fill("#login_name", name)
    page.fill("#password", town.PASSWORD)
    page.click("form.fields button")
    page.wait_for_url("**/handheld")


def lose_network(web: Web, context: BrowserContext) -> None:
    """Stop the server too: the worker's own script would still get out."""
    context.set_offline(True)
    web.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(web.url, trust_env=False)


def read(page: Page, *, find: str, serial: str, typed: str) -> None:
    page.fill("#find", find)
    page.locator("button.stop", has_text=serial).click()
    for key in typed:
        page.locator(f'#keys [data-key="{key}"]').click()
    page.click("#save")


def doubtful(page: Page, *, translate: Any, serial: str) -> None:
    """Type far too much: the handheld asks again, and wants a reason."""
    read(page, find=serial, serial=serial, typed="999999")
    expect(page.locator("#doubt-title")).to_have_text(translate("Unusually high"))
    page.click("#sure")
    expect(page.locator("#doubt")).to_be_visible()
    page.select_option("#reason", "read_twice")
    page.click("#sure")
    expect(page.locator("#list-view")).to_be_visible()


def shown(web: Web, serial: str, *, more: int) -> str:
    """What the meter's dial shows, in whole units, `more` than was last read."""
    query = "SELECT register FROM meter_latest JOIN meter USING (utility_id, meter_id) WHERE serial = %s"
    with psycopg.connect(web.database_url) as conn:
        row = conn.execute(query, [serial]).fetchone()
    assert row is not None
    return str(row[0] // 1000 + more)


def send_all_again(page: Page, web: Web) -> None:
    """Let the handheld send everything a second time, as if it had not heard the answer."""
    page.evaluate(
        """async () => {
            const database = await new Promise((resolve) => {
                const asked = indexedDB.open("suiden-handheld");
                asked.onsuccess = () => resolve(asked.result);
            });
            const store = database.transaction("entries", "readwrite").objectStore("entries");
            const all = await new Promise((resolve) => {
                const asked = store.getAll();
                asked.onsuccess = () => resolve(asked.result);
            });
            for (const entry of all) store.put({ ...entry, state: "waiting" });
        }"""
    )
    page.reload()
    expect(page.locator("#waiting-count")).to_have_text("0")
    assert len(entries(web)) == 3


def entries(web: Web) -> list[tuple[str, str, str]]:
    query = """
        SELECT serial, outcome, reason_code FROM handheld_entry JOIN meter USING (utility_id, meter_id) ORDER BY serial
    """
    with psycopg.connect(web.database_url) as conn:
        return conn.execute(query).fetchall()


def count(web: Web, query: str) -> int:
    with psycopg.connect(web.database_url) as conn:
        row = conn.execute(query).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return row[0]
