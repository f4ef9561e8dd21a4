"""What electricity meters say: registers and mean voltages of each interval."""

import numpy as np

from simulators.evaluation import air, oddities, power_site
from simulators.evaluation.options import DAY_S, HOUR_S, SetOptions
from simulators.evaluation.power_faults import PowerLife, PowerStories, load_with
from simulators.evaluation.power_site import PowerTown
from simulators.evaluation.register import Meter
from simulators.evaluation.tables import PowerTable
from simulators.evaluation.truth import Happening
from simulators.fault_models import LAST_GASPS
from simulators.noise import Floats


def of_town(town: PowerTown, *, stories: PowerStories, options: SetOptions) -> tuple[PowerTable, list[Happening]]:
    """Read every meter of the town over the set; tell the concentrators' silences too."""
    found = air.silences(town.meters, options=options, usual=3 * len(town.meters) / 60, domain="electricity")
    table = PowerTable()
    queer = oddities.choose(town.meters, lives=[life.life for life in stories.lives], options=options)
    for at, meter in enumerate(town.meters):
        odd, life = queer[meter.meter_id], stories.lives[at]
        _go_away(life, meter, options=options)
        when = air.slots(meter, options=options, wild=odd.is_wild)
        columns = _columns(town, at, life, when.at_s, options=options)
        stamped, columns = odd.spoil(when, columns, register="import_wh", step=10.0)
        arrival = air.carry(meter, when, options=options, found=found, dead=life.dead)
        table.add(meter, stamped, arrival, columns, options=options)
        _gasp(table, meter, life, when, columns, options=options)
    oddities.mix_up(table, meters=town.meters, lives=[life.life for life in stories.lives], options=options)
    return table, air.as_happenings(found, meters=town.meters, domain="electricity")


def _go_away(life: PowerLife, meter: Meter, *, options: SetOptions) -> None:
    """Leave real homes empty for days or weeks, whenever; nobody is told."""
    chance = options.chance("away", meter.meter_id)
    has_story = life.life.counted or life.life.frozen or life.life.extra or life.roof_kwp
    if options.homes == "real" and chance.random() < oddities.EMPTY and not has_story:
        for _ in range(int(chance.integers(1, 3))):
            start = float(chance.uniform(-3 * DAY_S, options.duration_s))
            life.away.append((start, start + float(chance.uniform(2, 24)) * DAY_S))


def _columns(town: PowerTown, at: int, life: PowerLife, read_s: Floats, *, options: SetOptions) -> dict[str, Floats]:
    meter, at_s = town.meters[at], town.steps_s
    chance = options.chance("meter", meter.meter_id)
    load = load_with(life, at_s, load_w=town.load_w[:, at], base_w=town.base_w[:, at])
    sun = town.sun_w[:, at]
    if life.roof_kwp:
        sun = sun + power_site.roof_w(town.weather, kwp=life.roof_kwp, chance=chance) * (at_s >= life.roof_from_s)
    for start, end in life.dead:
        load[(at_s >= start) & (at_s < end)] = 0.0
        sun = np.where((at_s >= start) & (at_s < end), 0.0, sun)
    net = load - sun
    columns = {
        "import_wh": np.floor(life.life.register(read_s, _energy(np.maximum(net, 0.0), at_s, read_s)))
        + float(chance.integers(100_000, 40_000_000)),
        "export_wh": np.floor(life.life.register(read_s, _energy(np.maximum(-net, 0.0), at_s, read_s)))
        + (float(chance.integers(10_000, 9_000_000)) if meter.has_pv else 0.0),
    }
    return columns | _volts(town, at, life, net, read_s, options=options)


def _volts(
    town: PowerTown, at: int, life: PowerLife, net_w: Floats, read_s: Floats, *, options: SetOptions
) -> dict[str, Floats]:
    meter, at_s, noise = town.meters[at], town.steps_s, options.noise
    chance = options.chance("volts", meter.meter_id)
    factor = np.ones_like(at_s)
    for start, end, by in life.volts:
        factor[(at_s >= start) & (at_s < end)] *= by
    columns: dict[str, Floats] = {}
    for phase in (1, 2, 3):
        name = f"v{phase}"
        if phase > meter.phases:
            columns[name] = np.full(len(read_s), np.nan)
            continue
        fall = net_w / meter.phases / town.site.nominal_v * town.ohm[at]
        volts = (town.usual_v[:, at] * (1 + chance.normal(0, 0.003)) - fall) * factor
        mean = _mean_over(volts, at_s, read_s, meter.interval_s) + chance.normal(0, 0.15 * noise, len(read_s))
        mean *= life.life.sensor_error(read_s)
        for start, end, lost, left in life.lost_phase:
            gone = (read_s > start) & (read_s <= end)
            if lost == phase:
                mean[gone] = mean[gone] * left + np.abs(chance.normal(0, 0.4, int(gone.sum())))
        columns[name] = np.round(mean, 1)
    return columns


def _gasp(
    table: PowerTable, meter: Meter, life: PowerLife, when: air.Slots, columns: dict[str, Floats], *,
    options: SetOptions,
) -> None:  # fmt: skip
    """Let some meters say that their supply is gone, with their last strength."""
    chance = options.chance("gasp", meter.meter_id)
    for start, _ in life.dead:
        if chance.random() >= LAST_GASPS:
            continue
        before = max(0, int(np.searchsorted(when.at_s, start, side="right")) - 1)
        off = when.stamped_s[before] - when.at_s[before]
        volts = {f"v{phase}": 0.0 if phase <= meter.phases else float("nan") for phase in (1, 2, 3)}
        values = {name: float(columns[name][before]) for name in ("import_wh", "export_wh")} | volts
        said = options.starts_s + start + float(chance.uniform(1, 20))
        table.insert(
            meter.meter_id,
            ts=float(int(said + off)),
            received_at=float(int(said + chance.uniform(1, 30))),
            values=values,
        )


def _energy(watts: Floats, at_s: Floats, read_s: Floats) -> Floats:
    passed = np.concatenate([[0.0], np.cumsum(watts[:-1] * np.diff(at_s) / HOUR_S)])
    return np.interp(read_s, at_s, passed)


def _mean_over(values: Floats, at_s: Floats, read_s: Floats, interval_s: int) -> Floats:
    passed = np.concatenate([[0.0], np.cumsum(values[:-1] * np.diff(at_s))])
    begins = np.maximum(read_s - interval_s, 0.0)
    ends = np.maximum(read_s, begins + 1.0)
    return (np.interp(ends, at_s, passed) - np.interp(begins, at_s, passed)) / (ends - begins)
