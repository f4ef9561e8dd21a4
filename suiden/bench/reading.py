"""Reading back: three reads of the pages, as the web runs them, from a store of many readings."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from random import Random

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import operations as ingest
from ingest_gateway import queries
from ingest_gateway.operations.rollups import HOURS_KEPT_DAYS
from ingest_gateway.queries import console
from kernel.database import Pool, Scope, enter_scope, open_pool, transaction
from kernel.period import Period, add_months
from suiden.bench import filling, store
from suiden.bench.filling import MONTHS, TODAY, Say, Town
from suiden.bench.store import TableSize

GOAL_MS = 20.0
PAGE = 50
TABLES = ["reading", "intake_batch", "meter_latest", "meter_day", "meter_hour", "zone_hour"]
WARM_UP = 20

Read = Callable[[Connection[TupleRow]], int]


@dataclass(frozen=True, slots=True)
class Measured:
    """One kind of read: times in ms of whole transactions, rows a read, large tables read from end to end.

    `server_ms` is what the database's process took of one of them, planning and measuring included.
    """

    name: str
    reads: int
    rows: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    server_ms: float
    scanned: tuple[str, ...]
    plans: tuple[str, ...]

    @property
    def is_well(self) -> bool:
        return self.p95_ms <= GOAL_MS and not self.scanned


@dataclass(frozen=True, slots=True)
class Report:
    """What reading back costs, and what readings take on the disk."""

    engine: str
    readings: int
    meters: int
    fill_s: float
    roll_up_s: float
    reads: tuple[Measured, ...]
    tables: tuple[TableSize, ...]
    compressed_bytes: int | None  # of the table reading; None where it was not compressed
    not_compressed: str  # and why


def fill(database_url: str, *, readings: int, meters: int, by_day: bool, say: Say) -> tuple[Town, float, float]:
    """Fill a migrated database; return the town, and the seconds of storing and of rolling up."""
    with psycopg.connect(database_url) as conn:
        utility_id = filling.found(conn, code="bench", meters=meters)
        conn.commit()
        say(f"founded {meters:,} meters")
        started_s = time.monotonic()
        town = filling.fill(conn, utility_id=utility_id, readings=readings, say=say)
        fill_s = time.monotonic() - started_s
        conn.autocommit = True
        store.vacuum(conn)
        conn.autocommit = False
        started_s = time.monotonic()
        roll_up(conn, town=town, say=say)
        roll_up_s = time.monotonic() - started_s
        conn.autocommit = True
        if by_day:
            say("laying the days in the order of time, as daily work lays them")
            store.lay_by_day(conn)
        store.vacuum(conn)
    return town, fill_s, roll_up_s


def roll_up(conn: Connection[TupleRow], *, town: Town, say: Say) -> None:
    """Make the rollups month by month; hours for the last `HOURS_KEPT_DAYS` of the product."""
    hours_from = TODAY - timedelta(days=HOURS_KEPT_DAYS)
    first = town.first
    while first < TODAY:
        end = min(TODAY, add_months(first.replace(day=1), 1))
        enter_scope(conn, scope=Scope(utility_id=town.utility_id, actor="bench", now=town.now))
        hours_days = max(0, (end - max(first, hours_from)).days)
        ingest.rebuild_rollups(conn, utility_id=town.utility_id, first=first, end=end, hours_days=hours_days)
        conn.commit()
        say(f"rolled up to {end}")
        first = end


def measure(database_url: str, *, town: Town, reads: int, seed: int, say: Say) -> tuple[Measured, ...]:
    """Run each read many times as the role and in the scope of the web."""
    kinds: list[tuple[str, Iterator[Read]]] = [
        ("a customer's 13 months by day", _customers(town, chance=Random(seed))),
        ("a page of the operator's list", _pages(town, chance=Random(seed))),
        ("a zone's last day by hour", _zones(town, chance=Random(seed))),
        ("every zone's last day by hour", _every_zone(town)),
    ]
    measured: list[Measured] = []
    with open_pool(database_url, role="suiden_app", process="bench") as pool:
        for name, kind in kinds:
            say(f"reading {name}")
            measured.append(_measure(pool, town, name=name, kind=kind, reads=reads))
    return tuple(measured)


def _measure(pool: Pool, town: Town, *, name: str, kind: Iterator[Read], reads: int) -> Measured:
    scope = Scope(utility_id=town.utility_id, actor="bench", now=town.now)
    for _ in range(WARM_UP):
        with transaction(pool, scope=scope) as conn:
            next(kind)(conn)
    times_ms: list[float] = []
    rows = 0
    for _ in range(reads):
        read = next(kind)
        started_s = time.perf_counter()
        with transaction(pool, scope=scope) as conn:
            rows += read(conn)
        times_ms.append((time.perf_counter() - started_s) * 1000)
    with transaction(pool, scope=scope) as conn:
        read = next(kind)
        with store.recorded(conn) as statements:
            read(conn)
        plans = store.explain(conn, statements, large=store.large_tables(conn))
    return Measured(
        name=name,
        reads=reads,
        rows=rows / reads,
        p50_ms=percentile(times_ms, 0.50),
        p95_ms=percentile(times_ms, 0.95),
        p99_ms=percentile(times_ms, 0.99),
        server_ms=plans.server_ms,
        scanned=tuple(sorted(plans.scanned)),
        plans=tuple(plans.texts),
    )


def percentile(values: list[float], share: float) -> float:
    """Give the value that so large a share of all is not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _customers(town: Town, *, chance: Random) -> Iterator[Read]:
    while True:
        point_id = chance.choice(town.point_ids)

        def read(conn: Connection[TupleRow], point_id: int = point_id) -> int:
            first = add_months(TODAY, -MONTHS)
            days = queries.daily_use_of_point(
                conn, utility_id=town.utility_id, point_id=point_id, first=first, end=TODAY
            )
            return len(days)

        yield read


def _pages(town: Town, *, chance: Random) -> Iterator[Read]:
    while True:
        after = chance.choice(town.serials)

        def read(conn: Connection[TupleRow], after: str = after) -> int:
            rows = console.telemetry(
                conn, utility_id=town.utility_id, at=town.now, clock_rate=1.0, after=after, limit=PAGE
            )
            return len(rows)

        yield read


def _zones(town: Town, *, chance: Random) -> Iterator[Read]:
    period = Period(town.now - timedelta(days=1), town.now)
    while True:
        zone_id = chance.choice(town.dma_ids)

        def read(conn: Connection[TupleRow], zone_id: int = zone_id) -> int:
            return len(queries.zone_hours(conn, utility_id=town.utility_id, period=period, zone_id=zone_id))

        yield read


def _every_zone(town: Town) -> Iterator[Read]:
    period = Period(town.now - timedelta(days=1), town.now)
    while True:

        def read(conn: Connection[TupleRow]) -> int:
            return len(queries.zone_pressure(conn, utility_id=town.utility_id, period=period))

        yield read
