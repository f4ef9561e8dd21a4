"""Servers for the tests: one database server a run, one template, one clone a test; one broker; one browser.

A server that cannot be had is a failure, never a skip. To use other servers:

    SUIDEN_TEST_DATABASE_URL   a PostgreSQL or TimescaleDB where the login may create databases and roles
    SUIDEN_TEST_MQTT_URL       a broker, with a login that may use every topic
    SUIDEN_TEST_BROKER         `mosquitto`: start the installed Mosquitto in place of the embedded broker
    SUIDEN_TEST_BROWSER        a Chromium
    SUIDEN_TEST_SKIP_NOTHING   1: what would be skipped fails, for lack of what it needs
"""

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Connection, conninfo, sql
from psycopg.rows import TupleRow
from xdist.scheduler import LoadScopeScheduling

from suiden.embedded.access import Login
from suiden.embedded.broker import EmbeddedBroker, MosquittoBroker
from suiden.embedded.postgres import EmbeddedPostgres

ROOT = Path(__file__).resolve().parent.parent
DATABASE_VARIABLE = "SUIDEN_TEST_DATABASE_URL"
TEMPLATE_LOCK = 7_309_245_310_114  # any number, the same in every process of a run
LONG_FOLDERS = ("tests/journeys/", "tests/faults/")
BROKER_LOGIN = Login(name="suiden", password=secrets.token_urlsafe(12), is_service=True)

server_key = pytest.StashKey[EmbeddedPostgres]()
run_key = pytest.StashKey[str]()


# --- one run, in one process or in many


def pytest_configure(config: pytest.Config) -> None:
    """Settle what all processes of this run share: the run's name and, when there are many, the server."""
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    if worker is not None:
        config.stash[run_key] = worker["suiden_run"]
        os.environ[DATABASE_VARIABLE] = worker["suiden_database_url"]
        return
    config.stash[run_key] = secrets.token_hex(4)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist about the server; the controller starts it, for it outlives every worker."""
    node.workerinput["suiden_run"] = node.config.stash[run_key]
    node.workerinput["suiden_database_url"] = server_url(node.config)


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    if server_key in config.stash:
        config.stash[server_key].stop()
    elif os.environ.get(DATABASE_VARIABLE):
        drop_template(os.environ[DATABASE_VARIABLE], template_name(config))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by folder and by what is used, so that no test of the servers is left out where they are exchanged."""
    for item in items:
        folders = item.path.relative_to(ROOT / "tests").parts[:-1]
        used = set(getattr(item, "fixturenames", ()))
        if folders[:1] == ("journeys",):
            item.add_marker("journey")
        if folders[:1] == ("integration",) or used & {"database_server", "database_url", "conn"}:
            item.add_marker("store")
        if folders[:2] == ("integration", "ingest_gateway") or "broker_url" in used:
            item.add_marker("gateway")


class LongTestsTogether(LoadScopeScheduling):
    """What starts the whole utility runs first, one after the other in one process; the rest goes on beside it."""

    def _split_scope(self, nodeid: str) -> str:
        return "whole utility" if nodeid.startswith(LONG_FOLDERS) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return LongTestsTogether(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let nothing skip in silence where everything that the tests need was installed for them."""
    report = yield
    if report.skipped and os.environ.get("SUIDEN_TEST_SKIP_NOTHING") == "1" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
    return report


def server_url(config: pytest.Config) -> str:
    """Return the database server's URL, and start the server when nobody has."""
    given = os.environ.get(DATABASE_VARIABLE)
    if given:
        return given
    folder = Path(tempfile.gettempdir()) / f"suiden-test-{os.getuid()}-{config.stash[run_key]}"
    server = EmbeddedPostgres(data_dir=folder, durable=False)
    config.add_cleanup(lambda: remove_folder(folder))
    url = server.start()
    config.stash[server_key] = server
    os.environ[DATABASE_VARIABLE] = url
    return url


def remove_folder(folder: Path) -> None:
    subprocess.run(["rm", "-rf", "--", str(folder)], check=False)


# --- the database


@pytest.fixture(scope="session")
def database_server(request: pytest.FixtureRequest) -> str:
    """URL of the server's own database, with a login that may create databases."""
    return server_url(request.config)


@pytest.fixture(scope="session")
def database_template(request: pytest.FixtureRequest, database_server: str) -> str:
    """Name of the migrated database that tests clone; the first process of the run makes it."""
    from kernel.migrate import migrate

    name = template_name(request.config)
    with psycopg.connect(database_server, autocommit=True) as conn:
        conn.execute("SELECT pg_advisory_lock(%s)", [TEMPLATE_LOCK])
        if conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            unfinished = f"{name}_part"
            conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(unfinished)))
            conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(unfinished)))
            migrate(with_database(database_server, unfinished))
            conn.execute(sql.SQL("ALTER DATABASE {} WITH IS_TEMPLATE true").format(sql.Identifier(unfinished)))
            close(conn, unfinished)
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            conn.execute(rename.format(sql.Identifier(unfinished), sql.Identifier(name)))
    return name


