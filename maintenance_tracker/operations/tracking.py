"""From findings to incidents: one fault in the world, one ticket, whatever the number of meters that show it."""

from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import queries as ingest
from ingest_gateway.queries import Anomaly
from maintenance_tracker.domain.grouping_rules import ZONE_WIDE_FROM, rule_of
from maintenance_tracker.domain.states import Return, on_return
from maintenance_tracker.operations.opening import points_in_zone, write_ticket
from maintenance_tracker.operations.steps import write_reopened
from maintenance_tracker.operations.telling import NoticeKind, tell_customers, tell_screens
from maintenance_tracker.store import incidents, tickets, timeline
from maintenance_tracker.store.tickets import Ticket

ACTOR = "checker"
QUIET = "quiet"  # the timeline's word for: all readings behind this are normal again


def track_opened(conn: Connection[TupleRow], *, utility_id: int, anomaly_id: int) -> int:
    """Join a finding to its incident's ticket, opening or reopening one where needed; return the ticket's id.

    :raises AnomalyUnknown: if there is no such finding
    """
    anomaly = ingest.anomaly(conn, utility_id=utility_id, anomaly_id=anomaly_id)
    known = incidents.incident_of_anomaly(conn, utility_id=utility_id, anomaly_id=anomaly_id)
    if known is not None:
        ticket_id = tickets.of_incident(conn, utility_id=utility_id, incident_id=known)
        assert ticket_id is not None, "an incident is written with its ticket"
        return ticket_id
    ticket, what = _ticket_for(conn, utility_id=utility_id, anomaly=anomaly)
    assert ticket.incident_id is not None, "the tracker's tickets have an incident"
    incidents.join(
        conn, utility_id=utility_id, incident_id=ticket.incident_id, anomaly_id=anomaly_id, at=anomaly.found_at
    )
    _concern(conn, utility_id=utility_id, ticket=ticket, anomaly=anomaly, what=what)
    tell_screens(conn, utility_id=utility_id, ticket=ticket, at=anomaly.found_at)
    return ticket.ticket_id


def track_closed(conn: Connection[TupleRow], *, utility_id: int, anomaly_id: int, at: datetime) -> None:
    """Note the incident as quiet when the last of its findings has ended. The ticket stays: people close it."""
    incident_id = incidents.incident_of_anomaly(conn, utility_id=utility_id, anomaly_id=anomaly_id)
    if incident_id is None:
        return
    ticket_id = tickets.of_incident(conn, utility_id=utility_id, incident_id=incident_id)
    assert ticket_id is not None, "an incident is written with its ticket"
    tickets.hold(conn, utility_id=utility_id, ticket_id=ticket_id)
    found = ingest.anomalies(
        conn,
        utility_id=utility_id,
        anomaly_ids=incidents.anomaly_ids(conn, utility_id=utility_id, incident_id=incident_id),
    )
    if any(anomaly.ended_at is None for anomaly in found):
        return
    if incidents.set_quiet(conn, utility_id=utility_id, incident_id=incident_id, at=at):
        _note(conn, utility_id=utility_id, ticket_id=ticket_id, kind="note", at=at, detail={"code": QUIET})
        ticket = tickets.ticket(conn, utility_id=utility_id, ticket_id=ticket_id)
        tell_screens(conn, utility_id=utility_id, ticket=ticket, at=at)


def _ticket_for(conn: Connection[TupleRow], *, utility_id: int, anomaly: Anomaly) -> tuple[Ticket, Return]:
    """Give the ticket a finding belongs to, and what the finding is to it."""
    by_zone = rule_of(anomaly.kind).shared_s > 0 and anomaly.zone_id is not None
    zone_id, point_id = (anomaly.zone_id, None) if by_zone else (None, anomaly.point_id)
    known = incidents.newest(conn, utility_id=utility_id, kind=anomaly.kind, zone_id=zone_id, point_id=point_id)
    if known is not None:
        what = on_return(state=known.state, finished_at=known.finished_at, began_at=anomaly.started_at)
        ticket = tickets.ticket(conn, utility_id=utility_id, ticket_id=known.ticket_id)
        if what == "joins":
            return ticket, what
        if what == "reopens":
            reopened = write_reopened(
                conn,
                utility_id=utility_id,
                ticket=ticket,
                note="",
                actor=ACTOR,
                at=anomaly.found_at,
                detail={"anomaly_id": anomaly.anomaly_id},
            )
            return reopened, what
    incident_id = incidents.insert(
        conn,
        utility_id=utility_id,
        service=anomaly.service,
        kind=anomaly.kind,
        zone_id=zone_id,
        point_id=point_id,
        at=anomaly.found_at,
    )
    written = write_ticket(
        conn,
        utility_id=utility_id,
        incident_id=incident_id,
        service=anomaly.service,
        kind=anomaly.kind,
        zone_id=anomaly.zone_id,
        point_id=point_id,
        note="",
        actor=ACTOR,
        at=anomaly.found_at,
    )
    return written, "is new"


def _concern(conn: Connection[TupleRow], *, utility_id: int, ticket: Ticket, anomaly: Anomaly, what: Return) -> None:
    """Add the points that the finding concerns and tell their customers; from the third on, the whole zone's."""
    concerned = set() if anomaly.point_id is None else {anomaly.point_id}
    assert ticket.incident_id is not None, "the tracker's tickets have an incident"
    findings = incidents.anomaly_ids(conn, utility_id=utility_id, incident_id=ticket.incident_id)
    if ticket.point_id is None and ticket.zone_id is not None and len(findings) >= ZONE_WIDE_FROM:
        concerned |= set(points_in_zone(conn, utility_id=utility_id, zone_id=ticket.zone_id, service=ticket.service))
    new = tickets.add_points(conn, utility_id=utility_id, ticket_id=ticket.ticket_id, point_ids=concerned)
    at = anomaly.found_at
    if what == "joins" and new:
        detail = {"points": len(new)}
        _note(conn, utility_id=utility_id, ticket_id=ticket.ticket_id, kind="affected", at=at, detail=detail)
    # Those who were told of this trouble are told again only when it came back.
    told = tickets.point_ids(conn, utility_id=utility_id, ticket_id=ticket.ticket_id) if what == "reopens" else new
    leaks = anomaly.kind == "continuous_flow"
    kind: NoticeKind = "leak.suspected" if leaks else "repair.opened"
    tell_customers(
        conn,
        utility_id=utility_id,
        ticket=ticket,
        kind=kind,
        point_ids=told,
        more=_leak(anomaly) if leaks else {},
        at=at,
    )


def _leak(anomaly: Anomaly) -> dict[str, Any]:
    return {
        "anomaly_id": anomaly.anomaly_id,
        "since": anomaly.started_at.isoformat(),
        "litres_per_hour": anomaly.evidence.get("litres_per_hour"),
        "litres_so_far": anomaly.evidence.get("litres_so_far"),
    }


def _note(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    ticket_id: int,
    kind: timeline.EntryKind,
    at: datetime,
    detail: dict[str, Any],
) -> None:
    timeline.add(
        conn,
        utility_id=utility_id,
        ticket_id=ticket_id,
        kind=kind,
        at=at,
        actor=ACTOR,
        note="",
        public=True,
        detail=detail,
        client_id=None,
    )
