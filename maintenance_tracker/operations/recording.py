"""Writing what the grouping changed: incidents, their tickets, the timeline, and who is told."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, assert_never

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import queries as ingest
from maintenance_tracker.domain.findings import (
    Absorbed,
    Change,
    Finding,
    Incident,
    Joined,
    Opened,
    Over,
    Quieted,
    Reopened,
    Suppressed,
    Watched,
)
from maintenance_tracker.domain.grouping_rules import rule_of
from maintenance_tracker.domain.kinds import policy
from maintenance_tracker.domain.place import Place, guess_place
from maintenance_tracker.operations.opening import points_in_zone, utility_of, write_ticket
from maintenance_tracker.operations.steps import write_merged, write_reopened
from maintenance_tracker.operations.telling import NoticeKind, tell_customers, tell_screens
from maintenance_tracker.operations.tracked import Tracked, instant, row_of
from maintenance_tracker.store import incidents, tickets, timeline, waiting
from maintenance_tracker.store.incidents import Member
from maintenance_tracker.store.tickets import Ticket
from registry import queries as registry

ACTOR = "checker"
QUIET = "quiet"  # the timeline's word for: all readings behind this are normal again
OVER = "over"
RENAMED = "renamed"
MERGED = "merged"
SPLIT = "split"
CAME_BACK = "came_back"
LEAKS = frozenset({"household_leak"})
MENDED = ("finished", "confirmed")


@dataclass(slots=True)
class Writer:
    """One transaction's writing for one utility; `ids` are the store's ids of the grouping's new incidents."""

    conn: Connection[TupleRow]
    utility_id: int
    tracked: Tracked
    actor: str = ACTOR
    ids: dict[int, int] = field(default_factory=dict[int, int])

    def id_of(self, incident: Incident) -> int:
        return self.ids.get(incident.incident_id, incident.incident_id)

    def ticket_of(self, incident: Incident) -> Ticket:
        ticket_id = tickets.of_incident(self.conn, utility_id=self.utility_id, incident_id=self.id_of(incident))
        assert ticket_id is not None, "an incident is written with its ticket"
        return tickets.ticket(self.conn, utility_id=self.utility_id, ticket_id=ticket_id)


def record(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    tracked: Tracked,
    changes: Iterable[Change],
    waited: Collection[int],
) -> None:
    """Write the changes in their order; `waited` are the findings that had a known reason before."""
    writer = Writer(conn, utility_id, tracked)
    for change in changes:
        _write(writer, change)
    released = set(waited) - set(tracked.grouping.waiting)
    waiting.remove(conn, utility_id=utility_id, anomaly_ids=released)


def record_merge(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    tracked: Tracked,
    kept: Incident,
    gone: Incident,
    actor: str,
    at: datetime,
) -> None:
    """Write that a person made two incidents one."""
    writer = Writer(conn, utility_id, tracked, actor)
    _absorb(writer, Absorbed(gone, kept, int(at.timestamp())), at=at)


def record_split(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    tracked: Tracked,
    rest: Incident,
    part: Incident,
    actor: str,
    at: datetime,
) -> Ticket:
    """Write that a person made an incident two; give the ticket of the new one."""
    writer = Writer(conn, utility_id, tracked, actor)
    _open(writer, part, at=at)
    _update(writer, rest, found_at=at, over_at=None)
    _show(writer, rest, at=at)
    new = writer.ticket_of(part)
    detail = {"code": SPLIT, "ticket_id": new.ticket_id, "ticket_number": new.ticket_number}
    _note(writer, writer.ticket_of(rest), kind="note", at=at, detail=detail)
    return new


def _write(writer: Writer, change: Change) -> None:
    at = instant(change.at_s)
    match change:
        case Opened():
            _open(writer, change.incident, at=at)
        case Joined():
            _join(writer, change, at=at)
        case Reopened():
            _reopen(writer, change, at=at)
        case Absorbed():
            _absorb(writer, change, at=at)
        case Quieted():
            _quiet(writer, change.incident, at=at)
        case Over():
            _update(writer, change.incident, found_at=at, over_at=at)
        case Suppressed():
            waiting.put(
                writer.conn,
                utility_id=writer.utility_id,
                anomaly_id=change.finding.finding_id,
                reason=change.reason,
                until=instant(change.until_s),
            )
        case Watched():
            pass  # it stays on the watch list, which is what has no incident
        case _:
            assert_never(change)


