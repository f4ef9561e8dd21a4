"""Findings as the tracker takes them, the incidents they become, and what happens to those."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

FindingScope = Literal["meter", "zone", "gateway"]
IncidentScope = Literal["meter", "zone", "gateway", "network", "flood"]
Outlet = Literal["ticket", "watch"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What the checker says began. Times are seconds since 1970; places are ids, None where there is none."""

    finding_id: int
    kind: str
    service: str
    scope: FindingScope
    network_id: int | None  # zones that feed one another
    zone_id: int | None
    gateway_id: int | None  # a concentrator
    meter_id: int | None
    at_s: int  # when it could be known, by the arrival of readings
    since_s: int  # when it began, by the readings
    score: float  # how far beyond the limit, in multiples of it
    outlet: Outlet = "ticket"
    meter_ids: tuple[int, ...] = ()  # that show it, the worst first


@dataclass(frozen=True, slots=True)
class Incident:
    """One fault in the world, whatever the number of findings it caused."""

    incident_id: int
    kind: str
    service: str
    scope: IncidentScope
    network_id: int | None
    zone_id: int | None  # of its leading finding
    gateway_id: int | None
    meter_id: int | None  # None once it is more than one meter's
    opened_s: int
    since_s: int  # when the earliest of its findings began
    findings: tuple[Finding, ...]  # in the order in which they joined
    open_ids: frozenset[int]  # of the findings that last
    ended_s: Mapping[int, int] = field(default_factory=dict[int, int])  # when each of the others ended
    quiet_s: int | None = None  # since when none lasts
    repaired_s: int | None = None  # when the crew said that it is mended

    def lasted_until(self, finding: Finding, *, at_s: int) -> int:
        """Tell until when one of its findings lasted; until now if it lasts."""
        return at_s if finding.finding_id in self.open_ids else self.ended_s.get(finding.finding_id, finding.at_s)

    @property
    def strong(self) -> tuple[Finding, ...]:
        """Give the findings that make it an incident; weak ones are only kept with it."""
        return tuple(finding for finding in self.findings if finding.outlet == "ticket")

    @property
    def zone_ids(self) -> frozenset[int]:
        """Give the zones that a finding names as a whole, and the zone of its leading one."""
        named = {finding.zone_id for finding in self.strong if finding.scope == "zone"} | {self.zone_id}
        return frozenset(zone_id for zone_id in named if zone_id is not None)

    @property
    def meter_ids(self) -> tuple[int, ...]:
        """Give every meter that shows it, in the order in which they came."""
        shown: dict[int, None] = {}
        for finding in self.strong:
            if finding.meter_id is not None:
                shown.setdefault(finding.meter_id)
            shown.update(dict.fromkeys(finding.meter_ids))
        return tuple(shown)


@dataclass(frozen=True, slots=True)
class Opened:
    """An incident began, and with it a ticket; the incident is given as it was at the end of that instant."""

    incident: Incident
    at_s: int


@dataclass(frozen=True, slots=True)
class Joined:
    """A finding belongs to an incident that is known; `renamed`: it tells better what the incident is."""

    incident: Incident
    finding: Finding
    at_s: int
    renamed: bool = False


@dataclass(frozen=True, slots=True)
class Reopened:
    """Trouble came back soon after its incident was over or mended."""

    incident: Incident
    finding: Finding
    at_s: int


@dataclass(frozen=True, slots=True)
class Absorbed:
    """An incident turned out to be part of another, which has its findings now."""

    incident: Incident
    into: Incident
    at_s: int


@dataclass(frozen=True, slots=True)
class Quieted:
    """No finding of the incident lasts any more; it is held open for a while."""

    incident: Incident
    at_s: int


@dataclass(frozen=True, slots=True)
class Over:
    """An incident was quiet for as long as its kind is held."""

    incident: Incident
    at_s: int


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A finding has a known reason until then; if it lasts longer it counts from then on."""

    finding: Finding
    reason: str
    until_s: int
    at_s: int


@dataclass(frozen=True, slots=True)
class Watched:
    """A weak finding that belongs to no incident: a person looks at it."""

    finding: Finding
    at_s: int


Change = Opened | Joined | Reopened | Absorbed | Quieted | Over | Suppressed | Watched
