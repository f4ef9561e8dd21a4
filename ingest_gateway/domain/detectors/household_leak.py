"""Water that never stops flowing behind a meter: a cistern that runs, a pipe that drips into the ground.

Rule, at the end of each hour: an hour is low when no more was used than at rest. For three levels (the meter's usual
rest, its median hour, its upper quartile, each with a margin) the share of low hours at each hour of the day is learnt.
Each hour that is not low adds to the odds of a leak by how seldom that is at this hour, here or among meters of the
same class, and each low hour takes away. It opens when the odds are high at some level and raised at the level of rest,
have risen for half a day (most of a day where water never rests), each of the last hours lay above what is usual at its
hour (or it has not rested for days), and the surplus is as steady as a leak: guests and new tenants use more where much
was used before. Much water at once, as into a pool, must flow for two days. Less than a few litres an hour goes to the
watch list. Days away are not learnt from. Ends with some low hours.
Units: L/h. Source: ours; vendors ask for flow in every hour of a day, which misses who is awake at night.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.detector import Number
from ingest_gateway.domain.checking.findings import Finding, Kind
from ingest_gateway.domain.checking.meters import CUSTOMER, WATER
from ingest_gateway.domain.checking.parameters import parameter
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Floats, Mask, Stage, View
from ingest_gateway.domain.detectors.habits import (
    HOUR_S,
    NOTHING,
    OUTLETS,
    TICKETED,
    day_of,
    levels,
    middle,
    turn_of_day,
    turn_s,
    turns_a_day,
)
from ingest_gateway.domain.detectors.telling import told

LEVELS = (4 / 24, 12 / 24, 18 / 24)  # shares of a day's hours that lie below
REST = 0
RING_DAYS = 14
REST_SPREADS = 3.0
MARGIN_SHARE = 0.35
MARGIN_DIGITS = 1.5
LEAK_IS_LOW = 0.03  # share of a leak's hours that are low nevertheless
RAREST, SUREST = 0.02, 0.9
CLASS_MORE, CLASS_LEAST = 0.1, 20  # a class counts from so many meters on, with so much more of low hours
REST_ODDS = 6.0
SURE_TIMES = 1.8  # the odds at rest, by those that open it: sure whatever the hours were like
RESTLESS_H = 20.0  # how long at least where water never rests, and where no more flows than is used otherwise
SLIGHT_LPH = 10.0
STEADY_SHARE = 0.35  # of the mean surplus, that the least one reaches
EACH_SHARE = 0.25  # of the rate, by which each hour exceeds what is usual at its hour
SECOND = 1  # the least but one: one hour may be odd
KNOWN_SHARE = 0.6
AWAY_SHARE, AWAY_DAYS = 0.3, 28  # of the usual use, on a day away; so many of them are the new habit
LEARNT_DAYS = 7
SLOWEST = 1 / 28  # learning: the weight of a new day at the least
JUMP_LPH, JUMP_TIMES = 5_000.0, 20.0  # more in an hour is a jump of the register
MONTH_H = 730


@dataclass(frozen=True, slots=True)
class HouseholdLeak:
    """Flow without a pause."""

    name: ClassVar[str] = "household_leak"
    version: ClassVar[int] = 1
    kinds: ClassVar[tuple[Kind, ...]] = ("household_leak",)
    services: ClassVar[tuple[int, ...]] = (WATER,)
    stages: ClassVar[tuple[Stage, ...]] = (Stage.HOUR,)

    margin_lph: Number = parameter(3.0, unit="L/h", low=0.5, high=1_000, about="least flow above rest that counts")
    ticket_lph: Number = parameter(4.0, unit="L/h", low=0.5, high=1_000, about="less than this is only watched")
    odds: Number = parameter(16.0, unit="", low=5, high=60, about="odds at which it opens, as a natural logarithm")
    least_h: Number = parameter(14.0, unit="h", low=6, high=24, about="hours for which it must have risen")
    large_lph: Number = parameter(400.0, unit="L/h", low=50, high=100_000, about="flow of a pool being filled")
    large_h: Number = parameter(48.0, unit="h", low=12, high=240, about="hours after which that is a leak too")

    def fields(self, cohort: Cohort) -> Sequence[Field]:
        turns, kinds = turns_a_day(cohort), len(LEVELS)
        return [
            Field("recent", "f4", shape=(turns,), fill=np.nan),  # L/h of the last day
            Field("usual", "f4", shape=(turns,), fill=np.nan),
            Field("low_share", "f4", shape=(turns, kinds), fill=0.5),
            Field("past", "f4", shape=(RING_DAYS, kinds), fill=np.nan),  # the levels of past days
            Field("limit", "f4", shape=(kinds,), fill=np.nan),
            Field("rest", "f4", fill=np.nan),
            Field("days", "f4"),  # learnt from
            Field("away", "i2"),  # days in a row
            Field("odds", "f4", shape=(kinds,)),
            Field("risen_s", "i8", shape=(kinds,)),
            Field("since_s", "i8"),
            Field("at_level", "i1"),  # that opened it
            Field("level", "i1"),
        ]

    def check(self, view: View, state: Arrays) -> list[Finding]:
        turn = turn_of_day(view)
        state["recent"][:, turn] = self._plausible(view, state)
        ripe = self._odds(view, state, turn)
        findings = self._move(view, state, ripe=ripe, turn=turn)
        if turn == turns_a_day(view.cohort) - 1:
            self._learn(view, state)
        return findings

    def _plausible(self, view: View, state: Arrays) -> Floats:
        jump = view.hour_use > JUMP_LPH
        if jump.any():
            with np.errstate(invalid="ignore"):
                most = np.nanmax(np.nan_to_num(state["usual"]), axis=1)
            jump &= view.hour_use > JUMP_TIMES * most
        return np.where(jump, np.nan, view.hour_use)

    def _odds(self, view: View, state: Arrays, turn: int) -> NDArray[np.bool_]:
        """Move the odds; tell at which levels (columns) they would open."""
        use, limit, odds, risen_s = state["recent"][:, turn], state["limit"], state["odds"], state["risen_s"]
        ready = ~np.isnan(use) & ~np.isnan(limit[:, REST]) & (view.cohort.meters.role == CUSTOMER)
        low = ready[:, None] & (use[:, None] <= limit)
        share = np.minimum(state["low_share"][:, turn], _share_of_class(view, ready=ready, low=low) + CLASS_MORE)
        share = np.clip(share, RAREST, SUREST)
        gain = np.log(np.where(low, LEAK_IS_LOW / share, (1 - LEAK_IS_LOW) / (1 - share)))
        gain *= np.float32(turn_s(view.cohort) / HOUR_S)
        before = odds > 0
        np.add(odds, gain, out=odds, where=ready[:, None])
        np.clip(odds, 0, 2 * np.asarray(self.odds)[..., None] if np.ndim(self.odds) else 2 * self.odds, out=odds)
        np.copyto(risen_s, view.slot_s - turn_s(view.cohort), where=(odds > 0) & ~before)
        needed = np.broadcast_to(np.asarray(self.odds), len(use))[:, None]
        for_h = (view.slot_s - risen_s) / HOUR_S
        restless = state["rest"] > self.margin_lph
        long = for_h >= np.where(restless, np.maximum(self.least_h, RESTLESS_H), self.least_h)[:, None]
        return (odds >= needed) & long & ready[:, None] & ~low & (odds[:, REST] >= REST_ODDS)[:, None]

    def _move(self, view: View, state: Arrays, *, ripe: NDArray[np.bool_], turn: int) -> list[Finding]:
        level, count = state["level"], len(view.seen)
        at_odds = state["odds"][np.arange(count), state["at_level"]]
        ends = (level != NOTHING) & (at_odds <= 0)
        watch, ticket = np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_)
        told_of: dict[int, tuple[float, dict[str, Any]]] = {}
        may = ripe.any(axis=1) & (level != TICKETED) & ~view.quiet & (state["days"] >= LEARNT_DAYS)
        for row in np.flatnonzero(may).tolist():
            surplus = self._surplus(view, state, row=row, turn=turn)
            if surplus is None or not self._holds(view, state, row=row, surplus=surplus, ripe=ripe[row]):
                continue
            ticket[row] = surplus[0] >= np.broadcast_to(self.ticket_lph, count)[row]
            watch[row] = not ticket[row]
            if level[row] == NOTHING:
                state["at_level"][row] = np.flatnonzero(ripe[row])[-1]
                state["since_s"][row] = state["risen_s"][row, state["at_level"][row]]
            told_of[row] = (surplus[0], _evidence(state, row=row, rate=surplus[0]))
        state["odds"][ends] = 0
        findings: list[Finding] = []
        for row, was, now in levels(level, watch=watch, ticket=ticket, ends=ends):
            if was != NOTHING:
                findings.append(self._tell(view, state, row, opened=False, level=was, rate=0.0, evidence={}))
            if now != NOTHING:
                rate, evidence = told_of[row]
                findings.append(self._tell(view, state, row, opened=True, level=now, rate=rate, evidence=evidence))
        return findings

    def _surplus(self, view: View, state: Arrays, *, row: int, turn: int) -> tuple[float, float, float] | None:
        """Give the least flow above rest over the last hours, the mean surplus, and the least one over the usual."""
        turns = turns_a_day(view.cohort)
        least_h = float(np.broadcast_to(np.asarray(self.least_h), len(view.seen))[row])
        count = min(turns, max(1, int(least_h * HOUR_S / turn_s(view.cohort))))
        lately = (turn - np.arange(count)) % turns
        use, usual = state["recent"][row, lately].astype(np.float64), state["usual"][row, lately].astype(np.float64)
        known = ~np.isnan(use) & ~np.isnan(usual)
        if known.sum() < KNOWN_SHARE * count:
            return None
        over = np.sort((use - usual)[known])
        second = min(SECOND, len(over) - 1)
        return float(np.sort(use[known])[second] - state["rest"][row]), float(over.mean()), float(over[second])

    def _holds(
        self, view: View, state: Arrays, *, row: int, surplus: tuple[float, float, float], ripe: NDArray[np.bool_]
    ) -> bool:
        rate, mean, each = surplus
        margin, large, large_h = (
            float(np.broadcast_to(np.asarray(one), len(view.seen))[row])
            for one in (self.margin_lph, self.large_lph, self.large_h)
        )
        for_h = (view.slot_s - int(state["risen_s"][row][ripe].min())) / HOUR_S
        usual = state["usual"][row]
        sure = state["odds"][row, REST] >= SURE_TIMES * np.broadcast_to(np.asarray(self.odds), len(view.seen))[row]
        slight = rate < max(SLIGHT_LPH, float(np.nansum(usual)) / len(usual))
        return (
            not (slight and for_h < RESTLESS_H)
            and rate >= margin
            and rate >= STEADY_SHARE * mean
            and (each >= EACH_SHARE * rate or sure)
            and (rate < large or for_h >= large_h)
        )

    def _learn(self, view: View, state: Arrays) -> None:
        """Take in the day that ends, unless nobody was there or a leak may be under way."""
        recent, usual, share = state["recent"], state["usual"], state["low_share"]
        turns = recent.shape[1]
        known = ~np.isnan(recent)
        whole = known.sum(axis=1) >= KNOWN_SHARE * turns
        mean = np.nansum(recent, axis=1) / np.maximum(known.sum(axis=1), 1)
        learnt = ~np.isnan(usual)
        away = mean < AWAY_SHARE * np.nansum(usual, axis=1) / np.maximum(learnt.sum(axis=1), 1)
        state["away"][whole] = np.where(away, state["away"] + 1, 0)[whole]
        calm = (state["level"] == NOTHING) & (state["odds"].max(axis=1) < np.asarray(self.odds) / 2)
        good = whole & calm & (~away | (state["away"] > AWAY_DAYS))
        state["days"] += good
        weight = np.maximum(1 / (state["days"] + 1), SLOWEST)[:, None]
        new = good[:, None] & known
        usual[:] = np.where(new, np.where(learnt, usual + weight * (recent - usual), recent), usual)
        new &= ~np.isnan(state["limit"][:, REST])[:, None]
        for at in range(len(LEVELS)):
            low = recent <= state["limit"][:, at][:, None]
            share[:, :, at] += np.where(new, weight * (low - share[:, :, at]), 0)
        self._learn_levels(view, state, good)

    def _learn_levels(self, view: View, state: Arrays, good: Mask) -> None:
        day = day_of(view.slot_s) % RING_DAYS
        below = np.zeros(len(good))
        digits = MARGIN_DIGITS * view.cohort.meters.resolution
        ordered = np.sort(state["recent"], axis=1)
        known = np.count_nonzero(ordered == ordered, axis=1)
        for at, share in enumerate(LEVELS):
            place = np.maximum(np.rint(known * share).astype(np.intp) - 1, 0)
            value = ordered[np.arange(len(good)), place]
            state["past"][good, day, at] = value[good]
            usual, spread, _ = middle(state["past"][:, :, at])
            margin = np.maximum(self.margin_lph, MARGIN_SHARE * usual)
            margin = np.maximum(margin, np.where(usual > 0, digits, 0))
            if at == REST:
                state["rest"][:] = usual
                margin = np.maximum(margin, REST_SPREADS * spread)
            below = np.maximum(below, usual + margin)
            state["limit"][:, at] = below

    def _tell(
        self, view: View, state: Arrays, row: int, *, opened: bool, level: int, rate: float, evidence: dict[str, Any]
    ) -> Finding:
        margin_lph = float(np.broadcast_to(np.asarray(self.margin_lph), len(view.seen))[row])
        return told(
            view,
            self,
            kind="household_leak",
            opened=opened,
            scope="meter",
            place=row,
            since_s=int(state["since_s"][row]) if opened else view.slot_s,
            rows=np.array([row]),
            score=rate / margin_lph,
            outlet=OUTLETS[level],
            evidence=evidence,
        )


def _share_of_class(view: View, *, ready: Mask, low: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Give each meter the share of low hours among the meters of its class now; 1 where these are too few to tell."""
    segment = view.cohort.meters.segment.astype(np.intp)
    size = int(segment.max(initial=0)) + 1
    count = np.bincount(segment[ready], minlength=size)
    found = np.ones((size, low.shape[1]))
    for at in range(low.shape[1]):
        lows = np.bincount(segment[low[:, at]], minlength=size)
        found[:, at] = np.where(count >= CLASS_LEAST, lows / np.maximum(count, 1), 1.0)
    return found.astype(np.float32)[segment]


def _evidence(state: Arrays, *, row: int, rate: float) -> dict[str, Any]:
    at = int(state["at_level"][row])
    return {
        "rate_lph": round(rate, 1),
        "rest_lph": round(float(state["rest"][row]), 1),
        "limit_lph": round(float(state["limit"][row, at]), 1),
        "odds": round(float(state["odds"][row, at]), 1),
        "month_l": round(rate * MONTH_H),
        "hours_lph": [None if np.isnan(one) else round(float(one), 1) for one in state["recent"][row]],
    }
