"""How far a zone's pressure is below what is usual at this hour, and how suddenly.

A zone's pressure is the median over its gauges of what each shows less what is usual for it; from that the usual of the
hour (of a working day, or of a day off) is taken. Three statistics, kPa, are compared with how high they rise on usual
days: the step (the lower of the last samples' rise above the lowest of the hour before, and no more than the fall below
the usual), the same of the zone against the other zones of its network (pump cycles are common to all), and the fall
itself. Up to half an hour between readings two samples must agree; no single one of a meter counts.
Units: kPa. Source: transient and sag detection against the network's own pump cycles.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Floats, Mask, View
from ingest_gateway.domain.detectors import daily_peaks
from ingest_gateway.domain.detectors.order import median_of_known
from ingest_gateway.domain.detectors.zone_layout import Layout

HOUR_S = 3_600
OFTEN_S = 1_800  # between readings: up to it two samples are asked for
USUAL_HOURS = 60 * 24  # of which a gauge's usual is the mean
FIRST_HOURS = 24
GAUGE_CLIP = 0.15  # of the usual: an odd hour moves it no more than that much
HOUR_DAYS = 9  # their median: a day of trouble is not in it
RIPE_DAYS = 2
LEAST_FALL_KPA = 15.0
LEAST_FALL_SHARE = 0.045
LOW_TIMES = 1.2  # a fall without a step must be so much larger
STATISTICS = ("step", "apart", "low")


@dataclass(frozen=True, slots=True)
class Pressure:
    """Of each zone at one slot; kPa. NaN where it is not known."""

    below: Floats  # of each meter: its usual less what it shows
    usual: Floats
    now_below: Floats  # the usual of the hour, in this sample
    fall: Floats  # below the lowest usual around the hour, in the samples that must agree
    low: Floats  # the same, in two samples
    step: Floats
    apart: Floats
    least: Floats  # less than this is no trouble


def samples_that_agree(cohort: Cohort) -> int:
    """Tell how many samples in a row must show it."""
    return 2 if cohort.interval_s <= OFTEN_S else 1


def fields(cohort: Cohort) -> Sequence[Field]:
    """Tell what is kept."""
    recent = samples_that_agree(cohort) + max(2, HOUR_S // cohort.interval_s)
    return [
        Field("usual_kpa", "f4", fill=np.nan),
        Field("usual_hours", "f4"),
        Field("of_hour", "f8", per="zone", shape=(2, 24)),  # of a working day, of a day off
        Field("of_hour_days", "f4", per="zone", shape=(2, 24, HOUR_DAYS), fill=np.nan),  # newest first
        Field("of_hour_known", "i4", per="zone", shape=(2, 24)),
        Field("hour_sum", "f8", per="zone"),
        Field("hour_samples", "i4", per="zone"),
        Field("recent", "f8", per="zone", shape=(recent,), fill=np.nan),  # newest first
        Field("recent_apart", "f8", per="zone", shape=(recent,), fill=np.nan),
        *(field for name in STATISTICS for field in daily_peaks.fields(name)),
    ]


def measure(view: View, state: Arrays, *, layout: Layout, day_off: NDArray[np.intp], settled: Mask) -> Pressure:
    """Compare the slot's pressure with what is usual. `settled` are the zones where nothing is open or at work."""
    below = state["usual_kpa"] - view.pressure_kpa
    zone = np.arange(len(settled))
    hour = _hour(view, layout)
    sort = np.where(state["of_hour_known"][zone, day_off, hour] > 0, day_off, 1 - day_off)
    level = -layout.middle_gauge(below) - state["of_hour"][zone, sort, hour]
    # Pumps do not keep the hour, nor holidays the calendar: a fall counts below the lowest that is usual around it.
    lowest = _lowest_around(state, hour) - state["of_hour"][zone, sort, hour]
    others, _ = layout.middle_of_others(level, settled.astype(np.float64))
    agree = samples_that_agree(view.cohort)
    now, before = _moved(state["recent"], level, agree=agree)
    now_apart, before_apart = _moved(state["recent_apart"], level - others, agree=agree)
    usual = layout.middle_gauge(state["usual_kpa"])
    return Pressure(
        below=below,
        usual=usual,
        now_below=-level,
        fall=lowest - now,
        low=lowest - state["recent"][:, :2].max(axis=1),
        step=np.minimum(before - now, lowest - now),
        apart=np.minimum(np.minimum(before_apart - now_apart, -now_apart), lowest - now),
        least=np.maximum(LEAST_FALL_KPA, LEAST_FALL_SHARE * usual),
    )


