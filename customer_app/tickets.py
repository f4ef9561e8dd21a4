"""Tickets for those who mend: the list in the order of need, one ticket with its timeline, what the robots read."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from customer_app import anomaly_texts, labels
from customer_app.visit import Visit
from ingest_gateway import queries as ingest_queries
from maintenance_tracker import queries as tracker_queries
from maintenance_tracker.operations import CrewMissing
from maintenance_tracker.queries import Entry, OpenTicket, TicketView
from registry import queries as registry_queries

PRIORITY_LOOKS = {1: "is-bad", 2: "is-warn", 3: "is-info", 4: ""}
ENTRY_LOOKS = {"finished": "is-good", "confirmed": "is-good", "reopened": "is-bad", "opened": "is-warn"}


@dataclass(frozen=True, slots=True)
class TicketLine:
    """A line of the list."""

    ticket_id: int
    path: str
    number: str
    service: str
    kind: str
    priority: int
    look: str
    place: str
    zone: str
    age: str
    promised: str
    late: str
    state: str
    state_look: str
    state_words: str
    crew: str
    affected: str


@dataclass(frozen=True, slots=True)
class TimelineLine:
    """One entry of the timeline."""

    title: str
    text: str
    at: str
    actor: str
    look: str
    is_private: bool


@dataclass(frozen=True, slots=True)
class Finding:
    line: str
    path: str


@dataclass(frozen=True, slots=True)
class Ticket:
    """One ticket, ready to print."""

    line: TicketLine
    where: tuple[str, ...]
    more_points: int
    map_path: str
    findings: tuple[Finding, ...]
    timeline: tuple[TimelineLine, ...]
    is_ours: bool
    quiet: bool


def lines(visit: Visit) -> tuple[TicketLine, ...]:
    """List the tickets at work, the most urgent and then the oldest first."""
    found = tracker_queries.open_tickets(visit.conn, utility_id=visit.utility_id, now=visit.now)
    return tuple(line(visit, one) for one in found)


def line(visit: Visit, one: OpenTicket) -> TicketLine:
    # A fault of a whole zone is nowhere in particular: one home's address would mislead.
    place = one.address if one.ticket.point_id is not None else ""
    return _line(visit, one.ticket, place=place, zone=f"{one.zone_code} {one.zone_name}".strip())


def own_crew_id(visit: Visit) -> int | None:
    """Give the crew that the login belongs to."""
    try:
        return tracker_queries.crew_of_login(
            visit.conn, utility_id=visit.utility_id, login_id=visit.signed_in.login_id
        ).crew_id
    except CrewMissing:
        return None


def ids_of_crew(visit: Visit, *, crew_id: int) -> set[int]:
    """Tell which tickets at work the crew has."""
    found = tracker_queries.open_tickets(visit.conn, utility_id=visit.utility_id, now=visit.now)
    return {one.ticket.ticket_id for one in found if one.ticket.crew_id == crew_id}


def ticket(visit: Visit, *, ticket_id: int) -> Ticket:
    """:raises TicketUnknown: if there is no such ticket"""
    view = tracker_queries.ticket(visit.conn, utility_id=visit.utility_id, ticket_id=ticket_id)
    found = view.ticket
    zone = _zone(visit, view)
    at_point = next((p for p in view.points if p.point_id == found.point_id), view.points[0] if view.points else None)
    place = f"{at_point.address} {at_point.building}".strip() if at_point and found.point_id is not None else ""
    anomalies = ingest_queries.anomalies(visit.conn, utility_id=visit.utility_id, anomaly_ids=view.anomaly_ids)
    map_path = ""
    if at_point and at_point.latitude is not None and at_point.longitude is not None:
        map_path = f"geo:{at_point.latitude:.6f},{at_point.longitude:.6f}"
    return Ticket(
        line=_line(visit, found, place=place, zone=zone),
        where=tuple(f"{p.address} {p.building}".strip() for p in view.points[:6]),
        more_points=max(0, len(view.points) - 6),
        map_path=map_path,
        findings=tuple(
            Finding(
                f"{text.kind} · {text.serial} · {text.line}",
                text.path if visit.may("anomaly.view") else "",
            )
            for text in anomaly_texts.described(visit, anomalies)
        ),
        timeline=tuple(_entry(visit, entry) for entry in reversed(view.entries)),
        is_ours=found.crew_id is not None and found.crew_id == own_crew_id(visit),
        quiet=found.quiet,
    )


def for_robots(visit: Visit) -> list[dict[str, Any]]:
    """List the tickets at work as the field's programs read them."""
    found = tracker_queries.open_tickets(visit.conn, utility_id=visit.utility_id, now=visit.now)
    scope = {"utility_id": visit.utility_id}
    point_ids = sorted({one.ticket.point_id for one in found if one.ticket.point_id is not None})
    points = {p.point_id: p for p in registry_queries.points(visit.conn, **scope, point_ids=point_ids)}
    meters = registry_queries.meters_at_points(visit.conn, **scope, point_ids=point_ids, at=visit.now)
    serials = {meter.point_id: meter.serial for meter in meters}
    return [
        {
            "ticket_id": one.ticket.ticket_id,
            "number": one.ticket.ticket_number,
            "kind": one.ticket.kind,
            "state": one.ticket.state,
            "zone_code": one.zone_code or None,
            "point_number": points[one.ticket.point_id].point_number if one.ticket.point_id in points else None,
            "meter_serial": serials.get(one.ticket.point_id) if one.ticket.point_id is not None else None,
            "opened_at": one.ticket.opened_at.isoformat(),
        }
        for one in found
    ]


