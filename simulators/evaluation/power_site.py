"""A town's electricity before anything happens to it: transformers, meters, loads, roofs and voltages."""

from dataclasses import dataclass

import numpy as np

from simulators.evaluation import sky
from simulators.evaluation.options import DAY_S, HOUR_S, PowerSite, SetOptions
from simulators.evaluation.pulses import Pulses, joined
from simulators.evaluation.register import Meter, shared_out
from simulators.noise import Floats, Ints

BOUND_SHARE = 0.10  # the usual statutory bounds around the nominal voltage


@dataclass(frozen=True, slots=True)
class PowerTown:
    """The site as it usually is, every five minutes: [step, meter], watts and volts."""

    site: PowerSite
    weather: sky.Sky
    meters: tuple[Meter, ...]
    transformer: Ints  # of each meter
    load_w: Floats
    base_w: Floats  # what stays on when nobody is there [step, meter]
    sun_w: Floats
    usual_v: Floats  # [step, meter]: voltage at the meter, without what its own load takes
    ohm: Floats  # between the transformer and each meter

    @property
    def steps_s(self) -> Floats:
        return self.weather.at_s


# often a day, Wh between, watts between, hours around which
APPLIANCES: tuple[tuple[float, tuple[float, float], tuple[float, float], tuple[float, float]], ...] = (
    (3.0, (60, 160), (1200, 2600), (7.3, 1.2)),  # kettle, toaster
    (1.4, (350, 1500), (900, 3200), (18.6, 1.3)),  # cooking in the evening
    (0.5, (250, 900), (900, 2400), (12.3, 1.0)),  # cooking at noon
    (0.55, (500, 1100), (600, 2000), (11.0, 4.0)),  # washing
    (0.45, (700, 1300), (900, 1900), (20.5, 1.5)),  # dishes
    (2.5, (120, 700), (80, 260), (20.3, 1.7)),  # screens
    (3.5, (100, 420), (40, 180), (19.8, 2.2)),  # light
)


def build(site: PowerSite, *, options: SetOptions) -> PowerTown:
    """Build the town: its meters, what they use, and the voltage that comes of it."""
    chance = options.chance("power", site.code)
    weather = sky.over(options, utc_offset_h=site.utc_offset_h, chance=options.chance("sky", site.code))
    meters = tuple(_meters(site, chance=chance))
    transformer = np.array([int(meter.zone[-2:]) - 1 for meter in meters])
    size = (len(weather.at_s), len(meters))
    load, base, sun = np.zeros(size), np.zeros(size), np.zeros(size)
    for at, meter in enumerate(meters):
        own = options.chance("load", meter.meter_id)
        load[:, at], base[:, at] = _load(meter, site=site, weather=weather, options=options, chance=own)
        if meter.has_pv:
            sun[:, at] = roof_w(weather, kwp=float(own.uniform(2.0, 7.0)), chance=own)
    usual_v, ohm = _voltages(site, transformer, load - sun, weather=weather, options=options)
    return PowerTown(site, weather, meters, transformer, load, base, sun, usual_v, ohm)


def roof_w(weather: sky.Sky, *, kwp: float, chance: np.random.Generator) -> Floats:
    """Tell what a roof gives: the sky's share of its peak, shifted by where it faces."""
    shift = int(chance.normal(0, 1.0) * HOUR_S / sky.STEP_S)
    return np.maximum(0.0, np.roll(weather.sun, shift) * kwp * 1000.0 * 0.82)


def _meters(site: PowerSite, *, chance: np.random.Generator) -> list[Meter]:
    gateways = max(2, round(site.customers / 22))
    shares = shared_out(site.customers, weights=chance.uniform(0.8, 1.2, site.transformers))
    meters: list[Meter] = []
    for transformer, share in enumerate(shares):
        for _ in range(share):
            number = len(meters) + 1
            is_firm = bool(chance.random() < 0.09)
            meters.append(
                Meter(
                    meter_id=f"{site.code}-E{number:04d}",
                    site=site.code,
                    domain="electricity",
                    role="customer",
                    zone=f"{site.code}-T{transformer + 1:02d}",
                    gateway=f"{site.code}-G{int(chance.integers(gateways)) + 1:02d}",
                    tech="electronic",
                    resolution_l=0,
                    has_pressure=False,
                    pressure_unit="",
                    interval_s=site.interval_s,
                    utc_offset_h=site.utc_offset_h,
                    segment="commercial" if is_firm else "residential",
                    phases=3 if chance.random() < (0.6 if is_firm else 0.24) else 1,
                    has_pv=bool(not is_firm and chance.random() < 0.12),
                    feeder=f"{site.code}-F{transformer % max(2, site.transformers // 3) + 1}",
                )
            )
    return meters


