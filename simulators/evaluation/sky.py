"""Temperature and sun over a set's days: what moves water and electricity together."""

from dataclasses import dataclass

import numpy as np

from simulators.evaluation.options import DAY_S, SetOptions
from simulators.noise import Floats

STEP_S = 300


@dataclass(frozen=True, slots=True)
class Sky:
    """Weather every five minutes; `sun` is the share of a panel's peak."""

    at_s: Floats
    temperature_c: Floats
    sun: Floats

    def temperature(self, at_s: Floats) -> Floats:
        return np.interp(at_s, self.at_s, self.temperature_c)


def over(options: SetOptions, *, utc_offset_h: int, chance: np.random.Generator) -> Sky:
    """Make the weather of the set's days at a place."""
    at_s = np.arange(0, options.duration_s + STEP_S, STEP_S, dtype=np.float64)
    days = options.days + 2
    yearday = options.starts_on.timetuple().tm_yday + np.arange(days)
    season = 14.0 - 10.0 * np.cos(2 * np.pi * (yearday - 25) / 365.0)
    daily = season + wander(chance, days, stays=0.75, spread=3.2)
    local_h = local_hour(at_s, utc_offset_h=utc_offset_h)
    swing = -4.5 * np.cos(2 * np.pi * (local_h - 3.5) / 24.0)
    temperature = np.interp(at_s, np.arange(days) * DAY_S, daily) + swing
    cloud_of_day = np.clip(chance.beta(1.3, 1.6, days), 0.02, 0.98)
    cloud = np.interp(at_s, np.arange(days) * DAY_S, cloud_of_day) + wander(chance, len(at_s), stays=0.93, spread=0.16)
    light = 6.0 + 1.4 * np.cos(2 * np.pi * (yearday.mean() - 172) / 365.0)  # half the day's length, hours
    height = np.clip(np.cos((local_h - 12.0) / light * np.pi / 2), 0.0, None)
    height[np.abs(local_h - 12.0) > light] = 0.0
    return Sky(at_s, temperature, height**1.3 * np.clip(1.0 - 0.85 * cloud, 0.06, 1.0))


def local_hour(at_s: Floats, *, utc_offset_h: int, clocks_change_s: int | None = None) -> Floats:
    """Tell the hour of the day on the wall, with its fraction; sets begin at midnight UTC."""
    hour = at_s / 3600.0 + utc_offset_h
    return (hour if clocks_change_s is None else hour - (at_s >= clocks_change_s)) % 24.0


def later_in_winter(start_s: Floats, *, options: SetOptions) -> Floats:
    """Move what begins after the end of summer time by an hour of UTC."""
    return start_s if options.clocks_change_s is None else start_s + 3600.0 * (start_s >= options.clocks_change_s)


def local_day(at_s: Floats, *, utc_offset_h: int, options: SetOptions) -> Floats:
    """Tell the weekday on the wall, Monday 0."""
    return (options.starts_on.weekday() + np.floor((at_s / 3600.0 + utc_offset_h) / 24.0)) % 7


def wander(chance: np.random.Generator, length: int, *, stays: float, spread: float) -> Floats:
    """Give noise that remembers: each value keeps a share of the one before."""
    steps = chance.normal(0.0, spread * np.sqrt(1.0 - stays**2), length)
    steps[0] = chance.normal(0.0, spread)
    return remember(steps, stays=stays)


def remember(steps: Floats, *, stays: float) -> Floats:
    """Filter along the first axis: y[i] = stays * y[i-1] + x[i]."""
    from scipy.signal import lfilter  # takes a moment to load

    return np.asarray(lfilter([1.0], [1.0, -stays], steps, axis=0))
