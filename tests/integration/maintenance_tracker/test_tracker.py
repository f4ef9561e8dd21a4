"""One fault, one ticket: how findings become tickets."""

from datetime import timedelta

import psycopg
import pytest

from ingest_gateway.queries import AnomalyUnknown
from kernel import events
from kernel.clock import FixedClock
from kernel.database import open_pool
from maintenance_tracker import operations, queries
from maintenance_tracker.consumers import handlers
from tests.integration.maintenance_tracker.town import HOMES, HOUR, T0, found_town

pytestmark = pytest.mark.store


def test_findings_of_one_zone_are_one_ticket_and_those_of_another_zone_another(town):
    for n in range(4):
        town.find(n, at=T0 + n * HOUR)
    town.find(HOMES, at=T0 + 5 * HOUR)
    first, second = town.tickets()
    assert (first.ticket_number, first.kind, first.priority, first.promised_at) == (
        "T-2026-00001",
        "pressure_sag",
        1,
        T0 + 8 * HOUR,
    )
    assert second.ticket_number == "T-2026-00002"
    assert len(town.view(first.ticket_id).anomaly_ids) == 4


def test_from_the_third_finding_on_the_whole_zone_is_told_once_each(town):
    town.find(0)
    town.find(1)
    assert town.notices() == [(town.parties[n], "repair.opened") for n in (0, 1)]
    town.find(2)
    town.find(3)
    assert town.notices() == [(town.parties[n], "repair.opened") for n in range(HOMES)]
    [ticket] = town.tickets()
    assert ticket.affected == HOMES
    kinds = [(e.kind, e.detail.get("points")) for e in town.view(ticket.ticket_id).entries]
    assert kinds == [("opened", None), ("affected", 1), ("affected", 3)]


def test_a_leak_is_a_ticket_of_its_point_and_its_customer_hears_of_litres(town):
    town.find(0, kind="household_leak", rate_lph=6.0)
    town.find(1, kind="household_leak", rate_lph=9.0)
    assert [t.point_id for t in town.tickets()] == town.points[:2]
    rows = town.conn.execute("SELECT kind, parameters->>'litres_per_hour' FROM notice ORDER BY party_id").fetchall()
    assert rows == [("leak.suspected", "6.0"), ("leak.suspected", "9.0")]


def test_a_finding_that_comes_twice_changes_nothing(town):
    anomaly_id = town.find(0)
    operations.track_opened(town.conn, utility_id=town.utility_id, anomaly_id=anomaly_id)
    [ticket] = town.tickets()
    view = town.view(ticket.ticket_id)
    assert (len(view.entries), view.anomaly_ids) == (1, (anomaly_id,))


def test_an_incident_is_quiet_only_when_its_last_finding_ended(town):
    first, second = town.find(0), town.find(1)
    town.end(first, at=T0 + HOUR)
    assert [t.quiet for t in town.tickets()] == [False]
    town.end(second, at=T0 + 2 * HOUR)
    assert [(t.quiet, t.state) for t in town.tickets()] == [(True, "open")]
    town.find(0, at=T0 + 3 * HOUR)
    assert [t.quiet for t in town.tickets()] == [False]


def test_trouble_that_comes_back_reopens_its_ticket_and_tells_again(town):
    town.end(town.find(0), at=T0 + HOUR)
    [ticket] = town.tickets()
    town.repair(ticket.ticket_id, at=T0 + HOUR)
    town.find(0, at=T0 + 20 * HOUR)
    [again] = town.tickets()
    assert (again.ticket_id, again.state, again.crew_id) == (ticket.ticket_id, "open", None)
    assert again.promised_at == T0 + 28 * HOUR
    kinds = [kind for _, kind in town.notices()]
    assert kinds == ["repair.opened", "repair.started", "repair.finished", "repair.opened"]


def test_trouble_long_after_a_repair_is_a_new_ticket(town):
    town.end(town.find(0), at=T0 + HOUR)
    [ticket] = town.tickets()
    town.repair(ticket.ticket_id, at=T0 + HOUR)
    town.find(0, at=T0 + timedelta(days=5))
    assert len(town.tickets()) == 2


def test_a_finding_from_before_the_repair_does_not_reopen_it(town):
    town.find(0)
    [ticket] = town.tickets()
    town.repair(ticket.ticket_id, at=T0 + 5 * HOUR)
    town.find(1, at=T0 + 4 * HOUR)
    assert [(t.ticket_id, t.state) for t in town.tickets()] == [(ticket.ticket_id, "finished")]


def test_the_consumer_tracks_as_the_worker_role_and_puts_an_unknown_finding_aside(database_url):
    with psycopg.connect(database_url) as conn:
        town = found_town(conn)
        stuck = town.write(0, kind="stuck_meter")
        for anomaly_id in (stuck, 999):
            events.publish(
                conn,
                utility_id=town.utility_id,
                topic="anomaly.opened",
                key=f"anomaly:{anomaly_id}",
                payload={"anomaly_id": anomaly_id},
                occurred_at=T0,
            )
    with open_pool(database_url, role="suiden_worker", process="test") as pool:
        with pool.connection() as conn:
            events.relay_once(conn)
        while events.consume_once(pool, consumer="tracker", handlers=handlers(), clock=FixedClock(T0)):
            pass
        with pool.connection() as conn:
            [line] = queries.open_tickets(conn, utility_id=town.utility_id, now=T0)
            assert (line.ticket.kind, line.ticket.priority) == ("stuck_meter", 4)
            [(error,)] = conn.execute("SELECT error FROM event_failure").fetchall()
            assert error.startswith(AnomalyUnknown.__name__)
