"""What faults do to an hour of the town: to what flows, what is counted, and what is measured."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from simulators import fault_models, places, weather
from simulators.faults import Fault
from simulators.measures import Grid
from simulators.noise import Floats, Ints, uniform
from simulators.use import LOCAL_HOURS_AHEAD

if TYPE_CHECKING:
    from simulators.town import Town

Supply = Literal["on", "off", "trickle"]
TRICKLE_LPH = 30
BACK_EVERY_H, BACK_FOR_H = 9, 3  # water flows back for some hours, and then not
RAINY_MM, RAINY_SHARE = 3.0, 0.25  # of the sun


@dataclass(frozen=True, slots=True)
class MainsFaults:
    """Bursts by junction with their sizes, and areas that a valve shuts off."""

    bursts: Mapping[str, float]
    closed: frozenset[str]


def mains(faults: Iterable[Fault]) -> MainsFaults:
    """Gather what is wrong with the mains; what seeps is a small burst."""
    listed = list(faults)
    bursts = {fault.place: fault.size for fault in listed if fault.kind == "seep"}
    bursts |= {fault.place: fault.size for fault in listed if fault.kind == "burst"}
    return MainsFaults(bursts, frozenset(fault.place for fault in listed if fault.kind == "closure"))


def transformers(faults: Iterable[Fault]) -> dict[int, float]:
    """Tell by what the voltage of transformers is multiplied."""
    return {places.TRANSFORMERS.index(fault.place): fault.size for fault in faults if fault.kind in ("sag", "swell")}


def flows(
    laid: Grid,
    wanted: Ints,
    *,
    hour: int,
    faults: Iterable[Fault],
    supply: Mapping[str, Supply],
    column: Mapping[str, int],
    town: "Town",
) -> tuple[Ints, Ints, Ints]:
    """Tell what flows in an hour, what meters count of it, and what is fed back to the grid.

    A stuck meter feels the flow and counts nothing; one that was tampered with counts a share.
    """
    listed = list(faults)
    flow, fed_back = wanted.copy(), np.zeros_like(wanted)
    for fault in listed:
        if fault.kind == "leak":
            flow[laid.model.columns.index_of[fault.place]] += int(fault.size)
        elif fault.kind == "backflow" and (hour - fault.since_h) % BACK_EVERY_H < BACK_FOR_H:
            flow[laid.model.columns.index_of[fault.place]] = -int(fault.size)
        elif fault.kind == "roof":
            at = column[fault.place]
            rest = int(flow[at]) - _sun_wh(town, hour=hour, kwp=fault.size)
            flow[at], fed_back[at] = max(0, rest), max(0, -rest)
    for serial, state in supply.items():
        flow[column[serial]] = min(int(flow[column[serial]]), TRICKLE_LPH if state == "trickle" else 0)
    water = laid.water_count
    shut = dry(laid, listed, town=town)
    flow[:water][shut] = 0
    out = dead(laid, listed)
    flow[water:][out], fed_back[water:][out] = 0, 0
    counted = flow.copy()
    for fault in listed:
        if fault.kind == "stuck":
            counted[column[fault.place]] = 0
        elif fault.kind in ("tamper", "theft"):
            counted[column[fault.place]] = int(counted[column[fault.place]] * fault.size)
    return flow, counted, fed_back


def dry(laid: Grid, faults: Iterable[Fault], *, town: "Town") -> np.ndarray:
    """Tell which water points lie behind a closed valve."""
    closed = mains(faults).closed
    numbers = laid.model.columns.point_numbers[: laid.water_count]
    if not closed:
        return np.zeros(len(numbers), dtype=bool)
    return np.array([town.junction_of[number].split("-")[0] in closed for number in numbers])


def dead(laid: Grid, faults: Iterable[Fault]) -> np.ndarray:
    """Tell which power points have no supply."""
    out = [places.TRANSFORMERS.index(fault.place) for fault in faults if fault.kind == "outage"]
    return np.isin(laid.transformer, out)


def gasping(laid: Grid, faults: Iterable[Fault], *, hour: int) -> np.ndarray:
    """Tell which of them say so with their last strength: some, in the first hour."""
    fresh = dead(laid, [fault for fault in faults if hour - fault.since_h <= 1])
    share = uniform(laid.model.seed, "fault/last-gasp", laid.power_ids)
    return fresh & (share < fault_models.LAST_GASPS)


def sensor_factors(faults: Iterable[Fault], *, hour: int, column: Mapping[str, int], size: int) -> Floats:
    """Tell by what each meter's pressure or voltage is multiplied."""
    factors = np.ones(size)
    for fault in faults:
        if fault.kind == "drift":
            days = np.array([(hour - fault.since_h) / 24.0])
            factors[column[fault.place]] = fault_models.sensor_factor(days, per_day=fault.size)[0]
    return factors


def _sun_wh(town: "Town", *, hour: int, kwp: float) -> int:
    """Tell what a roof gives in the hour that ends at `hour`."""
    day, local = divmod(hour + LOCAL_HOURS_AHEAD, 24)
    height = max(0.0, float(np.cos((local - 12.5) / 6.3 * np.pi / 2))) if abs(local - 12.5) < 6.3 else 0.0
    rain_mm = float(weather.on_days(town.seed, days=np.array([day])).rain_mm[0])
    return int(kwp * 820 * height**1.3 * (RAINY_SHARE if rain_mm > RAINY_MM else 1.0))
