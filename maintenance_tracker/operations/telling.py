"""Telling customers and screens what became of a ticket."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Literal

from psycopg import Connection
from psycopg.rows import TupleRow

from kernel import events
from maintenance_tracker.store import tickets, timeline
from maintenance_tracker.store.tickets import Ticket
from registry import operations as registry_operations
from registry import queries as registry

NoticeKind = Literal["repair.opened", "repair.started", "repair.finished", "leak.suspected"]
TOLD_ROLES = frozenset({"user", "payer"})


def tell_screens(conn: Connection[TupleRow], *, utility_id: int, ticket: Ticket, at: datetime) -> None:
    """Publish that a ticket changed, with every point it concerns."""
    point_ids = tickets.point_ids(conn, utility_id=utility_id, ticket_id=ticket.ticket_id)
    events.publish(
        conn,
        utility_id=utility_id,
        topic="ticket.changed",
        key=f"ticket:{ticket.ticket_id}",
        payload={"ticket_id": ticket.ticket_id, "state": ticket.state, "point_ids": point_ids},
        occurred_at=at,
    )


def tell_customers(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    ticket: Ticket,
    kind: NoticeKind,
    point_ids: Collection[int],
    more: Mapping[str, Any],
    at: datetime,
) -> int:
    """Write one notice to each user and payer of the points; return how many are new.

    A party is told once of each kind until the ticket is reopened; then it is told again.
    """
    if not point_ids:
        return 0
    numbers = {
        point.point_id: point.point_number
        for point in registry.points(conn, utility_id=utility_id, point_ids=point_ids)
    }
    point_of_party: dict[int, int] = {}
    for told in registry.parties_at_points(conn, utility_id=utility_id, point_ids=point_ids, at=at):
        if told.role in TOLD_ROLES:
            point_of_party.setdefault(told.party_id, told.point_id)
    again = timeline.times(conn, utility_id=utility_id, ticket_id=ticket.ticket_id, kind="reopened")
    subject_key = f"ticket:{ticket.ticket_id}" + (f":{again}" if again else "")
    parameters = {
        "ticket_id": ticket.ticket_id,
        "ticket_number": ticket.ticket_number,
        "service": ticket.service,
        "trouble": ticket.kind,
        "promised_at": None if ticket.promised_at is None else ticket.promised_at.isoformat(),
        **more,
    }
    notices = [
        registry_operations.NewNotice(
            party_id=party_id,
            account_id=None,
            kind=kind,
            subject_key=subject_key,
            parameters={**parameters, "point_id": point_id, "point_number": numbers[point_id]},
        )
        for party_id, point_id in sorted(point_of_party.items())
    ]
    return registry_operations.write_notices(conn, utility_id=utility_id, notices=notices, at=at)
