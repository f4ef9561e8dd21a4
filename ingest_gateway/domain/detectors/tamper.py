"""Water past the meter: it counts only a part of what is used.

Rule, at the end of each day (by UTC): the last days' use against the same weekdays before, and against all days, less
what changed for meters of the same class (weather, holidays). All is scaled by one factor: the total falls far, on each
day, and what an hour of use amounts to (its size, sum of squares by sum) falls as the total does, while use goes on at
the usual hours. Away, the use ends; with a drip left over, the size falls far more than the total; with fewer at
home, the size stays. Three days are enough for a deep fall, more are needed for a slight one, for places of work, and
where digits are coarse. Use so faint that it is hardly any, for longer than a holiday, opens too.
Units: litres a day, L/h. Source: ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.detector import Number
from ingest_gateway.domain.checking.findings import Finding, Kind
from ingest_gateway.domain.checking.meters import CUSTOMER, RESIDENTIAL, WATER
from ingest_gateway.domain.checking.parameters import parameter
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Floats, Stage, View
from ingest_gateway.domain.detectors.habits import (
    DAY_S,
    alike,
    day_of,
    middle,
    same_weekday,
    turn_of_day,
    turns_a_day,
)
from ingest_gateway.domain.detectors.telling import told

RING_DAYS = 28
LOOK_DAYS = 6
KNOWN_SHARE = 0.6
CLASS_LEAST = 5
CLASS_LOW, CLASS_HIGH = 0.2, 1.5
OUTLIER_TIMES = 3.0  # a day counts no more than so many usual ones
LEARNT_DAYS = 10
SETTLED_DAYS = 14  # until then every day is learnt from, however odd
USUAL_LOW, USUAL_HIGH = 0.5, 3.0
AWAY_SHARE = 0.1
NEW_HABIT_DAYS = 28
LIKE_LOW = 0.4  # the fall of the size by the fall of the total
DRIP_ACTIVE, DRIP_DIGITS = 1.4, 2.5  # active at more hours than usual, by so few digits: a drip
FAINT_SHARE, FAINT_DAYS, FAINT_USED = 0.15, 16, 3
BACK_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Look:
    """What the last `days` must look like."""

    days: int
    total: float  # share of the usual, together
    each: float  # on each day
    size: float
    active: float  # hours with use, by the usual number
    spreads: float  # the fall, in spreads of the mean of so many days
    used: int  # days with any use
    homes_only: bool = False


LOOKS = (
    Look(3, total=0.35, each=0.6, size=0.5, active=0.55, spreads=2.5, used=3, homes_only=True),
    Look(3, total=0.2, each=0.5, size=0.4, active=0.3, spreads=2.5, used=3, homes_only=True),
    Look(4, total=0.41, each=0.65, size=0.55, active=0.55, spreads=3.0, used=4, homes_only=True),
    Look(6, total=0.45, each=0.75, size=0.55, active=0.5, spreads=3.5, used=6),
    Look(6, total=0.3, each=0.45, size=0.5, active=0.05, spreads=4.0, used=5),
)
DAY_COLUMNS = ("use", "expected", "size", "expected_size", "active")


@dataclass(frozen=True, slots=True)
class Tamper:
    """Use that is counted in part."""

    name: ClassVar[str] = "tamper"
    version: ClassVar[int] = 1
    kinds: ClassVar[tuple[Kind, ...]] = ("tamper",)
    services: ClassVar[tuple[int, ...]] = (WATER,)
    stages: ClassVar[tuple[Stage, ...]] = (Stage.HOUR,)

    strictness: Number = parameter(1.0, unit="", low=0.3, high=3, about="divides the shares below which it opens")

    def fields(self, _cohort: Cohort) -> Sequence[Field]:
        return [
            *(Field(name, "f4") for name in ("use", "squares", "active", "known")),  # of the day so far
            *(Field(name, "f4", shape=(RING_DAYS,), fill=np.nan) for name in ("uses", "sizes", "actives")),
            Field("lately", "f4", shape=(LOOK_DAYS, len(DAY_COLUMNS)), fill=np.nan),
            Field("unusual", "i2"),  # days in a row
            Field("faint", "i2"),  # days in a row
            Field("faint_used", "i2"),  # of them with any use
            Field("since_s", "i8"),
            Field("open", "?"),
        ]

    def check(self, view: View, state: Arrays) -> list[Finding]:
        known = ~np.isnan(view.hour_use)
        use = np.where(known, view.hour_use, 0)
        state["use"] += use.astype(np.float32)
        state["squares"] += (use * use).astype(np.float32)
        state["active"] += use > 0
        state["known"] += known
        if turn_of_day(view) != turns_a_day(view.cohort) - 1:
            return []
        day = _day(state, turns=turns_a_day(view.cohort))
        for name in ("use", "squares", "active", "known"):
            state[name][:] = 0
        return self._judge(view, state, day)

    def _judge(self, view: View, state: Arrays, day: dict[str, Floats]) -> list[Finding]:
        meters, is_open = view.cohort.meters, state["open"]
        habit = _habit(view, state)
        told_day = ~np.isnan(day["use"])
        crowd = alike(meters.segment, _share(day["use"], habit["expected"]), least=CLASS_LEAST)
        crowd = np.clip(np.where(np.isnan(crowd), 1.0, crowd), CLASS_LOW, CLASS_HIGH)
        day |= {"expected": habit["expected"] * crowd, "expected_size": habit["expected_size"]}
        lately = state["lately"]
        moved = np.concatenate([lately[:, 1:], np.stack([day[name] for name in DAY_COLUMNS], axis=1)[:, None]], axis=1)
        lately[told_day] = moved[told_day]
        self._count_faint(state, _share(day["use"], day["expected"]), day["use"])
        may = told_day & (habit["days"] >= LEARNT_DAYS) & (meters.role == CUSTOMER)
        days, shares = self._looks(view, state, habit=habit, crowd=crowd)
        begins = may & (days > 0) & ~is_open & ~view.quiet
        ends = is_open & told_day & (_share(*(lately[:, -3:, at].sum(axis=1) for at in (0, 1))) > BACK_SHARE)
        np.copyto(state["since_s"], view.slot_s - days * DAY_S, where=begins)
        is_open[:] = (is_open | begins) & ~ends
        self._learn(view, state, day=day, median=habit["use"])
        return [
            self._tell(view, state, int(row), opened=bool(begins[row]), habit=habit, share=float(shares[row]))
            for row in np.flatnonzero(begins | ends)
        ]

    def _looks(
        self, view: View, state: Arrays, *, habit: dict[str, Floats], crowd: Floats
    ) -> tuple[NDArray[np.int64], Floats]:
        """Tell for how many days each meter looks as if it counted in part (0: it does not), and the share counted."""
        meters, homes = view.cohort.meters, view.cohort.meters.segment == RESIDENTIAL
        lenient = 1 / np.asarray(self.strictness)
        found = np.zeros(len(meters), dtype=np.int64)
        shares = np.full(len(meters), np.nan)
        for look in LOOKS:
            use, expected, size, expected_size, active = np.moveaxis(state["lately"][:, -look.days :], 2, 0)
            usual = expected.sum(axis=1)
            usual = np.where(homes, np.minimum(usual, look.days * habit["use"] * crowd), usual)
            total = _share(use.sum(axis=1), usual)
            median_size = middle(size)[0]
            sizes = np.fmin(
                _share(median_size, habit["size"]), _share(np.nansum(size, axis=1), np.nansum(expected_size, axis=1))
            )
            actives = _share(active.mean(axis=1), habit["active"])
            deep = -np.log(np.maximum(total, 1e-6)) * np.sqrt(look.days) >= look.spreads * habit["spread"]
            fits = deep & (total < look.total * lenient) & (_share(use, expected).max(axis=1) < look.each * lenient)
            fits &= (sizes < look.size * lenient) & (sizes > LIKE_LOW * total) & (actives > look.active)
            fits &= np.count_nonzero(use > 0, axis=1) >= look.used
            fits &= ~((actives > DRIP_ACTIVE) & (median_size < DRIP_DIGITS * meters.resolution))
            fits &= homes | (not look.homes_only)
            np.copyto(shares, total, where=fits & (found == 0))
            np.copyto(found, look.days, where=fits & (found == 0))
        faint = (state["faint"] >= FAINT_DAYS) & (state["faint_used"] >= FAINT_USED) & (found == 0)
        found[faint] = FAINT_DAYS
        shares[faint] = FAINT_SHARE
        return found, shares

    def _count_faint(self, state: Arrays, share: Floats, use: Floats) -> None:
        known, faint = ~np.isnan(share), share < FAINT_SHARE
        state["faint"][known] = np.where(faint, state["faint"] + 1, 0)[known]
        state["faint_used"][known] = np.where(faint, state["faint_used"] + (use > 0), 0)[known]

    def _learn(self, view: View, state: Arrays, *, day: dict[str, Floats], median: Floats) -> None:
        """Take in the day that ends, unless nobody was there or too little was counted."""
        use, known = day["use"], ~np.isnan(day["use"])
        share = _share(use, day["expected"])
        settled = np.count_nonzero(~np.isnan(state["uses"]), axis=1) >= SETTLED_DAYS
        there = known & (use > 0) & ~(use < AWAY_SHARE * median)
        usual = there & ~state["open"] & (~settled | ((share > USUAL_LOW) & (share < USUAL_HIGH)))
        state["unusual"][:] = np.where(usual, 0, state["unusual"] + known)
        usual |= known & (state["unusual"] > NEW_HABIT_DAYS)
        column = day_of(view.slot_s) % RING_DAYS
        for name, value in (("uses", use), ("sizes", day["size"]), ("actives", day["active"])):
            np.copyto(state[name][:, column], value, where=usual, casting="same_kind")

    def _tell(
        self, view: View, state: Arrays, row: int, *, opened: bool, habit: dict[str, Floats], share: float
    ) -> Finding:
        lately = state["lately"][row]
        evidence: dict[str, Any] = {
            "days_l": _rounded(lately[:, 0]),
            "expected_l": _rounded(lately[:, 1]),
            "usual_l": round(float(habit["use"][row]), 1),
        }
        if opened:
            evidence["counted_share"] = round(share, 2)
        return told(
            view,
            self,
            kind="tamper",
            opened=opened,
            scope="meter",
            place=row,
            since_s=int(state["since_s"][row]) if opened else view.slot_s,
            rows=np.array([row]),
            score=min(100.0, 1 / max(share, 0.01)) if opened else 0.0,
            evidence=evidence,
        )


def _day(state: Arrays, *, turns: int) -> dict[str, Floats]:
    """Give what the day that ends was like: litres, the size of an hour of use, hours with use in a full day."""
    known = state["known"].astype(np.float64)
    enough = known >= KNOWN_SHARE * turns
    part = np.where(enough, 24 / np.maximum(known, 1), np.nan)
    return {
        "use": state["use"] * part,
        "size": np.where(enough & (state["use"] > 0), state["squares"] / np.maximum(state["use"], 1e-6), np.nan),
        "active": state["active"] * part,
    }


def _habit(view: View, state: Arrays) -> dict[str, Floats]:
    """Give what is usual, and what is expected of the weekday that ends."""
    use, spread, days = middle(state["uses"])
    size, active = middle(state["sizes"])[0], middle(state["actives"])[0]
    day = day_of(view.slot_s)
    before = np.minimum(same_weekday(state["uses"], day), OUTLIER_TIMES * use[:, None])
    before_size = same_weekday(state["sizes"], day)
    return {
        "use": use,
        "spread": _share(spread, use),
        "days": days.astype(np.float64),
        "size": size,
        "active": active,
        "expected": _mean(before, otherwise=use),
        "expected_size": _mean(before_size, otherwise=size),
    }


def _mean(values: NDArray[Any], *, otherwise: Floats) -> Floats:
    known = np.count_nonzero(~np.isnan(values), axis=1)
    return np.where(known > 0, np.nansum(values, axis=1) / np.maximum(known, 1), otherwise)


def _share(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """Divide; NaN where the whole is nothing."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)


def _rounded(values: NDArray[Any]) -> list[float | None]:
    return [None if np.isnan(one) else round(float(one), 1) for one in values]