def _open(writer: Writer, incident: Incident, *, at: datetime) -> None:
    conn, utility_id = writer.conn, writer.utility_id
    point_id = _point_of(writer, incident, at=at)
    row = row_of(incident, incident_id=incident.incident_id, over_at=None)
    incident_id = incidents.insert(conn, utility_id=utility_id, row=row, point_id=point_id)
    writer.ids[incident.incident_id] = incident_id
    _put(writer, incident, incident.findings, at=at)
    ticket = write_ticket(
        conn,
        utility_id=utility_id,
        incident_id=incident_id,
        service=incident.service,
        kind=incident.kind,
        zone_id=incident.zone_id,
        point_id=point_id,
        note="",
        actor=writer.actor,
        at=at,
    )
    _concern(writer, incident, ticket, at=at, again=False, is_new=True)


def _join(writer: Writer, change: Joined, *, at: datetime) -> None:
    incident = change.incident
    _put(writer, incident, [change.finding], at=at)
    _update(writer, incident, found_at=at, over_at=None)
    ticket = writer.ticket_of(incident)
    if change.renamed:
        ticket = _rename(writer, incident, ticket, at=at)
    _concern(writer, incident, ticket, at=at, again=False, is_new=False)


def _reopen(writer: Writer, change: Reopened, *, at: datetime) -> None:
    incident = change.incident
    _put(writer, incident, [change.finding], at=at)
    _update(writer, incident, found_at=at, over_at=None)
    ticket = writer.ticket_of(incident)
    if ticket.state not in MENDED:
        _note(writer, ticket, kind="note", at=at, detail={"code": CAME_BACK})
        _concern(writer, incident, ticket, at=at, again=False, is_new=False)
        return
    ticket = write_reopened(
        writer.conn,
        utility_id=writer.utility_id,
        ticket=ticket,
        note="",
        actor=writer.actor,
        at=at,
        detail={"anomaly_id": change.finding.finding_id},
    )
    _concern(writer, incident, ticket, at=at, again=True, is_new=False)


def _absorb(writer: Writer, change: Absorbed, *, at: datetime) -> None:
    host, part = writer.id_of(change.into), writer.id_of(change.incident)
    _put(writer, change.into, change.into.findings, at=at)
    incidents.set_merged(writer.conn, utility_id=writer.utility_id, incident_id=part, into=host, at=at)
    _update(writer, change.into, found_at=at, over_at=None)
    ticket, gone = writer.ticket_of(change.into), writer.ticket_of(change.incident)
    write_merged(writer.conn, utility_id=writer.utility_id, ticket=gone, into=ticket, actor=writer.actor, at=at)
    _note(writer, ticket, kind="note", at=at, detail={"code": MERGED, "ticket_number": gone.ticket_number})
    ticket = _rename(writer, change.into, ticket, at=at)
    _concern(writer, change.into, ticket, at=at, again=False, is_new=False)


def _quiet(writer: Writer, incident: Incident, *, at: datetime) -> None:
    _update(writer, incident, found_at=at, over_at=None)
    ticket = writer.ticket_of(incident)
    _note(writer, ticket, kind="note", at=at, detail={"code": QUIET})
    tell_screens(writer.conn, utility_id=writer.utility_id, ticket=ticket, at=at)


def _rename(writer: Writer, incident: Incident, ticket: Ticket, *, at: datetime) -> Ticket:
    """Say on the ticket what the trouble turned out to be."""
    conn, utility_id = writer.conn, writer.utility_id
    rule = policy(incident.kind, settings=utility_of(conn, utility_id=utility_id).settings)
    tickets.rename(
        conn,
        utility_id=utility_id,
        ticket_id=ticket.ticket_id,
        kind=incident.kind,
        priority=rule.priority,
        zone_id=incident.zone_id,
        point_id=_point_of(writer, incident, at=at),
    )
    if incident.kind != ticket.kind:
        detail = {"code": RENAMED, "trouble": incident.kind, "before": ticket.kind}
        _note(writer, ticket, kind="note", at=at, detail=detail)
    return tickets.ticket(conn, utility_id=utility_id, ticket_id=ticket.ticket_id)


def _put(writer: Writer, incident: Incident, findings: Iterable[Finding], *, at: datetime) -> None:
    incident_id = writer.id_of(incident)
    members = [
        Member(
            incident_id=incident_id,
            anomaly_id=one.finding_id,
            gateway_id=one.gateway_id if rule_of(one.kind).cause == "silence" else None,
            holds=one.outlet == "ticket",
        )
        for one in findings
    ]
    incidents.put_members(writer.conn, utility_id=writer.utility_id, members=members, at=at)


