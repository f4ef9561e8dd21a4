"""What has a known reason is no trouble: planned works, closed supply, outages that are told of."""

from collections.abc import Sequence
from dataclasses import dataclass

from maintenance_tracker.domain.findings import Finding
from maintenance_tracker.domain.grouping_rules import rule_of

SLACK_S = 900  # crews begin a little before the planned time


@dataclass(frozen=True, slots=True)
class KnownReason:
    """Findings that begin at the place inside [from_s, to_s] have this reason. One of zone and meter is given."""

    reason: str
    zone_id: int | None
    meter_id: int | None
    from_s: int
    to_s: int
    tail_s: int = 4 * 3600  # until measures are back to what is usual
    causes: frozenset[str] | None = None  # of what it accounts for; None: of everything


@dataclass(frozen=True, slots=True)
class Waiting:
    """A finding that has a known reason until `until_s`."""

    finding: Finding
    reason: str
    until_s: int


def reason_for(finding: Finding, *, reasons: Sequence[KnownReason]) -> Waiting | None:
    """Give the reason that holds longest; None where nothing accounts for the finding.

    What began before the work did is not its doing.
    """
    found: Waiting | None = None
    for known in reasons:
        until_s = known.to_s + known.tail_s
        accounts = known.causes is None or rule_of(finding.kind).cause in known.causes
        if not accounts or not _is_at(finding, known=known) or finding.at_s >= until_s:
            continue
        if known.from_s - SLACK_S <= finding.since_s and (found is None or until_s > found.until_s):
            found = Waiting(finding, known.reason, until_s)
    return found


def _is_at(finding: Finding, *, known: KnownReason) -> bool:
    if known.meter_id is not None:
        return finding.meter_id == known.meter_id
    return finding.scope != "gateway" and finding.zone_id == known.zone_id
