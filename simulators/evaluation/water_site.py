"""A town's water before anything happens to it: mains, zones, meters and their customers."""

from dataclasses import dataclass

import numpy as np

from simulators.evaluation import sky, water_homes
from simulators.evaluation.mains import KPA_PER_M, LEAST_HEAD_M, Mains
from simulators.evaluation.options import SetOptions, WaterSite
from simulators.evaluation.pulses import Pulses
from simulators.evaluation.register import Meter, shared_out, zone_name
from simulators.evaluation.water_homes import WaterHome
from simulators.noise import Floats

PRESSURE_SENSOR_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class WaterTown:
    """The site as it usually is. Customers and inlets come in the order of their meters."""

    site: WaterSite
    mains: Mains
    weather: sky.Sky
    customers: tuple[Meter, ...]
    inlets: tuple[Meter, ...]
    homes: tuple[WaterHome, ...]
    use: tuple[Pulses, ...]
    pressure_kpa: Floats  # [hydraulic step, customer]
    inflow_lph: Floats  # [hydraulic step, zone]

    @property
    def steps_s(self) -> Floats:
        """The instants of the hydraulic steps."""
        return self.mains.steps_s

    def daily_litres(self, *, days: float) -> Floats:
        """Tell what each customer uses in a usual day."""
        return np.array([float((use.end_s - use.start_s) @ use.rate) / 3600.0 / days for use in self.use])


def build(site: WaterSite, *, options: SetOptions) -> WaterTown:
    """Build the town: solve its mains, choose its meters, invent its customers."""
    chance = options.chance("water", site.code)
    weather = sky.over(options, utc_offset_h=site.utc_offset_h, chance=options.chance("sky", site.code))
    mains = Mains(site.network, days=options.days, zones=site.zones, chance=chance)
    mains.demand(_levels(site, mains=mains, weather=weather, options=options, chance=chance), strain=site.strain)
    nodes = _nodes(site, mains=mains, chance=chance)
    customers = tuple(_customers(site, nodes=nodes, mains=mains, chance=chance))
    homes = tuple(
        water_homes.household(options.chance("home", m.meter_id), segment=m.segment, homes=options.homes)
        for m in customers
    )
    use = tuple(
        water_homes.usual(
            home, options=options, utc_offset_h=site.utc_offset_h, weather=weather,
            chance=options.chance("use", meter.meter_id),
        )
        for meter, home in zip(customers, homes, strict=True)
    )  # fmt: skip
    return WaterTown(
        site, mains, weather, customers, tuple(_inlets(site)), homes, use,
        pressure_kpa=mains.usual.head_m[:, nodes] * KPA_PER_M,
        inflow_lph=by_zone(mains, mains.usual.taken_l_per_s * mains.served(mains.usual.head_m)) * 3600.0,
    )  # fmt: skip


def by_zone(mains: Mains, per_junction: Floats) -> Floats:
    """Add up what the junctions of each zone have: [step, zone]."""
    zones = int(mains.zone_of.max()) + 1
    belongs = (mains.zone_of[:, None] == np.arange(zones)).astype(np.float64)
    return per_junction @ belongs


def _levels(
    site: WaterSite, *, mains: Mains, weather: sky.Sky, options: SetOptions, chance: np.random.Generator
) -> Floats:
    """Shape the zones' demand: people, firms and a floor, moved by weather, weekday and mood."""
    at_s = mains.steps_s
    hour = sky.local_hour(at_s, utc_offset_h=site.utc_offset_h, clocks_change_s=options.clocks_change_s)
    weekend = sky.local_day(at_s, utc_offset_h=site.utc_offset_h, options=options) >= 5
    warmth = 0.011 * np.clip(sky.remember(weather.temperature(at_s) * 0.01, stays=0.99) - 12.0, -8, 12)
    per_day = _day_by_day(options, at_s, sky.wander(chance, options.days + 2, stays=0.5, spread=0.025))
    levels: list[Floats] = []
    for _ in range(site.zones):
        homes_share, floor = chance.uniform(0.45, 0.95), chance.uniform(0.15, 0.5)
        peak = chance.normal(7.2, 0.5) + 1.3 * weekend
        people = (
            1.9 * _bump(hour, peak, 1.5) + 1.3 * _bump(hour, chance.normal(19.3, 0.6), 2.4) + 0.8 * _bump(hour, 13, 4)
        )
        firms = np.where(weekend, 0.45, 1.0) * 2.2 * _bump(hour, 12.7, 3.6)
        shape = floor + homes_share * people + (1 - homes_share) * firms
        own = _day_by_day(options, at_s, sky.wander(chance, options.days + 2, stays=0.5, spread=0.015))
        ripple = sky.wander(chance, len(at_s), stays=0.55, spread=0.02)
        levels.append(shape / shape.mean() * np.exp(warmth + per_day + own + ripple))
    return np.stack(levels, axis=1)


