"""What the checker finds is written once, told by events, and the same whatever happens to the process in between."""

from datetime import timedelta

import pytest

from ingest_gateway import queries
from ingest_gateway.domain.detectors import catalog
from ingest_gateway.operations import checker
from kernel.events import Event
from kernel.period import Period
from registry.operations import plan_work, set_supply
from registry.queries import zones
from tests.checker_intake import METERS, READY, STEP, T0, Intake, LowPressure, found, fresh, pass_time, told, town

pytestmark = pytest.mark.store


@pytest.fixture(autouse=True)
def _one_rule(monkeypatch):
    monkeypatch.setattr(catalog, "CATALOG", (LowPressure,))


def test_an_anomaly_is_opened_and_closed_and_told(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, *_], [point, *_] = town(conn)
    intake, handlers = Intake(conn, utility_id), fresh()
    for quarter, kpa in [(1, 300), (2, 100), (3, 90), (4, 90)]:
        intake.feed(handlers, [(meter, quarter, kpa)])
    [anomaly] = queries.open_anomalies(conn, utility_id=utility_id)
    assert (anomaly.kind, anomaly.point_id, anomaly.started_at) == ("sensor_drift", point, T0 + 2 * STEP)
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
    monkeypatch.setattr(checker, "SAVED_BYTES_PER_S", float("inf"))
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
    assert [(m, kind) for m, kind, *_ in found(conn)] == [(meter, "sensor_drift")]


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
    assert [(m, kind, at) for m, kind, at, *_ in found(conn)] == [(meter, "sensor_drift", T0 + 10 * STEP)]


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


def test_after_a_gauge_was_replaced_the_rule_begins_afresh_there_and_a_restart_does_not_undo_it(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, [meter, *_], _ = town(conn)
    intake, handlers = Intake(conn, utility_id), fresh()
    for quarter in (1, 2):
        intake.feed(handlers, [(meter, quarter, 100)])
    intake.number += 1
    payload = {"kinds": ["sensor_drift"], "meter_ids": [meter], "zone_ids": []}
    event = Event(intake.number, intake.number, utility_id, "baseline.rebase", "incident:1", payload, T0 + 2 * STEP)
    handlers["baseline.rebase"](conn, event)
    assert queries.open_anomalies(conn, utility_id=utility_id) == []
    for quarter in (3, 4):
        intake.feed(fresh(), [(meter, quarter, 100)])
    assert [at for _, _, at, *_ in found(conn)] == [T0 + STEP, T0 + 2 * STEP]
