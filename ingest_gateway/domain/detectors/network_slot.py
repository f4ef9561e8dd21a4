"""One slot of a water network as its detector judges it, and what is told of a zone then."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.findings import Kind
from ingest_gateway.domain.checking.state import Arrays
from ingest_gateway.domain.checking.view import Floats, Mask, View
from ingest_gateway.domain.detectors.zone_inflow import Inflow
from ingest_gateway.domain.detectors.zone_layout import Layout
from ingest_gateway.domain.detectors.zone_pressure import Pressure

AFFECTED_TIMES = 1.5  # the least fall, for a meter to be counted among those affected


@dataclass(frozen=True, slots=True)
class NetworkSlot:
    """All that one slot tells, and which zones are at work."""

    view: View
    state: Arrays
    layout: Layout
    inflow: Inflow
    pressure: Pressure
    day_off: NDArray[np.intp]
    quiet: Mask
    limits: dict[str, Floats]


def affected(slot: NetworkSlot, *, zone: int, zones: Mask | None) -> NDArray[np.intp]:
    """List the meters that show it: those whose pressure fell, the worst first, or the zone's inlets."""
    if zones is None:
        inlets = slot.layout.inlets[zone]
        return inlets[inlets < slot.layout.behind]
    of = slot.view.cohort.zones.of
    here = np.append(slot.layout.in_network(zones), False)[of]
    least = np.append(AFFECTED_TIMES * slot.pressure.least, np.inf)[of]
    below = np.where(here, slot.pressure.below, np.nan)
    rows = np.flatnonzero(below > least)
    return rows[np.argsort(-below[rows], kind="stable")]


def evidence(slot: NetworkSlot, *, kind: Kind, zone: int, zones: Mask | None) -> dict[str, Any]:
    """Give the figures that the finding rests on."""
    inflow, pressure = slot.inflow, slot.pressure
    told_values = {
        "inflow_lph": inflow.inflow_lph,
        "expected_lph": inflow.expected_lph,
        "excess_lph": inflow.leak_lph if kind == "slow_leak" else inflow.sudden_lph,
        "fall_kpa": pressure.fall,
        "usual_kpa": pressure.usual,
    }
    found: dict[str, Any] = {
        name: round(float(values[zone]), 1) for name, values in told_values.items() if np.isfinite(values[zone])
    }
    if kind == "slow_leak":
        found["limit_lph"] = round(float(slot.state["mean_inflow"][zone] * slot.inflow.leak_spread[zone]), 1)
    if zones is not None:
        found["zone_ids"] = slot.view.cohort.zones.ids[zones].tolist()
    return found
