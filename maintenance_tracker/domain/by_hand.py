"""What people decide about incidents: that two are one fault, or that one is two."""

from collections.abc import Collection
from dataclasses import replace

from maintenance_tracker.domain.findings import Incident
from maintenance_tracker.domain.grouping_rules import rule_of
from maintenance_tracker.domain.joining import merged


class MergeRefused(Exception):
    """Two incidents cannot be one."""


class SplitRefused(Exception):
    """An incident cannot be split in this way."""


def merge(into: Incident, *, other: Incident) -> Incident:
    """Give the incident that stays, with the other's findings.

    :raises MergeRefused: if they are one already, or of different services
    """
    if into.incident_id == other.incident_id:
        raise MergeRefused(f"incident {into.incident_id} cannot be merged into itself; choose another")
    if into.service != other.service:
        raise MergeRefused(
            f"incident {other.incident_id} is of {other.service} and {into.incident_id} of {into.service};"
            " they are two faults"
        )
    kept = merged(into, other=other)
    if kept.scope == "meter" and len(kept.meter_ids) > 1:
        return replace(kept, scope="zone" if kept.zone_id is not None else "network", meter_id=None)
    return kept


def split(incident: Incident, *, finding_ids: Collection[int], new_id: int, at_s: int) -> tuple[Incident, Incident]:
    """Give what is left of an incident, and a new one of some of its findings, named by the one that tells most.

    :raises SplitRefused: if a finding is not of the incident, or none would be left
    """
    wanted = set(finding_ids)
    taken = tuple(finding for finding in incident.findings if finding.finding_id in wanted)
    left = tuple(finding for finding in incident.findings if finding.finding_id not in wanted)
    if not taken or len(taken) != len(wanted):
        raise SplitRefused(f"not all of these are findings of incident {incident.incident_id}; load it again")
    if not left:
        raise SplitRefused(f"incident {incident.incident_id} would have no finding left; leave at least one")
    first = max(taken, key=lambda finding: (rule_of(finding.kind).rank, finding.score, -finding.finding_id))
    open_ids = incident.open_ids & wanted
    part = replace(
        incident,
        incident_id=new_id,
        kind=first.kind,
        scope=first.scope,
        zone_id=first.zone_id,
        gateway_id=first.gateway_id if first.scope == "gateway" else None,
        meter_id=first.meter_id,
        opened_s=at_s,
        since_s=min(finding.since_s for finding in taken),
        findings=taken,
        open_ids=open_ids,
        quiet_s=None if open_ids else incident.quiet_s or at_s,
    )
    rest_open = incident.open_ids - wanted
    rest = replace(
        incident,
        findings=left,
        open_ids=rest_open,
        since_s=min(finding.since_s for finding in left),
        quiet_s=None if rest_open else incident.quiet_s or at_s,
    )
    return rest, part
