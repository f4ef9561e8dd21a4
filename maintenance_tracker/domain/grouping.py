"""Findings become incidents: one fault in the world, one ticket.

A state machine without a clock of its own. It is given what began and ended at one instant, the instants in order; what
is due between two of them (an incident that was quiet for long enough, a planned work that is past) happens at its own
time, whenever it is called. So what comes out depends on the findings alone.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

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
from maintenance_tracker.domain.grouping_rules import FLOOD_LASTS_S, FLOOD_TICKETS, FLOOD_WINDOW_S, rule_of
from maintenance_tracker.domain.joining import Sizes, absorbs, host_of, joined, merged
from maintenance_tracker.domain.kinds import POLICIES, REPORTED, RETURN_WINDOW
from maintenance_tracker.domain.suppression import KnownReason, Waiting, reason_for

RETURN_S = int(RETURN_WINDOW.total_seconds())
WIDEST_FIRST = {"gateway": 0, "zone": 1, "meter": 2}


class OrderBroken(Exception):
    """What was found must be given in the order of time."""


@dataclass(slots=True)
class Grouping:
    """The incidents that are not over, those over that may come back, and findings that have a known reason."""

    new_id: Callable[[], int]  # rising
    sizes: Sizes = field(default_factory=Sizes)
    reasons: Sequence[KnownReason] = ()
    live: dict[int, Incident] = field(default_factory=dict[int, Incident])
    past: dict[int, Incident] = field(default_factory=dict[int, Incident])
    waiting: dict[int, Waiting] = field(default_factory=dict[int, Waiting])
    ticketed_s: list[int] = field(default_factory=list[int])  # when the tickets of the last minutes were opened
    at_s: int = 0

    def step(self, *, at_s: int, opened: Iterable[Finding], ended: Iterable[int] = ()) -> list[Change]:
        """Take what began and what ended (by `finding_id`) at one instant; give what that changes, in order.

        :raises OrderBroken: if a later instant was given before
        """
        changes = self.advance(at_s=at_s)
        for finding_id in sorted(ended):
            changes += self._end(finding_id, at_s=at_s)
        return changes + self._take(opened, at_s=at_s)

    def advance(self, *, at_s: int) -> list[Change]:
        """Let the time pass; give what that changes.

        :raises OrderBroken: if a later instant was given before
        """
        if at_s < self.at_s:
            raise OrderBroken(f"the tracker stands at {self.at_s} and cannot go back to {at_s}; give findings in order")
        changes: list[Change] = []
        while (due_s := self._next_due_s()) is not None and due_s <= at_s:
            changes += self._settle(due_s)
        self.at_s = at_s
        self.past = {key: incident for key, incident in self.past.items() if _forgotten_s(incident) > at_s}
        return changes

    def repair(self, incident_id: int, *, at_s: int) -> None:
        """Note that the crew mended an incident: what begins later, soon enough, reopens it."""
        for incidents in (self.live, self.past):
            if incident_id in incidents:
                incidents[incident_id] = replace(incidents[incident_id], repaired_s=at_s)

    def _next_due_s(self) -> int | None:
        due = [_over_s(incident) for incident in self.live.values() if incident.quiet_s is not None]
        due += [waiting.until_s for waiting in self.waiting.values()]
        return min(due, default=None)

    def _settle(self, at_s: int) -> list[Change]:
        changes: list[Change] = []
        for incident in [i for i in self.live.values() if i.quiet_s is not None and _over_s(i) <= at_s]:
            del self.live[incident.incident_id]
            self.past[incident.incident_id] = incident
            changes.append(Over(incident, at_s))
        released = [waiting.finding for waiting in self.waiting.values() if waiting.until_s <= at_s]
        for finding in released:
            del self.waiting[finding.finding_id]
        return changes + self._take([replace(finding, at_s=at_s) for finding in released], at_s=at_s)

    def _end(self, finding_id: int, *, at_s: int) -> list[Change]:
        self.waiting.pop(finding_id, None)
        for incident in self.live.values():
            if finding_id in incident.open_ids:
                left = incident.open_ids - {finding_id}
                ended_s = {**incident.ended_s, finding_id: at_s}
                moved = replace(incident, open_ids=left, ended_s=ended_s, quiet_s=None if left else at_s)
                self.live[incident.incident_id] = moved
                return [] if left else [Quieted(moved, at_s)]
        return []

    def _take(self, opened: Iterable[Finding], *, at_s: int) -> list[Change]:
        changes: list[Change] = []
        new: list[Finding] = []
        for finding in sorted(opened, key=_order):
            waiting = reason_for(finding, reasons=self.reasons)
            if waiting is not None:
                self.waiting[finding.finding_id] = waiting
                changes.append(Suppressed(finding, waiting.reason, waiting.until_s, at_s))
            elif not (changed := self._place(finding, at_s=at_s)):
                new.append(finding)
            else:
                changes += changed
        return changes + self._begin(new, at_s=at_s)

    def _place(self, finding: Finding, *, at_s: int) -> list[Change]:
        """Join a finding to an incident that is known, if there is one for it."""
        host = host_of(finding, incidents=self.live.values())
        if host is not None:
            return self._join(host, finding, at_s=at_s)
        back = host_of(finding, incidents=[i for i in self.past.values() if _forgotten_s(i) > at_s])
        if back is not None and finding.outlet == "ticket":
            del self.past[back.incident_id]
            self.live[back.incident_id] = back
            if back.repaired_s is not None:
                return self._join(back, finding, at_s=at_s)
            moved = joined(back, finding=finding, sizes=self.sizes)
            self.live[back.incident_id] = moved
            return [Reopened(moved, finding, at_s)]
        return []

    def _join(self, host: Incident, finding: Finding, *, at_s: int) -> list[Change]:
        came_back = host.repaired_s is not None and finding.since_s > host.repaired_s
        if came_back and finding.since_s > (host.repaired_s or 0) + RETURN_S:
            return []
        moved = joined(replace(host, repaired_s=None) if came_back else host, finding=finding, sizes=self.sizes)
        self.live[host.incident_id] = moved
        if came_back:
            return [Reopened(moved, finding, at_s)]
        renamed = (moved.kind, moved.scope) != (host.kind, host.scope)
        changes: list[Change] = [Joined(moved, finding, at_s, renamed)]
        return changes + (self._absorb(moved, at_s=at_s) if renamed else [])

    def _begin(self, new: Sequence[Finding], *, at_s: int) -> list[Change]:
        """Open incidents for what belongs to none; what is too much at once becomes one incident of many points."""
        changes: list[Change] = []
        begun: list[int] = []
        flood: list[Finding] = []
        self.ticketed_s = [opened_s for opened_s in self.ticketed_s if opened_s > at_s - FLOOD_WINDOW_S]
        for finding in new:
            changed = self._place(finding, at_s=at_s)  # to one that has begun at this very instant
            own = bool(changed) and isinstance(changed[0], Joined) and changed[0].incident.incident_id in begun
            if changed:
                changes += changed[1:] if own else changed
            elif finding.outlet == "watch":
                changes.append(Watched(finding, at_s))
            elif len(self.ticketed_s) >= FLOOD_TICKETS - 1:
                flood.append(finding)
            else:
                incident = self._open(finding, at_s=at_s)
                begun.append(incident.incident_id)
                changes += self._absorb(incident, at_s=at_s)
        if flood:
            changes += self._pour(flood, begun=begun, at_s=at_s)
        unheard = [c for c in changes if not (isinstance(c, Absorbed) and c.incident.incident_id in begun)]
        return [*(Opened(self.live[key], at_s) for key in begun if key in self.live), *unheard]

    def _open(self, finding: Finding, *, at_s: int) -> Incident:
        incident = Incident(
            incident_id=self.new_id(),
            kind=finding.kind,
            service=finding.service,
            scope=finding.scope,
            network_id=finding.network_id,
            zone_id=finding.zone_id,
            gateway_id=finding.gateway_id,
            meter_id=finding.meter_id,
            opened_s=at_s,
            since_s=finding.since_s,
            findings=(finding,),
            open_ids=frozenset({finding.finding_id}),
        )
        self.live[incident.incident_id] = incident
        self.ticketed_s.append(at_s)
        return incident

    def _pour(self, flood: Sequence[Finding], *, begun: list[int], at_s: int) -> list[Change]:
        """Lay findings into the flood that is under way, of whatever service, or into a new one.

        It is named by what most of them are.
        """
        floods = (one for one in self.live.values() if one.scope == "flood" and one.opened_s > at_s - FLOOD_LASTS_S)
        host = next(floods, None)
        if host is None:
            kinds = [finding.kind for finding in flood]
            first = max(flood, key=lambda f: (kinds.count(f.kind), -flood.index(f)))
            rest = [finding for finding in flood if finding is not first]
            host = replace(self._open(first, at_s=at_s), scope="flood", zone_id=None, gateway_id=None, meter_id=None)
            begun.append(host.incident_id)
            for finding in rest:
                host = joined(host, finding=finding, sizes=self.sizes)
            self.live[host.incident_id] = host
            return []
        changes: list[Change] = []
        for finding in flood:
            host = joined(host, finding=finding, sizes=self.sizes)
            self.live[host.incident_id] = host
            changes.append(Joined(host, finding, at_s))
        return changes

    def _absorb(self, incident: Incident, *, at_s: int) -> list[Change]:
        """Take in the meters' incidents that the wider one accounts for."""
        part_of_it = [other.incident_id for other in self.live.values() if absorbs(incident, other=other)]
        return [self._merge(other_id, into=incident.incident_id, at_s=at_s) for other_id in part_of_it]

    def _merge(self, incident_id: int, *, into: int, at_s: int) -> Absorbed:
        other = self.live.pop(incident_id)
        self.live[into] = merged(self.live[into], other=other)
        return Absorbed(other, self.live[into], at_s)


def _order(finding: Finding) -> tuple[int, int, float, str, int, int, int]:
    """Order what was found at one instant: wide before narrow, urgent before slow, strong before weak."""
    urgency = POLICIES.get(finding.kind, REPORTED).priority
    place = finding.meter_id or finding.zone_id or finding.gateway_id or 0
    return (
        WIDEST_FIRST[finding.scope],
        urgency,
        -finding.score,
        finding.kind,
        place,
        finding.since_s,
        finding.finding_id,
    )


def _over_s(incident: Incident) -> int:
    assert incident.quiet_s is not None, "only what is quiet is over some time"
    return incident.quiet_s + rule_of(incident.kind).hold_s


def _forgotten_s(incident: Incident) -> int:
    since_s = max(_over_s(incident), incident.repaired_s or 0)
    return since_s + max(rule_of(incident.kind).return_s, RETURN_S if incident.repaired_s is not None else 0)
