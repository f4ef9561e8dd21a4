"""Opening tickets: by the tracker for an incident, by people for what they were told."""

from collections.abc import Collection
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from kernel.period import local_date
from maintenance_tracker.domain.kinds import policy
from maintenance_tracker.operations.telling import tell_customers, tell_screens
from maintenance_tracker.store import tickets, timeline
from maintenance_tracker.store.tickets import Ticket
from registry import queries as registry
from registry.queries import Utility


class TroubleWithoutPlace(Exception):
    """A ticket must name a zone or a point."""


class UtilityMissing(Exception):
    """No utility has this number."""


def open_ticket(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    service: str,
    kind: str,
    zone_id: int | None,
    point_id: int | None,
    note: str,
    actor: str,
    at: datetime,
) -> int:
    """Open a ticket by hand and tell the customers of the point, or of the service's points in the zone.

    `kind` is one of the checker's, or what the office calls it, such as `reported`.

    :raises TroubleWithoutPlace: if neither zone nor point is named
    :raises PointUnknown: if the utility has no such point
    """
    if point_id is not None:
        point_ids = [registry.point(conn, utility_id=utility_id, point_id=point_id).point_id]
    elif zone_id is not None:
        point_ids = points_in_zone(conn, utility_id=utility_id, zone_id=zone_id, service=service)
    else:
        raise TroubleWithoutPlace("name the zone or the point where the trouble is")
    ticket = write_ticket(
        conn,
        utility_id=utility_id,
        incident_id=None,
        service=service,
        kind=kind,
        zone_id=zone_id,
        point_id=point_id,
        note=note,
        actor=actor,
        at=at,
    )
    tickets.add_points(conn, utility_id=utility_id, ticket_id=ticket.ticket_id, point_ids=point_ids)
    tell_customers(
        conn, utility_id=utility_id, ticket=ticket, kind="repair.opened", point_ids=point_ids, more={}, at=at
    )
    tell_screens(conn, utility_id=utility_id, ticket=ticket, at=at)
    return ticket.ticket_id


def write_ticket(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    incident_id: int | None,
    service: str,
    kind: str,
    zone_id: int | None,
    point_id: int | None,
    note: str,
    actor: str,
    at: datetime,
) -> Ticket:
    """Write an open ticket with the next number, its promise and the first entry of its timeline."""
    utility = utility_of(conn, utility_id=utility_id)
    year = local_date(at, zone=utility.zone).year
    number = tickets.next_number(conn, utility_id=utility_id, year=year)
    rule = policy(kind, settings=utility.settings)
    ticket_id = tickets.insert(
        conn,
        utility_id=utility_id,
        ticket_number=f"T-{year}-{number:05d}",
        incident_id=incident_id,
        service=service,
        kind=kind,
        priority=rule.priority,
        zone_id=zone_id,
        point_id=point_id,
        opened_at=at,
        promised_at=at + rule.promise,
    )
    timeline.add(
        conn,
        utility_id=utility_id,
        ticket_id=ticket_id,
        kind="opened",
        at=at,
        actor=actor,
        note=note,
        public=True,
        detail={"trouble": kind, "promised_at": (at + rule.promise).isoformat()},
        client_id=None,
    )
    return tickets.ticket(conn, utility_id=utility_id, ticket_id=ticket_id)


def utility_of(conn: Connection[TupleRow], *, utility_id: int) -> Utility:
    """:raises UtilityMissing: if there is no such utility"""
    for utility in registry.utilities(conn):
        if utility.utility_id == utility_id:
            return utility
    raise UtilityMissing(f"utility {utility_id} is not in this database; `suiden demo` founds one")


def points_in_zone(conn: Connection[TupleRow], *, utility_id: int, zone_id: int, service: str) -> Collection[int]:
    """List the service's points in a zone."""
    return [
        point.point_id
        for point in registry.points_in_zone(conn, utility_id=utility_id, zone_id=zone_id)
        if point.service == service
    ]
