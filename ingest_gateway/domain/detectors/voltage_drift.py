"""A voltage sensor that drifts away from its neighbours.

Rule: every eight hours, the median over the last day's hours of the meter's volts over those of its zone, each
neighbour taken by its own usual share; so what moves the whole zone is out, and what moves the meter for some hours
(its own load, its solar panels) as well. That against the median of the days before the last five. The sensor drifts
when it is off by 0.5 %, by no less than six times what it is off on common days and three times its spread within a
day, and came there step by step over three days: a load that came or went is one step. Where a meter does not move
with its zone, or the zone has fewer than three, it may be anything: that goes to the watch list. Ends after three days
within three tenths of the limit.
Units: shares of the zone's volts. Source: class 0.5 sensors keep 0.5 % for years; drifts of tenths of a percent a day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.detector import Number
from ingest_gateway.domain.checking.findings import Finding, Kind
from ingest_gateway.domain.checking.meters import ELECTRICITY
from ingest_gateway.domain.checking.parameters import parameter
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Floats, Mask, Stage, View
from ingest_gateway.domain.detectors.order import median_of_known
from ingest_gateway.domain.detectors.telling import told
from ingest_gateway.domain.detectors.volts import highest, lowest_standing

HOUR_S, DAY_S = 3600, 86_400
HOURS = 24
LEAST_HOURS = 12
LOOK_HOURS = 8
DAYS = 21
RECENT = 5  # days that are no part of what is usual
DAYS_TO_LEARN = 5
NOISE_DAYS = 14.0
SPREAD = 3.0
STEADY = (0.22, 0.76)  # of the last three days' growth, what came before the last day
GROWN = 0.5  # of the limit, in three days
# A meter does not move with its zone above this spread within a day and common error; or above the error alone.
UNRELATED_SPREAD, UNRELATED_ERROR, RESTLESS_ERROR = 0.0035, 0.0012, 0.0025
BACK = 0.3
BACK_DAYS = 3
FEWEST_NEIGHBOURS = 3


@dataclass(frozen=True, slots=True)
class VoltageDrift:
    """A voltage sensor that drifts."""

    name: ClassVar[str] = "voltage_drift"
    version: ClassVar[int] = 1
    kinds: ClassVar[tuple[Kind, ...]] = ("sensor_drift",)
    services: ClassVar[tuple[int, ...]] = (ELECTRICITY,)
    stages: ClassVar[tuple[Stage, ...]] = (Stage.SETTLED, Stage.HOUR)

    off: Number = parameter(0.005, unit="", low=0.002, high=0.1, about="least share by which a drifting sensor is off")
    noise: Number = parameter(6.0, unit="", low=3, high=20, about="least limit, in the meter's common daily errors")

    def fields(self, _cohort: Cohort) -> Sequence[Field]:
        return [
            Field("volts", "f4"),  # summed over the hour
            Field("samples", "i2"),
            Field("share", "f4", fill=1.0),  # of the zone's volts, as is usual
            Field("hours", "f4", shape=(HOURS,), fill=np.nan),  # volts over the zone's, by hour of the day
            Field("days", "f4", shape=(DAYS,), fill=np.nan),  # newest last
            Field("spread", "f4", fill=np.nan),
            Field("error", "f4"),
            Field("learnt", "i2"),
            Field("back", "i2"),
            Field("open", "?"),
        ]

    def check(self, view: View, state: Arrays) -> list[Finding]:
        if view.stage is Stage.SETTLED:
            volts = (lowest_standing(view) + highest(view)) / 2
            known = ~np.isnan(volts)
            state["volts"] += np.where(known, volts, 0.0)
            state["samples"] += known
            return []
        hour_s = max(HOUR_S, view.cohort.interval_s)
        _add_hour(view, state)
        if view.slot_s % (LOOK_HOURS * HOUR_S) >= hour_s:
            return []
        now = _last_day(view, state["hours"])
        ends_day = view.slot_s % DAY_S < hour_s
        if ends_day:
            _add_day(state, now)
        return self._look(view, state, now=now, ends_day=ends_day)

    def _look(self, view: View, state: Arrays, *, now: Floats, ends_day: bool) -> list[Finding]:
        days, error = state["days"], state["error"]
        usual = median_of_known(days[:, : DAYS - RECENT])
        off = now / usual - 1
        limit = np.maximum(np.maximum(self.off, self.noise * error), SPREAD * state["spread"])
        drifts = (state["learnt"] >= DAYS_TO_LEARN) & (np.abs(off) > limit) & ~view.quiet
        if drifts.any():
            drifts &= _came_steadily(now, days, usual, limit)
        findings = self._tell(view, state, drifts=drifts, off=off, limit=limit, ends_day=ends_day)
        if ends_day:
            np.copyto(state["share"], np.where(np.isnan(usual), median_of_known(days), usual), where=~np.isnan(now))
            _learn_error(state, off=np.abs(off))
        return findings

    def _tell(
        self,
        view: View,
        state: Arrays,
        *,
        drifts: Mask,
        off: Floats,
        limit: NDArray[np.floating[Any]],
        ends_day: bool,
    ) -> list[Finding]:
        is_open, back = state["open"], state["back"]
        if ends_day:
            back[:] = np.where(np.abs(off) < BACK * limit, back + 1, np.where(np.isnan(off), back, 0))
        begins, ends = drifts & ~is_open, is_open & (back >= BACK_DAYS)
        is_open[:] = (is_open | begins) & ~ends
        if not (begins.any() or ends.any()):
            return []
        unsure = _has_few_neighbours(view)
        unsure |= (state["spread"] > UNRELATED_SPREAD) & (state["error"] > UNRELATED_ERROR)
        unsure |= state["error"] > RESTLESS_ERROR
        return [
            told(
                view,
                self,
                kind="sensor_drift",
                opened=bool(begins[row]),
                scope="meter",
                place=int(row),
                since_s=view.slot_s - 3 * DAY_S,
                rows=np.array([row]),
                score=abs(off[row]) / limit[row],
                outlet="watch" if unsure[row] else "ticket",
                evidence={
                    "off_share": round(float(off[row]), 5),
                    "limit_share": round(float(limit[row]), 5),
                    "shares_by_day": [round(float(one), 5) for one in state["days"][row, -RECENT:]],
                },
            )
            for row in np.flatnonzero(begins | ends)
        ]


def _add_hour(view: View, state: Arrays) -> None:
    samples, zones = state["samples"], view.cohort.zones
    mean = np.divide(state["volts"], samples, out=np.full(len(samples), np.nan), where=samples > 0)
    of_zone = zones.to_meters(zones.median(mean / state["share"]), nowhere=np.nan)
    state["hours"][:, (view.slot_s // HOUR_S) % HOURS] = mean / of_zone
    state["volts"][:] = 0
    samples[:] = 0


def _last_day(view: View, hours: Floats) -> Floats:
    known = np.count_nonzero(~np.isnan(hours), axis=1)
    least = LEAST_HOURS if view.cohort.interval_s <= HOUR_S else 1
    return np.where(known >= least, median_of_known(hours), np.nan)


def _add_day(state: Arrays, now: Floats) -> None:
    days, spread = state["days"], state["spread"]
    days[:, :-1] = days[:, 1:]
    days[:, -1] = now
    today = median_of_known(np.abs(state["hours"] - now[:, None]))
    moved = np.where(np.isnan(spread), today, spread + (today - spread) / NOISE_DAYS)
    np.copyto(spread, moved, where=~np.isnan(today))


def _came_steadily(now: Floats, days: Floats, usual: Floats, limit: NDArray[np.floating[Any]]) -> Mask:
    """Tell where the last three days' growth came day by day: of one step, all or nothing came before the last day."""
    grown = (now - days[:, -4]) / usual
    before = np.divide(days[:, -2] - days[:, -4], now - days[:, -4], out=np.zeros(len(now)), where=grown != 0)
    same_way = np.sign(grown) == np.sign(now / usual - 1)
    return same_way & (np.abs(grown) > GROWN * limit) & (before > STEADY[0]) & (before < STEADY[1])


def _has_few_neighbours(view: View) -> Mask:
    zones = view.cohort.zones
    spoke = zones.count(view.missed * view.cohort.interval_s < DAY_S)
    return zones.to_meters(spoke < FEWEST_NEIGHBOURS, nowhere=True)


def _learn_error(state: Arrays, *, off: Floats) -> None:
    """Move the common daily error: the mean of the first days, then slowly; a drift cannot teach itself away."""
    error, learnt = state["error"], state["learnt"]
    known = ~np.isnan(off) & ~state["open"]
    bounded = np.where(learnt >= DAYS_TO_LEARN - 1, np.minimum(off, 3 * error + 0.0005), off)
    share = np.maximum(1 / (learnt + 1.0), 1 / NOISE_DAYS)
    error += np.where(known, share * (bounded - error), 0.0)
    learnt += known & (learnt < 1000)
