"""Meters and readings for tests of the checker."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.arrivals import MISSING, Arrivals
from ingest_gateway.domain.checking.meters import CUSTOMER, NOWHERE, RESIDENTIAL, WATER, Meters


def meters(count: int, **columns: Any) -> Meters:
    """Make water meters 1, 2, …, every 15 minutes, one litre a digit; `columns` set others for all of them or each."""
    standard: dict[str, tuple[Any, Any]] = {
        "service": (WATER, np.int8),
        "role": (CUSTOMER, np.int8),
        "zone_id": (1, np.int64),
        "network_id": (1, np.int64),
        "gateway_id": (1, np.int64),
        "feeder_id": (NOWHERE, np.int64),
        "interval_s": (900, np.int64),
        "utc_offset_s": (0, np.int64),
        "segment": (RESIDENTIAL, np.int8),
        "base_per_unit": (1.0, np.float64),
        "ring": (0, np.int64),
        "resolution": (1.0, np.float64),
        "mean_flow": (False, np.bool_),
        "has_pressure": (True, np.bool_),
        "phases": (0, np.int8),
        "nominal_v": (np.nan, np.float64),
        "may_export": (False, np.bool_),
    }
    made = {name: np.full(count, columns.get(name, value), dtype=kind) for name, (value, kind) in standard.items()}
    return Meters(meter_id=np.arange(1, count + 1), **made)


def arrivals(
    row: Sequence[int] | NDArray[Any],
    at_s: Sequence[int] | NDArray[Any],
    received_s: Sequence[int] | NDArray[Any] | None = None,
    **columns: Any,
) -> Arrivals:
    """Make readings that arrived in this order, 20 s after they were made unless it is told; the rest is missing."""
    count = len(row)
    at = np.asarray(at_s, dtype=np.int64)

    def column(name: str, blank: float, kind: Any) -> NDArray[Any]:
        return np.broadcast_to(np.asarray(columns.get(name, blank)), count).astype(kind)

    return Arrivals(
        row=np.asarray(row, dtype=np.int64),
        at_s=at,
        received_s=at + 20 if received_s is None else np.asarray(received_s, dtype=np.int64),
        register=column("register", MISSING, np.int64),
        export_register=column("export_register", MISSING, np.int64),
        flow=column("flow", np.nan, np.float32),
        pressure_kpa=column("pressure_kpa", np.nan, np.float32),
        v1=column("v1", np.nan, np.float32),
        v2=column("v2", np.nan, np.float32),
        v3=column("v3", np.nan, np.float32),
        battery_pct=column("battery_pct", MISSING, np.int8),
        flags=column("flags", 0, np.int32),
    )


def in_order(readings: Arrivals) -> Arrivals:
    """Sort readings by their arrival."""
    return readings.take(np.argsort(readings.received_s, kind="stable"))


def joined(*parts: Arrivals) -> Arrivals:
    """Lay readings one after another."""
    first = parts[0]
    return replace(
        first,
        **{one.name: np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(first)},
    )
