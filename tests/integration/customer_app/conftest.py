"""A small utility with one login of each role, and the application in front of it."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import get_args

import httpx
import psycopg
import pytest
from psycopg import Connection, conninfo
from psycopg.rows import TupleRow
from pydantic import SecretStr

from customer_app.app import create_app
from customer_app.server import Server
from customer_app.settings import WebSettings
from kernel.clock import FixedClock
from kernel.database import Pool, open_pool
from kernel.metrics import Metrics
from registry import operations as registry_operations
from registry.domain.rights import RoleName
from tests.conftest import clone, close
from tests.integration.customer_app import town

DAYS = 100
CARD_SECRET = "a-key-for-tests"


@dataclass(frozen=True, slots=True)
class Utility:
    """What the tests know of the utility in front of them."""

    database_url: str
    utility_id: int
    parties: dict[str, int]


@pytest.fixture(scope="session")
def town_database(database_server: str, database_template: str) -> Iterator[str]:
    """Name of a database with the town of `town.py` after a hundred days of use and the bills of its last two months.

    Its logins are `customer`, `neighbour` and one for each role of staff; their passwords are `town.PASSWORD`.
    """
    for url in clone(database_server, database_template):
        with psycopg.connect(url) as conn:
            utility_id = town.found(conn)
            parties = town.parties(conn, utility_id=utility_id)
            for name in ("customer", "neighbour"):
                _login(conn, utility_id=utility_id, name=name, role="customer", party_id=parties[name])
            for role in get_args(RoleName):
                if role != "customer":
                    _login(conn, utility_id=utility_id, name=role, role=role, party_id=None)
            town.live_through(conn, utility_id=utility_id, days=DAYS)
            town.bill(conn, utility_id=utility_id, months=2)
        name = str(conninfo.conninfo_to_dict(url)["dbname"])
        with psycopg.connect(database_server, autocommit=True) as conn:
            close(conn, name)
        yield name


@pytest.fixture
def utility(database_server: str, town_database: str) -> Iterator[Utility]:
    """A copy of the town, for this test alone."""
    for url in clone(database_server, town_database):
        with psycopg.connect(url) as conn:
            utility_id = town.utility_id(conn)
            parties = town.parties(conn, utility_id=utility_id)
        yield Utility(url, utility_id, parties)


def _login(conn: Connection[TupleRow], *, utility_id: int, name: str, role: RoleName, party_id: int | None) -> None:
    registry_operations.add_login(
        conn,
        utility_id=utility_id,
        login_name=name,
        display_name=name.title(),
        password=town.PASSWORD,
        roles=[role],
        party_id=party_id,
        locale="en",
    )


@pytest.fixture
def pool(utility: Utility) -> Iterator[Pool]:
    with open_pool(utility.database_url, role="suiden_app", process="web test", max_size=4) as pool:
        yield pool


@pytest.fixture
def settings(utility: Utility) -> WebSettings:
    return WebSettings(
        database_url=utility.database_url,
        utility="test",
        card_url="http://card.example",
        card_secret=SecretStr(CARD_SECRET),
        demo=True,
    )


@pytest.fixture
def server(settings: WebSettings, pool: Pool) -> Iterator[str]:
    """The application behind a real socket; gives its address."""
    app = create_app(settings, pool=pool, clock=FixedClock(town.NOW), metrics=Metrics())
    server = Server(app, host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run, name="web")
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=15)
    assert not thread.is_alive(), "the server did not end"


@pytest.fixture
def client(server: str) -> Iterator[httpx.Client]:
    """A browser without a session."""
    with httpx.Client(base_url=server, timeout=10, trust_env=False) as browser:
        yield browser


def sign_in(client: httpx.Client, name: str) -> str:
    """Sign in over the page's own form; give the token for the forms that follow."""
    client.cookies.clear()
    page = client.get("/login")
    answer = client.post(
        "/login", data={"csrf_token": token_in(page.text), "login_name": name, "password": town.PASSWORD}
    )
    assert answer.status_code == 303, answer.text
    return token_in(client.get("/me").text)


def token_in(html: str) -> str:
    """Find the token that a page put into its forms."""
    _, found, rest = html.partition('name="csrf_token" value="')
    assert found, "the page holds no form with a token"
    return rest.split('"', 1)[0]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
