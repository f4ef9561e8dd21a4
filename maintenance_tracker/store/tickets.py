"""Tickets and the points whose customers they concern."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from maintenance_tracker.domain.states import State


class TicketUnknown(Exception):
    """There is no such ticket, or it is none of the asker's."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """One piece of work, in utility time. `quiet`: no finding behind it is open; True where there was none."""

    ticket_id: int
    ticket_number: str
    incident_id: int | None
    service: str
    kind: str
    priority: int
    zone_id: int | None
    point_id: int | None
    state: State
    crew_id: int | None
    crew_name: str | None
    opened_at: datetime
    promised_at: datetime | None
    taken_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    closed_at: datetime | None
    quiet: bool
    affected: int


def insert(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    ticket_number: str,
    incident_id: int | None,
    service: str,
    kind: str,
    priority: int,
    zone_id: int | None,
    point_id: int | None,
    opened_at: datetime,
    promised_at: datetime,
) -> int:
    """Write an open ticket and return its id."""
    row = conn.execute(
        """
        INSERT INTO ticket (utility_id, ticket_number, incident_id, service, kind, priority, zone_id, point_id, state,
            opened_at, promised_at)
        VALUES (%(utility_id)s, %(ticket_number)s, %(incident_id)s, %(service)s, %(kind)s, %(priority)s, %(zone_id)s,
            %(point_id)s, 'open', %(opened_at)s, %(promised_at)s)
        RETURNING ticket_id
        """,
        {
            "utility_id": utility_id,
            "ticket_number": ticket_number,
            "incident_id": incident_id,
            "service": service,
            "kind": kind,
            "priority": priority,
            "zone_id": zone_id,
            "point_id": point_id,
            "opened_at": opened_at,
            "promised_at": promised_at,
        },
    ).fetchone()
    assert row is not None, "an insert gives its row"
    return row[0]


def next_number(conn: Connection[TupleRow], *, utility_id: int, year: int) -> int:
    """Take the year's next number; who else wants one waits until the transaction ends."""
    row = conn.execute(
        """
        INSERT INTO ticket_counter (utility_id, year, last_number) VALUES (%(utility_id)s, %(year)s, 1)
        ON CONFLICT (utility_id, year) DO UPDATE SET last_number = ticket_counter.last_number + 1
        RETURNING last_number
        """,
        {"utility_id": utility_id, "year": year},
    ).fetchone()
    assert row is not None, "an upsert gives its row"
    return row[0]


def hold(conn: Connection[TupleRow], *, utility_id: int, ticket_id: int) -> None:
    """Hold the ticket's row until the transaction ends, so that of two steps at once the second sees the first.

    :raises TicketUnknown: if there is no such ticket
    """
    row = conn.execute(
        "SELECT ticket_id FROM ticket WHERE utility_id = %(utility_id)s AND ticket_id = %(ticket_id)s FOR UPDATE",
        {"utility_id": utility_id, "ticket_id": ticket_id},
    ).fetchone()
    if row is None:
        raise TicketUnknown(f"there is no ticket {ticket_id}; look it up in the list of tickets")


def ticket(conn: Connection[TupleRow], *, utility_id: int, ticket_id: int) -> Ticket:
    """:raises TicketUnknown: if there is no such ticket"""
    found = _tickets(conn, utility_id=utility_id, ticket_ids=[ticket_id], point_ids=None, states=None, since=None)
    if not found:
        raise TicketUnknown(f"there is no ticket {ticket_id}; look it up in the list of tickets")
    return found[0]


def in_states(conn: Connection[TupleRow], *, utility_id: int, states: Collection[State]) -> list[Ticket]:
    """List the tickets in these states, the most urgent and then the oldest first."""
    return _tickets(conn, utility_id=utility_id, ticket_ids=None, point_ids=None, states=states, since=None)


def of_points(
    conn: Connection[TupleRow], *, utility_id: int, point_ids: Collection[int], since: datetime
) -> list[Ticket]:
    """List the tickets that concern the points and are open or were closed after `since`."""
    return _tickets(conn, utility_id=utility_id, ticket_ids=None, point_ids=point_ids, states=None, since=since)


