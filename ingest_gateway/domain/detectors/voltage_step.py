"""Voltage that sags or swells: it leaves its own usual level by more than loads and tap changers move it.

Rule: each meter's usual level is a running mean of hours of the lowest phase (for sags) and of the highest (for swells)
that what lies beyond the limits does not teach. Half an hour (two samples at 15 minutes, one of 30 or 60 minutes, which
are means themselves) beyond the limit is an event: of the zone when more than half of its meters show it, else of the
meter, if its neighbours do not move with it and it is then off from them rather than back among them. Three meters and
more of a zone, most of it, that are plainly beyond need one sample. Limits are 5 % up
and 7.5 % down (a customer's own load pulls down by up to 6 %), and no less than so many times the meter's own unrest.
It ends after an hour back within six tenths of the limit; a level that stays for two days is the new usual one.
A distance from the usual level, not from the nominal one: a supply that lives at the statutory bound for weeks is a
matter for planning (`voltage_limit`), and a sag from there may stop above the lower bound.
Units: volts; limits as shares of the usual level. Source: EN 50160 (means over an interval, rapid voltage changes of up
to 5 % in normal operation), tap changer steps of 1 to 2.5 %.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.detector import Number
from ingest_gateway.domain.checking.findings import Finding, Kind
from ingest_gateway.domain.checking.meters import ELECTRICITY
from ingest_gateway.domain.checking.parameters import parameter
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Mask, Stage, View
from ingest_gateway.domain.detectors.lateness import FIELDS, judged_now
from ingest_gateway.domain.detectors.telling import told
from ingest_gateway.domain.detectors.volts import (
    Volts,
    highest,
    lowest_standing,
    run,
    samples_of_calm,
    samples_of_event,
)

Side = Literal["sag", "swell"]
SIDES: tuple[tuple[Side, Kind, float], ...] = (("sag", "voltage_sag", -1.0), ("swell", "voltage_swell", 1.0))
USUAL_S = 4 * 3600  # time constant of the usual level
UNREST_S = 3 * 86_400  # time constant of the unrest
UNREST_AT_FIRST = 0.01
SAMPLES_TO_LEARN = 8
NEW_USUAL_S = 48 * 3600
BACK = 0.6  # of the limit
AWAY, AWAY_MORE = 0.4, 0.8  # of the limit, and of what it was off from its neighbours before
JUMP = 0.5  # of the limit, from the last sample within it
SURELY = 1.6  # times the limit: however it came there
MOST_MISSED = 4  # slots without a reading after which a count begins anew
FEWEST_NEIGHBOURS = 3
PLAIN = 1.3  # times a zone's limit, by so many meters and most of the zone: one sample will do
PLAIN_METERS = 3


@dataclass(frozen=True, slots=True)
class VoltageStep:
    """Voltage that sags or swells."""

    name: ClassVar[str] = "voltage_step"
    version: ClassVar[int] = 1
    kinds: ClassVar[tuple[Kind, ...]] = ("voltage_sag", "voltage_swell")
    services: ClassVar[tuple[int, ...]] = (ELECTRICITY,)
    stages: ClassVar[tuple[Stage, ...]] = (Stage.EARLY, Stage.SETTLED)

    sag: Number = parameter(0.08, unit="", low=0.03, high=0.5, about="share below the usual level that is a sag")
    swell: Number = parameter(0.055, unit="", low=0.03, high=0.5, about="share above the usual level that is a swell")
    zone_share: Number = parameter(
        0.9, unit="", low=0.3, high=2, about="a zone's limits, as a share of a meter's", by_zone=True
    )
    unrest: Number = parameter(5.0, unit="", low=2, high=10, about="least limit, in mean deviations of the meter's own")

    def fields(self, _cohort: Cohort) -> Sequence[Field]:
        of_meters = [Field("learnt", "i2"), Field("apart_s", "i4")]
        for side, _, _ in SIDES:
            of_meters += [
                Field(f"{side}_usual", "f4", fill=np.nan),
                Field(f"{side}_unrest", "f4", fill=UNREST_AT_FIRST),
                Field(f"{side}_before", "f4", fill=np.nan),  # share beyond the usual level when it was last within
            ]
        counts = [
            Field(f"{side}_{per}_{what}", dtype, per=per)
            for side, _, _ in SIDES
            for per in ("meter", "zone")
            for what, dtype in (("count", "i2"), ("calm", "i2"), ("open", "?"))
        ]
        return [*of_meters, *counts, *FIELDS]

    def check(self, view: View, state: Arrays) -> list[Finding]:
        mine = judged_now(view, state)
        if mine is not None and not mine.any():
            return []
        learnt = state["learnt"] >= SAMPLES_TO_LEARN
        judged = np.ones(len(learnt), dtype=np.bool_) if mine is None else mine
        findings: list[Finding] = []
        apart = np.zeros(len(learnt), dtype=np.bool_)
        sides: dict[str, tuple[Volts, Volts]] = {}
        for (side, kind, sign), told_volts in zip(SIDES, (lowest_standing(view), highest(view)), strict=True):
            volts = told_volts if mine is None else np.where(mine, told_volts, np.float32(np.nan))
            unrest, before = state[f"{side}_unrest"], state[f"{side}_before"]
            beyond: Volts = np.divide(volts, state[f"{side}_usual"], dtype=np.float32)
            np.multiply(np.subtract(beyond, 1, out=beyond), np.float32(sign), out=beyond)
            sides[side] = volts, beyond
            base = self.sag if side == "sag" else self.swell
            zone_limit = base * self._zone_share(view)
            nearest = np.minimum(base, zone_limit)
            apart |= beyond > np.maximum(BACK * nearest, 3 * unrest)
            far = learnt & (beyond > nearest)
            if not self._is_calm(state, side, far):
                jumped = (beyond - np.nan_to_num(before) > JUMP * nearest) | (beyond > SURELY * nearest)
                far &= ~view.quiet & jumped
                limit = np.maximum(base, self.unrest * unrest)
                limits = limit, np.broadcast_to(zone_limit, limit.shape)
                step = _Step(
                    side, kind, sign, told_volts, state[f"{side}_usual"], beyond, *limits, may=far, judged=judged
                )
                findings += self._zones(view, state, step) if view.stage is Stage.EARLY else []
                findings += self._meters(view, state, step)
            np.copyto(before, beyond, where=~(far | np.isnan(beyond)))
        self._learn(view, state, sides=sides, apart=apart)
        return findings

    def _zone_share(self, view: View) -> Number:
        if isinstance(self.zone_share, np.ndarray):
            return view.cohort.zones.to_meters(self.zone_share, nowhere=1.0)
        return self.zone_share

    @staticmethod
    def _is_calm(state: Arrays, side: Side, may: Mask) -> bool:
        return not (
            may.any()
            or any(state[f"{side}_{per}_{what}"].any() for per in ("meter", "zone") for what in ("count", "open"))
        )

    def _zones(self, view: View, state: Arrays, step: "_Step") -> list[Finding]:
        zones = view.cohort.zones
        known = zones.count(~np.isnan(step.beyond) & (state["learnt"] >= SAMPLES_TO_LEARN))
        in_zone = step.may & (step.beyond > step.zone_limit)
        showing = zones.count(in_zone)
        on = (showing >= 2) & (2 * showing > known)
        plain = zones.count(in_zone & (step.beyond > PLAIN * step.zone_limit))
        count, calm, is_open = (state[f"{step.side}_zone_{what}"] for what in ("count", "calm", "open"))
        run(count, known=known > 0, on=on)
        run(calm, known=known > 0, on=(known > 0) & ~on)
        interval_s = view.cohort.interval_s
        at_once = on & (plain >= PLAIN_METERS) & (2 * plain > known)
        begins = ((count >= samples_of_event(interval_s)) | at_once) & ~is_open
        ends = is_open & (calm >= samples_of_calm(interval_s))
        is_open[:] = (is_open | begins) & ~ends
        made: list[Finding] = []
        for zone in np.flatnonzero(begins | ends):
            rows = np.flatnonzero((zones.of == zone) & in_zone)
            rows = rows[np.argsort(-step.beyond[rows], kind="stable")]
            run_s = int(count[zone] - 1 if begins[zone] else calm[zone]) * interval_s
            made.append(
                told(
                    view,
                    self,
                    kind=step.kind,
                    opened=bool(begins[zone]),
                    scope="zone",
                    place=int(zone),
                    since_s=view.slot_s - run_s,
                    rows=rows,
                    score=_score(step, rows),
                    evidence=_evidence(step, rows, known=int(known[zone])),
                )
            )
        return made

    def _meters(self, view: View, state: Arrays, step: "_Step") -> list[Finding]:
        zones, interval_s = view.cohort.zones, view.cohort.interval_s
        count, calm, is_open = (state[f"{step.side}_meter_{what}"] for what in ("count", "calm", "open"))
        on = step.may & (step.beyond > step.limit)
        known = ~np.isnan(step.beyond)
        gone = step.judged & (view.missed > MOST_MISSED)
        run(count, known=known | gone, on=on)
        run(calm, known=known, on=step.beyond <= BACK * step.limit)
        in_zone = zones.to_meters(
            state[f"{step.side}_zone_open"] | (state[f"{step.side}_zone_count"] > 0), nowhere=False
        )
        count[in_zone] = 0
        begins = on & (count >= samples_of_event(interval_s)) & ~is_open
        if begins.any():
            begins &= self._is_alone(view, step)
        ends = is_open & (calm >= samples_of_calm(interval_s))
        is_open[:] = (is_open | begins) & ~ends
        return [
            told(
                view,
                self,
                kind=step.kind,
                opened=bool(begins[row]),
                scope="meter",
                place=int(row),
                since_s=view.slot_s - int(count[row] - 1 if begins[row] else calm[row]) * interval_s,
                rows=np.array([row]),
                score=_score(step, np.array([row])),
                evidence=_evidence(step, np.array([row]), known=1),
            )
            for row in np.flatnonzero(begins | ends)
        ]

    def _is_alone(self, view: View, step: "_Step") -> Mask:
        """Tell which meters moved otherwise than their neighbours, and away from them: a mended sensor comes back."""
        zones, networks = view.cohort.zones, view.cohort.networks
        beyond = step.sign * (step.volts / step.usual - 1)
        known = ~np.isnan(beyond)
        few = zones.to_meters(zones.count(known) < FEWEST_NEIGHBOURS, nowhere=True)
        level = zones.to_meters(zones.median(step.volts), nowhere=np.nan)
        moved = zones.to_meters(zones.median(beyond), nowhere=np.nan)
        if (few & step.may).any():  # then all of the network are its neighbours
            level = np.where(few, networks.to_meters(networks.median(step.volts), nowhere=np.nan), level)
            moved = np.where(few, networks.to_meters(networks.median(beyond), nowhere=np.nan), moved)
            few &= networks.to_meters(networks.count(known) < FEWEST_NEIGHBOURS, nowhere=True)
        base = self.sag if step.side == "sag" else self.swell
        apart_before = np.abs(step.usual / level - 1)
        away = step.sign * (step.volts / level - 1) > np.maximum(AWAY * base, AWAY_MORE * apart_before)
        return few | (away & (beyond - moved > BACK * step.limit))

    def _learn(self, view: View, state: Arrays, *, sides: Mapping[str, tuple[Volts, Volts]], apart: Mask) -> None:
        interval_s = view.cohort.interval_s
        learnt, apart_s = state["learnt"], state["apart_s"]
        seen = ~np.isnan(sides["swell"][1])
        anew: Mask | None = None
        if apart.any() or apart_s.any():
            apart_s += np.where(apart, np.int32(interval_s), np.int32(0))
            apart_s[seen & ~apart] = 0
            anew = apart_s >= NEW_USUAL_S
        for side, (volts, beyond) in sides.items():
            usual, unrest = state[f"{side}_usual"], state[f"{side}_unrest"]
            teaches = ~(np.isnan(beyond) | apart)
            fresh = np.isnan(usual) if anew is None else np.isnan(usual) | anew
            toward = (volts - usual) * np.float32(min(1.0, interval_s / USUAL_S))
            np.add(usual, toward, out=usual, where=teaches)
            np.copyto(usual, volts, where=fresh & ~np.isnan(volts))
            error = np.clip(np.abs(beyond) - unrest, -0.05, 0.05) * np.float32(interval_s / UNREST_S)
            np.add(unrest, error, out=unrest, where=teaches & ~view.quiet)
        if anew is not None:
            apart_s[anew & seen] = 0
        learnt += seen & (learnt < SAMPLES_TO_LEARN)


@dataclass(frozen=True, slots=True)
class _Step:
    """One side of a tick."""

    side: Side
    kind: Kind
    sign: float
    volts: Volts  # of all meters, also those that are judged at other ticks
    usual: Volts
    beyond: Volts  # share by which the volts are off to this side
    limit: NDArray[np.floating[Any]]  # of each meter
    zone_limit: NDArray[np.floating[Any]]
    may: Mask  # something may begin
    judged: Mask  # at this tick


def _score(step: _Step, rows: NDArray[np.intp]) -> float:
    if len(rows) == 0:
        return 0.0
    return float(np.nan_to_num(np.median(step.beyond[rows] / step.limit[rows])))


def _evidence(step: _Step, rows: NDArray[np.intp], *, known: int) -> dict[str, float | int]:
    shown = rows if len(rows) else np.zeros(0, dtype=np.intp)
    if len(shown) == 0:
        return {"meters_known": known}
    usual = float(np.median(step.usual[shown]))
    return {
        "volts": round(float(np.median(step.volts[shown])), 1),
        "usual_v": round(usual, 1),
        "limit_v": round(usual * (1 + step.sign * float(np.median(step.limit[shown]))), 1),
        "meters_showing": len(shown),
        "meters_known": known,
    }