def _day_by_day(options: SetOptions, at_s: Floats, daily: Floats) -> Floats:
    return np.interp(at_s / 86400.0, np.arange(options.days + 2), daily)


def _bump(hour: Floats, centre: np.ndarray | float, width: float) -> Floats:
    away = (hour - centre + 12.0) % 24.0 - 12.0
    return np.exp(-0.5 * (away / width) ** 2)


def _nodes(site: WaterSite, *, mains: Mains, chance: np.random.Generator) -> list[int]:
    """Choose the junctions where customers are metered: with demand and enough pressure, shared over the zones."""
    fit = (mains.mean_l_per_s > 0) & (np.quantile(mains.usual.head_m, 0.01, axis=0) >= LEAST_HEAD_M)
    if not fit.any():
        fit = mains.mean_l_per_s > 0
    junctions = np.array([np.count_nonzero(fit & (mains.zone_of == zone)) for zone in range(site.zones)])
    shares = shared_out(site.customers, weights=np.sqrt(junctions) + 0.5 * junctions.mean() ** 0.5)
    nodes: list[int] = []
    for zone, share in enumerate(shares):
        there = np.flatnonzero(fit & (mains.zone_of == zone))
        if not len(there):
            there = np.flatnonzero(mains.zone_of == zone)
        some = chance.choice(there, size=min(len(there), max(1, share // 2)), replace=False)
        nodes.extend(int(node) for node in np.sort(chance.choice(some, size=share)))
    return nodes


def _customers(site: WaterSite, *, nodes: list[int], mains: Mains, chance: np.random.Generator) -> list[Meter]:
    gateways = max(2, round(site.customers / 22))
    hub = chance.choice(nodes, size=gateways)
    meters: list[Meter] = []
    for number, node in enumerate(nodes):
        tech = "ultrasonic" if chance.random() < 0.6 else "pulse"
        near = int(np.argmin(np.abs(hub - node) + chance.uniform(0, 0.3 * len(mains.junctions), gateways)))
        meters.append(
            Meter(
                meter_id=f"{site.code}-C{number + 1:04d}",
                site=site.code,
                domain="water",
                role="customer",
                zone=zone_name(site.code, int(mains.zone_of[node])),
                gateway=f"{site.code}-G{near + 1:02d}",
                tech=tech,
                resolution_l=1 if tech == "ultrasonic" else int(chance.choice([1, 10], p=[0.6, 0.4])),
                has_pressure=bool(chance.random() < PRESSURE_SENSOR_SHARE),
                pressure_unit=site.pressure_unit,
                interval_s=site.interval_s,
                utc_offset_h=site.utc_offset_h,
                segment=str(chance.choice(water_homes.SEGMENTS, p=water_homes.SEGMENT_SHARES)),
                phases=0,
                has_pv=False,
                feeder="",
                node=node,
            )
        )
    return meters


def _inlets(site: WaterSite) -> list[Meter]:
    return [
        Meter(
            meter_id=f"{site.code}-B{zone + 1:02d}",
            site=site.code,
            domain="water",
            role="zone_inlet",
            zone=zone_name(site.code, zone),
            gateway=f"{site.code}-SCADA",
            tech="electromagnetic",
            resolution_l=100,
            has_pressure=False,
            pressure_unit=site.pressure_unit,
            interval_s=site.interval_s,
            utc_offset_h=site.utc_offset_h,
            segment="bulk",
            phases=0,
            has_pv=False,
            feeder="",
        )
        for zone in range(site.zones)
    ]