@pytest.fixture
def database_url(database_server: str, database_template: str) -> Iterator[str]:
    """URL of a migrated database of this test's own; what it commits is seen by nobody else."""
    yield from clone(database_server, database_template)


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection[TupleRow]]:
    """A connection to this test's own database, as its owner."""
    with psycopg.connect(database_url) as connection:
        yield connection
        connection.rollback()


@pytest.fixture(scope="session")
def shared_database_url(database_server: str, database_template: str) -> Iterator[str]:
    """URL of a migrated database for all tests that leave nothing behind."""
    yield from clone(database_server, database_template)


@pytest.fixture
def rolled_back_conn(shared_database_url: str) -> Iterator[Connection[TupleRow]]:
    """A connection whose one transaction is rolled back at the end: quicker, for tests that commit nothing."""
    with psycopg.connect(shared_database_url) as connection:
        yield connection
        connection.rollback()


def clone(server: str, template: str) -> Iterator[str]:
    name = sql.Identifier(f"{template}_{secrets.token_hex(4)}")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(name, sql.Identifier(template)))
    yield with_database(server, name.as_string().strip('"'))
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def close(connection: Connection[TupleRow], name: str) -> None:
    """Let nobody into a database any more, so that it can be cloned: TimescaleDB's scheduler would hold it."""
    connection.execute(sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
    connection.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", [name])


def template_name(config: pytest.Config) -> str:
    return f"suiden_test_{config.stash[run_key]}"


def drop_template(server: str, name: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            return
        identifier = sql.Identifier(name)
        connection.execute(sql.SQL("ALTER DATABASE {} WITH IS_TEMPLATE false").format(identifier))
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


def with_database(url: str, name: str) -> str:
    """Return the URL with another database's name; it stays a URL, which yoyo wants."""
    head, _, options = url.partition("?")
    scheme, _, rest = head.partition("://")
    assert conninfo.conninfo_to_dict(url), "the URL can be read"
    return f"{scheme}://{rest.partition('/')[0]}/{name}{'?' + options if options else ''}"


# --- the broker


@pytest.fixture(scope="session")
def broker_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a broker, with a login that may use every topic: mqtt://name:password@host:port."""
    given = os.environ.get("SUIDEN_TEST_MQTT_URL")
    if given:
        yield given
        return
    kind = MosquittoBroker if os.environ.get("SUIDEN_TEST_BROKER") == "mosquitto" else EmbeddedBroker
    with kind(data_dir=tmp_path_factory.mktemp("broker"), logins=[BROKER_LOGIN]) as broker:
        yield f"mqtt://{BROKER_LOGIN.name}:{BROKER_LOGIN.password}@127.0.0.1:{broker.port}"


# --- the browser


@pytest.fixture(scope="session")
def browser_executable() -> Path:
    """Path of a Chromium; one is fetched when none is installed."""
    command = [sys.executable, str(ROOT / "scripts" / "find_browser.py")]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        pytest.fail(answer.stderr, pytrace=False)
    return Path(answer.stdout.strip())


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any], browser_executable: Path) -> dict[str, Any]:
    """Have pytest-playwright start that browser; Chromium has no sandbox for root."""
    no_sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    arguments = [*browser_type_launch_args.get("args", []), "--disable-dev-shm-usage", *no_sandbox]
    return {**browser_type_launch_args, "executable_path": str(browser_executable), "args": arguments}


@pytest.fixture(scope="session")
def axe_source() -> str:
    """The accessibility checker's script, to run inside a page."""
    return (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text()