def opened_by_people(conn: Connection[TupleRow], *, utility_id: int) -> list[Ticket]:
    """List the tickets of whole zones at work that people opened, the most urgent and then the oldest first."""
    at_work = in_states(conn, utility_id=utility_id, states=("open", "taken", "started"))
    return [one for one in at_work if one.incident_id is None and one.zone_id is not None and one.point_id is None]


def of_incident(conn: Connection[TupleRow], *, utility_id: int, incident_id: int) -> int | None:
    """Find the ticket of an incident."""
    row = conn.execute(
        "SELECT ticket_id FROM ticket WHERE utility_id = %(utility_id)s AND incident_id = %(incident_id)s",
        {"utility_id": utility_id, "incident_id": incident_id},
    ).fetchone()
    return None if row is None else row[0]


def set_state(conn: Connection[TupleRow], *, utility_id: int, ticket: Ticket) -> None:
    """Write where a ticket stands; the timeline keeps where it stood."""
    conn.execute(
        """
        UPDATE ticket SET state = %(state)s, crew_id = %(crew_id)s, promised_at = %(promised_at)s,
            taken_at = %(taken_at)s, started_at = %(started_at)s, finished_at = %(finished_at)s,
            closed_at = %(closed_at)s
        WHERE utility_id = %(utility_id)s AND ticket_id = %(ticket_id)s
        """,
        {
            "utility_id": utility_id,
            "ticket_id": ticket.ticket_id,
            "state": ticket.state,
            "crew_id": ticket.crew_id,
            "promised_at": ticket.promised_at,
            "taken_at": ticket.taken_at,
            "started_at": ticket.started_at,
            "finished_at": ticket.finished_at,
            "closed_at": ticket.closed_at,
        },
    )


def rename(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    ticket_id: int,
    kind: str,
    priority: int,
    zone_id: int | None,
    point_id: int | None,
) -> None:
    """Write what a ticket turned out to be and where."""
    conn.execute(
        """
        UPDATE ticket SET kind = %(kind)s, priority = %(priority)s, zone_id = %(zone_id)s, point_id = %(point_id)s
        WHERE utility_id = %(utility_id)s AND ticket_id = %(ticket_id)s
        """,
        {
            "utility_id": utility_id,
            "ticket_id": ticket_id,
            "kind": kind,
            "priority": priority,
            "zone_id": zone_id,
            "point_id": point_id,
        },
    )


def add_points(conn: Connection[TupleRow], *, utility_id: int, ticket_id: int, point_ids: Collection[int]) -> list[int]:
    """Add points that a ticket concerns; give those that are new."""
    rows = conn.execute(
        """
        INSERT INTO ticket_point (utility_id, ticket_id, point_id)
        SELECT %(utility_id)s, %(ticket_id)s, point_id FROM unnest(%(point_ids)s::bigint[]) AS point_id
        ON CONFLICT DO NOTHING
        RETURNING point_id
        """,
        {"utility_id": utility_id, "ticket_id": ticket_id, "point_ids": sorted(point_ids)},
    ).fetchall()
    return sorted(point_id for (point_id,) in rows)


def point_ids(conn: Connection[TupleRow], *, utility_id: int, ticket_id: int) -> list[int]:
    """List the points that a ticket concerns."""
    rows = conn.execute(
        """
        SELECT point_id FROM ticket_point
        WHERE utility_id = %(utility_id)s AND ticket_id = %(ticket_id)s ORDER BY point_id
        """,
        {"utility_id": utility_id, "ticket_id": ticket_id},
    ).fetchall()
    return [point_id for (point_id,) in rows]


def concerned(conn: Connection[TupleRow], *, utility_id: int, ticket_ids: Collection[int]) -> dict[int, list[int]]:
    """Give the points that each of the tickets concerns."""
    rows = conn.execute(
        """
        SELECT ticket_id, array_agg(point_id ORDER BY point_id) FROM ticket_point
        WHERE utility_id = %(utility_id)s AND ticket_id = ANY (%(ticket_ids)s)
        GROUP BY ticket_id ORDER BY ticket_id
        """,
        {"utility_id": utility_id, "ticket_ids": list(ticket_ids)},
    ).fetchall()
    return dict(rows)


