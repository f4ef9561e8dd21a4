"""`suiden demo`: the whole utility on one machine, with a living town behind it."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import urlopen

import psycopg
from rich.console import Console
from rich.table import Table

from kernel import clock, migrate
from suiden import founding
from suiden.embedded.access import Login
from suiden.embedded.broker import EmbeddedBroker
from suiden.embedded.ports import free_port
from suiden.embedded.postgres import EmbeddedPostgres
from suiden.errors import NotPossibleHere
from suiden.settings import ROOT
from suiden.supervisor import Supervisor
from suiden.whole_files import read_secret, write_once

READY_TIMEOUT_S = 60.0
WATCH_S = 0.5
STATE_NAME = "demo.json"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Servers:
    """Where database and broker are, and the password that the town's senders use."""

    database_url: str
    mqtt_url: str
    sender_password: str


def run(*, port: int, rate: float, fresh: bool, console: Console) -> None:
    """Start everything, print where it is, and wait for Ctrl-C.

    :raises NotPossibleHere: if the port is taken, or DATABASE_URL names a database that is in use for something else
    """
    _refuse_a_taken_port(port)
    data_dir = Path(os.environ.get("SUIDEN_DATA_DIR", ROOT / ".suiden")).absolute()
    if fresh:
        _forget(data_dir, console=console)
    data_dir.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    started_s = time.monotonic()

    def say(text: str) -> None:
        console.print(f"[dim]{time.monotonic() - started_s:5.1f} s[/]  {text}", highlight=False)

    with ExitStack() as stack:
        servers = _start_servers(stack, data_dir=data_dir, say=say)
        if os.environ.get("DATABASE_URL"):
            with psycopg.connect(servers.database_url) as conn:
                founding.refuse_what_is_not_the_demos(conn)
        for name in migrate.migrate(servers.database_url):
            say(f"database: applied {name}")
        with psycopg.connect(servers.database_url) as conn:
            is_founded = founding.is_founded(conn)
        if not is_founded:
            founding.found(servers.database_url, say=say)
        if stop.is_set():
            return
        stack.enter_context(_running_clock(servers.database_url, rate=rate, say=say))
        supervisor = Supervisor(log_dir=data_dir / "log")
        stack.callback(_stop_processes, supervisor, say)
        _start_processes(supervisor, servers=servers, port=port, data_dir=data_dir)
        _wait_for_page(port, supervisor=supervisor, stop=stop)
        _print_address(console, port=port, started_s=started_s, rate=rate)
        _remember(data_dir, servers=servers, port=port)
        stack.callback((data_dir / STATE_NAME).unlink, missing_ok=True)
        while not stop.wait(WATCH_S):
            for name in supervisor.watch():
                say(f"[yellow]{name} had ended and was started again; see {supervisor.log_path(name)}[/]")
    say("stopped; the next start goes on from here")


def running_servers() -> dict[str, str]:
    """Tell where the running demo's servers are.

    :raises NotPossibleHere: if no demo runs from this folder
    """
    path = Path(os.environ.get("SUIDEN_DATA_DIR", ROOT / ".suiden")) / STATE_NAME
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise NotPossibleHere(
            "no demo runs here: start one with `make demo`, or set DATABASE_URL and MQTT_URL"
        ) from error


def _start_servers(stack: ExitStack, *, data_dir: Path, say: Say) -> Servers:
    database_url = os.environ.get("DATABASE_URL", "")
    if not database_url:
        say("starting PostgreSQL")
        postgres = EmbeddedPostgres(data_dir=data_dir / "postgres", say=say)
        database_url = postgres.start()
        stack.callback(postgres.stop)
    mqtt_url = os.environ.get("MQTT_URL", "")
    if mqtt_url:
        return Servers(database_url, mqtt_url, sender_password="")
    say("starting the MQTT broker")
    service = Login(name="suiden", password=_kept_secret(data_dir, "broker-password"), is_service=True)
    sender_password = _kept_secret(data_dir, "sender-password")
    senders = [Login(name=name, password=sender_password) for name in founding.sender_names()]
    broker = EmbeddedBroker(data_dir=data_dir / "broker", logins=[service, *senders])
    address = broker.start()
    stack.callback(broker.stop)
    parts = urlsplit(address)
    # The embedded broker does not even refuse MQTT 5: saying so here spares each start the wait for an answer.
    with_login = parts._replace(netloc=f"{service.name}:{service.password}@{parts.netloc}", query="protocol=3.1.1")
    return Servers(database_url, urlunsplit(with_login), sender_password)


