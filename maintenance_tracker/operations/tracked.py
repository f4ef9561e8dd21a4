"""The grouping of a utility's findings as the store keeps it: read before each step, held until it is written."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import queries as ingest
from ingest_gateway.queries import Anomaly
from maintenance_tracker.domain.findings import Finding, Incident
from maintenance_tracker.domain.grouping import Grouping
from maintenance_tracker.domain.grouping_rules import LONGEST_RETURN_S, RULES, rule_of
from maintenance_tracker.domain.joining import Sizes
from maintenance_tracker.domain.suppression import KnownReason, Waiting
from maintenance_tracker.store import incidents, tickets, waiting
from maintenance_tracker.store.incidents import IncidentRow, Member
from maintenance_tracker.store.tickets import Ticket
from registry import queries as registry
from registry.queries import KnownMeter, PlannedWork, Zone

ENDLESS = datetime.max.replace(tzinfo=UTC, microsecond=0)
LOOKED_AT_AGAIN = timedelta(days=1)  # whether supply is on again, or the ticket closed
TOLD_LATE = timedelta(hours=3)  # people call some time after it began
FLOOD_LOOKED_BACK = timedelta(hours=1)


@dataclass(slots=True)
class Tracked:
    """The grouping, and the rows that it was made of; new incidents get ids beyond all of theirs, which are not the
    store's."""

    grouping: Grouping
    rows: Mapping[int, IncidentRow]


def load(conn: Connection[TupleRow], *, utility_id: int, at: datetime, reasons: Sequence[KnownReason] = ()) -> Tracked:
    """Read the incidents that live or may come back, and hold their tickets until the transaction ends."""
    over_since = at - timedelta(seconds=LONGEST_RETURN_S)
    rows = incidents.tracked(conn, utility_id=utility_id, over_since=over_since)
    members = incidents.members(conn, utility_id=utility_id, incident_ids=[row.incident_id for row in rows])
    waited = waiting.waiting(conn, utility_id=utility_id)
    wanted = {member.anomaly_id for member in members} | {row.anomaly_id for row in waited}
    found = {one.anomaly_id: one for one in ingest.anomalies(conn, utility_id=utility_id, anomaly_ids=wanted)}
    made = [_incident(row, members, found) for row in sorted(rows, key=lambda row: row.incident_id)]
    opened = incidents.opened_since(conn, utility_id=utility_id, since=at - FLOOD_LOOKED_BACK)
    networks = networks_of(registry.zones(conn, utility_id=utility_id)) if waited else {}
    over = {row.incident_id for row in rows if row.over_at is not None}
    grouping = Grouping(
        new_id=count(max((row.incident_id for row in rows), default=0) + 1).__next__,
        reasons=reasons,
        live={one.incident_id: one for one in made if one.incident_id not in over},
        past={one.incident_id: one for one in made if one.incident_id in over},
        waiting={
            row.anomaly_id: Waiting(
                finding_of(found[row.anomaly_id], networks=networks, gateway_id=None), row.reason, _s(row.until_at)
            )
            for row in waited
        },
        ticketed_s=[_s(opened_at) for opened_at in opened],
    )
    return Tracked(grouping, {row.incident_id: row for row in rows})


def findings_of(
    conn: Connection[TupleRow], *, utility_id: int, anomalies: Iterable[Anomaly]
) -> tuple[list[Finding], Sizes]:
    """Say where findings lie, and how many meters there are if silence is the trouble."""
    listed = list(anomalies)
    networks = networks_of(registry.zones(conn, utility_id=utility_id))
    silent = any(rule_of(one.kind).cause == "silence" for one in listed)
    meters = registry.known_meters(conn, utility_id=utility_id) if silent else []
    gateways = {meter.meter_id: meter.concentrator_id for meter in meters}
    findings = [finding_of(one, networks=networks, gateway_id=gateways.get(one.meter_id or 0)) for one in listed]
    return findings, _sizes(meters)


def finding_of(anomaly: Anomaly, *, networks: Mapping[int, int], gateway_id: int | None) -> Finding:
    """Take a finding of the checker as the grouping does."""
    return Finding(
        finding_id=anomaly.anomaly_id,
        kind=anomaly.kind,
        service=anomaly.service,
        scope=anomaly.scope,
        network_id=networks.get(anomaly.zone_id or 0),
        zone_id=anomaly.zone_id,
        gateway_id=anomaly.place_id if anomaly.scope == "gateway" else gateway_id,
        meter_id=anomaly.meter_id,
        at_s=_s(anomaly.found_at),
        since_s=_s(anomaly.started_at),
        score=anomaly.score,
        outlet=anomaly.outlet,
        meter_ids=tuple(anomaly.meter_ids),
    )


def reasons_at(
    conn: Connection[TupleRow], *, utility_id: int, anomalies: Collection[Anomaly], at: datetime
) -> list[KnownReason]:
    """List what accounts for trouble at this time: planned works, supply that is off, what people told of."""
    works = [one for one in registry.planned_works(conn, utility_id=utility_id, at=at) if one.cancelled_at is None]
    zones = registry.zones(conn, utility_id=utility_id) if works else []
    of_points = {one.point_id: one.meter_id for one in anomalies if one.point_id is not None}
    reasons = [reason for work in works for reason in _of_work(work, zones=zones, meters=of_points)]
    for point in registry.points(conn, utility_id=utility_id, point_ids=list(of_points)):
        if point.supply != "on":
            since_s = _s(point.supply_since or at)
            until_s = _s(at + LOOKED_AT_AGAIN)
            reasons.append(KnownReason("supply_off", None, of_points[point.point_id], since_s, until_s, tail_s=0))
    told = tickets.opened_by_people(conn, utility_id=utility_id)
    return reasons + [_of_ticket(ticket, at=at) for ticket in told if ticket.kind in RULES]


