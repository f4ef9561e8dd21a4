"""Which incident a finding belongs to, and what it then is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from maintenance_tracker.domain.findings import Finding, Incident
from maintenance_tracker.domain.grouping_rules import (
    GROWTH_S,
    HOUR_S,
    STORM_SHARE,
    ZONE_WIDE_FROM,
    GroupingRule,
    rule_of,
)

SINCE_SLACK_S = 2 * HOUR_S  # by which two rules may differ on when one fault began
SENSOR_S = 6 * HOUR_S  # a sensor that begins to stray so long after trouble began strays by itself
AFTERMATH_S = HOUR_S  # so long after trouble ended its effects may begin


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many meters there are: behind each concentrator, and of each service."""

    of_gateway: Mapping[int, int] = field(default_factory=dict[int, int])
    of_service: Mapping[str, int] = field(default_factory=dict[str, int])


def host_of(finding: Finding, *, incidents: Iterable[Incident]) -> Incident | None:
    """Find the incident that a finding belongs to: the widest, then one of its own cause, then the newest."""
    fitting = [incident for incident in incidents if accepts(incident, finding=finding)]
    if not fitting:
        return None
    cause = rule_of(finding.kind).cause
    return max(
        fitting,
        key=lambda i: (i.scope != "meter", rule_of(i.kind).cause == cause, i.since_s, -i.incident_id),
    )


def accepts(incident: Incident, *, finding: Finding) -> bool:
    """Tell whether a finding is of this incident's fault."""
    if incident.service != finding.service:
        return False
    own, other = rule_of(incident.kind), rule_of(finding.kind)
    if finding.scope == "meter":
        return _takes_meters(incident, own, finding, other)
    if incident.scope == "meter":
        return False  # the wider finding takes the incident in, not the other way round
    return (
        _goes_on(incident, own, finding, other)
        or _is_simultaneous(incident, own, finding, other)
        or _explains(incident, own, finding, other)
    )


def absorbs(incident: Incident, *, other: Incident) -> bool:
    """Tell whether a meter's incident is part of this wider one."""
    if other.scope != "meter" or incident.scope == "meter" or other.incident_id == incident.incident_id:
        return False
    own = rule_of(incident.kind)
    return all(
        finding.service == incident.service and _takes_meters(incident, own, finding, rule_of(finding.kind))
        for finding in other.findings
    )


def joined(incident: Incident, *, finding: Finding, sizes: Sizes) -> Incident:
    """Give the incident with the finding; one that ranks higher names it, and many meters make it the zone's.

    A weak one is kept with it and changes nothing: it neither names an incident nor holds it open.
    """
    findings = (*incident.findings, finding)
    if finding.outlet == "watch":
        return replace(incident, findings=findings)
    moved = replace(
        incident,
        findings=findings,
        open_ids=incident.open_ids | {finding.finding_id},
        quiet_s=None,
        since_s=min(incident.since_s, finding.since_s),
    )
    if rule_of(finding.kind).rank > rule_of(incident.kind).rank and incident.scope != "flood":
        moved = replace(moved, kind=finding.kind, zone_id=finding.zone_id if finding.scope == "zone" else moved.zone_id)
    return _widened(moved, finding=finding, sizes=sizes)


def merged(incident: Incident, *, other: Incident) -> Incident:
    """Give the incident with another's findings as its own."""
    open_ids = incident.open_ids | other.open_ids
    quiet = [known.quiet_s for known in (incident, other) if known.quiet_s is not None]
    return replace(
        incident,
        findings=(*incident.findings, *other.findings),
        open_ids=open_ids,
        ended_s={**incident.ended_s, **other.ended_s},
        since_s=min(incident.since_s, other.since_s),
        quiet_s=None if open_ids else max(quiet, default=None),
    )


def _takes_meters(incident: Incident, own: GroupingRule, finding: Finding, other: GroupingRule) -> bool:
    if own.cause != other.cause:
        return _explains(incident, own, finding, other)
    if finding.meter_id in incident.meter_ids:
        return True
    if incident.scope == "meter":
        return _is_shared(incident, own, finding)
    if incident.scope == "zone":
        return any(_is_recent(incident, known, finding) for known in incident.strong)
    return _same_place(incident, finding=finding)