def _start_processes(supervisor: Supervisor, *, servers: Servers, port: int, data_dir: Path) -> None:
    card_port, mail_port = free_port(), free_port()
    shared = {
        "DATABASE_URL": servers.database_url,
        "MQTT_URL": servers.mqtt_url,
        "SUIDEN_DATA_DIR": str(data_dir),
        "SUIDEN_UTILITY": founding.UTILITY_CODE,
        "SUIDEN_DEMO": "1",
        "SUIDEN_CARD_URL": f"http://127.0.0.1:{card_port}",
        "SUIDEN_CARD_SECRET": _kept_secret(data_dir, "card-secret"),
        "SUIDEN_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "SUIDEN_SMTP_URL": f"smtp://127.0.0.1:{mail_port}",
        "SUIDEN_MAIL_FROM": "oshirase@hinode.example",
        "PORT": str(port),
    }
    for name in ("serve", "checker", "gateway", "scheduler"):
        supervisor.start(name=name, arguments=["-m", "suiden.cli", name], environment=shared)
    town = {
        **shared,
        "SUIDEN_METER_PASSWORD": servers.sender_password,
        "SUIDEN_ROBOT_PASSWORD": founding.DEMO_PASSWORD,
        "SUIDEN_WEB_URL": f"http://127.0.0.1:{port}",
        "SUIDEN_CARD_PORT": str(card_port),
        "SUIDEN_TOWN_MAIL_PORT": str(mail_port),
    }
    supervisor.start(name="town", arguments=["-m", "suiden.cli", "simulate", "run"], environment=town)


def _stop_processes(supervisor: Supervisor, say: Say) -> None:
    say("stopping")
    supervisor.stop()


@contextmanager
def _running_clock(database_url: str, *, rate: float, say: Say) -> Iterator[None]:
    """Let utility time run while the demo does; it stands still until the next start."""
    with psycopg.connect(database_url) as conn:
        clock.resume(conn, rate=rate)
        at = clock.load(conn).at(clock.wall_now())
    say(f"utility time goes on from {at:%Y-%m-%d %H:%M} UTC, {rate:g} times as fast as the wall clock")
    try:
        yield
    finally:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(database_url) as conn:
            clock.pause(conn)


def _wait_for_page(port: int, *, supervisor: Supervisor, stop: threading.Event) -> None:
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    while not stop.is_set():
        try:
            with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (URLError, OSError):
            supervisor.watch()
        if time.monotonic() > deadline_s:
            raise NotPossibleHere(
                f"the first page did not come in {READY_TIMEOUT_S:.0f} s: see {supervisor.log_path('serve')}"
            )
        stop.wait(0.1)


def _print_address(console: Console, *, port: int, started_s: float, rate: float) -> None:
    table = Table(box=None, padding=(0, 2), show_header=False)
    for login in founding.DEMO_LOGINS:
        table.add_row(f"[bold]{login.login_name}[/]", founding.DEMO_PASSWORD, login.hint)
    console.print()
    console.print(
        f"  Suiden runs at [bold link]http://127.0.0.1:{port}[/]   (ready after {time.monotonic() - started_s:.0f} s)"
    )
    console.print("  Sign in as one of these; the password stands beside the name:")
    console.print(table)
    console.print(
        f"  One day passes in {86_400 / rate:.0f} s. Ctrl-C stops everything; the next start goes on from there."
    )
    console.print("  Throw in a fault from another terminal: [bold].venv/bin/suiden simulate burst W2[/]\n")


def _remember(data_dir: Path, *, servers: Servers, port: int) -> None:
    path = data_dir / STATE_NAME
    path.touch(mode=0o600)
    path.write_text(json.dumps({"database_url": servers.database_url, "mqtt_url": servers.mqtt_url, "port": str(port)}))


def _forget(data_dir: Path, *, console: Console) -> None:
    if os.environ.get("DATABASE_URL"):
        raise NotPossibleHere(
            "--fresh forgets only the embedded database: empty the database that DATABASE_URL names yourself"
        )
    if data_dir.exists():
        console.print(f"forgetting the town in {data_dir}")
        shutil.rmtree(data_dir)


def _refuse_a_taken_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise NotPossibleHere(
                f"port {port} is taken ({error.strerror}): stop what uses it, or `make demo PORT=9000`"
            ) from error


def _kept_secret(data_dir: Path, name: str) -> str:
    folder = data_dir / "secrets"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / name
    write_once(path, secrets.token_urlsafe(24), mode=0o600)
    return read_secret(path)
