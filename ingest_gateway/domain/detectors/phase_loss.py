"""A phase of a three-phase supply is gone while the others stand.

Rule: the lowest phase is below six tenths of the highest one, which is itself not sagging, for half an hour (two
samples at 15 minutes, one of 30 or 60), or below three tenths once. A lost phase seldom reads 0: motors and
transformers behind the meter feed it back. It ends after two samples with all phases at one level.
Units: volts. Source: what a blown fuse or broken conductor leaves on the dead phase, 0 to about half the voltage.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ingest_gateway.domain.checking.detector import Number
from ingest_gateway.domain.checking.findings import Finding, Kind
from ingest_gateway.domain.checking.meters import ELECTRICITY
from ingest_gateway.domain.checking.parameters import parameter
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Stage, View
from ingest_gateway.domain.detectors.lateness import FIELDS, judged_now
from ingest_gateway.domain.detectors.telling import told
from ingest_gateway.domain.detectors.volts import LOST_SHARE, highest, lowest, run, samples_of_event

PLAINLY = 0.3  # of the highest phase: one sample will do
STANDING = 0.7  # of the nominal voltage: the phases that are left stand
LOWEST_NOMINAL_V = 100.0
CALM_SAMPLES = 2


@dataclass(frozen=True, slots=True)
class PhaseLoss:
    """A phase of a three-phase supply is gone."""

    name: ClassVar[str] = "phase_loss"
    version: ClassVar[int] = 1
    kinds: ClassVar[tuple[Kind, ...]] = ("phase_loss",)
    services: ClassVar[tuple[int, ...]] = (ELECTRICITY,)
    stages: ClassVar[tuple[Stage, ...]] = (Stage.EARLY, Stage.SETTLED)

    lost: Number = parameter(LOST_SHARE, unit="", low=0.2, high=0.8, about="share of the highest phase's volts")

    def fields(self, _cohort: Cohort) -> Sequence[Field]:
        return [Field("count", "i2"), Field("calm", "i2"), Field("open", "?"), *FIELDS]

    def check(self, view: View, state: Arrays) -> list[Finding]:
        mine = judged_now(view, state)
        if mine is not None and not mine.any():
            return []
        low, high = lowest(view), highest(view)
        known, on = ~np.isnan(high), low < self.lost * high
        if mine is not None:
            known, on = known & mine, on & mine
        count, calm, is_open = state["count"], state["calm"], state["open"]
        if on.any():
            nominal = view.cohort.meters.nominal_v
            on &= high > STANDING * np.where(np.isnan(nominal), LOWEST_NOMINAL_V, nominal)
            on &= is_open | ~view.quiet
        if not (on.any() or count.any() or is_open.any()):
            return []
        run(count, known=known, on=on)
        run(calm, known=known, on=known & ~on)
        plainly = on & (low < PLAINLY * high)
        begins = (plainly | (count >= samples_of_event(view.cohort.interval_s))) & ~is_open
        ends = is_open & (calm >= CALM_SAMPLES)
        is_open[:] = (is_open | begins) & ~ends
        return [self._tell(view, state, int(row), opened=bool(begins[row])) for row in np.flatnonzero(begins | ends)]

    def _tell(self, view: View, state: Arrays, row: int, *, opened: bool) -> Finding:
        volts = {f"v{phase}": round(float(v[row]), 1) for phase, v in enumerate((view.v1, view.v2, view.v3), start=1)}
        lost_below = np.broadcast_to(self.lost, len(view.seen))[row] * highest(view)[row]
        since = int((state["count"] if opened else state["calm"])[row]) - 1
        return told(
            view,
            self,
            kind="phase_loss",
            opened=opened,
            scope="meter",
            place=row,
            since_s=view.slot_s - since * view.cohort.interval_s,
            rows=np.array([row]),
            score=lost_below / max(float(lowest(view)[row]), 1.0),
            evidence={**volts, "limit_v": round(float(lost_below), 1)},
        )
