"""Power past the meter: it counts only a part of what is drawn.

Rule, at seven in the morning of each meter: its base load, the third smallest hour of the day that ends (of the dark
hours, where sunlight is fed in), against its own past days, less what changed for all. Away from home the base load
stays and the rest goes; with a part drawn past the meter, base load and all else are scaled alike. It opens when on two
mornings in a row the base load has fallen by nearly half and clearly more than it varies, the day's use has fallen too,
and what is above the base has not gone further than that. Ends when the base load is back.
Units: W, Wh a day. Source: ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.detector import Number
from ingest_gateway.domain.checking.findings import Finding, Kind
from ingest_gateway.domain.checking.meters import CUSTOMER, ELECTRICITY, RESIDENTIAL
from ingest_gateway.domain.checking.parameters import parameter
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Floats, Mask, Stage, View
from ingest_gateway.domain.detectors.habits import (
    DAY_S,
    HOUR_S,
    middle,
    same_weekday,
    turn_of_day,
    turn_s,
    turns_a_day,
)
from ingest_gateway.domain.detectors.telling import told

MORNING = 7  # o'clock; the hours before it since midnight are dark
DARK_H = 5
RING_DAYS = 28
KNOWN_SHARE = 0.33
THIRD, SECOND = 2, 1
FED_IN_W, MOST_W = 50.0, 500_000.0
FED_IN_SHARE, FED_IN_S = 0.025, 7 * DAY_S  # some hours within a week, not one odd reading
CLASS_LEAST, CLASS_MOST_CHANGE = 20, 0.4
LEARNT_DAYS = 7
SPREADS = 3.0
ACTIVITY_SHARE = 0.35  # of the fall of the base load, that what is above it keeps
USUAL_BASE, USUAL_USE = 0.6, 0.5
BACK_SHARE = 0.75
NEW_HABIT_DAYS = 28


@dataclass(frozen=True, slots=True)
class Theft:
    """Power that is counted in part."""

    name: ClassVar[str] = "theft"
    version: ClassVar[int] = 1
    kinds: ClassVar[tuple[Kind, ...]] = ("theft",)
    services: ClassVar[tuple[int, ...]] = (ELECTRICITY,)
    stages: ClassVar[tuple[Stage, ...]] = (Stage.HOUR,)

    base_share: Number = parameter(
        0.55, unit="", low=0.1, high=0.9, about="of the usual base load, below which it opens"
    )
    use_share: Number = parameter(0.65, unit="", low=0.1, high=0.9, about="of the usual use of a day, likewise")
    mornings: Number = parameter(2.0, unit="", low=1, high=14, about="mornings in a row that show it")

    def fields(self, cohort: Cohort) -> Sequence[Field]:
        return [
            Field("recent", "f4", shape=(turns_a_day(cohort),), fill=np.nan),  # W over the last day
            Field("fed_in", "f4"),  # share of the hours lately in which it fed in
            Field("bases", "f4", shape=(RING_DAYS,), fill=np.nan),  # W
            Field("uses", "f4", shape=(RING_DAYS,), fill=np.nan),  # Wh a day
            Field("shown", "i2"),  # mornings in a row
            Field("unusual", "i2"),  # mornings in a row
            Field("since_s", "i8"),
            Field("open", "?"),
        ]

    def check(self, view: View, state: Arrays) -> list[Finding]:
        turn = turn_of_day(view)
        state["recent"][:, turn] = view.hour_use
        fed_in = (view.hour_export > FED_IN_W) & (view.hour_export < MOST_W)
        state["fed_in"] += np.float32(turn_s(view.cohort) / FED_IN_S) * (fed_in - state["fed_in"])
        rows = self._due(view, turn)
        return self._judge(view, state, rows, turn) if len(rows) else []

    def _due(self, view: View, turn: int) -> NDArray[np.intp]:
        if turn_s(view.cohort) > HOUR_S:
            return np.arange(len(view.seen) if turn == turns_a_day(view.cohort) - 1 else 0)
        return np.flatnonzero(view.local_hour == MORNING - 1)

    def _judge(self, view: View, state: Arrays, rows: NDArray[np.intp], turn: int) -> list[Finding]:
        meters = view.cohort.meters
        base, use, sunny = _day(view, state, rows, turn)
        usual_base, spread, days = middle(state["bases"][rows])
        usual_use, _, use_days = middle(state["uses"][rows])
        day = int(np.median(view.slot_s + meters.utc_offset_s[rows]) // DAY_S)
        weekday = middle(same_weekday(state["uses"][rows], day))
        expected = np.where((meters.segment[rows] == RESIDENTIAL) | (weekday[2] < 2), usual_use, weekday[0])
        bases = _less_common(_share(base, usual_base), days)
        uses = _less_common(_share(use, expected), days)
        above = _share(use - 24 * base, expected - 24 * usual_base)
        known = ~np.isnan(base)
        shows = (bases < _of(self.base_share, rows)) & (uses < _of(self.use_share, rows)) & (base > 0)
        shows &= (above > ACTIVITY_SHARE * bases) & (usual_base - base > SPREADS * spread) & (days >= LEARNT_DAYS)
        shows &= meters.may_export[rows] | ~sunny  # feeding in that was not agreed is told by its own detector
        shown = np.where(shows, state["shown"][rows] + 1, np.where(known, 0, state["shown"][rows]))
        is_open = state["open"][rows]
        starts = shows & (state["shown"][rows] == 0) & ~is_open
        state["since_s"][rows[starts]] = view.slot_s - DAY_S
        state["shown"][rows] = shown
        begins = shows & (shown >= _of(self.mornings, rows)) & ~is_open & ~view.quiet[rows]
        begins &= meters.role[rows] == CUSTOMER
        ends = is_open & known & (bases > BACK_SHARE)
        state["open"][rows] = (is_open | begins) & ~ends
        usual = known & ~state["open"][rows] & ((bases > USUAL_BASE) | (days < LEARNT_DAYS))
        state["unusual"][rows] = np.where(usual, 0, state["unusual"][rows] + known)
        usual |= known & (state["unusual"][rows] > NEW_HABIT_DAYS)
        _learn(state["bases"], rows, day, base, usual)
        _learn(state["uses"], rows, day, use, usual & ((uses > USUAL_USE) | (use_days < LEARNT_DAYS)))
        return [
            self._tell(
                view,
                state,
                int(rows[at]),
                opened=bool(begins[at]),
                base_w=(float(base[at]), float(usual_base[at])),
                use_wh=(float(use[at]), float(expected[at])),
            )
            for at in np.flatnonzero(begins | ends)
        ]

    def _tell(
        self,
        view: View,
        state: Arrays,
        row: int,
        *,
        opened: bool,
        base_w: tuple[float, float],
        use_wh: tuple[float, float],
    ) -> Finding:
        limit_w = base_w[1] * float(np.broadcast_to(np.asarray(self.base_share), len(view.seen))[row])
        return told(
            view,
            self,
            kind="theft",
            opened=opened,
            scope="meter",
            place=row,
            since_s=int(state["since_s"][row]) if opened else view.slot_s,
            rows=np.array([row]),
            score=min(100.0, limit_w / max(base_w[0], 1.0)),
            evidence={
                "base_w": round(base_w[0], 1),
                "usual_base_w": round(base_w[1], 1),
                "limit_w": round(limit_w, 1),
                "day_wh": round(use_wh[0]),
                "usual_day_wh": round(use_wh[1]),
            },
        )


def _day(view: View, state: Arrays, rows: NDArray[np.intp], turn: int) -> tuple[Floats, Floats, Mask]:
    """Give the base load and the use of the day that ends, NaN where too little is known; and who feeds sunlight in."""
    meters, turns = view.cohort.meters, turns_a_day(view.cohort)
    hours = state["recent"][rows].astype(np.float64)
    sunny = state["fed_in"][rows] > FED_IN_SHARE
    known = np.count_nonzero(~np.isnan(hours), axis=1)
    enough = known >= KNOWN_SHARE * turns
    whole = np.sort(hours, axis=1)[:, min(THIRD, turns - 1)]
    base = np.where(enough, whole, np.nan)
    if turn_s(view.cohort) == HOUR_S:
        dark = np.sort(hours[:, [(turn - MORNING + 1 + hour) % turns for hour in range(DARK_H)]], axis=1)
        base = np.where(sunny | meters.may_export[rows], dark[:, SECOND], base)
    use = np.where(enough, np.nansum(hours, axis=1) * (24 / np.maximum(known, 1)), np.nan)
    return base, use, sunny


def _less_common(share: Floats, days: NDArray[np.intp]) -> Floats:
    """Take out what changed for all, as with the weather."""
    known = share[(days >= LEARNT_DAYS) & ~np.isnan(share)]
    if len(known) < CLASS_LEAST:
        return share
    return share / np.clip(np.median(known), 1 - CLASS_MOST_CHANGE, 1 + CLASS_MOST_CHANGE)


def _learn(ring: NDArray[np.float32], rows: NDArray[np.intp], day: int, value: Floats, usual: Mask) -> None:
    good = usual & ~np.isnan(value)
    ring[rows[good], day % RING_DAYS] = value[good]


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def _of(parameter_: Number, rows: NDArray[np.intp]) -> Number:
    return parameter_[rows] if isinstance(parameter_, np.ndarray) and parameter_.ndim else parameter_
