"""What the town's taps and sockets do at full hours: use, pressure, voltage, battery; history and life share it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulators import network, places, power
from simulators.book import Meter
from simulators.noise import Floats, Ints, normal, uniform
from simulators.use import UseModel

if TYPE_CHECKING:
    from simulators.town import Town

MEAN_DEMAND_LPH = 26.0  # of one water point


@dataclass(frozen=True, slots=True)
class Grid:
    """Where each point of the use model hangs: a junction of the mains, or a transformer."""

    model: UseModel
    water_count: int
    junction: Ints  # of each water point: index into the pressure table
    transformer: Ints  # of each power point
    meters: tuple[Meter, ...]  # the one installed at each point now
    opening: Ints  # its register when the history is known from, or when it was installed

    @property
    def power_ids(self) -> Ints:
        return self.model.columns.ids[self.water_count :]


def grid(town: "Town") -> Grid:
    """Lay the points of a town on its mains and lines."""
    model = UseModel.of_people(seed=town.seed, premises=town.premises, starts_on=town.starts_on)
    numbers = model.columns.point_numbers
    water_count = int(model.columns.is_water.sum())
    at_junction = {junction.name: at for at, junction in enumerate(places.junctions())}
    zone_of = {point.point_number: point.zone for point in town.points}
    meter_of = {meter.serial: meter for meter in town.meters}
    current = {i.point_number: meter_of[i.serial] for i in town.installations if i.valid_to is None}
    return Grid(
        model=model,
        water_count=water_count,
        junction=np.array([at_junction[town.junction_of[n]] for n in numbers[:water_count]], dtype=np.int64),
        transformer=np.array([places.TRANSFORMERS.index(zone_of[n]) for n in numbers[water_count:]], dtype=np.int64),
        meters=tuple(current[n] for n in numbers),
        opening=np.array([town.register_base[current[n].serial] for n in numbers], dtype=np.int64),
    )


def pressure_kpa(
    laid: Grid, *, hours: Ints, flow_lph: Floats, bursts: Mapping[str, float] | None = None, closed: Iterable[str] = ()
) -> Floats:
    """Tell the pressure at every water point: [hour, water point]."""
    table = network.solve(tuple(sorted((bursts or {}).items())), tuple(sorted(closed)))
    demand = flow_lph.sum(axis=1) / (MEAN_DEMAND_LPH * laid.water_count)
    at_points = table.at(demand)[:, laid.junction]
    ids = laid.model.columns.ids[: laid.water_count]
    wobble = 2.0 * normal(laid.model.seed, "water/wobble", ids, np.asarray(hours)[:, None])
    own_loss = 6.0 * uniform(laid.model.seed, "water/own-loss", ids)
    return np.maximum(0.0, at_points - own_loss + wobble)


def voltage_v(laid: Grid, *, hours: Ints, load_w: Floats, factors: Mapping[int, float] | None = None) -> Floats:
    """Tell the voltage at every power point: [hour, power point]."""
    nominal = np.array([meter.nominal_v or 0.0 for meter in laid.meters[laid.water_count :]])
    return nominal * power.per_unit(
        laid.model.seed, ids=laid.power_ids, transformer=laid.transformer, hours=hours, load_w=load_w, factors=factors
    )


def battery_pct(laid: Grid, *, hours: Ints) -> Ints:
    """Tell the charge of each water meter's battery: [hour, water point]; it lasts about ten years."""
    ids = laid.model.columns.ids[: laid.water_count]
    at_start = 55 + 45 * uniform(laid.model.seed, "water/battery", ids)
    days = np.asarray(hours)[:, None] / 24 - laid.model.known_day
    return np.clip(at_start - days * 10 / 365, 3, 100).astype(np.int64)
