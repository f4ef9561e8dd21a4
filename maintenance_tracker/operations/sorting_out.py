"""What people decide about findings and incidents: one fault or two, true or not."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import queries as ingest
from maintenance_tracker.domain import by_hand
from maintenance_tracker.domain.by_hand import MergeRefused
from maintenance_tracker.domain.findings import Incident
from maintenance_tracker.operations.recording import record_merge, record_split
from maintenance_tracker.operations.tracked import Tracked, load
from maintenance_tracker.operations.tracking import track, track_opened
from maintenance_tracker.store import incidents, labels, tickets
from maintenance_tracker.store.incidents import IncidentUnknown
from maintenance_tracker.store.labels import Answer
from maintenance_tracker.store.tickets import Ticket


class NotOnWatchList(Exception):
    """A finding is no longer one for a person to judge."""


def merge_tickets(
    conn: Connection[TupleRow], *, utility_id: int, ticket_id: int, into: int, actor: str, at: datetime
) -> Ticket:
    """Say that a ticket's trouble is that of another, which takes over its findings; give the other.

    :raises MergeRefused: if they are one, or of different services
    :raises IncidentUnknown: if one of them was not opened by the checker, or is long over
    :raises TicketUnknown: if there is no such ticket
    """
    if ticket_id == into:
        raise MergeRefused("a ticket cannot be merged into itself; choose another")
    tracked = load(conn, utility_id=utility_id, at=at)
    other = _incident(conn, utility_id=utility_id, tracked=tracked, ticket_id=ticket_id)
    host = _incident(conn, utility_id=utility_id, tracked=tracked, ticket_id=into)
    kept = by_hand.merge(host, other=other)
    record_merge(conn, utility_id=utility_id, tracked=tracked, kept=kept, gone=other, actor=actor, at=at)
    return tickets.ticket(conn, utility_id=utility_id, ticket_id=into)


def split_ticket(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    ticket_id: int,
    anomaly_ids: Collection[int],
    actor: str,
    at: datetime,
) -> Ticket:
    """Say that some of a ticket's findings are another fault; give the new ticket.

    :raises SplitRefused: if they are not all of the ticket, or none would be left
    :raises IncidentUnknown: if the ticket was not opened by the checker, or is long over
    :raises TicketUnknown: if there is no such ticket
    """
    tracked = load(conn, utility_id=utility_id, at=at)
    incident = _incident(conn, utility_id=utility_id, tracked=tracked, ticket_id=ticket_id)
    rest, part = by_hand.split(
        incident, finding_ids=anomaly_ids, new_id=tracked.grouping.new_id(), at_s=int(at.timestamp())
    )
    return record_split(conn, utility_id=utility_id, tracked=tracked, rest=rest, part=part, actor=actor, at=at)


def answer_watched(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    anomaly_id: int,
    answer: Answer,
    kind: str,
    note: str,
    actor: str,
    at: datetime,
) -> int | None:
    """Keep what a person says of a weak finding; one that is confirmed gets a ticket, whose id is given.

    `kind` is what it is by that person; the finding keeps its own.

    :raises NotOnWatchList: if the finding ended, or belongs to a ticket
    :raises AnomalyUnknown: if there is no such finding
    """
    anomaly = ingest.anomaly(conn, utility_id=utility_id, anomaly_id=anomaly_id)
    followed = incidents.followed_anomalies(conn, utility_id=utility_id, anomaly_ids=[anomaly_id])
    if anomaly.outlet != "watch" or followed:
        raise NotOnWatchList(f"finding {anomaly_id} has a ticket already; say there what it turned out to be")
    labels.insert(
        conn,
        utility_id=utility_id,
        anomaly_id=anomaly_id,
        answer=answer,
        kind=kind,
        note=note,
        answered_by=actor,
        at=at,
    )
    if answer == "dismissed":
        return None
    track(conn, utility_id=utility_id, anomalies=[replace(anomaly, outlet="ticket")], at=at)
    return track_opened(conn, utility_id=utility_id, anomaly_id=anomaly_id)


def _incident(conn: Connection[TupleRow], *, utility_id: int, tracked: Tracked, ticket_id: int) -> Incident:
    ticket = tickets.ticket(conn, utility_id=utility_id, ticket_id=ticket_id)
    for incidents_ in (tracked.grouping.live, tracked.grouping.past):
        if ticket.incident_id in incidents_:
            return incidents_[ticket.incident_id]
    raise IncidentUnknown(
        f"ticket {ticket.ticket_number} has no findings that are followed any more; only tickets that the checker"
        " opened, and that are not long over, can be merged or split"
    )