def _explains(incident: Incident, own: GroupingRule, finding: Finding, other: GroupingRule) -> bool:
    """Tell whether trouble of another cause is an effect of the incident: it began while a finding there lasted."""
    if other.cause not in own.explains or incident.scope == "flood":
        return False
    for known in incident.strong:
        here = known.meter_id == finding.meter_id if known.scope == "meter" else known.zone_id == finding.zone_id
        late_s = finding.since_s - known.since_s
        lasts_until_s = incident.lasted_until(known, at_s=finding.at_s) + AFTERMATH_S
        found_in_time = finding.since_s <= lasts_until_s and finding.at_s <= lasts_until_s + rule_of(known.kind).hold_s
        longest_s = SENSOR_S if other.cause == "sensor" else own.explains_for_s
        if here and found_in_time and -SINCE_SLACK_S <= late_s <= longest_s:
            return True
    return False


def _is_shared(incident: Incident, own: GroupingRule, finding: Finding) -> bool:
    """Tell whether a meter shows the same fault as its neighbours in the zone, or behind the concentrator."""
    if own.cause == "silence":
        near = incident.gateway_id is not None and finding.gateway_id == incident.gateway_id
    else:
        near = incident.zone_id is not None and finding.zone_id == incident.zone_id
    return near and any(abs(finding.since_s - known.since_s) < own.shared_s for known in incident.strong)


def _goes_on(incident: Incident, own: GroupingRule, finding: Finding, other: GroupingRule) -> bool:
    """Tell whether a wide finding is the trouble that is known of its place.

    A burst is that only beside a burst, or a leak that began with it: beside one that began long before it is a second
    fault, for which people must go at once.
    """
    if own.cause != other.cause:
        return False
    if incident.scope != "zone":
        return _same_place(incident, finding=finding)
    same = [known for known in incident.strong if _is_recent(incident, known, finding)]
    if finding.kind == "pipe_burst":
        return any(known.kind == "pipe_burst" or known.since_s > finding.since_s - GROWTH_S for known in same)
    return bool(same)


def _is_recent(incident: Incident, known: Finding, finding: Finding) -> bool:
    """Tell whether a finding of the incident in the same zone and of the same cause lasts, or ended not long ago."""
    rule = rule_of(known.kind)
    if known.zone_id != finding.zone_id or rule.cause != rule_of(finding.kind).cause:
        return False
    return finding.at_s <= incident.lasted_until(known, at_s=finding.at_s) + rule.hold_s + rule.return_s


def _same_place(incident: Incident, *, finding: Finding) -> bool:
    if incident.scope == "network":
        return incident.network_id == finding.network_id
    if incident.scope == "gateway":
        return finding.gateway_id in {known.gateway_id for known in incident.findings if known.gateway_id is not None}
    return False


def _is_simultaneous(incident: Incident, own: GroupingRule, finding: Finding, other: GroupingRule) -> bool:
    """Tell whether two zones of one network show one fault: a break in one lets the pressure of its neighbours fall."""
    somewhere = incident.network_id is not None or own.cause == "silence"  # concentrators hear more than one network
    if incident.scope == "flood" or not somewhere or incident.network_id != finding.network_id:
        return False
    if own.cause != other.cause and own.cause not in other.explains and other.cause not in own.explains:
        return False
    return abs(finding.since_s - incident.since_s) <= min(own.spread_s, other.spread_s)


def _widened(incident: Incident, *, finding: Finding, sizes: Sizes) -> Incident:
    """Give the incident the scope that its findings have now."""
    if incident.scope == "flood":
        return incident
    meters = len(incident.meter_ids)
    if rule_of(incident.kind).cause == "silence":
        if finding.scope == "gateway" or _are_many(meters, of=sizes.of_gateway.get(incident.gateway_id or 0, meters)):
            incident = replace(incident, scope="gateway", kind="concentrator_lost", zone_id=None, meter_id=None)
        gateways = {known.gateway_id for known in incident.findings}
        if len(gateways) > 1 and _are_many(meters, of=sizes.of_service.get(incident.service, meters)):
            incident = replace(incident, scope="network", kind="storm", zone_id=None, gateway_id=None, meter_id=None)
        return incident
    if incident.scope == "meter" and finding.scope == "zone":
        return replace(incident, scope="zone", zone_id=finding.zone_id, meter_id=None)
    if incident.scope == "meter" and meters >= ZONE_WIDE_FROM:
        return replace(incident, scope="zone", meter_id=None)
    return incident


def _are_many(meters: int, *, of: int) -> bool:
    return meters >= ZONE_WIDE_FROM and meters * STORM_SHARE >= of