def limits(state: Arrays, pressure: Pressure, *, spreads: float | Floats) -> dict[str, Floats]:
    """Give the level of each statistic beyond which a zone is in trouble."""
    times = {"step": 1.0, "apart": 1.0, "low": LOW_TIMES}
    return {
        name: np.maximum(daily_peaks.limit(state, name, spreads=spreads), times[name] * pressure.least)
        for name in STATISTICS
    }


def learn(
    view: View,
    state: Arrays,
    *,
    layout: Layout,
    pressure: Pressure,
    day_off: NDArray[np.intp],
    settled: Mask,
    calm: Mask,
) -> None:
    """Let the usual follow; `settled` as above, `calm` are the zones whose peaks count."""
    hour = _hour(view, layout)
    zone = np.arange(len(hour))
    sort = np.where(state["of_hour_known"][zone, day_off, hour] > 0, day_off, 1 - day_off)
    level = state["recent"][:, 0] + state["of_hour"][zone, sort, hour]
    known = np.isfinite(level) & settled
    state["hour_sum"] += np.where(known, level, 0.0)
    state["hour_samples"] += known
    if view.slot % view.cohort.per_hour == 0:
        _end_hour(state, day_off=day_off, hour=hour)
    ripe = calm & (state["of_hour_known"][zone, day_off, hour] >= RIPE_DAYS)
    for name, values in (("step", pressure.step), ("apart", pressure.apart), ("low", pressure.low)):
        daily_peaks.see(state, name, values=values, where=ripe)
    if (view.slot - 1) % view.cohort.per_hour == 0:
        _learn_gauges(view, state, settled=view.cohort.zones.to_meters(settled, nowhere=False))


def end_day(state: Arrays, *, zones: NDArray[np.intp]) -> None:
    """Keep the day's peaks at zones whose day ends."""
    for name in STATISTICS:
        daily_peaks.end_day(state, name, zones=zones)


def _end_hour(state: Arrays, *, day_off: NDArray[np.intp], hour: NDArray[np.intp]) -> None:
    """Keep what the hour was like; its usual is the middle of the last days of its sort."""
    samples, days = state["hour_samples"], state["of_hour_days"]
    zone = np.flatnonzero(samples > 0)
    sort, at = day_off[zone], hour[zone]
    mean = state["hour_sum"][zone] / samples[zone]
    kept = np.concatenate([mean[:, None], days[zone, sort, at][:, :-1]], axis=1)
    days[zone, sort, at] = kept
    state["of_hour"][zone, sort, at] = median_of_known(kept)
    state["of_hour_known"][zone, sort, at] = np.isfinite(kept).sum(axis=1)
    state["hour_sum"][:] = 0.0
    samples[:] = 0


def _lowest_around(state: Arrays, hour: NDArray[np.intp]) -> Floats:
    zone = np.arange(len(hour))[:, None]
    hours = (hour[:, None] + np.array([-1, 0, 1])) % 24
    known = state["of_hour_known"].transpose(0, 2, 1)[zone, hours] > 0
    usual = np.where(known, state["of_hour"].transpose(0, 2, 1)[zone, hours], np.inf)
    lowest: Floats = usual.min(axis=(1, 2))
    return np.where(np.isfinite(lowest), lowest, 0.0)


def _hour(view: View, layout: Layout) -> NDArray[np.intp]:
    return ((view.slot_s - 1 + layout.utc_offset_s) // HOUR_S % 24).astype(np.intp)


def _moved(recent: Floats, level: Floats, *, agree: int) -> tuple[Floats, Floats]:
    """Add a sample; give the highest of those that must agree, and the lowest of the hour before them."""
    recent[:, 1:] = recent[:, :-1].copy()
    recent[:, 0] = level
    return recent[:, :agree].max(axis=1), np.fmin.reduce(recent[:, agree:], axis=1)


def _learn_gauges(view: View, state: Arrays, *, settled: Mask) -> None:
    usual, hours = state["usual_kpa"], state["usual_hours"]
    shown = view.pressure_kpa
    known = settled & np.isfinite(shown) & ~view.quiet
    first = known & np.isnan(usual)
    usual[first] = shown[first]
    most = np.where(hours < FIRST_HOURS, np.inf, GAUGE_CLIP * usual)
    moved = np.clip(shown - usual, -most, most) / np.minimum(hours + 1, USUAL_HOURS)
    np.add(usual, moved, out=usual, where=known, casting="same_kind")
    hours += known