def _of_ticket(ticket: Ticket, *, at: datetime) -> KnownReason:
    """What people were told of an outage or a burst in a zone, and are at work on, is known; the rest there is not."""
    rule = rule_of(ticket.kind)
    return KnownReason(
        reason=f"ticket {ticket.ticket_number}",
        zone_id=ticket.zone_id,
        meter_id=None,
        from_s=_s(ticket.opened_at - TOLD_LATE),
        to_s=_s(at + LOOKED_AT_AGAIN),
        tail_s=0,
        causes=rule.explains | {rule.cause},
    )


def networks_of(zones: Iterable[Zone]) -> dict[int, int]:
    """Give for each zone the outermost one that it lies in."""
    parent = {zone.zone_id: zone.parent_zone_id for zone in zones}
    networks: dict[int, int] = {}
    for zone_id in parent:
        outer, passed = zone_id, {zone_id}
        while (step := parent.get(outer)) is not None and step not in passed:
            outer = step
            passed.add(step)
        networks[zone_id] = outer
    return networks


def row_of(incident: Incident, *, incident_id: int, over_at: datetime | None) -> IncidentRow:
    """Give an incident as the store keeps it."""
    return IncidentRow(
        incident_id=incident_id,
        service=incident.service,
        kind=incident.kind,
        scope=incident.scope,
        network_id=incident.network_id,
        zone_id=incident.zone_id,
        gateway_id=incident.gateway_id,
        meter_id=incident.meter_id,
        began_at=instant(incident.since_s),
        opened_at=instant(incident.opened_s),
        quiet_at=None if incident.quiet_s is None else instant(incident.quiet_s),
        over_at=over_at,
        repaired_at=None if incident.repaired_s is None else instant(incident.repaired_s),
    )


def instant(at_s: int) -> datetime:
    """Turn seconds since 1970 into an instant."""
    return datetime.fromtimestamp(at_s, tz=UTC)


def _incident(row: IncidentRow, members: Iterable[Member], found: Mapping[int, Anomaly]) -> Incident:
    own = [member for member in members if member.incident_id == row.incident_id]
    placed = [
        replace(
            finding_of(found[one.anomaly_id], networks={}, gateway_id=one.gateway_id),
            network_id=row.network_id,
            outlet="ticket" if one.holds else "watch",
        )
        for one in own
    ]
    return Incident(
        incident_id=row.incident_id,
        kind=row.kind,
        service=row.service,
        scope=row.scope,
        network_id=row.network_id,
        zone_id=row.zone_id,
        gateway_id=row.gateway_id,
        meter_id=row.meter_id,
        opened_s=_s(row.opened_at),
        since_s=_s(row.began_at),
        findings=tuple(placed),
        open_ids=frozenset(member.anomaly_id for member in own if member.holds and member.ended_at is None),
        ended_s={member.anomaly_id: _s(member.ended_at) for member in own if member.ended_at is not None},
        quiet_s=None if row.quiet_at is None else _s(row.quiet_at),
        repaired_s=None if row.repaired_at is None else _s(row.repaired_at),
    )


def _of_work(work: PlannedWork, *, zones: Iterable[Zone], meters: Mapping[int, int | None]) -> list[KnownReason]:
    reason = f"planned_work {work.planned_work_id}"
    from_s = _s(work.started_at or work.planned_from)
    to_s = _s(work.finished_at or (ENDLESS - timedelta(days=1) if work.started_at else work.planned_to))
    if work.point_id is not None:
        meter_id = meters.get(work.point_id)
        return [] if meter_id is None else [KnownReason(reason, None, meter_id, from_s, to_s)]
    return [KnownReason(reason, zone_id, None, from_s, to_s) for zone_id in _within(work.zone_id, zones)]


def _within(outer: int | None, zones: Iterable[Zone]) -> list[int]:
    """List the zones that lie in one, and that one."""
    parent = {zone.zone_id: zone.parent_zone_id for zone in zones}
    within: list[int] = []
    for zone_id in parent:
        step: int | None = zone_id
        passed: set[int] = set()
        while step is not None and step not in passed and step != outer:
            passed.add(step)
            step = parent.get(step)
        if step == outer:
            within.append(zone_id)
    return within


def _sizes(meters: Iterable[KnownMeter]) -> Sizes:
    of_gateway: dict[int, int] = {}
    of_service: dict[str, int] = {}
    for meter in meters:
        of_service[meter.kind] = of_service.get(meter.kind, 0) + 1
        if meter.concentrator_id is not None:
            of_gateway[meter.concentrator_id] = of_gateway.get(meter.concentrator_id, 0) + 1
    return Sizes(of_gateway, of_service)


def _s(at: datetime) -> int:
    return int(at.timestamp())
