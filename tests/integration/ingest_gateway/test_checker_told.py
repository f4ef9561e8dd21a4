"""What the checker is told: parameters, committed batches, the time that passes."""

from datetime import timedelta

import psycopg
import pytest

from ingest_gateway import queries
from ingest_gateway.consumers import checker_consumer
from ingest_gateway.domain.detectors import catalog
from ingest_gateway.operations.checker_settings import Proposal, change_parameter, would_have_raised
from kernel import events
from kernel.clock import FixedClock
from kernel.database import Scope, open_pool, transaction
from tests.checker_intake import STEP, T0, Intake, LowPressure, found, fresh, told, town

pytestmark = pytest.mark.store


@pytest.fixture(autouse=True)
def _one_rule(monkeypatch):
    monkeypatch.setattr(catalog, "CATALOG", (LowPressure,))


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
