"""A meter whose register stands still while it should move.

Rule 1 (`frozen`, water): for two days and a half the register did not move while the meter reported flow, at several
readings and enough to have moved it. Rule 2 (`idle`, water): no use for longer than a holiday, at a meter in regular
use; sooner at blocks of flats and at work, the sooner the shorter their longest pause has been. Half of a holiday puts
it on the watch list. Rule 3 (`idle`, electricity): no use, and nothing fed in, for five days and longer than thrice
its longest pause, while there is voltage: even an empty home draws a little. Ends when the register moves.
Units: litres, Wh, hours. Source: the zero-consumption exception reports of billing; the figures are ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.detector import Number
from ingest_gateway.domain.checking.findings import Finding, Kind
from ingest_gateway.domain.checking.meters import CUSTOMER, ELECTRICITY, RESIDENTIAL, WATER
from ingest_gateway.domain.checking.parameters import parameter
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Floats, Mask, Stage, View
from ingest_gateway.domain.detectors.habits import HOUR_S, NOTHING, OUTLETS, TICKETED, levels, turn_s
from ingest_gateway.domain.detectors.telling import told
from ingest_gateway.domain.detectors.volts import DARK_V, highest

DAY_H = 24.0
FROZEN_H = 60.0  # a register may hang for a day or two and then catch up
FROZEN_DIGITS = 3.0  # of the register's steps that the reported flow amounts to
FROZEN_TIMES, FROZEN_TIMES_OF_LONG_SLOTS = 3, 2
LONG_SLOT_H = 0.5
FLOW_LASTS_H = 0.25  # flow of the moment stands for no longer
BLOCK_DAYS = 2.0
PAUSES, MORE_THAN_LONGEST = 10.0, 1.25
POWER_PAUSES = 3.0
WATCH_SHARE = 0.5
REGULAR_SHARE, REGULAR_H = 0.7, 7 * DAY_H
REGULAR_OVER_H, PAUSE_COUNTS_H = 10 * DAY_H, 3 * DAY_H
FORGET_H = 60 * DAY_H
MOST = 1e6


@dataclass(frozen=True, slots=True)
class StuckMeter:
    """A register that stands still."""

    name: ClassVar[str] = "stuck_meter"
    version: ClassVar[int] = 2
    kinds: ClassVar[tuple[Kind, ...]] = ("stuck_meter",)
    services: ClassVar[tuple[int, ...]] = (WATER, ELECTRICITY)
    stages: ClassVar[tuple[Stage, ...]] = (Stage.SETTLED, Stage.HOUR)

    frozen_l: Number = parameter(20.0, unit="L", low=2, high=10_000, about="least reported flow that moved nothing")
    home_days: Number = parameter(16.0, unit="d", low=3, high=120, about="no use at a home: longer than a holiday")
    work_days: Number = parameter(8.0, unit="d", low=2, high=120, about="no use anywhere else, at the most")
    power_h: Number = parameter(120.0, unit="h", low=6, high=24 * 60, about="no use of electricity, with voltage")

    def fields(self, _cohort: Cohort) -> Sequence[Field]:
        return [
            Field("moved", "?"),  # since the last full hour
            Field("moved_s", "i8"),  # when last
            Field("standing", "?"),  # for an hour at least
            Field("still_h", "f4"),
            Field("live_h", "f4"),  # of these, with voltage
            Field("flowed", "f4"),  # litres reported since it stood still
            Field("times", "i2"),  # readings that reported flow since then
            Field("longest_h", "f4"),  # pause, slowly forgotten
            Field("watched_h", "f4"),
            Field("regular", "f4", fill=1.0),  # share of the time within a day of use
            Field("level", "i1"),
        ]

    def check(self, view: View, state: Arrays) -> list[Finding]:
        if view.stage is Stage.SETTLED:
            self._look(view, state)
            return []
        is_power = int(view.cohort.meters.service[0]) == ELECTRICITY
        level, moved = state["level"], state["moved"]
        ends = (level != NOTHING) & moved
        stood_h = state["still_h"].copy()
        self._move(view, state, moved=moved, is_power=is_power)
        may = view.seen & ~moved & ~view.quiet & (view.cohort.meters.role == CUSTOMER)
        limit_h, frozen = self._limits(view, state)
        for_h = state["live_h" if is_power else "still_h"]
        used = (state["regular"] >= REGULAR_SHARE) & (state["watched_h"] - state["still_h"] >= REGULAR_H)
        ticket = may & (frozen | (used & (for_h >= limit_h)))
        watch = may & used & (for_h >= WATCH_SHARE * limit_h)
        findings: list[Finding] = []
        for row, was, now in levels(level, watch=watch, ticket=ticket & (level != TICKETED), ends=ends):
            about = (float(limit_h[row]), float((stood_h if ends[row] else for_h)[row]), bool(frozen[row]))
            if was != NOTHING:
                findings.append(self._tell(view, state, row, level=was, opened=False, about=about))
            if now != NOTHING:
                findings.append(self._tell(view, state, row, level=now, opened=True, about=about))
        moved[:] = False
        return findings

    def _look(self, view: View, state: Arrays) -> None:
        """Note at each slot what moved, and flow that was reported while the register stood."""
        moved = (view.step != 0) & (view.step == view.step)
        if view.gap_slots.any():
            moved |= _nonzero(view.gap_step)
        if int(view.cohort.meters.service[0]) == ELECTRICITY:
            moved |= _nonzero(view.export)
        else:
            flows = np.flatnonzero((view.flow > 0) & state["standing"] & ~moved)
            lasts_h = min(view.cohort.interval_s / HOUR_S, FLOW_LASTS_H)
            state["flowed"][flows] += np.minimum(view.flow[flows] * lasts_h, MOST).astype(np.float32)
            state["times"][flows] += 1
        state["moved"] |= moved
        np.copyto(state["moved_s"], view.slot_s, where=moved)

    def _move(self, view: View, state: Arrays, *, moved: Mask, is_power: bool) -> None:
        hours = np.float32(turn_s(view.cohort) / HOUR_S)
        still_h, longest_h, regular = state["still_h"], state["longest_h"], state["regular"]
        longest_h *= np.float32(0.5 ** (hours / FORGET_H))
        counts = moved & ~view.quiet & (state["level"] != TICKETED)
        np.copyto(longest_h, np.maximum(longest_h, still_h), where=counts)
        state["watched_h"] += hours
        within = moved | (still_h + hours < DAY_H)
        share = np.float32(min(1.0, hours / REGULAR_OVER_H))
        regular += np.where(still_h < PAUSE_COUNTS_H, share * (within - regular), np.float32(0))
        still_h += hours
        if is_power:
            state["live_h"] += np.where(highest(view) > DARK_V, hours, np.float32(0))
        for name in ("still_h", "live_h", "flowed", "times"):
            state[name][moved] = 0
        np.greater(still_h, 0, out=state["standing"])

    def _limits(self, view: View, state: Arrays) -> tuple[Floats, Mask]:
        """Give the hours without use after which each meter is told, and which ones are frozen."""
        meters, longest_h = view.cohort.meters, state["longest_h"]
        if int(meters.service[0]) == ELECTRICITY:
            return np.maximum(self.power_h, POWER_PAUSES * longest_h), np.zeros(len(meters), dtype=np.bool_)
        elsewhere_h = np.clip(PAUSES * longest_h, BLOCK_DAYS * DAY_H, np.asarray(self.work_days) * DAY_H)
        limit_h = np.where(meters.segment == RESIDENTIAL, np.asarray(self.home_days) * DAY_H, elsewhere_h)
        times = FROZEN_TIMES if view.cohort.interval_s / HOUR_S <= LONG_SLOT_H else FROZEN_TIMES_OF_LONG_SLOTS
        frozen = (state["times"] >= times) & (state["still_h"] >= FROZEN_H)
        frozen &= state["flowed"] >= np.maximum(self.frozen_l, FROZEN_DIGITS * meters.resolution)
        return np.maximum(limit_h, MORE_THAN_LONGEST * longest_h), frozen

    def _tell(
        self, view: View, state: Arrays, row: int, *, level: int, opened: bool, about: tuple[float, float, bool]
    ) -> Finding:
        limit_h, still_h, frozen = about
        limit_h = FROZEN_H if frozen else limit_h
        return told(
            view,
            self,
            kind="stuck_meter",
            opened=opened,
            scope="meter",
            place=row,
            since_s=int(state["moved_s"][row]),
            rows=np.array([row]),
            score=still_h / limit_h,
            outlet=OUTLETS[level],
            evidence={
                "rule": "frozen" if frozen else "idle",
                "still_h": round(still_h, 1),
                "limit_h": round(limit_h, 1),
                "reported_l": round(float(state["flowed"][row]), 1),
                "longest_pause_h": round(float(state["longest_h"][row]), 1),
            },
        )


def _nonzero(step: NDArray[np.float64]) -> Mask:
    return ~np.isnan(step) & (step != 0)
