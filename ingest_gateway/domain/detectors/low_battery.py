"""A battery that will not last until the next round of exchanges.

Rule: the meter says so itself (its flag), or its battery is at 15 % or below, in most readings of about a day: a
running mean over a day of "low" above one half, so that a cold night or one wrong frame tells nothing. Ends below one
tenth, as after an exchange, and for the level only above the limit by five points.
Units: percent of the charge. Source: lithium cells hold their voltage until some months before the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ingest_gateway.domain.checking.detector import Number
from ingest_gateway.domain.checking.findings import Finding, Kind
from ingest_gateway.domain.checking.meters import ELECTRICITY, WATER
from ingest_gateway.domain.checking.parameters import parameter
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Stage, View
from ingest_gateway.domain.detectors.telling import told
from ingest_gateway.domain.flags import BATTERY_LOW

DAY_S = 86_400
MOST, FEW = 0.5, 0.1
MARGIN_PCT = 5.0


@dataclass(frozen=True, slots=True)
class LowBattery:
    """A battery that is nearly empty."""

    name: ClassVar[str] = "low_battery"
    version: ClassVar[int] = 1
    kinds: ClassVar[tuple[Kind, ...]] = ("low_battery",)
    services: ClassVar[tuple[int, ...]] = (WATER, ELECTRICITY)
    stages: ClassVar[tuple[Stage, ...]] = (Stage.SETTLED,)

    low_pct: Number = parameter(15.0, unit="%", low=1, high=80, about="charge at and below which it is low")

    def fields(self, _cohort: Cohort) -> Sequence[Field]:
        return [Field("low", "f4"), Field("open", "?")]

    def check(self, view: View, state: Arrays) -> list[Finding]:
        low, is_open = state["low"], state["open"]
        said = (view.flags & BATTERY_LOW) != 0
        limit = self.low_pct + np.where(is_open, MARGIN_PCT, 0.0)
        now = view.seen & (said | (view.battery_pct <= limit))
        if not (now.any() or low.any()):
            return []
        known = view.seen & (said | ~np.isnan(view.battery_pct) | is_open | (low > 0))
        share = np.float32(min(1.0, view.cohort.interval_s / DAY_S))
        low += np.where(known, share * (now - low), np.float32(0))
        low[low < 1e-4] = 0
        begins, ends = (low > MOST) & ~is_open & ~view.quiet, is_open & (low < FEW)
        is_open[:] = (is_open | begins) & ~ends
        return [
            told(
                view,
                self,
                kind="low_battery",
                opened=bool(begins[row]),
                scope="meter",
                place=int(row),
                since_s=view.slot_s - DAY_S // 2,
                rows=np.array([row]),
                score=float(low[row] / MOST),
                evidence={
                    "battery_pct": None if np.isnan(view.battery_pct[row]) else float(view.battery_pct[row]),
                    "limit_pct": float(np.broadcast_to(self.low_pct, len(low))[row]),
                    "said_by_meter": bool(said[row]),
                },
            )
            for row in np.flatnonzero(begins | ends)
        ]
