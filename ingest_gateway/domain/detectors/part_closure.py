"""A closed valve that takes the water from a part of a zone: some meters lose nearly all pressure, the others none.

Rule, at each early tick: a meter has lost its pressure when it shows less than 60 % of its usual, 30 % of it less than
the middle of its zone, in two samples in a row (of meters that report less often than every half hour: one). A gauge
that speaks without a pressure counts as one that shows nothing. Two such meters of one network open it (of the seldom
ones three, or two that lasted); one alone goes to the watch list after an hour. What was found lists the meters.
It ends when no two of them have lost their pressure for an hour.
Units: kPa, samples. Source: isolation of pipe segments between valves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.detector import Number
from ingest_gateway.domain.checking.findings import Finding, Kind, Outlet
from ingest_gateway.domain.checking.meters import NOWHERE, WATER, ZONE_INLET
from ingest_gateway.domain.checking.parameters import parameter
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Floats, Mask, Stage, View
from ingest_gateway.domain.detectors.telling import told
from ingest_gateway.domain.detectors.zone_pressure import samples_that_agree

FIRST_HOURS = 24  # until a gauge's usual is known
USUAL_HOURS = 14 * 24
MOST_STEP = 0.15  # of the usual, by which an odd hour moves it
CALM_S = 3_600
ALONE_S = 3_600
MOST_SAMPLES = 10_000
TICKET, WATCH = 1, 2


@dataclass(frozen=True, slots=True)
class PartClosure:
    """Meters of a part of a zone that lost their pressure together."""

    name: ClassVar[str] = "part_closure"
    version: ClassVar[int] = 1
    kinds: ClassVar[tuple[Kind, ...]] = ("valve_closure",)
    services: ClassVar[tuple[int, ...]] = (WATER,)
    stages: ClassVar[tuple[Stage, ...]] = (Stage.EARLY,)

    shown_share: Number = parameter(
        0.6, unit="of the usual pressure", low=0.05, high=0.9, about="less than that much is left at a closed part"
    )
    apart_share: Number = parameter(
        0.3, unit="of the usual pressure", low=0.05, high=0.9, about="so much more was lost than in the zone's middle"
    )

    def fields(self, _cohort: Cohort) -> Sequence[Field]:
        return [
            Field("usual_kpa", "f4", fill=np.nan),
            Field("hours", "f4"),
            Field("lost", "i4"),  # samples in a row
            Field("part", "i8", fill=NOWHERE),  # of what is open: the row's leading meter, by its id
            Field("told", "i1"),  # at the leading meter
            Field("calm_s", "i4"),  # at the leading meter
        ]

    def check(self, view: View, state: Arrays) -> list[Finding]:
        shown = view.pressure_kpa
        mute = view.seen & view.cohort.meters.has_pressure & np.isnan(shown)
        left = np.where(mute, 0.0, shown) if mute.any() else shown
        known = state["hours"] >= FIRST_HOURS
        low = known & (left < self.shown_share * state["usual_kpa"])
        lost = state["lost"]
        if low.any():
            low &= self._is_apart(view, state, left)
        findings: list[Finding] = []
        if low.any() or lost.any() or state["told"].any():
            np.copyto(lost, np.minimum(lost + 1, MOST_SAMPLES), where=low)
            np.copyto(lost, 0, where=~low & ~np.isnan(left))
            findings = self._begins(view, state, left) + self._ends(view, state)
        if (view.slot - 1) % view.cohort.per_hour == 0:
            _learn(view, state, where=~low & (lost == 0) & ~view.quiet)
        return findings

    def _is_apart(self, view: View, state: Arrays, left: Floats) -> Mask:
        """Tell which meters lost much more than the middle of their zone; without a zone, the loss itself tells."""
        share = (state["usual_kpa"] - left) / state["usual_kpa"]
        of_zone = view.cohort.zones.median(np.where(view.cohort.meters.role == ZONE_INLET, np.nan, share))
        middle = view.cohort.zones.to_meters(np.maximum(np.nan_to_num(of_zone), 0.0), nowhere=0.0)
        return share - middle > self.apart_share

    def _begins(self, view: View, state: Arrays, left: Floats) -> list[Finding]:
        agree = samples_that_agree(view.cohort)
        new = (state["lost"] >= agree) & ~view.quiet
        findings: list[Finding] = []
        for network in np.unique(view.cohort.networks.of[new]):
            rows = np.flatnonzero(new & (view.cohort.networks.of == network))
            outlet = self._outlet(view, state, rows)
            here = np.flatnonzero(view.cohort.networks.of == network)
            known = here[state["told"][here] > 0]
            ticketed = known[state["told"][known] == TICKET]
            if outlet is None or len(ticketed) or (outlet == "watch" and len(known)):
                state["part"][rows] = view.cohort.meters.meter_id[ticketed[0]] if len(ticketed) else state["part"][rows]
                continue
            rows = rows[np.argsort(left[rows] / state["usual_kpa"][rows], kind="stable")]
            # What was watched becomes a ticket.
            findings += [self._tell(view, state, int(row), rows=rows[:0], opened=False) for row in known]
            findings.append(self._open(view, state, rows, outlet=outlet))
        return findings

    def _outlet(self, view: View, state: Arrays, rows: NDArray[np.intp]) -> Outlet | None:
        lasted = int(np.count_nonzero(state["lost"][rows] >= 2))
        if lasted >= 2 or len(rows) >= 3:
            return "ticket"
        long = state["lost"][rows].max(initial=0) * view.cohort.interval_s > ALONE_S
        return "watch" if long else None

    def _open(self, view: View, state: Arrays, rows: NDArray[np.intp], *, outlet: Outlet) -> Finding:
        leading = int(rows[0])
        state["part"][rows] = view.cohort.meters.meter_id[leading]
        state["told"][leading] = TICKET if outlet == "ticket" else WATCH
        state["calm_s"][leading] = 0
        return self._tell(view, state, leading, rows=rows, opened=True)

    def _ends(self, view: View, state: Arrays) -> list[Finding]:
        findings: list[Finding] = []
        for row in np.flatnonzero(state["told"]):
            part = state["part"] == view.cohort.meters.meter_id[row]
            least = 2 if state["told"][row] == TICKET else 1  # one that stays may have a fault of its own
            lasts = np.count_nonzero(state["lost"][part] > 0) >= least
            state["calm_s"][row] = 0 if lasts else state["calm_s"][row] + view.cohort.interval_s
            if state["calm_s"][row] >= CALM_S:
                findings.append(self._tell(view, state, int(row), rows=np.flatnonzero(part)[:0], opened=False))
        return findings

    def _tell(self, view: View, state: Arrays, row: int, *, rows: NDArray[np.intp], opened: bool) -> Finding:
        meters = view.cohort.meters
        outlet: Outlet = "ticket" if state["told"][row] == TICKET else "watch"
        evidence = {
            "usual_kpa": round(float(state["usual_kpa"][row]), 1),
            "shown_kpa": round(float(np.nan_to_num(view.pressure_kpa[row])), 1),
            "meters": len(rows),
        }
        if not opened:
            state["part"][state["part"] == meters.meter_id[row]] = NOWHERE
            state["told"][row] = 0
        return told(
            view,
            self,
            kind="valve_closure",
            opened=opened,
            scope="meter",
            place=row,
            since_s=view.slot_s - (int(state["lost"][rows].max()) - 1) * view.cohort.interval_s
            if opened
            else view.slot_s,
            rows=rows,
            outlet=outlet,
            evidence=evidence,
        )


def _learn(view: View, state: Arrays, *, where: Mask) -> None:
    usual, hours, shown = state["usual_kpa"], state["hours"], view.pressure_kpa
    known = where & np.isfinite(shown)
    first = known & np.isnan(usual)
    usual[first] = shown[first]
    most = np.where(hours < FIRST_HOURS, np.inf, MOST_STEP * usual)
    moved = np.clip(shown - usual, -most, most) / np.minimum(hours + 1, USUAL_HOURS)
    np.add(usual, moved, out=usual, where=known, casting="same_kind")
    hours += known
