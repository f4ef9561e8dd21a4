"""What water meters say: registers, flows and pressures at the instants of their readings."""

from collections.abc import Sequence

import numpy as np

from simulators.evaluation import air, oddities, sky
from simulators.evaluation.lives import Life
from simulators.evaluation.mains_faults import LEAST_KPA, MainsEffects
from simulators.evaluation.options import DAY_S, SetOptions
from simulators.evaluation.pulses import Pulses, joined
from simulators.evaluation.register import Meter
from simulators.evaluation.tables import Column, WaterTable
from simulators.evaluation.truth import Happening
from simulators.evaluation.water_faults import WaterStories
from simulators.evaluation.water_site import WaterTown
from simulators.noise import Floats

CUT_OFF_LPH = 3.0  # below, ultrasonic meters show no flow
TRANSIENTS_PER_DAY = 0.35 / 30
GLITCHES = 4e-4
GLITCH_KPA, GLITCH_MPA = 6553.5, 6.554


def of_town(
    town: WaterTown, *, stories: WaterStories, effects: MainsEffects, options: SetOptions
) -> tuple[WaterTable, list[Happening]]:
    """Read every meter of the town over the set; tell the concentrators' silences too."""
    for at, start, end in effects.dry:
        life = stories.lives[at]
        life.use = life.use.outside(start, end)
    meters = (*town.customers, *town.inlets)
    found = air.silences(meters, options=options, usual=6 * len(town.customers) / 90, domain="water")
    table = WaterTable()
    queer = oddities.choose(town.customers, lives=stories.lives, options=options)
    for at, meter in enumerate(town.customers):
        odd = queer[meter.meter_id]
        when = air.slots(meter, options=options, wild=odd.is_wild)
        volume, flow = _customer(meter, stories.lives[at], when.at_s, options=options)
        kpa = np.maximum(town.pressure_kpa[:, at] + effects.pressure_kpa[:, at], LEAST_KPA)
        pressure = _pressure(meter, stories.lives[at], when.at_s, town.steps_s, kpa, options=options)
        columns = {"volume_l": volume, "flow_lph": flow, "pressure": pressure}
        stamped, columns = odd.spoil(when, columns, register="volume_l", step=float(meter.resolution_l))
        table.add(meter, stamped, air.carry(meter, when, options=options, found=found), columns, options=options)
    oddities.mix_up(table, meters=town.customers, lives=stories.lives, options=options)
    for zone, meter in enumerate(town.inlets):
        when = air.slots(meter, options=options)
        inflow = np.maximum(town.inflow_lph[:, zone] + effects.inflow_lph[:, zone], 0.0)
        extra = _extra_of_zone(meter.zone, town=town, lives=stories.lives)
        volume, flow = _inlet(meter, when.at_s, town.steps_s, inflow, extra, options=options)
        columns = {"volume_l": volume, "flow_lph": flow, "pressure": np.full(len(volume), np.nan)}
        table.add(meter, when.stamped_s, air.carry(meter, when, options=options, found=()), columns, options=options)
    return table, air.as_happenings(found, meters=meters, domain="water")


def _customer(meter: Meter, life: Life, at_s: Floats, *, options: SetOptions) -> tuple[Floats, Floats]:
    chance = options.chance("meter", meter.meter_id)
    drawn = life.drawn()
    counted = life.register(at_s, drawn.total(at_s))
    first = float(chance.integers(1_000, 3_000_000))
    if life.exchanged_s is not None:
        counted[at_s < life.exchanged_s] += first
    else:
        counted = counted + first
    step = float(meter.resolution_l)
    volume = np.floor(counted / step) * step
    if meter.tech == "pulse":
        passed_s = np.diff(at_s, prepend=at_s[0] - meter.interval_s)
        flow = np.diff(volume, prepend=volume[0]) / passed_s * 3600.0
        if life.exchanged_s is not None:
            flow[np.searchsorted(at_s, life.exchanged_s) :][:1] = 0.0
        return volume, np.round(flow)
    shown = life.shown_rate(at_s, drawn.rate_at(at_s)) * chance.normal(1.0, 0.008, len(at_s))
    shown[np.abs(shown) < CUT_OFF_LPH] = 0.0
    return volume, np.round(shown)


def _pressure(meter: Meter, life: Life, at_s: Floats, steps_s: Floats, kpa: Floats, *, options: SetOptions) -> Column:
    if not meter.has_pressure:
        return np.full(len(at_s), np.nan)
    chance, noise = options.chance("sensor", meter.meter_id), options.noise
    # pumps and valves act at once: the step before an instant holds, smoothed a little by how far the next is
    true = 0.65 * kpa[np.searchsorted(steps_s, at_s, side="right") - 1] + 0.35 * np.interp(at_s, steps_s, kpa)
    own_use = 0.004 * np.minimum(life.use.rate_at(at_s), 2500.0)  # the house's pipe takes some
    shown = true - own_use + chance.normal(0, 7.0) + sky.wander(chance, len(at_s), stays=0.6, spread=1.5 * noise)
    hit = chance.random(len(at_s)) < TRANSIENTS_PER_DAY * noise * meter.interval_s / DAY_S
    shown[hit] += chance.choice([-1.0, 1.0], int(hit.sum())) * chance.uniform(40, 160, int(hit.sum()))
    shown = np.maximum(shown, 0.6) * life.sensor_error(at_s)
    wrong = chance.random(len(at_s)) < GLITCHES * noise
    high = chance.random(len(at_s)) < 0.5
    if meter.pressure_unit == "MPa":
        reading = np.maximum(np.round(shown / 1000.0, 3), 0.001)
        return np.where(wrong, np.where(high, GLITCH_MPA, 0.0), reading)
    return np.where(wrong, np.where(high, GLITCH_KPA, 0.0), np.maximum(np.round(shown), 1.0))


def _extra_of_zone(zone: str, *, town: WaterTown, lives: Sequence[Life]) -> Pulses:
    """Gather what more is drawn behind the metered customers: the inlet sees it too."""
    pairs = zip(town.customers, lives, strict=True)
    return joined(p for meter, life in pairs if meter.zone == zone for p in life.extra if (p.rate > 0).all())


def _inlet(
    meter: Meter, at_s: Floats, steps_s: Floats, inflow: Floats, extra: Pulses, *, options: SetOptions
) -> tuple[Floats, Floats]:
    chance, noise = options.chance("inlet", meter.meter_id), options.noise
    ripple = np.exp(sky.wander(chance, len(steps_s), stays=0.5, spread=0.02 * noise))
    rate = inflow * ripple
    passed = np.concatenate([[0.0], np.cumsum(rate[:-1] * np.diff(steps_s) / 3600.0)])
    total = np.interp(at_s, steps_s, passed) + extra.total(at_s)
    step = float(meter.resolution_l)
    volume = np.floor((total + chance.integers(10_000_000, 900_000_000)) / step) * step
    flow = np.interp(at_s, steps_s, rate) * chance.normal(1.0, 0.01 * noise, len(at_s)) + extra.rate_at(at_s)
    return volume, np.round(flow, -1)
