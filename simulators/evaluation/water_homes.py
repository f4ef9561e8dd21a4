"""How households, blocks and firms draw water, draw by draw."""

from dataclasses import dataclass

import numpy as np

from simulators.evaluation import sky
from simulators.evaluation.options import DAY_S, HOUR_S, Homes, SetOptions
from simulators.evaluation.pulses import Pulses, joined
from simulators.noise import Floats

SEGMENTS = ("residential", "apartment_block", "commercial")
SEGMENT_SHARES = (0.78, 0.09, 0.13)


@dataclass(frozen=True, slots=True)
class Fixture:
    """Something that draws: how often a person and day, how much, how fast, and when."""

    per_day: float
    litres: tuple[float, float]  # between these
    rate_lph: tuple[float, float]
    when: tuple[float, float, float, float]  # weights: morning, day, evening, night


FIXTURES = (
    Fixture(5.0, (4.5, 8.0), (380, 620), (0.28, 0.32, 0.30, 0.10)),  # lavatory
    Fixture(11.0, (0.4, 5.0), (150, 520), (0.25, 0.40, 0.32, 0.03)),  # taps
    Fixture(0.75, (28, 75), (420, 760), (0.50, 0.10, 0.38, 0.02)),  # shower
    Fixture(0.07, (110, 190), (700, 1100), (0.10, 0.10, 0.80, 0.00)),  # bath
    Fixture(0.75, (9, 16), (450, 700), (0.35, 0.40, 0.24, 0.01)),  # a fill of the washing machine
    Fixture(0.8, (3, 5), (250, 400), (0.10, 0.25, 0.60, 0.05)),  # a fill of the dishwasher
)


@dataclass(frozen=True, slots=True)
class WaterHome:
    """One customer's habits."""

    segment: str
    people: float
    wakes_h: float
    sleeps_h: float
    weekend: float  # factor of use at weekends
    steady_lph: float  # flows around the clock
    irrigates: bool
    softener_days: float  # days between regenerations; 0: none
    is_vacant: bool
    drip_lph: float
    restless: float  # how much the use of one week differs from that of another
    at_weekends_only: bool
    hoses_a_day: float  # left running for an hour or many


def household(chance: np.random.Generator, *, segment: str, homes: Homes) -> WaterHome:
    """Invent a customer."""
    residential = segment == "residential"
    people = {
        "residential": float(chance.choice([1, 2, 3, 4, 5], p=[0.3, 0.32, 0.17, 0.15, 0.06])),
        "apartment_block": chance.uniform(12, 60),
        "commercial": chance.lognormal(1.9, 0.8),
    }[segment]
    round_the_clock = chance.random() < {"residential": 0.02, "apartment_block": 0.15, "commercial": 0.22}[segment]
    real = homes == "real"
    drips = chance.random() < (0.4 if real else 0.04)
    return WaterHome(
        segment=segment,
        people=people * chance.uniform(0.6, 1.4),
        wakes_h=chance.normal(6.7, 0.8),
        sleeps_h=chance.normal(22.9, 0.9),
        weekend=chance.uniform(0.95, 1.35) if segment != "commercial" else chance.choice([0.05, 0.2, 0.7, 1.1]),
        steady_lph=chance.uniform(8, 30) * (1 if residential else 5) if round_the_clock else 0.0,
        irrigates=bool(residential and chance.random() < 0.08),
        softener_days=float(chance.uniform(3, 8)) if residential and chance.random() < 0.08 else 0.0,
        is_vacant=bool(residential and chance.random() < (0.04 if real else 0.03)),
        drip_lph=float(chance.uniform(0.3, 1.6)) if drips else 0.0,
        restless=float(chance.uniform(0.1, 0.6)) if real else 0.0,
        at_weekends_only=bool(real and residential and chance.random() < 0.05),
        hoses_a_day=float(chance.uniform(0.03, 0.2)) if real and residential and chance.random() < 0.3 else 0.0,
    )


def usual(
    home: WaterHome, *, options: SetOptions, utc_offset_h: int, weather: sky.Sky, chance: np.random.Generator
) -> Pulses:
    """Draw what the customer uses over the whole set when nothing special happens."""
    if home.is_vacant:
        return joined([_drip(home, options=options)])
    days = np.arange(options.days + 1)
    parts = [indoor(home, days=days, options=options, utc_offset_h=utc_offset_h, chance=chance)]
    parts.append(_drip(home, options=options))
    if home.steady_lph:
        parts.append(_round_the_clock(home, options=options, chance=chance))
    if home.irrigates:
        warm = weather.temperature(np.asarray(days * DAY_S + 12.0 * HOUR_S, dtype=np.float64))
        chosen = days[(chance.random(len(days)) < 0.45) & (warm > 6)]
        parts.append(_at_night(chosen, 2.5, (240, 600), (500, 900), utc_offset_h=utc_offset_h, chance=chance))
    if home.hoses_a_day:
        parts.append(_hoses(home, options=options, utc_offset_h=utc_offset_h, chance=chance))
    if home.softener_days:
        chosen = np.unique(np.arange(chance.uniform(0, 4), options.days, home.softener_days).astype(int))
        parts.append(_at_night(chosen, 2.0, (90, 280), (170, 320), utc_offset_h=utc_offset_h, chance=chance))
    return joined(parts)


