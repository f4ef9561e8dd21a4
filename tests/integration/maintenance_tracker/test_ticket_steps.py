"""What crews, customers and the office can do with a ticket."""

import threading
import time
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from kernel.database import Scope, open_pool, transaction
from maintenance_tracker import operations, queries
from tests.integration.maintenance_tracker.town import HOUR, T0, found_town

pytestmark = pytest.mark.store


def test_the_story_of_a_repair_is_told_on_one_timeline(town):
    anomaly_id = town.find(0)
    [ticket] = town.tickets()
    town.step(operations.take_ticket, ticket.ticket_id, at=T0 + HOUR)
    operations.promise(
        town.conn,
        utility_id=town.utility_id,
        ticket_id=ticket.ticket_id,
        promised_at=T0 + 4 * HOUR,
        note="",
        actor="crew0",
        at=T0 + HOUR,
    )
    town.step(operations.start_ticket, ticket.ticket_id, at=T0 + 2 * HOUR)
    town.end(anomaly_id, at=T0 + 3 * HOUR)
    town.step(operations.finish_ticket, ticket.ticket_id, at=T0 + 3 * HOUR, cause="Pipe burst")
    closed = town.customer(operations.confirm_repair, ticket.ticket_id, home=0, at=T0 + 5 * HOUR)
    assert (closed.state, closed.promised_at, closed.closed_at) == ("confirmed", T0 + 4 * HOUR, T0 + 5 * HOUR)
    view = queries.ticket_at_points(
        town.conn, utility_id=town.utility_id, ticket_id=ticket.ticket_id, point_ids=[town.points[0]]
    )
    assert [e.kind for e in view.entries] == [
        "opened",
        "taken",
        "promised",
        "started",
        "note",
        "finished",
        "confirmed",
    ]
    assert town.notices() == [(town.parties[0], f"repair.{what}") for what in ("opened", "started", "finished")]
    assert town.tickets() == []
    states = town.conn.execute(
        "SELECT payload->>'state' FROM event WHERE topic = 'ticket.changed' ORDER BY event_id"
    ).fetchall()
    assert [s for (s,) in states] == ["open", "taken", "taken", "started", "started", "finished", "confirmed"]


def test_a_repair_is_not_confirmed_while_meters_show_the_trouble(town):
    anomaly_id = town.find(0)
    [ticket] = town.tickets()
    town.repair(ticket.ticket_id, at=T0 + HOUR)
    with pytest.raises(operations.RepairNotQuiet):
        town.customer(operations.confirm_repair, ticket.ticket_id, home=0, at=T0 + HOUR)
    town.end(anomaly_id, at=T0 + 2 * HOUR)
    assert town.customer(operations.confirm_repair, ticket.ticket_id, home=0, at=T0 + 2 * HOUR).state == "confirmed"


def test_only_the_crew_that_took_a_ticket_may_work_on_it(town):
    town.find(0)
    [ticket] = town.tickets()
    town.step(operations.take_ticket, ticket.ticket_id)
    assert town.step(operations.take_ticket, ticket.ticket_id).state == "taken"
    with pytest.raises(operations.TicketTaken, match="Crew 0"):
        town.step(operations.take_ticket, ticket.ticket_id, crew=1)
    with pytest.raises(operations.CrewMismatch):
        town.step(operations.start_ticket, ticket.ticket_id, crew=1)
    town.step(operations.release_ticket, ticket.ticket_id, note="Other work")
    assert town.step(operations.take_ticket, ticket.ticket_id, crew=1).crew_name == "Crew 1"


def test_steps_and_notes_sent_twice_count_once(town):
    town.find(0)
    [ticket] = town.tickets()
    town.step(operations.take_ticket, ticket.ticket_id)
    start, finish, note = uuid4(), uuid4(), uuid4()
    for _ in range(2):
        town.step(operations.start_ticket, ticket.ticket_id, client_id=start)
        added = operations.add_note(
            town.conn,
            utility_id=town.utility_id,
            ticket_id=ticket.ticket_id,
            note="Dug up the pipe",
            public=False,
            client_id=note,
            actor="crew0",
            at=T0,
        )
    for _ in range(2):
        town.step(operations.finish_ticket, ticket.ticket_id, cause="Pipe burst", client_id=finish)
    assert added is False
    assert [e.kind for e in town.view(ticket.ticket_id).entries] == ["opened", "taken", "started", "note", "finished"]
    public = queries.ticket_at_points(
        town.conn, utility_id=town.utility_id, ticket_id=ticket.ticket_id, point_ids=town.points
    )
    assert "note" not in [e.kind for e in public.entries]


def test_a_customer_whom_a_ticket_does_not_concern_does_not_find_it(town):
    town.find(0)
    [ticket] = town.tickets()
    town.repair(ticket.ticket_id, at=T0)
    with pytest.raises(operations.TicketUnknown):
        town.customer(operations.confirm_repair, ticket.ticket_id, home=3, at=T0)
    with pytest.raises(operations.TicketUnknown):
        town.customer(operations.reopen_ticket, ticket.ticket_id, home=3, at=T0, note="")
    with pytest.raises(queries.TicketUnknown):
        queries.ticket_at_points(
            town.conn, utility_id=town.utility_id, ticket_id=ticket.ticket_id, point_ids=[town.points[3]]
        )


