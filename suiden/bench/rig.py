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
from psycopg import Connection, conninfo
from psycopg.rows import TupleRow

from kernel import clock, migrate
from registry import operations as registry
from registry.book import Book, InstallationRow, MeterRow, PointRow, SenderRow, ZoneRow
from suiden.embedded.access import Login
from suiden.embedded.broker import EmbeddedBroker, MosquittoBroker, find_mosquitto
from suiden.embedded.postgres import EmbeddedPostgres

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
def servers(*, database_url: str | None = None, durable: bool = True) -> Generator[Rig]:
    """Start a broker (Mosquitto where it is installed) and a database, all gone at the end.

    With `database_url` (or SUIDEN_BENCH_DATABASE_URL), an address that may make databases, a database of our own is
    made on that server and dropped at the end.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="suiden-bench-")))
        folder.chmod(0o755)  # the servers run as another user where we are root
        given = database_url or os.environ.get(DATABASE_VARIABLE)
        if given:
            own_url = stack.enter_context(_own_database(given))
        else:
            postgres = EmbeddedPostgres(data_dir=folder / "postgres", durable=durable)
            own_url = postgres.start()
            stack.callback(postgres.stop)
        migrate.migrate(own_url)
        kind = MosquittoBroker if find_mosquitto() else EmbeddedBroker
        login = Login(name="suiden", password=secrets.token_urlsafe(12), is_service=True)
        broker = stack.enter_context(kind(data_dir=folder / "broker", logins=[login]))
        yield Rig(
            database_url=own_url,
            mqtt_url=f"mqtt://{login.name}:{login.password}@127.0.0.1:{broker.port}",
            engine=_engine(own_url),
            broker=kind.label,
            folder=folder,
        )


def empty_intake(rig: Rig) -> None:
    """Forget all that was ever taken in; meters and senders stay."""
    with psycopg.connect(rig.database_url) as conn:
        conn.execute(
            """
            TRUNCATE reading, intake_batch, intake_pending, intake_count, meter_latest, sender_sequence,
                     rejected_message, rejected_dropped, event, rollup_due CASCADE
            """
        )


def found(rig: Rig, *, meters: int, rate: float = 1.0) -> int:
    """Found the utility with water meters W0000000 …; each may speak for itself, and C00000 … for a hundred each.

    The clock stands still at `NOW`; give `clock.resume` for a load that lives. Returns the utility's id.
    """
    with psycopg.connect(rig.database_url) as conn:
        utility_id = registry.found_utility(
            conn, code=UTILITY, name="Bench", time_zone="Asia/Tokyo", currency="JPY", locale="en", settings={}
        )
        clock.set_time(conn, utility_now=NOW, rate=rate, running=False)
        registry.load_book(conn, utility_id=utility_id, book=_book(meters))
        conn.execute("ANALYZE")
    return utility_id


def meter_ids(conn: Connection[TupleRow]) -> list[int]:
    """List the ids of the utility's meters by serial."""
    return [row[0] for row in conn.execute("SELECT meter_id FROM meter ORDER BY serial").fetchall()]


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


@contextmanager
def _own_database(server_url: str) -> Generator[str]:
    name = f"suiden_bench_{secrets.token_hex(4)}"
    with psycopg.connect(server_url, autocommit=True) as conn:
        conn.execute(f'CREATE DATABASE "{name}"'.encode())
    try:
        yield conninfo.make_conninfo(server_url, dbname=name)
    finally:
        with psycopg.connect(server_url, autocommit=True) as conn:
            conn.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def _engine(database_url: str) -> str:
    with psycopg.connect(database_url) as conn:
        version = str(conn.info.server_version // 10_000)
        row = conn.execute(
            "SELECT extversion, reading_engine() FROM pg_extension WHERE extname = 'timescaledb'"
        ).fetchone()
    return f"PostgreSQL {version}" if row is None else f"TimescaleDB {row[0]} ({row[1]}) on PostgreSQL {version}"
