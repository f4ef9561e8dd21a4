"""Running a set through the checker and the grouping, strictly in the order in which its readings arrived."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, groupby
from typing import Any

import numpy as np

from ingest_gateway.domain.checking.checker import Checker
from ingest_gateway.domain.checking.findings import Finding
from ingest_gateway.domain.checking.meters import NOWHERE, WATER, Meters
from ingest_gateway.domain.checking.quiet import QuietSpan
from ingest_gateway.domain.detectors.catalog import detectors_for
from maintenance_tracker.domain.findings import Change, Incident, Opened
from maintenance_tracker.domain.findings import Finding as Placed
from maintenance_tracker.domain.grouping import Grouping
from maintenance_tracker.domain.joining import Sizes
from maintenance_tracker.domain.suppression import KnownReason
from suiden.evaluation.folder import Folder, Names, Work
from suiden.evaluation.trouble import FoundTooEarly


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a set; seconds are of this process's processor."""

    tickets: tuple[dict[str, Any], ...]
    findings: tuple[Finding, ...]
    changes: tuple[Change, ...]
    readings: int
    checking_s: float


@dataclass(slots=True)
class Tracker:
    """The grouping of a set's findings, which come with the checker's places and get numbers here."""

    meters: Meters
    grouping: Grouping
    changes: list[Change] = field(default_factory=list[Change])
    _open: dict[tuple[str, str, str, int], int] = field(default_factory=dict[tuple[str, str, str, int], int])
    _number: Iterator[int] = field(default_factory=lambda: count(1))

    def take(self, findings: Sequence[Finding]) -> None:
        """Group what was found, oldest first; all of one instant at once."""
        for at_s, together in groupby(findings, key=lambda finding: finding.at_s):
            ended: list[int] = []
            opened: dict[int, Placed] = {}
            for finding in sorted(together, key=lambda finding: finding.opened):
                key = (finding.detector, finding.kind, finding.scope, finding.place_id)
                if finding.opened:
                    self._open[key] = number = next(self._number)
                    opened[number] = placed(finding, number=number, meters=self.meters)
                elif (known := self._open.pop(key, None)) is not None:
                    ended.append(known)
            self.changes += self.grouping.step(at_s=at_s, opened=opened.values(), ended=ended)


def evaluate(
    folder: Folder, *, batch: int, say: Callable[[float], None], only: Collection[str] | None = None
) -> Result:
    """Run a set through all detectors, or `only` those named; `say` is told the share that is done.

    :raises FoundTooEarly: if a finding rests on what had not arrived
    """
    checker = Checker(
        folder.meters, detectors_for=detectors_for(only=only), quiet=[_span(work) for work in folder.works]
    )
    tracker = Tracker(folder.meters, new_grouping(folder))
    found: list[Finding] = []
    spent_s = 0.0
    readings = folder.arrivals
    for start in range(0, len(readings), batch):
        portion = readings.take(slice(start, start + batch))
        began_s = time.process_time()
        findings = checker.take(portion)
        spent_s += time.process_time() - began_s
        _assert_past(findings, clock_s=int(portion.received_s[-1]))
        tracker.take(findings)
        found += findings
        say((start + len(portion)) / len(readings))
    last_s = int(readings.received_s[-1]) if len(readings) else 0
    tracker.changes += tracker.grouping.advance(at_s=last_s)
    return Result(
        tickets=tuple(ticket_lines(tracker.changes, folder.names)),
        findings=tuple(found),
        changes=tuple(tracker.changes),
        readings=len(readings),
        checking_s=spent_s,
    )


def new_grouping(folder: Folder) -> Grouping:
    """Make the grouping of a set, with its planned works as known reasons."""
    gateways, behind = np.unique(folder.meters.gateway_id, return_counts=True)
    water = int(np.count_nonzero(folder.meters.service == WATER))
    return Grouping(
        new_id=count(1).__next__,
        sizes=Sizes(
            of_gateway=dict(zip(gateways.tolist(), behind.tolist(), strict=True)),
            of_service={"water": water, "electricity": len(folder.meters) - water},
        ),
        reasons=[KnownReason(work.kind, work.zone_id, work.meter_id, work.from_s, work.to_s) for work in folder.works],
    )


def placed(finding: Finding, *, number: int, meters: Meters) -> Placed:
    """Say where the checker's finding lies."""
    row = _some_meter(finding, meters)

    def place(ids: Any) -> int | None:
        return None if int(ids[row]) == NOWHERE else int(ids[row])

    return Placed(
        finding_id=number,
        kind=finding.kind,
        service="water" if int(meters.service[row]) == WATER else "electricity",
        scope=finding.scope,
        network_id=place(meters.network_id),
        zone_id=None if finding.scope == "gateway" else place(meters.zone_id),
        gateway_id=place(meters.gateway_id) if finding.scope != "zone" else None,
        meter_id=finding.place_id if finding.scope == "meter" else None,
        at_s=finding.at_s,
        since_s=finding.since_s,
        score=finding.score,
        outlet=finding.outlet,
        meter_ids=finding.meter_ids,
    )


def ticket_lines(changes: Sequence[Change], names: Names) -> Iterator[dict[str, Any]]:
    """Write the tickets as they were when they opened, in the scorer's form."""
    for change in changes:
        if isinstance(change, Opened):
            yield _line(change.incident, names, opened_s=change.at_s)


def _line(incident: Incident, names: Names, *, opened_s: int) -> dict[str, Any]:
    wide = incident.scope in ("zone", "network")
    first = incident.findings[0]
    return {
        "opened_at": instant(opened_s),
        "kind": incident.kind,
        "site": None if incident.network_id is None else names.sites[incident.network_id],
        "zone": None if incident.zone_id is None else names.zones[incident.zone_id],
        "meters": [] if wide else [names.meters[meter] for meter in incident.meter_ids],
        "incident": incident.incident_id,
        "scope": incident.scope,
        "since": instant(incident.since_s),
        "score": round(first.score, 3),
        "findings": len(incident.findings),
    }


def instant(at_s: int) -> str:
    """Write an instant as the sets do."""
    return datetime.fromtimestamp(at_s, tz=UTC).isoformat().replace("+00:00", "Z")


def _span(work: Work) -> QuietSpan:
    if work.meter_id is not None:
        return QuietSpan("meter", work.meter_id, work.from_s, work.to_s)
    return QuietSpan("zone", NOWHERE if work.zone_id is None else work.zone_id, work.from_s, work.to_s)


def _some_meter(finding: Finding, meters: Meters) -> int:
    """Give the row of a meter at the finding's place."""
    ids = {"meter": meters.meter_id, "zone": meters.zone_id, "gateway": meters.gateway_id}[finding.scope]
    return int(np.flatnonzero(ids == finding.place_id)[0])


def _assert_past(findings: Sequence[Finding], *, clock_s: int) -> None:
    for finding in findings:
        if finding.at_s > clock_s or finding.since_s > finding.at_s:
            raise FoundTooEarly(
                f"{finding.detector} found {finding.kind} at {finding.scope} {finding.place_id} that began at"
                f" {instant(finding.since_s)}, to be known at {instant(finding.at_s)}; readings had come until"
                f" {instant(clock_s)}"
            )