def first_points(conn: Connection[TupleRow], *, utility_id: int, ticket_ids: Collection[int]) -> dict[int, int]:
    """Give one point of each ticket: its own, or the first of those it concerns."""
    rows = conn.execute(
        """
        SELECT t.ticket_id, coalesce(t.point_id, min(p.point_id)) AS point_id
        FROM ticket AS t
        LEFT JOIN ticket_point AS p ON p.utility_id = t.utility_id AND p.ticket_id = t.ticket_id
        WHERE t.utility_id = %(utility_id)s AND t.ticket_id = ANY (%(ticket_ids)s)
        GROUP BY t.ticket_id, t.point_id
        HAVING coalesce(t.point_id, min(p.point_id)) IS NOT NULL
        ORDER BY t.ticket_id
        """,
        {"utility_id": utility_id, "ticket_ids": list(ticket_ids)},
    ).fetchall()
    return dict(rows)


def counts(conn: Connection[TupleRow], *, utility_id: int) -> dict[State, int]:
    """Count the tickets in each state."""
    rows = conn.execute(
        "SELECT state, count(*) FROM ticket WHERE utility_id = %(utility_id)s GROUP BY state ORDER BY state",
        {"utility_id": utility_id},
    ).fetchall()
    return dict(rows)


def late(conn: Connection[TupleRow], *, utility_id: int, now: datetime) -> int:
    """Count the tickets at work whose promised time has passed."""
    row = conn.execute(
        """
        SELECT count(*) FROM ticket
        WHERE utility_id = %(utility_id)s AND state IN ('open', 'taken', 'started') AND promised_at < %(now)s
        """,
        {"utility_id": utility_id, "now": now},
    ).fetchone()
    assert row is not None, "an aggregate gives one row"
    return row[0]


def _tickets(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    ticket_ids: Collection[int] | None,
    point_ids: Collection[int] | None,
    states: Collection[State] | None,
    since: datetime | None,
) -> list[Ticket]:
    with conn.cursor(row_factory=class_row(Ticket)) as cursor:
        return cursor.execute(
            """
            SELECT t.ticket_id, t.ticket_number, t.incident_id, t.service, t.kind, t.priority, t.zone_id, t.point_id,
                   t.state, t.crew_id, c.name AS crew_name, t.opened_at, t.promised_at, t.taken_at, t.started_at,
                   t.finished_at, t.closed_at, t.incident_id IS NULL OR i.quiet_at IS NOT NULL AS quiet,
                   (SELECT count(*) FROM ticket_point AS p
                    WHERE p.utility_id = t.utility_id AND p.ticket_id = t.ticket_id)::integer AS affected
            FROM ticket AS t
            LEFT JOIN crew AS c ON c.utility_id = t.utility_id AND c.crew_id = t.crew_id
            LEFT JOIN incident AS i ON i.utility_id = t.utility_id AND i.incident_id = t.incident_id
            WHERE t.utility_id = %(utility_id)s
                AND (%(ticket_ids)s::bigint[] IS NULL OR t.ticket_id = ANY (%(ticket_ids)s))
                AND (%(states)s::text[] IS NULL OR t.state = ANY (%(states)s))
                AND (%(since)s::timestamptz IS NULL OR t.closed_at IS NULL OR t.closed_at > %(since)s)
                AND (%(point_ids)s::bigint[] IS NULL OR EXISTS (
                    SELECT FROM ticket_point AS p
                    WHERE p.utility_id = t.utility_id AND p.ticket_id = t.ticket_id
                        AND p.point_id = ANY (%(point_ids)s)))
            ORDER BY t.priority, t.opened_at, t.ticket_id
            """,
            {
                "utility_id": utility_id,
                "ticket_ids": None if ticket_ids is None else list(ticket_ids),
                "point_ids": None if point_ids is None else list(point_ids),
                "states": None if states is None else list(states),
                "since": since,
            },
        ).fetchall()
