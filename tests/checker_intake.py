"""A rule, a town and an intake for the tests of the live checker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import numpy as np
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.consumers import checker_consumer
from ingest_gateway.domain.checking.detector import Number
from ingest_gateway.domain.checking.findings import Finding, Kind
from ingest_gateway.domain.checking.meters import WATER
from ingest_gateway.domain.checking.parameters import parameter
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Stage, View
from kernel.clock import FixedClock
from kernel.database import Scope, enter_scope
from kernel.events import Event, Handler
from registry.book import Book, InstallationRow, MeterRow, PointRow, ZoneRow
from registry.operations import found_utility, load_book

T0 = datetime(2026, 4, 1, tzinfo=UTC)
STEP = timedelta(minutes=15)
METERS = 6


@dataclass(frozen=True, slots=True)
class LowPressure:
    """A rule of these tests: one slot below the limit begins it, one at the limit or above ends it."""

    name: ClassVar[str] = "low_pressure"
    version: ClassVar[int] = 1
    kinds: ClassVar[tuple[Kind, ...]] = ("sensor_drift",)
    services: ClassVar[tuple[int, ...]] = (WATER,)
    stages: ClassVar[tuple[Stage, ...]] = (Stage.EARLY,)

    limit_kpa: Number = parameter(150.0, unit="kPa", low=10, high=1_000, about="pressure that is too low")

    def fields(self, _cohort: Cohort) -> Sequence[Field]:
        return [Field("open", "?"), Field("worst", "f8", fill=np.inf)]

    def check(self, view: View, state: Arrays) -> list[Finding]:
        low = view.pressure_kpa < self.limit_kpa
        begins = low & ~state["open"] & ~view.quiet
        ends = state["open"] & (view.pressure_kpa >= self.limit_kpa)
        state["open"] = (state["open"] | begins) & ~ends
        state["worst"] = np.where(state["open"], np.fmin(state["worst"], view.pressure_kpa), np.inf)
        return [
            Finding(
                kind="sensor_drift",
                opened=bool(begins[row]),
                scope="meter",
                place_id=int(view.cohort.meters.meter_id[row]),
                at_s=view.ready_s,
                since_s=view.slot_s,
                outlet="ticket",
                score=1.0,
                meter_ids=(int(view.cohort.meters.meter_id[row]),),
                detector="low_pressure 1",
                evidence={"pressure_kpa": float(view.pressure_kpa[row])},
            )
            for row in np.flatnonzero(begins | ends)
        ]


def town(conn: Connection[TupleRow]) -> tuple[int, list[int], list[int]]:
    """Found a utility with six water meters in one area; give its id, the meters' and the points'."""
    utility_id = found_utility(
        conn, code="hinode", name="Hinode", time_zone="Asia/Tokyo", currency="JPY", locale="ja", settings={}
    )
    numbers = range(METERS)
    book = Book(
        zones=(ZoneRow("D1", "District", "district"), ZoneRow("W1", "Area", "dma", "D1")),
        points=tuple(PointRow(f"P-{n}", "water", "W1", "D1", f"1-{n}") for n in numbers),
        meters=tuple(MeterRow(f"W-{n}", "water", "m3", -3, 9, interval_s=900, has_pressure=True) for n in numbers),
        installations=tuple(InstallationRow(f"W-{n}", f"P-{n}", T0 - timedelta(days=1)) for n in numbers),
    )
    load_book(conn, utility_id=utility_id, book=book)
    enter_scope(conn, scope=Scope(utility_id, "test", T0))
    rows = conn.execute(
        "SELECT meter_id, point_id FROM installation WHERE utility_id = %s ORDER BY meter_id", (utility_id,)
    ).fetchall()
    return utility_id, [m for m, _ in rows], [p for _, p in rows]


Pressure = tuple[int, int, float]  # meter, quarter of an hour, kPa


class Intake:
    """Writes batches as intake does and hands their events to the checker; new handlers are a restarted process."""

    def __init__(self, conn: Connection[TupleRow], utility_id: int) -> None:
        self.conn, self.utility_id, self.number = conn, utility_id, 0

    def store(self, readings: Sequence[Pressure], *, source: str = "mqtt") -> Event:
        self.number += 1
        with self.conn.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO reading (utility_id, meter_id, read_at, batch_id, register, flow, pressure_kpa)"
                " VALUES (%s, %s, %s, %s, 0, 0, %s)",
                [(self.utility_id, m, T0 + quarter * STEP, self.number, kpa) for m, quarter, kpa in readings],
            )
        quarters = [quarter for _, quarter, _ in readings]
        self.conn.execute(
            "INSERT INTO intake_batch (utility_id, batch_id, received_at, source, meter_ids, read_from, read_to,"
            " stored) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                self.utility_id,
                self.number,
                T0 + max(quarters) * STEP,
                source,
                sorted({m for m, _, _ in readings}),
                T0 + min(quarters) * STEP,
                T0 + max(quarters) * STEP,
                len(readings),
            ),
        )
        payload = {"batch_id": self.number}
        return Event(self.number, self.number, self.utility_id, "intake.batch_stored", "batch", payload, T0)

    def feed(self, handlers: Mapping[str, Handler], readings: Sequence[Pressure], **how: Any) -> None:
        handlers["intake.batch_stored"](self.conn, self.store(readings, **how))


def found(conn: Connection[TupleRow]) -> list[tuple[Any, ...]]:
    return conn.execute(
        "SELECT meter_id, kind, started_at, ended_at, evidence::text FROM anomaly ORDER BY meter_id, started_at, kind"
    ).fetchall()


def told(conn: Connection[TupleRow]) -> list[str]:
    rows = conn.execute("SELECT topic FROM event WHERE topic LIKE 'anomaly.%' ORDER BY event_id").fetchall()
    return [topic for (topic,) in rows]


def fresh(refresh_s: float = 0.0) -> Mapping[str, Handler]:
    return checker_consumer(clock=FixedClock(T0), refresh_s=refresh_s).handlers


READY = timedelta(seconds=300)  # after its time a slot is looked at
LATER = 30  # a quarter at which all before it have been looked at


def pass_time(intake: Intake, meter: int, handlers: Mapping[str, Handler] | None = None) -> None:
    """Let a reading arrive long after, so that all slots before it are looked at."""
    intake.feed(handlers or fresh(), [(meter, LATER, 300)])
