"""A pressure sensor that drifts: it moves away from the other sensors of its zone for days, and it alone.

Rule, at each whole hour: what a meter shows less its usual is compared with the same of the four gauges of its zone
that go with it best (with the median of the zone, or of the network, where they are not heard). The mean of the last
24 hours is looked at every 6: three times in a row more than 5 deviations of its own past days, and more than 3 % of
the usual, is a drift, unless two others of the zone move the same way. Hours in which the whole zone is far from its
usual are left out. What went apart within hours is no drift and goes to the watch list.
It ends below 40 % of the limit.
Units: kPa. Source: comparison with neighbours, as in quality control of rain and river gauges.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.detector import Number
from ingest_gateway.domain.checking.findings import Finding, Kind
from ingest_gateway.domain.checking.meters import NOWHERE, WATER, Groups
from ingest_gateway.domain.checking.parameters import parameter
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Floats, Mask, Stage, View
from ingest_gateway.domain.detectors.telling import told
from ingest_gateway.domain.detectors.zone_layout import layout_of

HOUR_S = 3_600
DAY_S = 24 * HOUR_S
BLOCK_S = 6 * HOUR_S
BLOCKS = 4
CANDIDATES = 12
PEERS = 4
LEAST_PEERS = 2
NOBODY = -1
FIRST_APART_KPA = 10.0
MOST_APART_KPA = 60.0
LEARN_S = 3 * HOUR_S
APART_TIMES = 30
LEAST_BLOCKS = 3
LEAST_SAMPLES = 2  # of a block
LEAST_NEIGHBOURS = 3
UNSETTLED_SHARE = 0.12  # of the usual: so far away the zone itself is in trouble
USUAL_HOURS = 60 * 24
FIRST_HOURS = 72
GAUGE_CLIP = 0.15
WARM_BLOCKS = 28
REFERENCE_BLOCKS = 160
LEAST_LIMIT_KPA = 6.0
FIRST_SPREAD_KPA = 3.0
SPREAD_BLOCKS = 60
DEVIATION = 1.25
TURNS = 3
JUMP = 1.0  # of the limit, within a block: no drift begins so
MOST_TIMES = 1.4
SAME_WAY = 0.6  # of its limit, by which another one moves too
MOST_ALIKE = 1
ENDED = 0.4


@dataclass(frozen=True, slots=True)
class PressureDrift:
    """A pressure sensor that moves away from its neighbours."""

    name: ClassVar[str] = "pressure_drift"
    version: ClassVar[int] = 1
    kinds: ClassVar[tuple[Kind, ...]] = ("sensor_drift",)
    services: ClassVar[tuple[int, ...]] = (WATER,)
    stages: ClassVar[tuple[Stage, ...]] = (Stage.HOUR,)

    deviations: Number = parameter(5.0, unit="", low=2, high=20, about="deviations of its past days that are a drift")
    share: Number = parameter(
        0.03, unit="of the usual pressure", low=0.005, high=0.5, about="least distance that is a drift"
    )

    def fields(self, _cohort: Cohort) -> Sequence[Field]:
        return [
            Field("usual_kpa", "f4", fill=np.nan),
            Field("hours", "f4"),
            # How far the zone's first gauges go apart from it, and the places of the best among them.
            Field("peers_apart_kpa", "f4", shape=(CANDIDATES,), fill=FIRST_APART_KPA),
            Field("peers", "i2", shape=(PEERS,), fill=NOBODY),
            Field("sum_kpa", "f4"),
            Field("samples", "f4"),
            Field("blocks", "f4", shape=(BLOCKS,), fill=np.nan),  # newest first
            Field("reference_kpa", "f4"),
            Field("spread_kpa", "f4", fill=FIRST_SPREAD_KPA),
            Field("known_blocks", "f4"),
            Field("turns", "i4"),
            Field("jumped", "?"),
            Field("open", "?"),
        ]

    def check(self, view: View, state: Arrays) -> list[Finding]:
        usual, shown = state["usual_kpa"], view.pressure_kpa
        zones = view.cohort.zones
        above = shown - usual
        middle = zones.to_meters(_middle(view, above), nowhere=np.nan)
        with np.errstate(invalid="ignore"):
            settled = ~(np.abs(middle) > UNSETTLED_SHARE * usual) & ~view.quiet
            near = np.abs(above) < 0.5 * usual  # a closed valve is another matter
        learning = state["hours"] < FIRST_HOURS
        apart = above - _of_peers(view, state, above, otherwise=middle)
        known = settled & near & np.isfinite(apart) & ~learning
        # An hour counts for little more than the limit: half a day in which it is apart for another reason is no drift.
        most = MOST_TIMES * self._limit(state)
        apart = state["reference_kpa"] + np.clip(apart - state["reference_kpa"], -most, most)
        np.add(state["sum_kpa"], np.where(known, apart, 0.0), out=state["sum_kpa"], casting="same_kind")
        state["samples"] += known
        _learn_usual(
            state, shown, where=np.isfinite(shown) & ~view.quiet & ((settled & near & ~state["open"]) | learning)
        )
        if view.slot_s % BLOCK_S >= max(HOUR_S, view.cohort.interval_s):
            return []
        if view.slot_s % DAY_S < BLOCK_S:
            _choose_peers(view, state)
        return self._judge(view, state, _day_mean(view, state))

    def _limit(self, state: Arrays) -> Floats:
        least = np.maximum(self.share * np.nan_to_num(state["usual_kpa"]), LEAST_LIMIT_KPA)
        return np.maximum(self.deviations * DEVIATION * state["spread_kpa"], least)

    def _judge(self, view: View, state: Arrays, day_kpa: Floats) -> list[Finding]:
        away = day_kpa - state["reference_kpa"]
        known = np.isfinite(away)
        usual = np.nan_to_num(state["usual_kpa"])
        limit = self._limit(state)
        beyond = known & (np.abs(away) > limit) & (state["known_blocks"] >= WARM_BLOCKS)
        is_open, turns = state["open"], state["turns"]
        _note_jumps(state, away, limit=limit)
        alone = _is_alone(view, away, moves=known & ~is_open & (np.abs(away) > SAME_WAY * limit))
        turns[beyond & alone] += 1
        turns[known & ~(beyond & alone)] = 0
        begins = (turns >= TURNS) & ~is_open & ~view.quiet
        ends = is_open & known & (np.abs(away) < ENDED * limit)
        is_open[:] = (is_open | begins) & ~ends
        _learn_reference(state, away, limit=limit, where=known & ~is_open)
        return [
            told(
                view,
                self,
                kind="sensor_drift",
                opened=bool(begins[row]),
                scope="meter",
                place=int(row),
                since_s=view.slot_s - (TURNS * BLOCK_S + 24 * HOUR_S if begins[row] else 0),
                rows=np.array([row]),
                score=float(abs(away[row]) / limit[row]),
                outlet="watch" if state["jumped"][row] else "ticket",
                evidence={
                    "away_kpa": round(float(away[row]), 1),
                    "limit_kpa": round(float(limit[row]), 1),
                    "usual_kpa": round(float(usual[row]), 1),
                },
            )
            for row in np.flatnonzero(begins | ends)
        ]


def _middle(view: View, above: Floats) -> Floats:
    """Give each zone's median, or its network's where the zone has too few."""
    layout = layout_of(view.cohort)
    of_zone = layout.middle_gauge(above)
    few = np.isfinite(np.append(above, np.nan)[layout.gauges]).sum(axis=1) < LEAST_NEIGHBOURS
    if few.any():
        others, _ = layout.middle_of_others(of_zone, np.ones(len(of_zone)))
        of_zone = np.where(few, others, of_zone)
    return of_zone


def _of_peers(view: View, state: Arrays, above: Floats, *, otherwise: Floats) -> Floats:
    """Give the middle of each gauge's peers; now and then learn how far the candidates go apart from it."""
    gauges, candidates = _candidates(view)
    padded = np.append(above, np.nan).astype(np.float32)
    if view.slot_s % LEARN_S < max(HOUR_S, view.cohort.interval_s):
        apart = np.minimum(np.abs(padded[gauges][:, None] - padded[candidates]), MOST_APART_KPA)
        learnt = state["peers_apart_kpa"][gauges]
        moved = (apart - learnt[:, : apart.shape[1]]) / APART_TIMES
        learnt[:, : apart.shape[1]] += np.where(np.isnan(moved), np.float32(0), moved)
        state["peers_apart_kpa"][gauges] = learnt
    peers = state["peers"][gauges]
    places = np.maximum(peers, 0).astype(np.intp)
    rows = np.where(peers == NOBODY, len(above), np.take_along_axis(candidates, places, axis=1))
    shown = np.sort(padded[rows], axis=1)  # NaN last
    known = np.count_nonzero(~np.isnan(shown), axis=1)
    line = np.arange(len(gauges))
    middle_kpa = (shown[line, np.maximum(known - 1, 0) // 2] + shown[line, np.minimum(known // 2, PEERS - 1)]) / 2
    middle = otherwise.copy()
    middle[gauges] = np.where(known >= LEAST_PEERS, middle_kpa, otherwise[gauges])
    return middle


def _choose_peers(view: View, state: Arrays) -> None:
    gauges, candidates = _candidates(view)
    apart = state["peers_apart_kpa"][gauges][:, : candidates.shape[1]]
    nobody = (candidates == gauges[:, None]) | (candidates == len(view.cohort.meters))
    apart = np.where(nobody, np.float32(np.inf), apart)
    best = np.argsort(apart, axis=1)[:, :PEERS]
    chosen = np.full((len(gauges), PEERS), NOBODY, dtype=np.int16)
    chosen[:, : best.shape[1]] = np.where(np.isfinite(np.take_along_axis(apart, best, axis=1)), best, NOBODY)
    state["peers"][gauges] = chosen


_made: WeakKeyDictionary[Groups, tuple[NDArray[np.intp], NDArray[np.intp]]] = WeakKeyDictionary()


def _candidates(view: View) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give the gauges that are in a zone, and for each the first ones of its zone."""
    zones, meters = view.cohort.zones, view.cohort.meters
    known = _made.get(zones)
    if known is None:
        gauges = np.flatnonzero(meters.has_pressure & (zones.of != NOWHERE))
        known = _made[zones] = gauges, layout_of(view.cohort).gauges[zones.of[gauges], :CANDIDATES]
    return known


def _learn_usual(state: Arrays, shown: Floats, *, where: Mask) -> None:
    usual, hours = state["usual_kpa"], state["hours"]
    first = where & np.isnan(usual)
    usual[first] = shown[first]
    most = np.where(hours < FIRST_HOURS, np.inf, GAUGE_CLIP * usual)
    moved = np.clip(shown - usual, -most, most) / np.minimum(hours + 1, USUAL_HOURS)
    np.add(usual, moved, out=usual, where=where, casting="same_kind")
    hours += where


def _day_mean(view: View, state: Arrays) -> Floats:
    """End a block; give the mean of the last ones, NaN where too few are known."""
    blocks, samples = state["blocks"], state["samples"]
    least = LEAST_SAMPLES if view.cohort.interval_s <= HOUR_S else 1
    blocks[:, 1:] = blocks[:, :-1].copy()
    blocks[:, 0] = np.where(samples >= least, state["sum_kpa"] / np.maximum(samples, 1), np.nan)
    state["sum_kpa"][:] = 0.0
    samples[:] = 0.0
    known = np.isfinite(blocks).sum(axis=1)
    return np.where(known >= LEAST_BLOCKS, np.nansum(blocks, axis=1) / np.maximum(known, 1), np.nan)


def _note_jumps(state: Arrays, away: Floats, *, limit: Floats) -> None:
    """Note which meters went apart at once, until they are back: exchanged or mixed up, or the network changed."""
    now, before = (np.abs(state["blocks"][:, place] - state["reference_kpa"]) for place in (0, 1))
    jumped = state["jumped"]
    with np.errstate(invalid="ignore"):
        jumped &= ~((np.abs(away) < ENDED * limit) & (now < ENDED * limit))
        jumped |= (now - before > JUMP * limit) & (before < 0.5 * limit)


def _is_alone(view: View, away: Floats, *, moves: Mask) -> Mask:
    zones = view.cohort.zones
    alike = np.zeros(len(away), dtype=np.intp)
    for way in (away > 0, away < 0):
        count = zones.to_meters(zones.count(moves & way), nowhere=0)
        alike = np.where(way, count - (moves & way), alike)
    return alike <= MOST_ALIKE


def _learn_reference(state: Arrays, away: Floats, *, limit: Floats, where: Mask) -> None:
    """Let the reference and the spread follow slowly: a drift must not become the usual."""
    count, reference, spread = state["known_blocks"], state["reference_kpa"], state["spread_kpa"]
    most = np.where(count < 8, np.inf, 0.4 * limit)
    gain = 1 / np.minimum(count + 1, REFERENCE_BLOCKS)
    np.add(reference, gain * np.clip(away, -most, most), out=reference, where=where, casting="same_kind")
    size = np.minimum(np.abs(away), np.where(count < 8, np.inf, 2.5 * spread + 1))
    moved = np.maximum(1 / (count + 1), 1 / SPREAD_BLOCKS) * (size - spread)
    np.add(spread, moved, out=spread, where=where & (count >= 2), casting="same_kind")
    count += where
