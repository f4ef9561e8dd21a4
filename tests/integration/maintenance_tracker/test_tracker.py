"""One fault, one ticket: how findings become tickets, and what crews and customers can do with them."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from ingest_gateway.queries import AnomalyUnknown
from kernel import events
from kernel.clock import FixedClock
from kernel.database import Scope, enter_scope, open_pool, transaction
from maintenance_tracker import operations, queries
from maintenance_tracker.consumers import handlers
from registry.book import (
    Book,
    InstallationRow,
    MeterRow,
    PartyRow,
    PointPartyRow,
    PointRow,
    ZoneRow,
)
from registry.operations import add_login, found_utility, load_book

pytestmark = pytest.mark.store

T0 = datetime(2026, 4, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOMES = 5


@dataclass
class Town:
    """Five water homes in W1, one in W2; two crews of one login each."""

    conn: Connection[TupleRow]
    utility_id: int
    meters: list[int]
    points: list[int]
    parties: list[int]
    zones: dict[str, int]
    logins: list[int]

    def find(self, home: int, *, kind: str = "pressure_low", at: datetime = T0, **evidence: Any) -> int:
        """Write a finding as the checker does and give it to the tracker."""
        zone = self.zones["W2" if home == HOMES else "W1"]
        row = self.conn.execute(
            "INSERT INTO anomaly (utility_id, meter_id, point_id, zone_id, service, kind, detector, started_at,"
            " found_at, evidence) VALUES (%s, %s, %s, %s, 'water', %s, 'test 1', %s, %s, %s) RETURNING anomaly_id",
            (self.utility_id, self.meters[home], self.points[home], zone, kind, at, at, Jsonb(evidence)),
        ).fetchone()
        assert row is not None
        operations.track_opened(self.conn, utility_id=self.utility_id, anomaly_id=row[0])
        return row[0]

    def end(self, anomaly_id: int, *, at: datetime) -> None:
        self.conn.execute("UPDATE anomaly SET ended_at = %s WHERE anomaly_id = %s", (at, anomaly_id))
        operations.track_closed(self.conn, utility_id=self.utility_id, anomaly_id=anomaly_id, at=at)

    def tickets(self) -> list[queries.Ticket]:
        return [line.ticket for line in queries.open_tickets(self.conn, utility_id=self.utility_id, now=T0)]

    def view(self, ticket_id: int) -> queries.TicketView:
        return queries.ticket(self.conn, utility_id=self.utility_id, ticket_id=ticket_id)

    def notices(self) -> list[tuple[int, str]]:
        return self.conn.execute(
            "SELECT party_id, kind FROM notice WHERE utility_id = %s ORDER BY party_id, notice_id", (self.utility_id,)
        ).fetchall()

    def step(self, operation: Any, ticket_id: int, *, at: datetime = T0, crew: int = 0, **more: Any) -> Any:
        return operation(
            self.conn,
            utility_id=self.utility_id,
            ticket_id=ticket_id,
            login_id=self.logins[crew],
            actor=f"crew{crew}",
            at=at,
            **more,
        )

    def repair(self, ticket_id: int, *, at: datetime) -> None:
        self.step(operations.take_ticket, ticket_id, at=at)
        self.step(operations.start_ticket, ticket_id, at=at)
        self.step(operations.finish_ticket, ticket_id, at=at, cause="Pipe burst")

    def customer(self, operation: Any, ticket_id: int, *, home: int, at: datetime, **more: Any) -> Any:
        return operation(
            self.conn,
            utility_id=self.utility_id,
            ticket_id=ticket_id,
            party_id=self.parties[home],
            actor="customer",
            at=at,
            **more,
        )


def found_town(conn: Connection[TupleRow]) -> Town:
    utility_id = found_utility(
        conn, code="hinode", name="Hinode", time_zone="Asia/Tokyo", currency="JPY", locale="ja", settings={}
    )
    homes = range(HOMES + 1)
    book = Book(
        zones=(ZoneRow("D1", "District", "district"), ZoneRow("W1", "One", "dma"), ZoneRow("W2", "Two", "dma")),
        parties=tuple(PartyRow(f"C-{n}", "person", f"Customer {n}") for n in homes),
        points=tuple(
            PointRow(f"P-{n}", "water", "W2" if n == HOMES else "W1", "D1", f"1-{n}", latitude=35.0, longitude=139.0)
            for n in homes
        ),
        point_parties=tuple(PointPartyRow(f"P-{n}", f"C-{n}", "user", T0 - timedelta(days=9)) for n in homes),
        meters=tuple(MeterRow(f"W-{n}", "water", "m3", -3, 9) for n in homes),
        installations=tuple(InstallationRow(f"W-{n}", f"P-{n}", T0 - timedelta(days=9)) for n in homes),
    )
    load_book(conn, utility_id=utility_id, book=book)
    enter_scope(conn, scope=Scope(utility_id, "test", T0))
    logins = [
        add_login(
            conn,
            utility_id=utility_id,
            login_name=f"crew{n}",
            display_name=f"Crew {n}",
            password="long enough a password",
            roles=["crew"],
            party_id=None,
            locale="ja",
        )
        for n in (0, 1)
    ]
    for n, login_id in enumerate(logins):
        operations.add_crew(conn, utility_id=utility_id, name=f"Crew {n}", login_ids=[login_id])

    def column(query: LiteralString) -> list[int]:
        return [value for (value,) in conn.execute(query, (utility_id,)).fetchall()]

    return Town(
        conn=conn,
        utility_id=utility_id,
        meters=column("SELECT meter_id FROM meter WHERE utility_id = %s ORDER BY serial"),
        points=column("SELECT point_id FROM point WHERE utility_id = %s ORDER BY point_number"),
        parties=column("SELECT party_id FROM party WHERE utility_id = %s ORDER BY party_number"),
        zones=dict(conn.execute("SELECT code, zone_id FROM zone WHERE utility_id = %s", (utility_id,)).fetchall()),
        logins=logins,
    )


@pytest.fixture
def town(rolled_back_conn: Connection[TupleRow]) -> Town:
    return found_town(rolled_back_conn)


def test_findings_of_one_zone_are_one_ticket_and_those_of_another_zone_another(town):
    for n in range(4):
        town.find(n, at=T0 + n * HOUR)
    town.find(HOMES, at=T0 + 5 * HOUR)
    first, second = town.tickets()
    assert (first.ticket_number, first.kind, first.priority, first.promised_at) == (
        "T-2026-00001",
        "pressure_low",
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
    town.find(0, kind="continuous_flow", litres_per_hour=6.0, litres_so_far=144.0)
    town.find(1, kind="continuous_flow", litres_per_hour=9.0, litres_so_far=216.0)
    assert [t.point_id for t in town.tickets()] == town.points[:2]
    rows = town.conn.execute("SELECT kind, parameters->>'litres_per_hour' FROM notice ORDER BY party_id").fetchall()
    assert rows == [("leak.suspected", "6.0"), ("leak.suspected", "9.0")]


def test_a_finding_that_comes_twice_changes_nothing(town):
    anomaly_id = town.find(0)
    operations.track_opened(town.conn, utility_id=town.utility_id, anomaly_id=anomaly_id)
    [ticket] = town.tickets()
    view = town.view(ticket.ticket_id)
    assert (len(view.entries), view.anomaly_ids) == (1, (anomaly_id,))


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
    town.find(1, kind="continuous_flow", litres_per_hour=6.0)
    late = T0 + 9 * HOUR
    lines = queries.open_tickets(town.conn, utility_id=town.utility_id, now=late)
    assert [(line.ticket.kind, line.zone_code, line.address, line.late, line.age) for line in lines] == [
        ("pressure_low", "W1", "1-0", True, 9 * HOUR),
        ("continuous_flow", "W1", "1-1", False, 9 * HOUR),
    ]
    counts = queries.ticket_counts(town.conn, utility_id=town.utility_id, now=late)
    assert (counts.at_work, counts.late, counts.by_state) == (2, 1, {"open": 2})
    assert [p.point_number for p in queries.map_points(town.conn, utility_id=town.utility_id)] == ["P-0", "P-1"]
    own = queries.tickets_of_points(town.conn, utility_id=town.utility_id, point_ids=[town.points[1]], since=T0)
    assert [t.kind for t in own] == ["continuous_flow"]


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


def test_the_consumer_tracks_as_the_worker_role_and_puts_an_unknown_finding_aside(database_url):
    with psycopg.connect(database_url) as conn:
        town = found_town(conn)
        row = conn.execute(
            "INSERT INTO anomaly (utility_id, meter_id, point_id, zone_id, service, kind, detector, started_at,"
            " found_at, evidence) VALUES (%s, %s, %s, %s, 'water', 'stuck_meter', 'test 1', %s, %s, '{}')"
            " RETURNING anomaly_id",
            (town.utility_id, town.meters[0], town.points[0], town.zones["W1"], T0, T0),
        ).fetchone()
        assert row is not None
        for anomaly_id in (row[0], 999):
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
