"""A meter that is no longer heard, while its concentrator is.

Rule: no reading that came in time for a day and a half, or for twice the longest such silence that is common for the
meter (a running high quantile of its gaps), if that is longer; while more than half of the meters behind its
concentrator (of its zone, where no concentrator is known) are heard. Ends with three readings in four slots.
Units: seconds. Source: gaps of a day are common at the edge of a radio cell, and mend themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ingest_gateway.domain.checking.detector import Number
from ingest_gateway.domain.checking.findings import Finding, Kind
from ingest_gateway.domain.checking.meters import ELECTRICITY, NOWHERE, WATER
from ingest_gateway.domain.checking.parameters import parameter
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Mask, Stage, View
from ingest_gateway.domain.detectors.telling import told

HOUR_S = 3600
LONGEST = 2**30  # seconds of silence that are counted; more is a meter that was never heard
COMMON_TIMES = 2.0
FORGETTING = 0.95  # of the longest gap, at each later gap
LEAST_GAP_SLOTS = 3
BACK_WINDOW = 4
BACK_READINGS = 3


@dataclass(frozen=True, slots=True)
class SilentMeter:
    """A meter that is no longer heard."""

    name: ClassVar[str] = "silent_meter"
    version: ClassVar[int] = 1
    kinds: ClassVar[tuple[Kind, ...]] = ("silent_meter",)
    services: ClassVar[tuple[int, ...]] = (WATER, ELECTRICITY)
    stages: ClassVar[tuple[Stage, ...]] = (Stage.SETTLED,)

    silent_h: Number = parameter(36.0, unit="h", low=2, high=24 * 30, about="least silence that is told")

    def fields(self, _cohort: Cohort) -> Sequence[Field]:
        return [
            Field("silent", "i4"),  # slots
            Field("longest", "f4"),  # slots, of the gaps that passed
            Field("heard", "?"),  # ever
            Field("back", "i2"),  # readings lately
            Field("open", "?"),
        ]

    def check(self, view: View, state: Arrays) -> list[Finding]:
        interval_s = view.cohort.interval_s
        silent, longest, is_open, back = (state[name] for name in ("silent", "longest", "open", "back"))
        ended = view.seen & (silent >= LEAST_GAP_SLOTS)
        if ended.any():
            np.copyto(longest, np.maximum(silent, FORGETTING * longest), where=ended & ~is_open)
        silent += 1
        silent[view.seen] = 0
        np.minimum(silent, LONGEST, out=silent)
        state["heard"] |= view.seen
        back[:] = np.where(view.seen, np.minimum(back + 1, BACK_WINDOW), np.maximum(back - 1, 0))
        limit = np.maximum(np.asarray(self.silent_h) * HOUR_S / interval_s, COMMON_TIMES * longest)
        begins = (silent >= limit) & state["heard"] & ~is_open & ~view.quiet
        ends = is_open & (back >= BACK_READINGS)
        if not (begins.any() or ends.any()):
            return []
        begins &= _way_is_heard(view)
        is_open[:] = (is_open | begins) & ~ends
        return [
            told(
                view,
                self,
                kind="silent_meter",
                opened=bool(begins[row]),
                scope="meter",
                place=int(row),
                since_s=view.slot_s - int(silent[row] - 1 if begins[row] else BACK_READINGS - 1) * interval_s,
                rows=np.array([row]),
                score=float(silent[row] / limit[row]),
                evidence={"silent_h": round(int(silent[row]) * interval_s / HOUR_S, 1)},
            )
            for row in np.flatnonzero(begins | ends)
        ]


def _way_is_heard(view: View) -> Mask:
    cohort = view.cohort
    by_gateway = cohort.gateways.to_meters(2 * cohort.gateways.count(view.seen) > cohort.gateways.size, nowhere=True)
    by_zone = cohort.zones.to_meters(2 * cohort.zones.count(view.seen) > cohort.zones.size, nowhere=True)
    return np.where(cohort.gateways.of == NOWHERE, by_zone, by_gateway)
