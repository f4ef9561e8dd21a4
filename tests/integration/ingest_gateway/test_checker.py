"""What the checker finds is written once, told by events, and the same whatever happens to the process in between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import numpy as np
import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import queries
from ingest_gateway.consumers import checker_consumer
from ingest_gateway.domain.checking.detector import Number
from ingest_gateway.domain.checking.findings import Finding, Kind
from ingest_gateway.domain.checking.meters import WATER
from ingest_gateway.domain.checking.parameters import parameter
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Stage, View
from ingest_gateway.domain.detectors import catalog
from ingest_gateway.operations import checker
from ingest_gateway.operations.checker_settings import Proposal, change_parameter, would_have_raised
from kernel import events
from kernel.clock import FixedClock
from kernel.database import Scope, enter_scope, open_pool, transaction
from kernel.events import Event, Handler
from kernel.period import Period
from registry.book import Book, InstallationRow, MeterRow, PointRow, ZoneRow
from registry.operations import found_utility, load_book, plan_work, set_supply
from registry.queries import zones

pytestmark = pytest.mark.store

T0 = datetime(2026, 4, 1, tzinfo=UTC)
STEP = timedelta(minutes=15)
METERS = 6


@dataclass(frozen=True, slots=True)
class LowPressure:
    """A rule of these tests: one slot below the limit begins it, one at the limit or above ends it."""

    name: ClassVar[str] = "low_pressure"
    version: ClassVar[int] = 1
    kinds: ClassVar[tuple[Kind, ...]] = ("pressure_sag",)
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
                kind="pressure_sag",
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


@pytest.fixture(autouse=True)
def _one_rule(monkeypatch):
    monkeypatch.setattr(catalog, "CATALOG", (LowPressure,))


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


def test_an_anomaly_is_opened_and_closed_and_told(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, *_], [point, *_] = town(conn)
    intake, handlers = Intake(conn, utility_id), fresh()
    for quarter, kpa in [(1, 300), (2, 100), (3, 90), (4, 90)]:
        intake.feed(handlers, [(meter, quarter, kpa)])
    [anomaly] = queries.open_anomalies(conn, utility_id=utility_id)
    assert (anomaly.kind, anomaly.point_id, anomaly.started_at) == ("pressure_sag", point, T0 + 2 * STEP)
    assert (anomaly.scope, anomaly.place_id, list(anomaly.meter_ids)) == ("meter", meter, [meter])
    assert anomaly.found_at == T0 + 2 * STEP + READY
    assert anomaly.detector == "low_pressure 1"
    intake.feed(handlers, [(meter, 5, 301)])
    intake.feed(handlers, [(meter, 6, 301)])
    assert queries.open_anomalies(conn, utility_id=utility_id) == []
    [ended] = queries.anomalies_of_points(conn, utility_id=utility_id, point_ids=[point], since=T0)
    assert (ended.ended_at, ended.evidence["pressure_kpa"]) == (T0 + 5 * STEP, 301.0)
    assert told(conn) == ["anomaly.opened", "anomaly.closed"]


@pytest.mark.parametrize("save_s", [0.0, 1e9], ids=["saved each time", "fed again"])
@pytest.mark.parametrize("size", [1, 7])
def test_batch_size_and_a_restart_after_every_batch_give_the_same_anomalies(
    rolled_back_conn, size, save_s, monkeypatch
):
    monkeypatch.setattr(checker, "SAVE_S", save_s)
    conn = rolled_back_conn
    utility_id, meters, _ = town(conn)
    wave = [300, 100, 300, 100, 100, 160, 180, 180, 800, 800, 700, 0, 100, 100, 0, 300, 300, 100]
    stream = [(meter, n + 1, wave[(n + 3 * k) % len(wave)]) for n in range(18) for k, meter in enumerate(meters)]
    intake, handlers = Intake(conn, utility_id), fresh()
    with conn.transaction(force_rollback=True):
        for quarter in range(18):
            intake.feed(handlers, stream[quarter * METERS : (quarter + 1) * METERS])
        pass_time(intake, meters[0], handlers)
        whole = found(conn)
    assert len(whole) > 2 * METERS
    for quarter in range(18):
        of_quarter = stream[quarter * METERS : (quarter + 1) * METERS]
        for start in range(0, METERS, size):
            intake.feed(fresh(), of_quarter[start : start + size])
    pass_time(intake, meters[0])
    assert found(conn) == whole


def test_a_process_whose_transaction_failed_goes_on_from_what_is_saved(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, *_], _ = town(conn)
    intake, handlers = Intake(conn, utility_id), fresh()
    intake.feed(handlers, [(meter, 1, 300)])
    intake.feed(handlers, [(meter, 2, 100)])
    with conn.transaction(force_rollback=True):
        intake.feed(handlers, [(meter, 3, 100)])
        assert len(found(conn)) == 1
    assert found(conn) == []
    intake.number -= 1
    intake.feed(handlers, [(meter, 3, 100)])
    assert [(m, kind) for m, kind, *_ in found(conn)] == [(meter, "pressure_sag")]


def test_an_event_that_comes_again_changes_nothing(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, *_], _ = town(conn)
    intake, handlers = Intake(conn, utility_id), fresh()
    for event in [intake.store([(meter, 1, 100)]), intake.store([(meter, 3, 100)])]:
        for _ in range(2):
            handlers["intake.batch_stored"](conn, event)
            fresh()["intake.batch_stored"](conn, event)
    assert told(conn) == ["anomaly.opened"]


def test_a_load_of_the_past_raises_nothing_by_itself(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, *_], _ = town(conn)
    Intake(conn, utility_id).feed(fresh(), [(meter, 1, 100), (meter, 9, 300)], source="history")
    assert found(conn) == []


def test_what_the_store_holds_is_learnt_by_a_checker_that_knows_nothing(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, other, *_], _ = town(conn)
    intake = Intake(conn, utility_id)
    intake.store(
        [(m, quarter, kpa) for quarter in (1, 2, 3) for m, kpa in ((meter, 100), (other, 300))], source="history"
    )
    intake.feed(fresh(), [(meter, 5, 100), (other, 5, 100)])
    assert [(m, started) for m, _, started, *_ in found(conn)] == [(meter, T0 + STEP)], "what lasts is told"
    intake.feed(fresh(), [(meter, 7, 100), (other, 7, 100)])
    assert [(m, started) for m, _, started, *_ in found(conn)] == [(meter, T0 + STEP), (other, T0 + 5 * STEP)]


def test_a_point_whose_supply_is_off_raises_nothing(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, other, *_], [point, *_] = town(conn)
    set_supply(conn, utility_id=utility_id, point_id=point, supply="off", at=T0)
    intake, handlers = Intake(conn, utility_id), fresh()
    intake.feed(handlers, [(m, 1, 100) for m in (meter, other)])
    pass_time(intake, other, handlers)
    assert [m for m, *_ in found(conn)] == [other]


def test_a_supply_cut_since_the_meters_were_last_read_raises_nothing(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, other, *_], [point, *_] = town(conn)
    intake, handlers = Intake(conn, utility_id), fresh(refresh_s=3600)
    intake.feed(handlers, [(meter, 1, 300), (other, 1, 300)])
    set_supply(conn, utility_id=utility_id, point_id=point, supply="off", at=T0)
    intake.feed(handlers, [(m, 2, 100) for m in (meter, other)])
    intake.feed(handlers, [(m, 3, 100) for m in (meter, other)])
    assert [m for m, *_ in found(conn)] == [other]


def test_a_valve_that_was_told_to_close_raises_nothing_before_it_answers(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, other, *_], _ = town(conn)
    conn.execute("UPDATE meter SET has_actuator = true WHERE utility_id = %s", (utility_id,))
    for number, (m, command) in enumerate([(meter, "valve.close"), (other, "valve.close"), (other, "valve.open")]):
        conn.execute(
            "INSERT INTO meter_command (utility_id, command_id, meter_id, command, purpose, state, queued_at,"
            " expires_at) VALUES (%s, %s, %s, %s, 'test', 'sent', %s, %s)",
            (utility_id, number + 1, m, command, T0, T0 + timedelta(days=1)),
        )
    intake, handlers = Intake(conn, utility_id), fresh()
    intake.feed(handlers, [(m, 1, 100) for m in (meter, other)])
    intake.feed(handlers, [(m, 3, 100) for m in (meter, other)])
    assert [m for m, *_ in found(conn)] == [other]


def test_planned_work_in_a_zone_around_the_point_raises_nothing_while_it_lasts(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, *_], _ = town(conn)
    district = next(zone.zone_id for zone in zones(conn, utility_id=utility_id) if zone.code == "D1")
    plan_work(
        conn,
        utility_id=utility_id,
        zone_id=district,
        point_id=None,
        kind="flushing",
        title="Flushing",
        planned=Period(T0, T0 + timedelta(hours=2)),
    )
    intake, handlers = Intake(conn, utility_id), fresh()
    for quarter in range(1, 10):
        intake.feed(handlers, [(meter, quarter, 100)])
    assert found(conn) == []
    for quarter in range(10, 13):
        intake.feed(handlers, [(meter, quarter, 100)])
    assert [(m, kind, at) for m, kind, at, *_ in found(conn)] == [(meter, "pressure_sag", T0 + 10 * STEP)]


def test_what_is_open_ends_when_the_meter_is_taken_down(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, other, *_], _ = town(conn)
    intake, handlers = Intake(conn, utility_id), fresh()
    intake.feed(handlers, [(meter, 1, 100), (other, 1, 300)])
    intake.feed(handlers, [(meter, 2, 100), (other, 2, 300)])
    conn.execute(
        "UPDATE installation SET valid = tstzrange(lower(valid), %s), closing_register = 0 WHERE meter_id = %s",
        (T0 + 3 * STEP, meter),
    )
    intake.feed(handlers, [(other, 4, 300)])
    assert [(m, ended) for m, _, _, ended, _ in found(conn)] == [(meter, T0 + 4 * STEP)]
    assert told(conn) == ["anomaly.opened", "anomaly.closed"]


def test_a_utility_s_own_parameters_are_obeyed_from_their_time_on(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, *_], _ = town(conn)
    change = change_parameter(
        conn,
        utility_id=utility_id,
        proposal=Proposal("low_pressure", "limit_kpa", 80.0),
        reason="a hill",
        by="operator",
        at=T0 + 3 * STEP,
    )
    intake, handlers = Intake(conn, utility_id), fresh()
    for quarter, kpa in [(1, 300), (2, 300), (4, 100), (5, 70), (6, 70)]:
        intake.feed(handlers, [(meter, quarter, kpa)])
    [anomaly] = queries.open_anomalies(conn, utility_id=utility_id)
    assert (anomaly.started_at, anomaly.setting_id) == (T0 + 5 * STEP, change)


def test_a_parameter_can_be_tried_on_the_past_and_nothing_is_written(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, other, *_], _ = town(conn)
    intake = Intake(conn, utility_id)
    for quarter in range(1, 9):
        intake.store([(meter, quarter, 100), (other, quarter, 200)])
    shown = would_have_raised(
        conn,
        utility_id=utility_id,
        proposal=Proposal("low_pressure", "limit_kpa", 250.0),
        first=T0,
        end=T0 + timedelta(days=1),
        at=T0 + timedelta(days=1),
    )
    assert shown.readings == 16
    assert [one.place_id for one in shown.now] == [meter]
    assert [one.place_id for one in shown.then] == [meter, other]
    assert (found(conn), told(conn)) == ([], [])


def test_after_a_repair_the_rule_begins_afresh_there_and_a_restart_does_not_undo_it(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, *_], _ = town(conn)
    intake, handlers = Intake(conn, utility_id), fresh()
    for quarter in (1, 2):
        intake.feed(handlers, [(meter, quarter, 100)])
    intake.number += 1
    payload = {"kinds": ["pressure_sag"], "meter_ids": [meter], "zone_ids": []}
    event = Event(intake.number, intake.number, utility_id, "baseline.rebase", "incident:1", payload, T0 + 2 * STEP)
    handlers["baseline.rebase"](conn, event)
    conn.execute("UPDATE anomaly SET ended_at = started_at")
    for quarter in (3, 4):
        intake.feed(fresh(), [(meter, quarter, 100)])
    assert [at for _, _, at, *_ in found(conn)] == [T0 + STEP, T0 + 2 * STEP]


def test_the_consumer_checks_as_the_worker_role_from_committed_batches(database_url):
    with psycopg.connect(database_url) as conn:
        utility_id, [meter, *_], _ = town(conn)
        intake = Intake(conn, utility_id)
        for quarter in (1, 3):
            stored = intake.store([(meter, quarter, 100)])
            events.publish(
                conn,
                utility_id=utility_id,
                topic=stored.topic,
                key=f"batch:{intake.number}",
                payload=stored.payload,
                occurred_at=T0,
            )
    with open_pool(database_url, role="suiden_worker", process="test") as pool:
        with pool.connection() as conn:
            events.relay_once(conn)
        handlers = fresh()
        assert events.consume_once(pool, consumer="checker", handlers=handlers, clock=FixedClock(T0)) == 2
        with pool.connection() as conn:
            assert conn.execute("SELECT count(*) FROM event_failure").fetchone() == (0,)
            assert len(queries.open_anomalies(conn, utility_id=utility_id)) == 1


def test_a_slot_is_looked_at_when_its_time_has_come_though_nothing_more_arrives(database_url):
    with psycopg.connect(database_url) as conn:
        utility_id, [meter, *_], _ = town(conn)
        event = Intake(conn, utility_id).store([(meter, 1, 100)])
    early, later = FixedClock(T0 + STEP), FixedClock(T0 + 2 * STEP)
    with open_pool(database_url, role="suiden_worker", process="test") as pool:
        for clock, expected in ((early, 0), (later, 1)):
            consumer = checker_consumer(clock=clock, refresh_s=0.0)
            with transaction(pool, scope=Scope(utility_id=utility_id, actor="checker", now=clock.now())) as conn:
                consumer.handlers["intake.batch_stored"](conn, event)
            consumer.when_idle(pool)
            with pool.connection() as conn:
                assert len(queries.open_anomalies(conn, utility_id=utility_id)) == expected