def indoor(
    home: WaterHome,
    *,
    days: np.ndarray,
    options: SetOptions,
    utc_offset_h: int,
    chance: np.random.Generator,
    factor: float = 1.0,
) -> Pulses:
    """Draw what people use at home or at work on some days, `factor` times the usual."""
    weekday = (options.starts_on.weekday() + days) % 7
    mood = np.exp(sky.wander(chance, len(days), stays=0.4, spread=0.22))
    weeks = sky.wander(chance, options.days // 7 + 3, stays=0.4, spread=home.restless)
    level = home.people * factor * mood * np.where(weekday >= 5, home.weekend, 1.0) * np.exp(weeks[days // 7 + 1])
    if home.at_weekends_only:
        level = np.where(weekday >= 5, 1.4 * level, 0.0)
    parts: list[Pulses] = []
    for fixture in FIXTURES:
        times = chance.poisson(fixture.per_day * level)
        day = np.repeat(days, times).astype(np.float64)
        hour = _hours(home, fixture, len(day), is_weekend=np.repeat(weekday >= 5, times), chance=chance)
        litres = chance.uniform(*fixture.litres, len(day))
        rate = chance.uniform(*fixture.rate_lph, len(day))
        start = sky.later_in_winter((day * 24.0 + hour - utc_offset_h) * HOUR_S, options=options)
        parts.append(Pulses(start, start + litres / rate * HOUR_S, rate))
    return joined(parts).within(0.0, float(options.duration_s))


def _hours(
    home: WaterHome, fixture: Fixture, size: int, *, is_weekend: np.ndarray, chance: np.random.Generator
) -> Floats:
    late = np.where(is_weekend, 1.1, 0.0)
    if home.segment == "commercial":
        return np.clip(chance.normal(12.8, 2.6, size), 5.5, 22.5)
    part = chance.choice(4, size, p=fixture.when)
    spread = 1.6 if home.segment == "apartment_block" else 0.7
    morning = home.wakes_h + late + chance.gamma(2.0, spread / 2, size)
    day = chance.uniform(9.0, 17.5, size)
    evening = home.sleeps_h - 0.2 - chance.gamma(2.2, 0.9 + spread / 3, size)
    night = home.sleeps_h + chance.uniform(0.2, 8.0, size)
    return np.choose(part, [morning, day, evening, night])


def _hoses(home: WaterHome, *, options: SetOptions, utc_offset_h: int, chance: np.random.Generator) -> Pulses:
    """Let water run for hours, on purpose or not: in the garden, into a tub, past a valve that stuck for once."""
    times = int(chance.poisson(home.hoses_a_day * options.days))
    start = (chance.integers(0, options.days, times) * 24 + chance.normal(15, 4, times) - utc_offset_h) * HOUR_S
    lasts = np.clip(chance.lognormal(0.9, 0.9, times), 0.5, 14.0) * HOUR_S
    return Pulses(start, start + lasts, chance.lognormal(4.3, 1.0, times))


def _drip(home: WaterHome, *, options: SetOptions) -> Pulses:
    if not home.drip_lph:
        return joined([])
    return Pulses(np.array([0.0]), np.array([float(options.duration_s)]), np.array([home.drip_lph]))


def _round_the_clock(home: WaterHome, *, options: SetOptions, chance: np.random.Generator) -> Pulses:
    length_s = 20 * 60
    start = np.arange(0, options.duration_s, length_s, dtype=np.float64)
    rate = home.steady_lph * np.exp(sky.wander(chance, len(start), stays=0.9, spread=0.18))
    return Pulses(start, start + length_s, rate)


def _at_night(
    days: np.ndarray,
    hour: float,
    litres: tuple[float, float],
    rate_lph: tuple[float, float],
    *,
    utc_offset_h: int,
    chance: np.random.Generator,
) -> Pulses:
    own = chance.normal(hour, 0.7)
    rate = chance.uniform(*rate_lph) * np.ones(len(days))
    start = (days * 24.0 + own - utc_offset_h) * HOUR_S + chance.normal(0, 60, len(days))
    return Pulses(start, start + chance.uniform(*litres, len(days)) / rate * HOUR_S, rate)
