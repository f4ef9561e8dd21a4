"""What the checker finds is written once, told by events, and the same whatever happens to the process in between."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import queries
from ingest_gateway.consumers import checker_handlers
from kernel import events
from kernel.clock import FixedClock
from kernel.database import open_pool
from kernel.events import Event, Handler
from kernel.period import Period
from registry.book import Book, InstallationRow, MeterRow, PointRow, ZoneRow
from registry.operations import found_utility, load_book, plan_work, set_supply
from registry.queries import zones

pytestmark = pytest.mark.store

T0 = datetime(2026, 4, 1, tzinfo=UTC)
STEP = timedelta(minutes=15)
METERS = 6


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


def fresh() -> Mapping[str, Handler]:
    return checker_handlers(refresh_s=0.0)


def test_an_anomaly_is_opened_and_closed_and_told(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, *_], [point, *_] = town(conn)
    intake, handlers = Intake(conn, utility_id), fresh()
    intake.feed(handlers, [(meter, 1, 300), (meter, 2, 100), (meter, 3, 90)])
    [anomaly] = queries.open_anomalies(conn, utility_id=utility_id)
    assert (anomaly.kind, anomaly.point_id, anomaly.started_at) == ("pressure_low", point, T0 + 2 * STEP)
    assert anomaly.found_at == T0 + 3 * STEP
    assert anomaly.evidence["limit"] == 150.0
    assert anomaly.detector == "pressure_low 1"
    intake.feed(handlers, [(meter, 4, 300), (meter, 5, 301)])
    assert queries.open_anomalies(conn, utility_id=utility_id) == []
    [ended] = queries.anomalies_of_points(conn, utility_id=utility_id, point_ids=[point], since=T0)
    assert (ended.ended_at, ended.evidence["worst"]) == (T0 + 4 * STEP, 90.0)
    assert told(conn) == ["anomaly.opened", "anomaly.closed"]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_batch_size_and_a_restart_after_every_batch_give_the_same_anomalies(rolled_back_conn, size):
    conn = rolled_back_conn
    utility_id, meters, _ = town(conn)
    wave = [300, 100, 300, 100, 100, 160, 180, 180, 800, 800, 700, 0, 100, 100, 0, 300, 300, 100]
    stream = [(meter, n + 1, wave[(n + 3 * k) % len(wave)]) for n in range(18) for k, meter in enumerate(meters)]
    intake, handlers = Intake(conn, utility_id), fresh()
    with conn.transaction(force_rollback=True):
        intake.feed(handlers, stream)
        whole = found(conn)
    assert len(whole) > 2 * METERS
    for start in range(0, len(stream), size):
        intake.feed(fresh(), stream[start : start + size])
    assert found(conn) == whole


def test_a_process_whose_transaction_failed_goes_on_from_what_is_saved(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, *_], _ = town(conn)
    intake, handlers = Intake(conn, utility_id), fresh()
    intake.feed(handlers, [(meter, 1, 100)])
    with conn.transaction(force_rollback=True):
        intake.feed(handlers, [(meter, 2, 100)])
        assert len(found(conn)) == 1
    assert found(conn) == []
    intake.number -= 1
    intake.feed(handlers, [(meter, 2, 100)])
    assert [(m, kind) for m, kind, *_ in found(conn)] == [(meter, "pressure_low")]


def test_an_event_that_comes_again_changes_nothing(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, *_], _ = town(conn)
    intake, handlers = Intake(conn, utility_id), fresh()
    event = intake.store([(meter, 1, 100), (meter, 2, 100)])
    for _ in range(2):
        handlers["intake.batch_stored"](conn, event)
        fresh()["intake.batch_stored"](conn, event)
    assert told(conn) == ["anomaly.opened"]


def test_history_is_not_checked(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, *_], _ = town(conn)
    Intake(conn, utility_id).feed(fresh(), [(meter, 1, 100), (meter, 2, 100)], source="history")
    assert found(conn) == []


def test_a_point_whose_supply_is_off_raises_nothing(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, other, *_], [point, *_] = town(conn)
    set_supply(conn, utility_id=utility_id, point_id=point, supply="off", at=T0)
    low = [(m, quarter, 100) for quarter in (1, 2, 3) for m in (meter, other)]
    Intake(conn, utility_id).feed(fresh(), low)
    assert [m for m, *_ in found(conn)] == [other]


def test_a_supply_cut_since_the_meters_were_last_read_raises_nothing(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, other, *_], [point, *_] = town(conn)
    intake, handlers = Intake(conn, utility_id), checker_handlers(refresh_s=3600)
    intake.feed(handlers, [(meter, 1, 300), (other, 1, 300)])
    set_supply(conn, utility_id=utility_id, point_id=point, supply="off", at=T0)
    intake.feed(handlers, [(m, quarter, 100) for quarter in (2, 3) for m in (meter, other)])
    assert [m for m, *_ in found(conn)] == [other]


def test_a_valve_that_was_told_to_close_raises_nothing_before_it_answers(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, other, *_], _ = town(conn)
    for number, (m, command) in enumerate([(meter, "valve.close"), (other, "valve.close"), (other, "valve.open")]):
        conn.execute(
            "INSERT INTO meter_command (utility_id, command_id, meter_id, command, purpose, state, queued_at,"
            " expires_at) VALUES (%s, %s, %s, %s, 'test', 'sent', %s, %s)",
            (utility_id, number + 1, m, command, T0, T0 + timedelta(days=1)),
        )
    Intake(conn, utility_id).feed(fresh(), [(m, quarter, 100) for quarter in (1, 2) for m in (meter, other)])
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
    intake = Intake(conn, utility_id)
    intake.feed(fresh(), [(meter, quarter, 100) for quarter in range(1, 8)])
    assert found(conn) == []
    intake.feed(fresh(), [(meter, 9, 100), (meter, 10, 100)])
    assert [(m, kind, at) for m, kind, at, *_ in found(conn)] == [(meter, "pressure_low", T0 + 9 * STEP)]


def test_what_is_open_ends_when_the_meter_is_taken_down(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, other, *_], _ = town(conn)
    intake = Intake(conn, utility_id)
    intake.feed(fresh(), [(meter, 1, 100), (meter, 2, 100)])
    conn.execute(
        "UPDATE installation SET valid = tstzrange(lower(valid), %s), closing_register = 0 WHERE meter_id = %s",
        (T0 + 3 * STEP, meter),
    )
    intake.feed(fresh(), [(other, 4, 300)])
    assert [(m, ended) for m, _, _, ended, _ in found(conn)] == [(meter, T0 + 4 * STEP)]
    assert told(conn) == ["anomaly.opened", "anomaly.closed"]


def test_a_utility_s_own_parameters_are_obeyed_from_their_time_on(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, *_], _ = town(conn)
    conn.execute(
        "INSERT INTO checker_parameter (utility_id, detector, version, parameters, valid_from, changed_by)"
        " VALUES (%s, 'pressure_low', 2, '{\"limit_kpa\": 80}', %s, 'operator')",
        (utility_id, T0 + 3 * STEP),
    )
    intake = Intake(conn, utility_id)
    intake.feed(fresh(), [(meter, 1, 300), (meter, 2, 100)])
    intake.feed(fresh(), [(meter, 3, 100), (meter, 4, 100)])
    assert found(conn) == []


def test_the_consumer_checks_as_the_worker_role_from_committed_batches(database_url):
    with psycopg.connect(database_url) as conn:
        utility_id, [meter, *_], _ = town(conn)
        intake = Intake(conn, utility_id)
        for quarter in (1, 2):
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