def test_a_customer_may_call_a_repair_back_and_staff_may_open_and_cancel(town):
    town.find(0)
    [ticket] = town.tickets()
    town.repair(ticket.ticket_id, at=T0)
    again = town.customer(operations.reopen_ticket, ticket.ticket_id, home=0, at=T0 + HOUR, note="Still weak")
    assert again.state == "open"
    ticket_id = operations.open_ticket(
        town.conn,
        utility_id=town.utility_id,
        service="water",
        kind="reported",
        zone_id=town.zones["W2"],
        point_id=None,
        note="Brown water",
        actor="office",
        at=T0 + HOUR,
    )
    assert town.view(ticket_id).ticket.affected == 1
    cancelled = operations.cancel_ticket(
        town.conn, utility_id=town.utility_id, ticket_id=ticket_id, reason="Twice", actor="office", at=T0 + HOUR
    )
    assert cancelled.state == "cancelled"
    with pytest.raises(operations.StepRefused):
        town.step(operations.take_ticket, ticket_id)
    with pytest.raises(operations.TroubleWithoutPlace):
        operations.open_ticket(
            town.conn,
            utility_id=town.utility_id,
            service="water",
            kind="reported",
            zone_id=None,
            point_id=None,
            note="",
            actor="office",
            at=T0,
        )


def test_lists_counts_and_map_show_what_is_at_work(town):
    town.find(0)
    town.find(1, kind="household_leak", litres_per_hour=6.0)
    late = T0 + 9 * HOUR
    lines = queries.open_tickets(town.conn, utility_id=town.utility_id, now=late)
    assert [(line.ticket.kind, line.zone_code, line.address, line.late, line.age) for line in lines] == [
        ("pressure_sag", "W1", "1-0", True, 9 * HOUR),
        ("household_leak", "W1", "1-1", False, 9 * HOUR),
    ]
    counts = queries.ticket_counts(town.conn, utility_id=town.utility_id, now=late)
    assert (counts.at_work, counts.late, counts.by_state) == (2, 1, {"open": 2})
    assert [p.point_number for p in queries.map_points(town.conn, utility_id=town.utility_id)] == ["P-0", "P-1"]
    own = queries.tickets_of_points(town.conn, utility_id=town.utility_id, point_ids=[town.points[1]], since=T0)
    assert [t.kind for t in own] == ["household_leak"]


def test_of_two_crews_that_take_at_once_one_wins(database_url):
    with psycopg.connect(database_url) as conn:
        town = found_town(conn)
        town.find(0)
        [ticket] = town.tickets()
    outcomes: list[str] = []
    ready = threading.Barrier(2)

    def take(crew: int) -> None:
        with psycopg.connect(database_url) as own:
            ready.wait()
            try:
                operations.take_ticket(
                    own,
                    utility_id=town.utility_id,
                    ticket_id=ticket.ticket_id,
                    login_id=town.logins[crew],
                    actor=f"crew{crew}",
                    at=T0,
                )
                outcomes.append("took")
            except operations.TicketTaken:
                outcomes.append("late")

    threads = [threading.Thread(target=take, args=(crew,)) for crew in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["late", "took"]


def test_a_step_that_a_telephone_sends_twice_at_once_counts_once_and_is_never_refused(database_url):
    with psycopg.connect(database_url) as conn:
        town = found_town(conn)
        town.find(0)
        [ticket] = town.tickets()
        town.step(operations.take_ticket, ticket.ticket_id)
    client_id = uuid4()
    states: list[str] = []

    def start(own: psycopg.Connection[Any]) -> None:
        started = operations.start_ticket(
            own,
            utility_id=town.utility_id,
            ticket_id=ticket.ticket_id,
            login_id=town.logins[0],
            actor="crew0",
            at=T0,
            client_id=client_id,
        )
        states.append(started.state)

    with psycopg.connect(database_url) as first, psycopg.connect(database_url) as second:
        start(first)
        thread = threading.Thread(target=start, args=(second,))
        thread.start()
        with psycopg.connect(database_url, autocommit=True) as watcher:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
            while watcher.execute(waiting, [second.info.backend_pid]).fetchone() == (0,):
                time.sleep(0.01)
        first.commit()
        thread.join()
    assert states == ["started", "started"]


def test_the_web_role_works_on_tickets_of_its_own_utility_only(database_url):
    with psycopg.connect(database_url) as conn:
        town = found_town(conn)
    with open_pool(database_url, role="suiden_app", process="test") as pool:
        with transaction(pool, scope=Scope(town.utility_id, "office", T0)) as conn:
            town.conn = conn
            ticket_id = operations.open_ticket(
                conn,
                utility_id=town.utility_id,
                service="water",
                kind="reported",
                zone_id=None,
                point_id=town.points[0],
                note="",
                actor="office",
                at=T0,
            )
            town.repair(ticket_id, at=T0)
            town.customer(operations.confirm_repair, ticket_id, home=0, at=T0)
        with (
            transaction(pool, scope=Scope(town.utility_id + 1, "office", T0)) as conn,
            pytest.raises(operations.TicketUnknown),
        ):
            operations.reopen_ticket(
                conn, utility_id=town.utility_id, ticket_id=ticket_id, party_id=None, note="", actor="x", at=T0
            )