def _load(
    meter: Meter, *, site: PowerSite, weather: sky.Sky, options: SetOptions, chance: np.random.Generator
) -> tuple[Floats, Floats]:
    at_s = weather.at_s
    is_firm = meter.segment == "commercial"
    hour = sky.local_hour(at_s, utc_offset_h=site.utc_offset_h, clocks_change_s=options.clocks_change_s)
    weekday = sky.local_day(at_s, utc_offset_h=site.utc_offset_h, options=options)
    base = _always_on(len(at_s), chance=chance) * (chance.uniform(4, 12) if is_firm else 1.0)
    mood: Floats = np.ones(len(at_s))
    if options.homes == "real":
        base, mood = _moved_on(base, at_s, options=options, chance=chance)
    cold = np.clip(13.0 - weather.temperature_c, 0, 20) + 0.8 * np.clip(weather.temperature_c - 25.0, 0, 15)
    if is_firm:
        open_now = np.where(weekday < chance.choice([5, 6, 7]), 1.0, 0.1) / (
            1 + np.exp(-np.clip((4.5 - np.abs(hour - 13)) * 2, -30, 30))
        )
        work = chance.lognormal(8.1, 0.7) * open_now * np.exp(sky.wander(chance, len(at_s), stays=0.95, spread=0.15))
        return base + work * (1 + 0.02 * cold), base
    size = chance.lognormal(0.0, 0.35)
    draws = _appliances(site=site, options=options, size=size, chance=chance)
    load = base + mood * np.diff(draws.total(at_s), append=0.0) * HOUR_S / sky.STEP_S
    load[-1] = load[-2]
    if chance.random() < 0.25:  # a heat pump
        awake = 0.6 + 0.4 * ((hour > 6) & (hour < 23))
        load = load + chance.uniform(25, 70) * cold * awake * np.exp(
            sky.wander(chance, len(at_s), stays=0.9, spread=0.25)
        )
    least_w = 5.0 if base.max() > 5.0 else 0.0
    return np.maximum(load, least_w), base


