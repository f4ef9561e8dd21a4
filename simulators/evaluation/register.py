"""The meters of a set, as a utility's register lists them."""

from dataclasses import dataclass

import numpy as np

from simulators.evaluation.options import OptionsUnusable


@dataclass(frozen=True, slots=True)
class Meter:
    """One row of meters.csv; fields in its order. `node` is where it stands, known to the mains only."""

    meter_id: str
    site: str
    domain: str
    role: str
    zone: str
    gateway: str
    tech: str
    resolution_l: int
    has_pressure: bool
    pressure_unit: str
    interval_s: int
    utc_offset_h: int
    segment: str
    phases: int
    has_pv: bool
    feeder: str
    node: int = -1


def zone_name(site: str, zone: int) -> str:
    return f"{site}-Z{zone + 1:02d}"


def shared_out(total: int, *, weights: np.ndarray) -> list[int]:
    """Share a number out by weights, at least one each.

    :raises OptionsUnusable: if there are more shares than things
    """
    if total < len(weights):
        raise OptionsUnusable(f"{total} meters cannot stand in {len(weights)} zones: give more meters or fewer zones")
    shares = np.maximum(1, np.floor(total * weights / weights.sum())).astype(int)
    while shares.sum() > total:
        shares[int(np.argmax(shares))] -= 1
    while shares.sum() < total:
        shares[int(np.argmax(weights / weights.sum() - shares / total))] += 1
    return [int(share) for share in shares]
