"""Water past the meter: it counts only a part of what is used.

Rule, at the end of each day (by UTC): the last days' use against the same weekdays before, and against all days, less
what changed for meters of the same class (weather, holidays). All is scaled by one factor: the total falls far, on each
day, and what an hour of use amounts to (its size, sum of squares by sum) falls as the total does, and so does what it
typically amounts to (the geometric mean), while use goes on at the usual hours. Away, the use ends; with a drip left
over, the size falls far more than the total; with fewer at home, the size stays; where the garden is no longer watered,
what is typical stays. Three days are enough for a deep fall, more are needed for a slight one, for places of work, and
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
from ingest_gateway.domain.checking.meters import COMMERCIAL, CUSTOMER, RESIDENTIAL, WATER
from ingest_gateway.domain.checking.parameters import parameter
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Floats, Stage, View
from ingest_gateway.domain.detectors.habits import (
    DAY_S,
    alike,
    day_of,
    median,
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
LIKE_LOW = 0.45  # the fall of the size by the fall of the total
DRIP_DAYS, DRIP_ACTIVE, DRIP_DIGITS = 2, 1.25, 2.5  # active at more hours than it would be, by so few digits: a drip
TYPICAL_TIMES, TYPICAL_MORE = 1.4, 0.1  # how far the typical hour's share may lie above the total's
COARSE_DIGITS = 4.0  # not asked where the typical hour is of fewer
LEAST_DIGITS = 2.5  # a day, on the mean
COARSE_DIGIT_L, LEAST_COARSE_L = 5.0, 40.0  # a day too, with digits so coarse that a drip cannot be told by its hours
FAINT_SHARE, FAINT_DAYS, FAINT_USED = 0.15, 16, 3
BACK_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Look:
    """What the last `days` must look like."""

    days: int
    total: float  # share of the usual, together
    each: float  # on each day
    size: float
    active: float  # hours with use, by how many there would be
    spreads: float  # the fall, in spreads of the mean of so many days
    work: bool = True  # places of work too, which may close for some days


LOOKS = (
    Look(3, total=0.32, each=0.5, size=0.5, active=0.55, spreads=3.0, work=False),
    Look(4, total=0.35, each=0.55, size=0.5, active=0.6, spreads=3.0, work=False),
    Look(5, total=0.39, each=0.65, size=0.55, active=0.6, spreads=3.5),
    Look(6, total=0.42, each=0.7, size=0.55, active=0.6, spreads=3.5),
)
FEWEST_DAYS, LOOSEST_SHARE = 3, 0.75
DAY_COLUMNS = ("use", "expected", "size", "expected_size", "active", "typical")

OF_TODAY = ("use", "squares", "logs", "active", "known")  # sums over the hours of the day so far
OF_DAYS = (("uses", "use"), ("sizes", "size"), ("typicals", "typical"), ("actives", "active"))


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
            *(Field(name, "f4") for name in OF_TODAY),
            *(Field(name, "f4", shape=(RING_DAYS,), fill=np.nan) for name, _ in OF_DAYS),
            Field("lately", "f4", shape=(LOOK_DAYS, len(DAY_COLUMNS)), fill=np.nan),
            Field("weekday", "f4", fill=np.nan),  # litres that such a day had
            Field("unusual", "i2"),  # days in a row
            Field("faint", "i2"),  # days in a row
            Field("faint_used", "i2"),  # of them with any use
            Field("since_s", "i8"),
            Field("open", "?"),
        ]

    def check(self, view: View, state: Arrays) -> list[Finding]:
        hour_use = view.hour_use.astype(np.float32)
        known = hour_use == hour_use
        use = np.where(known, hour_use, np.float32(0))
        state["use"] += use
        state["squares"] += use * use
        state["logs"] += np.log(np.where(use > 0, use, np.float32(1)))
        state["active"] += use > 0
        state["known"] += known
        if turn_of_day(view) != turns_a_day(view.cohort) - 1:
            return []
        day = _day(state, turns=turns_a_day(view.cohort))
        for name in OF_TODAY:
            state[name][:] = 0
        return self._judge(view, state, day)

    def _judge(self, view: View, state: Arrays, day: dict[str, Floats]) -> list[Finding]:
        meters, is_open, lately = view.cohort.meters, state["open"], state["lately"]
        usual, days = median(state["uses"])
        told_day = ~np.isnan(day["use"])
        day |= _expected(view, state, use=day["use"], usual=usual)
        moved = np.concatenate([lately[:, 1:], np.stack([day[name] for name in DAY_COLUMNS], axis=1)[:, None]], axis=1)
        lately[told_day] = moved[told_day]
        self._count_faint(state, _share(day["use"], day["expected"]), day["use"])
        last_days = _share(lately[:, -FEWEST_DAYS:, 0].sum(axis=1), lately[:, -FEWEST_DAYS:, 1].sum(axis=1))
        may = told_day & (days >= LEARNT_DAYS) & (meters.role == CUSTOMER) & ~is_open & ~view.quiet
        rows = np.flatnonzero(may & (last_days < LOOSEST_SHARE / np.asarray(self.strictness)))
        shown_days, shares = self._looks(view, state, rows)
        begins = np.zeros(len(meters), dtype=np.bool_)
        begins[rows] = shown_days > 0
        ends = is_open & told_day & (last_days > BACK_SHARE)
        state["since_s"][rows] = view.slot_s - shown_days * DAY_S
        is_open[:] = (is_open | begins) & ~ends
        self._learn(view, state, day=day, usual=usual)
        counted = dict(zip(rows.tolist(), shares.tolist(), strict=True))
        return [
            self._tell(
                view, state, int(row), usual_l=float(usual[row]), share=counted[int(row)] if begins[row] else None
            )
            for row in np.flatnonzero(begins | ends)
        ]

    def _looks(self, view: View, state: Arrays, rows: NDArray[np.intp]) -> tuple[NDArray[np.int64], Floats]:
        """Tell for how many days each meter looks as if it counted in part (0: it does not), and the share counted."""
        meters, lately = view.cohort.meters, state["lately"][rows].astype(np.float64)
        homes = meters.segment[rows] == RESIDENTIAL
        lenient = 1 / np.broadcast_to(np.asarray(self.strictness), len(meters))[rows]
        usual_use, spread, _ = middle(state["uses"][rows])
        usual_size, usual_active = median(state["sizes"][rows])[0], median(state["actives"][rows])[0]
        digit = meters.resolution[rows]
        usual_typical = median(state["typicals"][rows])[0]
        coarse = usual_typical < COARSE_DIGITS * digit
        least_l = np.maximum(LEAST_DIGITS * digit, np.where(digit >= COARSE_DIGIT_L, LEAST_COARSE_L, 0))
        crowd = _share(lately[:, -1, 1], state["weekday"][rows])
        drips = _drips(lately[:, -DRIP_DAYS:], usual_active=usual_active, digit=digit)
        found, shares = np.zeros(len(rows), dtype=np.int64), np.full(len(rows), np.nan)
        for look in LOOKS:
            use, expected, size, expected_size, active, typical = np.moveaxis(lately[:, -look.days :], 2, 0)
            usual = expected.sum(axis=1)
            usual = np.where(homes, np.minimum(usual, look.days * usual_use * crowd), usual)
            total = _share(use.sum(axis=1), usual)
            typical_size = median(size)[0]
            sizes = np.fmin(
                _share(typical_size, usual_size), _share(np.nansum(size, axis=1), np.nansum(expected_size, axis=1))
            )
            actives = _share(active.mean(axis=1), _actives(use.mean(axis=1), usual_active, digit))
            typicals = _share(np.exp(_mean(np.log(typical), otherwise=np.zeros(len(rows)))), usual_typical)
            fall = -np.log(np.maximum(total, 1e-6)) * np.sqrt(look.days)
            fits = fall >= look.spreads * _share(spread, usual_use)
            fits &= (total < look.total * lenient) & (_share(use, expected).max(axis=1) < look.each * lenient)
            fits &= (sizes < look.size * lenient) & (sizes > LIKE_LOW * total) & (actives > look.active)
            fits &= (typicals < TYPICAL_TIMES * total + TYPICAL_MORE) | coarse
            fits &= (use > 0).all(axis=1) & (use.mean(axis=1) >= least_l)
            fits &= ~drips
            fits &= (found == 0) & (look.work | (meters.segment[rows] != COMMERCIAL))
            shares[fits], found[fits] = total[fits], look.days
        faint = (state["faint"][rows] >= FAINT_DAYS) & (state["faint_used"][rows] >= FAINT_USED) & (found == 0)
        shares[faint], found[faint] = FAINT_SHARE, FAINT_DAYS
        return found, shares

    def _count_faint(self, state: Arrays, share: Floats, use: Floats) -> None:
        known, faint = ~np.isnan(share), share < FAINT_SHARE
        state["faint"][known] = np.where(faint, state["faint"] + 1, 0)[known]
        state["faint_used"][known] = np.where(faint, state["faint_used"] + (use > 0), 0)[known]

    def _learn(self, view: View, state: Arrays, *, day: dict[str, Floats], usual: Floats) -> None:
        """Take in the day that ends, unless nobody was there or too little was counted."""
        use, known = day["use"], ~np.isnan(day["use"])
        share = _share(use, day["expected"])
        settled = np.count_nonzero(~np.isnan(state["uses"]), axis=1) >= SETTLED_DAYS
        there = known & (use > 0) & ~(use < AWAY_SHARE * usual)
        ordinary = there & ~state["open"] & (~settled | ((share > USUAL_LOW) & (share < USUAL_HIGH)))
        state["unusual"][:] = np.where(ordinary, 0, state["unusual"] + known)
        ordinary |= known & (state["unusual"] > NEW_HABIT_DAYS)
        column = day_of(view.slot_s) % RING_DAYS
        for ring, name in OF_DAYS:
            np.copyto(state[ring][:, column], day[name], where=ordinary, casting="same_kind")

    def _tell(self, view: View, state: Arrays, row: int, *, usual_l: float, share: float | None) -> Finding:
        lately = state["lately"][row]
        evidence: dict[str, Any] = {
            "days_l": _rounded(lately[:, 0]),
            "expected_l": _rounded(lately[:, 1]),
            "usual_l": round(usual_l, 1),
        }
        if share is not None:
            evidence["counted_share"] = round(share, 2)
        return told(
            view,
            self,
            kind="tamper",
            opened=share is not None,
            scope="meter",
            place=row,
            since_s=int(state["since_s"][row]) if share is not None else view.slot_s,
            rows=np.array([row]),
            score=0.0 if share is None else min(100.0, 1 / max(share, 0.01)),
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
        "typical": np.where(
            enough & (state["active"] > 0), np.exp(state["logs"] / np.maximum(state["active"], 1)), np.nan
        ),
        "active": state["active"] * part,
    }


def _expected(view: View, state: Arrays, *, use: Floats, usual: Floats) -> dict[str, Floats]:
    """Give what is expected of the weekday that ends, use less what changed for the meters of the same class."""
    day = day_of(view.slot_s)
    weekday = _mean(np.minimum(same_weekday(state["uses"], day), OUTLIER_TIMES * usual[:, None]), otherwise=usual)
    crowd = alike(view.cohort.meters.segment, _share(use, weekday), least=CLASS_LEAST)
    crowd = np.clip(np.where(np.isnan(crowd), 1.0, crowd), CLASS_LOW, CLASS_HIGH)
    state["weekday"][:] = weekday
    sizes = same_weekday(state["sizes"], day)
    return {"expected": weekday * crowd, "expected_size": _mean(sizes, otherwise=np.full(len(use), np.nan))}


def _actives(use: Floats, usual: Floats, digit: Floats) -> Floats:
    """Give the hours of a day in which the register would move, if use went on in the usual hours, scaled down."""
    return usual * -np.expm1(-_share(use, usual * digit))


def _drips(lately: Floats, *, usual_active: Floats, digit: Floats) -> NDArray[np.bool_]:
    """Tell where a drip is left over of the last days: digit by digit, at more hours than use scaled down would be."""
    use, active = lately[:, :, 0].mean(axis=1), lately[:, :, 4].mean(axis=1)
    many = _share(active, _actives(use, usual_active, digit)) > DRIP_ACTIVE
    return many & (median(lately[:, :, 2])[0] < DRIP_DIGITS * digit)


def _mean(values: NDArray[Any], *, otherwise: Floats) -> Floats:
    known = np.count_nonzero(~np.isnan(values), axis=1)
    return np.where(known > 0, np.nansum(values, axis=1) / np.maximum(known, 1), otherwise)


def _share(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """Divide; NaN where the whole is nothing."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)


def _rounded(values: NDArray[Any]) -> list[float | None]:
    return [None if np.isnan(one) else round(float(one), 1) for one in values]
