"""What a benchmark runs on: servers of its own on this machine, and a utility of many like meters."""

import os
import secrets
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from kernel import clock
from kernel.database import analyze
from registry import operations as registry
from registry.book import Book, InstallationRow, MeterRow, PointRow, SenderRow, ZoneRow
from suiden.bench import store
from suiden.bench.databases import own_database
from suiden.embedded.access import Login
from suiden.embedded.broker import EmbeddedBroker, MosquittoBroker, find_mosquitto

UTILITY = "bench"
METERS_OF_A_CONCENTRATOR = 100
INTERVAL_S = 900
FIRST_READING = datetime(2026, 1, 1, tzinfo=UTC)
NOW = FIRST_READING + timedelta(days=400)  # stands still, so that nothing is ahead of the clock nor too old
DATABASE_VARIABLE = "SUIDEN_BENCH_DATABASE_URL"


@dataclass(frozen=True, slots=True)
class Rig:
    """Where the servers are, and what they are."""

    database_url: str
    mqtt_url: str
    engine: str
    broker: str
    folder: Path


@contextmanager
def servers(*, database_url: str | None = None, buffers: str = "512MB", log: str = "4GB") -> Generator[Rig]:
    """Start a broker (Mosquitto where it is installed) and a database, all gone at the end.

    With `database_url` (or SUIDEN_BENCH_DATABASE_URL), an address that may make databases, a database of our own is
    made on that server and dropped at the end. `buffers` and `log` are sizes of a server of our own.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="suiden-bench-")))
        folder.chmod(0o755)  # the servers run as another user where we are root
        given = database_url or os.environ.get(DATABASE_VARIABLE)
        database = stack.enter_context(own_database(given, buffers=buffers, log=log))
        kind = MosquittoBroker if find_mosquitto() else EmbeddedBroker
        login = Login(name="suiden", password=secrets.token_urlsafe(12), is_service=True)
        broker = stack.enter_context(kind(data_dir=folder / "broker", logins=[login]))
        yield Rig(
            database_url=database.url,
            mqtt_url=f"mqtt://{login.name}:{login.password}@127.0.0.1:{broker.port}",
            engine=database.engine,
            broker=kind.label,
            folder=folder,
        )


def empty_intake(rig: Rig) -> None:
    """Forget all that was ever taken in; meters and senders stay."""
    with psycopg.connect(rig.database_url) as conn:
        store.empty_intake(conn)


def found(rig: Rig, *, meters: int) -> int:
    """Found the utility with water meters W0000000 …; each may speak for itself, and C00000 … for a hundred each.

    The clock stands still at `NOW`. Returns the utility's id.
    """
    with psycopg.connect(rig.database_url) as conn:
        utility_id = registry.found_utility(
            conn, code=UTILITY, name="Bench", time_zone="Asia/Tokyo", currency="JPY", locale="en", settings={}
        )
        clock.set_time(conn, utility_now=NOW, rate=1.0, running=False)
        registry.load_book(conn, utility_id=utility_id, book=_book(meters))
        analyze(conn)
    return utility_id


def serial(meter: int) -> str:
    return f"W{meter:07}"


def concentrator(number: int) -> str:
    return f"C{number:05}"


def _book(meters: int) -> Book:
    serials = [serial(number) for number in range(meters)]
    installed_at = FIRST_READING - timedelta(days=1)
    return Book(
        zones=(ZoneRow("D1", "District 1", "district"), ZoneRow("W1", "Area 1", "dma")),
        points=tuple(PointRow(f"P{one}", "water", "W1", "D1", "1 Bench Street") for one in serials),
        meters=tuple(
            MeterRow(one, "water", "m3", -3, 9, interval_s=INTERVAL_S, has_pressure=True, has_actuator=True)
            for one in serials
        ),
        installations=tuple(InstallationRow(one, f"P{one}", installed_at) for one in serials),
        senders=(
            *(SenderRow(one, "meter", (one,)) for one in serials),
            *(
                SenderRow(
                    concentrator(first // METERS_OF_A_CONCENTRATOR),
                    "concentrator",
                    tuple(serials[first : first + METERS_OF_A_CONCENTRATOR]),
                )
                for first in range(0, meters, METERS_OF_A_CONCENTRATOR)
            ),
        ),
    )