def _update(writer: Writer, incident: Incident, *, found_at: datetime, over_at: datetime | None) -> None:
    incidents.update(
        writer.conn,
        utility_id=writer.utility_id,
        row=row_of(incident, incident_id=writer.id_of(incident), over_at=over_at),
        point_id=_point_of(writer, incident, at=found_at),
        found_at=found_at,
    )


def _point_of(writer: Writer, incident: Incident, *, at: datetime) -> int | None:
    if incident.meter_id is None:
        return None
    points = registry.points_of_meters(writer.conn, utility_id=writer.utility_id, meter_ids=[incident.meter_id], at=at)
    return points.get(incident.meter_id)


def _concern(writer: Writer, incident: Incident, ticket: Ticket, *, at: datetime, again: bool, is_new: bool) -> None:
    """Write which points show the trouble, add those that it concerns, and tell their customers."""
    conn, utility_id = writer.conn, writer.utility_id
    shown = _show(writer, incident, at=at)
    concerned = set(shown) if _is_told(incident) else set[int]()
    if incident.scope == "zone" and _is_told(incident):
        for zone_id in sorted(incident.zone_ids):
            concerned |= set(points_in_zone(conn, utility_id=utility_id, zone_id=zone_id, service=incident.service))
    new = tickets.add_points(conn, utility_id=utility_id, ticket_id=ticket.ticket_id, point_ids=concerned)
    if new and not again and not is_new:
        _note(writer, ticket, kind="affected", at=at, detail={"points": len(new)})
    # Those who were told of this trouble are told again only when it came back.
    told = tickets.point_ids(conn, utility_id=utility_id, ticket_id=ticket.ticket_id) if again else new
    kind: NoticeKind = "leak.suspected" if incident.kind in LEAKS else "repair.opened"
    more = _leak(writer, incident) if incident.kind in LEAKS else {}
    tell_customers(conn, utility_id=utility_id, ticket=ticket, kind=kind, point_ids=told, more=more, at=at)
    tell_screens(conn, utility_id=utility_id, ticket=ticket, at=at)


def _is_told(incident: Incident) -> bool:
    """Tell whether customers hear of it: not of what they may not know of, and not of a flood before people looked."""
    return policy(incident.kind, settings={}).told and incident.scope in ("meter", "zone")


def _show(writer: Writer, incident: Incident, *, at: datetime) -> list[int]:
    """Write the points that show the trouble and where it is likely to lie; give the points, the worst first."""
    conn, utility_id = writer.conn, writer.utility_id
    at_meters = registry.points_of_meters(conn, utility_id=utility_id, meter_ids=incident.meter_ids, at=at)
    shown = [(at_meters[meter_id], meter_id) for meter_id in incident.meter_ids if meter_id in at_meters]
    points = {one.point_id: one for one in registry.points(conn, utility_id=utility_id, point_ids=at_meters.values())}
    places = {
        meter_id: Place(points[point_id].latitude or 0.0, points[point_id].longitude or 0.0)
        for point_id, meter_id in shown
        if point_id in points and points[point_id].latitude is not None and points[point_id].longitude is not None
    }
    incidents.set_points(
        conn,
        utility_id=utility_id,
        incident_id=writer.id_of(incident),
        points=shown,
        place=guess_place(worst_first=[meter_id for _, meter_id in shown], places=places),
    )
    return [point_id for point_id, _ in shown]


def _leak(writer: Writer, incident: Incident) -> Mapping[str, Any]:
    first = ingest.anomaly(writer.conn, utility_id=writer.utility_id, anomaly_id=incident.findings[-1].finding_id)
    return {
        "anomaly_id": first.anomaly_id,
        "since": first.started_at.isoformat(),
        "litres_per_hour": first.litres_per_hour,
        "litres_so_far": first.litres_so_far(at=first.found_at),
    }


def _note(writer: Writer, ticket: Ticket, *, kind: timeline.EntryKind, at: datetime, detail: Mapping[str, Any]) -> None:
    timeline.add(
        writer.conn,
        utility_id=writer.utility_id,
        ticket_id=ticket.ticket_id,
        kind=kind,
        at=at,
        actor=writer.actor,
        note="",
        public=True,
        detail=detail,
        client_id=None,
    )
