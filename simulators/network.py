"""The water mains and the pressure at every junction, solved by EPANET through WNTR.

The mains are solved for a few levels of demand at once, once for each set of faults; an hour's pressures lie between
the two nearest levels. So an hour costs next to nothing, and a burst one run of the solver: some tens of milliseconds.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from simulators import places
from simulators.noise import Floats

KPA_PER_M = 9.80665
SOURCE_HEAD_M = 46.0
DEMAND_LEVELS = (0.0, 0.5, 1.0, 1.75, 2.75, 4.0)  # times the mean demand
MEAN_DEMAND_L_PER_S = 0.028  # of one junction
BURST_EMITTER = 0.008  # m³/s at 1 m of pressure
TRUNK_M, ENTRY_M, STREET_M = 0.30, 0.125, 0.075  # inner diameters
ROUGHNESS = 120.0
ENTRY_LENGTH_M = 420.0
LEFT_BEHIND_VALVE_KPA = 12.0  # of the water that stands in the pipes


@dataclass(frozen=True, slots=True)
class PressureTable:
    """Pressure at each junction for each level of demand, with one set of bursts."""

    index_of: Mapping[str, int]
    levels: Floats
    pressure_kpa: Floats  # [level, junction]

    def at(self, demand: Floats) -> Floats:
        """Tell the pressures at demands given as multiples of the mean: [demand, junction]."""
        bounded = np.clip(demand, self.levels[0], self.levels[-1])
        upper = np.clip(np.searchsorted(self.levels, bounded), 1, len(self.levels) - 1)
        low, high = self.levels[upper - 1], self.levels[upper]
        share = ((bounded - low) / (high - low))[:, None]
        return self.pressure_kpa[upper - 1] * (1 - share) + self.pressure_kpa[upper] * share


@lru_cache(maxsize=64)
def solve(bursts: tuple[tuple[str, float], ...] = (), closed: tuple[str, ...] = ()) -> PressureTable:
    """Solve the mains with bursts at some junctions, each with a size, 1 for a usual one; and with areas shut off.

    :raises KeyError: if a burst names no junction, or what is closed no area
    """
    import wntr  # takes seconds to load, and only pressures need it

    laid = places.junctions()
    names = [junction.name for junction in laid]
    model = _mains(wntr)
    for name, size in bursts:
        if name not in names:
            raise KeyError(f"the mains have no junction {name}")
        model.get_node(name).emitter_coefficient = BURST_EMITTER * size
    behind = [name for name in names if name.split("-")[0] in closed]
    for name in behind:  # nothing is drawn there, nor runs out; EPANET cannot solve mains that hang on nothing
        model.get_node(name).demand_timeseries_list[0].base_value = 0.0
        model.get_node(name).emitter_coefficient = None
    with tempfile.TemporaryDirectory(prefix="suiden-mains-") as folder:
        results = wntr.sim.EpanetSimulator(model).run_sim(file_prefix=f"{folder}/mains")
    solved: Any = results.node
    metres = solved["pressure"][names].to_numpy()[: len(DEMAND_LEVELS)]
    pressure_kpa = np.maximum(0.0, metres * KPA_PER_M)
    pressure_kpa[:, [name in behind for name in names]] = LEFT_BEHIND_VALVE_KPA
    return PressureTable({name: at for at, name in enumerate(names)}, np.array(DEMAND_LEVELS), pressure_kpa)


def _mains(wntr: Any) -> Any:
    model = wntr.network.WaterNetworkModel()
    model.options.hydraulic.demand_model = "DDA"
    model.options.time.duration = 3600 * (len(DEMAND_LEVELS) - 1)
    model.add_pattern("levels", list(DEMAND_LEVELS))
    model.add_reservoir("spring", base_head=SOURCE_HEAD_M)
    model.add_junction("trunk", elevation=1.0)
    model.add_pipe("main", "spring", "trunk", length=900, diameter=TRUNK_M, roughness=ROUGHNESS)
    for junction in places.junctions():
        model.add_junction(
            junction.name,
            base_demand=MEAN_DEMAND_L_PER_S / 1000,
            demand_pattern="levels",
            elevation=junction.elevation_m,
            coordinates=(junction.east_m, junction.north_m),
        )
    for area in places.AREAS:
        model.add_pipe(
            f"{area}-entry", "trunk", f"{area}-J01", length=ENTRY_LENGTH_M, diameter=ENTRY_M, roughness=ROUGHNESS
        )
        for first, second in _streets():
            ends = (f"{area}-J{first + 1:02d}", f"{area}-J{second + 1:02d}")
            model.add_pipe(
                f"{ends[0]}/{ends[1][-3:]}", *ends, length=places.SPACING_M, diameter=STREET_M, roughness=ROUGHNESS
            )
    return model


def _streets() -> list[tuple[int, int]]:
    """Pair the neighbours of one area's grid."""
    pairs: list[tuple[int, int]] = []
    for index in range(places.ROWS * places.COLUMNS):
        row, column = divmod(index, places.COLUMNS)
        if column + 1 < places.COLUMNS:
            pairs.append((index, index + 1))
        if row + 1 < places.ROWS:
            pairs.append((index, index + places.COLUMNS))
    return pairs