def _moved_on(
    base_w: Floats, at_s: Floats, *, options: SetOptions, chance: np.random.Generator
) -> tuple[Floats, Floats]:
    """Let real homes change: what is always on steps up or down for good, weeks differ, some stand switched off."""
    if chance.random() < 0.03:
        return np.zeros_like(base_w), np.zeros_like(base_w)
    for _ in range(int(chance.poisson(0.8))):
        base_w = base_w * np.where(at_s >= chance.uniform(0, options.duration_s), chance.uniform(0.45, 2.2), 1.0)
    weeks = np.exp(sky.wander(chance, options.days // 7 + 3, stays=0.4, spread=float(chance.uniform(0.1, 0.5))))
    return base_w, weeks[(at_s // (7 * DAY_S)).astype(int)]


def _always_on(size: int, *, chance: np.random.Generator) -> Floats:
    standby = chance.uniform(25, 130) * np.exp(sky.wander(chance, size, stays=0.995, spread=0.08))
    period, duty = chance.uniform(7, 15), chance.uniform(0.3, 0.5)  # the fridge's, in steps
    phase = np.cumsum(1.0 / period * np.exp(chance.normal(0, 0.1, size)))
    return standby + np.where(phase % 1.0 < duty, chance.uniform(60, 130), 2.0)


def _appliances(*, site: PowerSite, options: SetOptions, size: float, chance: np.random.Generator) -> Pulses:
    days = np.arange(options.days + 1)
    weekend = np.where((options.starts_on.weekday() + days) % 7 >= 5, 1.3, 1.0)
    shift = chance.normal(0, 0.7)
    parts: list[Pulses] = []
    for per_day, wh, watts, (around_h, width_h) in APPLIANCES:
        times = chance.poisson(per_day * size * chance.uniform(0.4, 1.6) * weekend)
        day = np.repeat(days, times).astype(np.float64)
        hour = day * 24 + around_h + shift + chance.normal(0, width_h, len(day)) - site.utc_offset_h
        start = sky.later_in_winter(hour * HOUR_S, options=options)
        parts.append(_run(start, chance.uniform(*wh, len(day)), chance.uniform(*watts, len(day))))
    if chance.random() < 0.08:
        parts.append(car(chance.choice(days, len(days) // 2, replace=False), site=site, chance=chance))
    if chance.random() < 0.1:  # a boiler on the night tariff
        start = (days * 24 + 23.5 - site.utc_offset_h) * HOUR_S + chance.normal(0, 300, len(days))
        parts.append(_run(start, chance.uniform(3000, 9000, len(days)), np.full(len(days), chance.uniform(1500, 3000))))
    return joined(parts)


def car(days: Ints, *, site: PowerSite, chance: np.random.Generator) -> Pulses:
    """Charge a car on some evenings."""
    start = (days * 24 + chance.normal(19.5, 1.8, len(days)) - site.utc_offset_h) * HOUR_S
    watts = np.full(len(days), float(chance.choice([2300, 3700, 7200])))
    return _run(start, chance.uniform(4000, 18000, len(days)), watts)


def _run(start_s: Floats, wh: Floats, watts: Floats) -> Pulses:
    return Pulses(start_s, start_s + wh / watts * HOUR_S, watts)


def _voltages(
    site: PowerSite, transformer: Ints, net_w: Floats, *, weather: sky.Sky, options: SetOptions
) -> tuple[Floats, Floats]:
    """Let the voltage follow the grid, the tap changer, the transformer's load, and each house's line."""
    at_s, chance = weather.at_s, options.chance("volts", site.code)
    hour = sky.local_hour(at_s, utc_offset_h=site.utc_offset_h, clocks_change_s=options.clocks_change_s)
    grid = -0.006 * np.exp(-0.5 * ((hour - 19) / 2.5) ** 2) + 0.004 * np.cos(2 * np.pi * (hour - 3) / 24)
    grid = grid + sky.wander(chance, len(at_s), stays=0.985, spread=0.004)
    volts = np.zeros_like(net_w)
    for number in range(site.transformers):
        own = options.chance("transformer", site.code, number)
        there = transformer == number
        total = net_w[:, there].sum(axis=1)
        level = own.normal(1.004, 0.006)
        if options.homes == "real":
            level = _near_the_bound(own, at_s, options=options)
        sway = sky.wander(own, len(at_s), stays=0.9, spread=0.0025)
        drop = own.uniform(0.008, 0.018) * (total - total.mean()) / max(1.0, float(np.abs(total).max()))
        volts[:, there] = (site.nominal_v * (level + grid + sway - drop + _taps(own, options=options, size=len(at_s))))[
            :, None
        ]
    ohm = chance.uniform(0.05, 0.32, len(transformer)) * (site.nominal_v / 230.0) ** 2
    own_noise = sky.remember(chance.normal(0, 0.25, net_w.shape), stays=0.3)
    if options.homes == "real":
        own_noise = own_noise + _of_season(chance, at_s, size=len(transformer), options=options)
    return volts + own_noise * site.nominal_v / 230.0, ohm


def _of_season(chance: np.random.Generator, at_s: Floats, *, size: int, options: SetOptions) -> Floats:
    """Give each meter days that are a volt higher or lower than others, and a trend of its own."""
    days = options.days + 2
    slow = np.stack([sky.wander(chance, days, stays=0.9, spread=0.9) for _ in range(size)], axis=1)
    slow += chance.normal(0, 0.02, size) * np.arange(days)[:, None]
    at_day = at_s / DAY_S
    return np.stack([np.interp(at_day, np.arange(days), slow[:, at]) for at in range(size)], axis=1)


def _near_the_bound(chance: np.random.Generator, at_s: Floats, *, options: SetOptions) -> Floats:
    """Stay just below the upper statutory bound for weeks, as where there are many roofs and few loads."""
    weeks = options.days // 7 + 3
    level = np.clip(1.045 + chance.uniform(0.0, 0.03) + sky.wander(chance, weeks, stays=0.7, spread=0.008), 1.0, 1.074)
    return np.interp(at_s, np.arange(weeks) * 7.0 * DAY_S, level)


def _taps(chance: np.random.Generator, *, options: SetOptions, size: int) -> Floats:
    """Step up or down now and then, as a tap changer does, and come back."""
    taps = np.zeros(size)
    for _ in range(int(chance.poisson(options.days / 9))):
        start = int(chance.integers(size))
        taps[start : start + int(chance.exponential(1.5 * DAY_S / sky.STEP_S))] += chance.choice([-0.0125, 0.0125])
    return np.clip(taps, -0.0125, 0.0125)
