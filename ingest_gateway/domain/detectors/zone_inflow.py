"""What a zone takes through its inlets beyond what is usual at this hour, given what the other zones take.

Expected inflow = the usual of this slot of a working day (or of a day off) times the median, over the other zones of
the network, of what they take to what is usual for them: so weather and holidays are taken out. A day is a day off when
the network takes water like on one. A zone without others keeps its own mean of the last day.
Excess = inflow less what is expected, L/h. Its deviation is learnt for each slot of the day.
Two filters weigh the excess by its certainty: one of 1.5 hours for what begins at once, one of 30 hours (whose values
are about 30 hours old, like those of a window of 60) for what grows slowly.
Units: L/h, and deviations. Source: night-flow practice widened to all hours; generalised least squares.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Floats, Mask, View
from ingest_gateway.domain.detectors import daily_peaks
from ingest_gateway.domain.detectors.zone_layout import Layout

DAY_S = 86_400
HOUR_S = 3_600
BURST_HOURS = 1.5
LEAK_HOURS = 30.0
GROUND_HOURS = 18.0  # excess that stayed for so long is not sudden
BEFORE_HOURS = (3, 9)  # ago: what was there then already did not begin at once
MISFIT_S = 5_400  # how long the network must look like another sort of day
MISFIT = 0.1
MOST_DAYS = 20  # of which the usual of a slot is the mean
MEAN_DAYS = 7
DEVIATION = 1.25  # over a mean absolute one
DEVIATION_GAIN = 0.1
FIRST_DEVIATION = 0.1
LEAST_OF_DAY = 0.85
FACTORS = (0.4, 2.5)
LEAST_SHARE = 0.2
BURST_CLIP = (-3.0, 12.0)  # deviations: one wild slot is not enough
LEAK_CLIP = (-4.0, 4.0)
LEFT_OUT_DAYS = 5  # a leak grows for days and must not widen its own limit
PRIOR_DAYS = 5
# How far the slow filter's daily values spread in a network of 0, 1, 2, 3, 4 and more zones, of the mean inflow: what
# is believed until the zone's own days are known.
PRIOR_SPREAD = np.array([0.03, 0.03, 0.025, 0.02, 0.016, 0.013])


@dataclass(frozen=True, slots=True)
class Inflow:
    """Of each zone at one slot; `known` where the excess may be judged."""

    known: Mask
    inflow_lph: Floats
    expected_lph: Floats
    deviation_lph: Floats
    excess_lph: Floats
    sudden_lph: Floats  # less what stayed for long
    burst_lph: Floats  # the fast filter's
    burst_score: Floats
    before_lph: Floats  # what it said some hours ago
    leak_lph: Floats  # the slow filter's
    leak_share: Floats  # of the mean inflow, less what is usual for this zone
    leak_spread: Floats  # of it from day to day


def fields(cohort: Cohort) -> Sequence[Field]:
    """Tell what is kept."""
    slots = max(1, DAY_S // cohort.interval_s)
    return [
        Field("usual_inflow", "f8", per="zone", shape=(2, slots)),  # of a working day, of a day off; L/h
        Field("usual_days", "f8", per="zone", shape=(2, slots)),
        Field("spread_of_slot", "f8", per="zone", shape=(slots,), fill=FIRST_DEVIATION),  # mean absolute, of expected
        Field("misfit", "f8", per="zone", shape=(2,)),
        Field("factor", "f8", per="zone", fill=1.0),
        Field("mean_inflow", "f8", per="zone"),
        Field("ground", "f8", per="zone"),
        Field("before", "f8", per="zone", shape=(BEFORE_HOURS[1],)),  # what the fast filter said, hourly, newest first
        Field("burst_sums", "f8", per="zone", shape=(4,)),
        Field("leak_sums", "f8", per="zone", shape=(4,)),
        Field("leak_days", "f8", per="zone", shape=(daily_peaks.DAYS,), fill=np.nan),
        Field("leak_usual", "f8", per="zone", shape=(2,)),
        Field("leak_known", "i4", per="zone"),
        *daily_peaks.fields("burst"),
    ]


@dataclass(frozen=True, slots=True)
class Slot:
    """Which cell of the profiles stands for a slot at each zone, and what it says."""

    inflow_lph: Floats
    off: NDArray[np.intp]  # 1: the network takes water like on a day off
    slot: NDArray[np.intp]
    usual_lph: Floats
    days: Floats
    own: Mask  # the usual is of this sort of day, not borrowed from the other


def slot_of(view: View, state: Arrays, *, layout: Layout, lost_lph: Floats) -> Slot:
    """Tell what the zones take in a slot, which sort of day it is but for what is known to be lost, what is usual."""
    inflow = layout.inflow(view.use) * (HOUR_S / view.cohort.interval_s)
    slot = _slot_of_day(view, layout)
    zone = np.arange(len(slot))
    weekend = ((view.slot_s - 1 + layout.utc_offset_s) // DAY_S + 3) % 7 >= 5
    usual, days = state["usual_inflow"][zone, :, slot], state["usual_days"][zone, :, slot]
    both = (days > 0).all(axis=1) & np.isfinite(inflow)
    odds = np.abs(np.log(np.maximum(inflow - lost_lph, 1.0)[:, None] / np.maximum(usual, 1.0)))
    gain = 1 - np.exp(-view.cohort.interval_s / MISFIT_S)
    misfit = state["misfit"]
    misfit[both] += gain * (odds - misfit)[both]
    better = layout.mean_of_network(np.where(both, np.clip(misfit[:, 1] - misfit[:, 0], -1, 1), np.nan))
    off = np.where(weekend, better < MISFIT, better < -MISFIT).astype(np.intp)
    own = days[zone, off] > 0
    sort = np.where(own, off, 1 - off)
    known_days = days[zone, sort]
    return Slot(inflow, off, slot, np.where(known_days > 0, usual[zone, sort], np.nan), days[zone, off], own)


def measure(
    view: View,
    state: Arrays,
    *,
    layout: Layout,
    slot: Slot,
    may_judge: Mask,
    sinks: Mask,
    leak_lph: Floats,
    bursting: Mask,
) -> Inflow:
    """Compare the slot's inflow with what is expected and move the filters.

    `may_judge` leaves out zones at work or with low pressure, `sinks` are those where it falls now; `leak_lph` is what
    known leaks take, 0 without one.
    """
    inflow = slot.inflow_lph
    taken = may_judge & ~bursting & ~sinks
    factor = _factor(view, state, layout=layout, slot=slot, inflow=inflow - leak_lph, taken=taken)
    expected = slot.usual_lph * factor
    zone = np.arange(len(inflow))
    deviation = DEVIATION * state["spread_of_slot"][zone, slot.slot] * expected
    deviation = np.maximum(deviation, 0.01 * state["mean_inflow"] + 1)
    excess = inflow - expected
    known = np.isfinite(excess) & may_judge & slot.own & (slot.days >= 2)
    sudden = excess - np.maximum(state["ground"], 0.0)
    _settle_ground(view, state, excess=excess, deviation=deviation, where=known & ~bursting)
    burst = _filter(state["burst_sums"], sudden, deviation, where=known, keep=_keep(view, BURST_HOURS), clip=BURST_CLIP)
    leak = _filter(
        state["leak_sums"], excess, deviation, where=known & ~bursting, keep=_keep(view, LEAK_HOURS), clip=LEAK_CLIP
    )
    if (view.slot - 1) % view.cohort.per_hour == 0:
        state["before"][:, 1:] = state["before"][:, :-1].copy()
        state["before"][:, 0] = burst[0]
    mean = np.maximum(state["mean_inflow"], 1.0)
    usual, spread = _leak_usual(state, layout)
    # Nothing is learnt beside a leak: what it is thought to take would become what is missing from the usual.
    learns = may_judge & ~bursting & ~state["leak_open"]
    _learn(view, state, slot=slot, inflow=inflow, expected=expected, where=learns)
    return Inflow(
        known=known,
        inflow_lph=inflow,
        expected_lph=expected,
        deviation_lph=deviation,
        excess_lph=excess,
        sudden_lph=sudden,
        burst_lph=burst[0],
        burst_score=burst[1],
        before_lph=state["before"][:, BEFORE_HOURS[0] :].mean(axis=1),
        leak_lph=leak[0],
        leak_share=leak[2] / mean - usual,
        leak_spread=spread,
    )


def end_day(state: Arrays, inflow: Inflow, *, zones: NDArray[np.intp], calm: Mask) -> None:
    """Keep the day's peak and what the slow filter says, at zones whose day ends; where all was calm for the latter."""
    daily_peaks.end_day(state, "burst", zones=zones)
    ended = zones[(inflow.known & calm)[zones]]
    if len(ended) == 0:
        return
    days = state["leak_days"]
    days[ended, 1:] = days[ended, :-1]
    days[ended, 0] = inflow.leak_share[ended] + state["leak_usual"][ended, 0]
    median, spread, known = daily_peaks.middle_and_spread(days[ended], leave_out=LEFT_OUT_DAYS)
    state["leak_usual"][ended] = np.stack([median, spread], axis=1)
    state["leak_known"][ended] = known


