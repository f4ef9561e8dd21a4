"""Water that runs back through a customer's meter into the main.

Rule, at each early tick: the register went back and the meter reports flow backwards: once is enough if the flow is of
the moment, a second witness beside the register; or if the step is of many of the register's digits; else twice in a
row. A register that steps back a few digits while the meter reports no flow backwards is a fault of the reading, not
backflow, and so is a step that would take more than the meter can pass. Ends after two days without.
Units: L/h, litres. Source: backflow alarms of electronic meters; the steps of real registers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ingest_gateway.domain.checking.detector import Number
from ingest_gateway.domain.checking.findings import Finding, Kind
from ingest_gateway.domain.checking.meters import CUSTOMER, WATER
from ingest_gateway.domain.checking.parameters import parameter
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Mask, Stage, View
from ingest_gateway.domain.detectors.habits import DAY_S, HOUR_S
from ingest_gateway.domain.detectors.telling import told

MANY_DIGITS = 8.0
MOST_LPH = 20_000.0
TWICE = 2
ENDED_S = 2 * DAY_S
MOST_TIMES = 1_000


@dataclass(frozen=True, slots=True)
class Backflow:
    """Water running back."""

    name: ClassVar[str] = "backflow"
    version: ClassVar[int] = 1
    kinds: ClassVar[tuple[Kind, ...]] = ("backflow",)
    services: ClassVar[tuple[int, ...]] = (WATER,)
    stages: ClassVar[tuple[Stage, ...]] = (Stage.EARLY,)

    least_lph: Number = parameter(10.0, unit="L/h", low=1, high=10_000, about="least flow backwards that counts")

    def fields(self, _cohort: Cohort) -> Sequence[Field]:
        return [
            Field("times", "i2"),  # slots backwards, in a row
            Field("back", "f4"),  # litres, in this row
            Field("total", "f4"),  # litres since it opened
            Field("calm", "i4"),  # slots since the last one backwards
            Field("since_s", "i8"),
            Field("open", "?"),
        ]

    def check(self, view: View, state: Arrays) -> list[Finding]:
        is_open, times, calm = state["open"], state["times"], state["calm"]
        step_back = view.step < 0
        flow_back = view.flow <= -np.asarray(self.least_lph)
        if not (step_back.any() or flow_back.any() or is_open.any() or times.any()):
            return []
        meters = view.cohort.meters
        step_back &= -view.step <= MOST_LPH * view.cohort.interval_s / HOUR_S
        back = (step_back & (flow_back | np.isnan(view.flow))) | (flow_back & np.isnan(view.step) & ~meters.mean_flow)
        first = back & (times == 0)
        state["back"][first] = 0
        np.copyto(state["since_s"], view.slot_s - view.cohort.interval_s, where=first & ~is_open)
        state["back"] += np.where(back & step_back, -view.step, 0).astype(np.float32)
        times[:] = np.where(back, np.minimum(times + 1, MOST_TIMES), np.where(view.seen, 0, times))
        begins = self._sure(view, state, back=back, flow_back=flow_back) & ~is_open & ~view.quiet
        begins &= meters.role == CUSTOMER
        state["total"][begins] = state["back"][begins]
        state["total"] += np.where(is_open & step_back, -view.step, 0).astype(np.float32)
        calm[:] = np.where(back, 0, calm + 1)
        ends = is_open & (calm * view.cohort.interval_s >= ENDED_S)
        is_open[:] = (is_open | begins) & ~ends
        return [self._tell(view, state, int(row), opened=bool(begins[row])) for row in np.flatnonzero(begins | ends)]

    def _sure(self, view: View, state: Arrays, *, back: Mask, flow_back: Mask) -> Mask:
        meters = view.cohort.meters
        two_witnesses = flow_back & (view.step < 0) & ~meters.mean_flow
        many = flow_back & (-view.step >= MANY_DIGITS * meters.resolution)
        enough = np.where(np.isnan(view.flow), MANY_DIGITS, TWICE) * meters.resolution
        again = (state["times"] >= TWICE) & ((state["back"] >= enough) | (flow_back & ~meters.mean_flow))
        return back & (two_witnesses | many | again)

    def _tell(self, view: View, state: Arrays, row: int, *, opened: bool) -> Finding:
        hours = max(int(state["times"][row]), 1) * view.cohort.interval_s / HOUR_S
        rate_lph = float(state["back"][row]) / hours
        least_lph = float(np.broadcast_to(self.least_lph, len(view.seen))[row])
        if opened and view.flow[row] < 0:
            rate_lph = max(rate_lph, -float(view.flow[row]))
        return told(
            view,
            self,
            kind="backflow",
            opened=opened,
            scope="meter",
            place=row,
            since_s=int(state["since_s"][row])
            if opened
            else view.slot_s - int(state["calm"][row]) * view.cohort.interval_s,
            rows=np.array([row]),
            score=rate_lph / least_lph,
            evidence={
                "rate_lph": round(rate_lph, 1),
                "back_l": round(float(state["back"][row]), 1),
                "limit_lph": least_lph,
            }
            if opened
            else {"back_l": round(float(state["total"][row]), 1)},
        )