def _line(visit: Visit, found: tracker_queries.Ticket, *, place: str, zone: str) -> TicketLine:
    _, formats = visit.translate, visit.formats
    words, look = labels.ticket_state(_, found.state)
    at_work = found.state in ("open", "taken", "started")
    late = at_work and found.promised_at is not None and found.promised_at < visit.now
    return TicketLine(
        ticket_id=found.ticket_id,
        path=f"/crew/tickets/{found.ticket_id}",
        number=found.ticket_number,
        service=found.service,
        kind=labels.fault(_, found.kind),
        priority=found.priority,
        look=PRIORITY_LOOKS.get(found.priority, ""),
        place=place or zone,
        zone=zone if place else "",
        age=formats.duration(visit.now - found.opened_at),
        promised=formats.datetime(found.promised_at) if found.promised_at else "",
        late=_("%(time)s late", time=formats.duration(visit.now - found.promised_at))
        if late and found.promised_at
        else "",
        state=found.state,
        state_look=look,
        state_words=words,
        crew=found.crew_name or "",
        affected=_("%(n)s homes", n=formats.number(found.affected)) if found.affected > 1 else "",
    )


def _zone(visit: Visit, view: TicketView) -> str:
    zone_id = view.ticket.zone_id or (view.points[0].zone_id if view.points else None)
    zones = registry_queries.zones(visit.conn, utility_id=visit.utility_id)
    return next((f"{zone.code} {zone.name}" for zone in zones if zone.zone_id == zone_id), "")


def _entry(visit: Visit, entry: Entry) -> TimelineLine:
    text = entry.note
    promised = entry.detail.get("promised_at")
    if entry.kind == "promised" and promised:
        text = f"{visit.formats.datetime(datetime.fromisoformat(str(promised)))} {entry.note}".strip()
    elif entry.kind == "taken" and entry.detail.get("crew"):
        text = str(entry.detail["crew"])
    return TimelineLine(
        title=labels.timeline(visit.translate, entry.kind),
        text=text,
        at=visit.formats.datetime(entry.happened_at),
        actor=entry.actor,
        look=ENTRY_LOOKS.get(entry.kind, ""),
        is_private=not entry.public,
    )