def forget_filters(state: Arrays, *, zones: NDArray[np.intp]) -> None:
    """Let the filters say that nothing is taken, as when a leak was mended."""
    for name in ("burst_sums", "leak_sums"):
        state[name][zones, 0] = 0.0
        state[name][zones, 3] = 0.0
    state["ground"][zones] = 0.0
    state["before"][zones] = 0.0


def settle_on(state: Arrays, inflow: Inflow, *, zones: NDArray[np.intp]) -> None:
    """Take the excess as standing from now on, so that what comes on top of it shows."""
    state["ground"][zones] = inflow.burst_lph[zones] + np.maximum(state["ground"][zones], 0.0)
    state["burst_sums"][zones, 0] = 0.0
    state["burst_sums"][zones, 3] = 0.0
    state["before"][zones] = 0.0


def ends_day(view: View, layout: Layout) -> NDArray[np.intp]:
    """Tell at which zones the slot is the last one of the local day."""
    slots = max(1, DAY_S // view.cohort.interval_s)
    return np.flatnonzero(_slot_of_day(view, layout) == slots - 1)


def _slot_of_day(view: View, layout: Layout) -> NDArray[np.intp]:
    local_s = view.slot_s - 1 + layout.utc_offset_s
    return (local_s % DAY_S // min(view.cohort.interval_s, DAY_S)).astype(np.intp)


def _factor(view: View, state: Arrays, *, layout: Layout, slot: Slot, inflow: Floats, taken: Mask) -> Floats:
    """Give how much the other zones take, of what is usual for them."""
    zone = np.arange(len(inflow))
    weight = 1 / (state["spread_of_slot"][zone, slot.slot] + 0.01)
    taken = taken & (inflow > LEAST_SHARE * slot.usual_lph)  # a zone that is shut off tells nothing of the others
    weight = np.where(state["leak_open"], 0.02 * weight, weight)  # counts where there is no other
    middle, others = layout.middle_of_others(inflow / slot.usual_lph, np.where(taken, weight, 0.0))
    before = state["factor"]
    of_one = np.sqrt(np.clip(middle, FACTORS[0], FACTORS[1]) * before)  # its own chances are in it
    factor = np.where(others == 0, before, np.where(others == 1, of_one, middle))
    # What the others take does not fall at once but where a zone is shut off, and that makes no burst here.
    factor = np.clip(np.maximum(factor, LEAST_OF_DAY * before), FACTORS[0], FACTORS[1])
    before += view.cohort.interval_s / DAY_S * (factor - before)
    return factor


def _keep(view: View, hours: float) -> float:
    interval_h = view.cohort.interval_s / HOUR_S
    return float(np.exp(-interval_h / max(hours, interval_h)))


def _settle_ground(view: View, state: Arrays, *, excess: Floats, deviation: Floats, where: Mask) -> None:
    ground = state["ground"]
    moved = np.clip(excess, ground - 4 * deviation, ground + 4 * deviation) - ground
    ground[where] += ((1 - _keep(view, GROUND_HOURS)) * moved)[where]


def _filter(
    sums: Floats, values: Floats, deviation: Floats, *, where: Mask, keep: float, clip: tuple[float, float]
) -> tuple[Floats, Floats, Floats]:
    """Move a filter on by a slot; give its weighted mean, how many deviations it is of, and the mean, odd slots cut."""
    weight = np.where(where, 1 / deviation**2, 0.0)
    cut = np.where(where, np.clip(values / deviation, *clip) * deviation, 0.0)
    sums[:, 3] = keep * sums[:, 3] + weight * np.where(where, values, 0.0)
    sums[:, 0] = keep * sums[:, 0] + weight * cut
    sums[:, 1] = keep * sums[:, 1] + weight
    sums[:, 2] = keep * keep * sums[:, 2] + weight
    tiny = np.finfo(np.float64).tiny
    known = np.maximum(sums[:, 1], tiny)
    return sums[:, 3] / known, sums[:, 0] / np.sqrt(np.maximum(sums[:, 2], tiny)), sums[:, 0] / known


def _leak_usual(state: Arrays, layout: Layout) -> tuple[Floats, Floats]:
    """Give the middle of the slow filter's past days and their spread, which starts from what is common."""
    median, spread = state["leak_usual"].T
    zones = np.bincount(layout.network, weights=layout.has_inlet, minlength=len(layout.members))[layout.network]
    prior = PRIOR_SPREAD[np.minimum(zones, len(PRIOR_SPREAD) - 1).astype(np.intp)]
    known = np.maximum(state["leak_known"] - LEFT_OUT_DAYS, 0)
    return median, np.sqrt((known * spread**2 + PRIOR_DAYS * prior**2) / (known + PRIOR_DAYS))


def _learn(view: View, state: Arrays, *, slot: Slot, inflow: Floats, expected: Floats, where: Mask) -> None:
    """Let the usual of this slot, its spread and the mean follow; an odd value moves them no more than a rare one."""
    where = where & np.isfinite(inflow)
    zone = np.flatnonzero(where)
    if len(zone) == 0:
        return
    at, sort = slot.slot[zone], slot.off[zone]
    water = inflow[zone]
    first = ~np.isfinite(expected[zone])
    told = np.where(first, water, expected[zone])
    share = np.where(first, 0.0, (water - told) / np.maximum(told, 1.0))
    spread = state["spread_of_slot"]
    most = np.where(slot.days[zone] >= 2, 4 * DEVIATION * spread[zone, at], np.inf)
    # Half of what is common to all zones goes into the usual: seasons come so, while a hot day does not stay.
    common = np.sqrt(np.clip(told / np.maximum(np.where(first, told, slot.usual_lph[zone]), 1.0), 0.7, 1.4))
    usual = np.where(first, told, slot.usual_lph[zone])
    target = np.where(first, water, usual * (1 + np.clip(share, -most, most)) * common)
    days = state["usual_days"]
    gain = 1 / np.minimum(days[zone, sort, at] + 1, MOST_DAYS)
    own = state["usual_inflow"][zone, sort, at]
    start = days[zone, sort, at] == 0
    state["usual_inflow"][zone, sort, at] = np.where(start, water, own + gain * (target - own))
    days[zone, sort, at] += 1
    apart = np.minimum(np.abs(share), 3 * spread[zone, at] + 0.02) - spread[zone, at]
    spread[zone, at] += np.where(first, 0.0, DEVIATION_GAIN * apart)
    mean = state["mean_inflow"]
    step = view.cohort.interval_s / DAY_S / MEAN_DAYS * (inflow[zone] - mean[zone])
    mean[zone] = np.where(mean[zone] == 0, inflow[zone], mean[zone] + step)
