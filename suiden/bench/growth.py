"""Growth: what storing a reading costs as the store fills, for few meters and for many."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import operations as ingest
from ingest_gateway.operations import ReadingBlock
from ingest_gateway.operations.history import packed
from kernel.database import Scope, enter_scope
from registry import queries as registry_queries
from suiden.bench import filling, store
from suiden.bench.databases import own_database
from suiden.bench.filling import Say
from suiden.bench.sizes import written

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
INTERVAL = timedelta(minutes=15)
COMMIT_READINGS = 5_000
PORTIONS = 5  # each take is cut into so many, to show the noise
FILL_AT_ONCE = 2_000_000
ALLOWED = 0.20
LOG = "8GB"  # with less, checkpoints come so often that most of the log is whole pages of the index


@dataclass(frozen=True, slots=True)
class Cost:
    """What storing cost at one size: µs and bytes of write-ahead log a reading, ms a commit of 5,000.

    `cpu_us` is the time of the database's process alone, which other work on the machine moves least; None where the
    server is on another machine.
    """

    meters: int
    stored: int
    us: float  # the median portion
    us_low: float
    us_high: float
    cpu_us: float | None
    commit_p95_ms: float
    log_bytes: float
    index_bytes: float


@dataclass(frozen=True, slots=True)
class Growth:
    """What was measured, by meters and size."""

    engine: str
    costs: tuple[Cost, ...]

    def ratio(self, cost: Cost) -> float:
        """Compare a cost with that of the smallest store of as many meters."""
        return cost.us / self._smallest(cost).us

    def cpu_ratio(self, cost: Cost) -> float | None:
        """Compare the processor's time in the same way."""
        smallest = self._smallest(cost).cpu_us
        return None if cost.cpu_us is None or not smallest else cost.cpu_us / smallest

    def is_flat(self, cost: Cost) -> bool:
        """Tell whether a reading costs what it cost in the smallest store, by what other work on the machine leaves."""
        ratio = self.cpu_ratio(cost)
        return (self.ratio(cost) if ratio is None else min(ratio, self.ratio(cost))) <= 1 + ALLOWED

    def _smallest(self, cost: Cost) -> Cost:
        return next(one for one in self.costs if one.meters == cost.meters)


class Stream:
    """Readings without end: every meter at each instant, in an order that stays as random as it began."""

    def __init__(self, meter_ids: list[int]) -> None:
        chance = np.random.default_rng(5)
        self._ids = chance.permutation(np.array(meter_ids, dtype=np.int64))
        self._rates = chance.integers(5, 40, len(self._ids))
        self._at = 0  # how many readings were taken from the stream

    def take(self, count: int) -> ReadingBlock:
        """Give the next readings."""
        numbers = np.arange(self._at, self._at + count, dtype=np.int64)
        self._at += count
        meter, turn = numbers % len(self._ids), numbers // len(self._ids)
        first_us = (FIRST - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        rates: NDArray[np.int64] = self._rates[meter]
        return ReadingBlock(
            meter_id=self._ids[meter],
            read_at_us=first_us + turn * (INTERVAL // timedelta(microseconds=1)),
            register=1_000 + rates * turn,
            flow=(rates * 1.5).astype(np.float64),
            pressure_kpa=(300.0 + rates).astype(np.float64),
        )


def run(database_url: str | None, *, stored: list[int], meters: list[int], take: int, buffers: str, say: Say) -> Growth:
    """Fill a database for each number of meters, and measure `take` readings more at each size on the way."""
    costs: list[Cost] = []
    engine = ""
    for count in meters:
        with own_database(database_url, buffers=buffers, log=LOG) as database, psycopg.connect(database.url) as conn:
            engine = database.engine
            utility_id = filling.found(conn, code="bench", meters=count)
            conn.commit()
            known = registry_queries.known_meters(conn, utility_id=utility_id)
            stream = Stream([meter.meter_id for meter in known])
            conn.commit()
            at = 0
            for size in sorted(stored):
                _fill(conn, utility_id=utility_id, stream=stream, readings=size - at, say=say)
                costs.append(_measure(conn, utility_id=utility_id, stream=stream, take=take, stored=size, meters=count))
                at = size + take
                say(f"{written(count)} meters, {written(size)} stored: {costs[-1].us:.2f} µs a reading")
    return Growth(engine, tuple(costs))


def _fill(conn: Connection[TupleRow], *, utility_id: int, stream: Stream, readings: int, say: Say) -> None:
    left = readings
    while left > 0:
        enter_scope(conn, scope=Scope(utility_id=utility_id, actor="bench", now=FIRST))
        block = stream.take(min(left, FILL_AT_ONCE))
        ingest.load_history(conn, utility_id=utility_id, readings=block, now=FIRST)
        conn.commit()
        left -= len(block.meter_id)
        say(f"filling, {left:,} readings to go")


def _measure(
    conn: Connection[TupleRow], *, utility_id: int, stream: Stream, take: int, stored: int, meters: int
) -> Cost:
    """Store as the gateway's writer does: packed rows by COPY, and the batch's row, committed every 5,000."""
    conn.autocommit = True
    store.vacuum(conn)
    store.checkpoint(conn)
    conn.autocommit = False
    times_ms: list[float] = []
    log_before, cpu_before_us = store.written_ahead(conn), store.cpu_us(conn)
    for payload in _payloads(stream, utility_id=utility_id, take=take):
        started_s = time.perf_counter()
        store.copy_readings(conn, payload)
        conn.commit()
        times_ms.append((time.perf_counter() - started_s) * 1000)
    cpu_after_us = store.cpu_us(conn)
    cpu_us = None if cpu_before_us is None or cpu_after_us is None else (cpu_after_us - cpu_before_us) / take
    log_bytes = (store.written_ahead(conn) - log_before) / take
    size = store.table_sizes(conn, ["reading"])[0]
    conn.commit()
    per_portion = max(1, len(times_ms) // PORTIONS)
    portions = [
        sum(times_ms[start : start + per_portion]) * 1000 / (per_portion * COMMIT_READINGS)
        for start in range(0, min(per_portion * PORTIONS, len(times_ms)), per_portion)
    ]
    return Cost(
        meters=meters,
        stored=stored,
        us=median(portions),
        us_low=min(portions),
        us_high=max(portions),
        cpu_us=cpu_us,
        commit_p95_ms=sorted(times_ms)[int(0.95 * len(times_ms))],
        log_bytes=log_bytes,
        index_bytes=size.indexes / size.rows,
    )


def _payloads(stream: Stream, *, utility_id: int, take: int) -> Iterator[bytes]:
    for _ in range(0, take, COMMIT_READINGS):
        yield packed(stream.take(COMMIT_READINGS), utility_id=utility_id, batch_id=1)
