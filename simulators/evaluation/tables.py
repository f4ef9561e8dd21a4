"""The readings of a set, gathered meter by meter in order of arrival."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from simulators.evaluation.air import Arrival
from simulators.evaluation.options import SetOptions
from simulators.evaluation.register import Meter
from simulators.noise import Floats

Column = NDArray[np.float64]


@dataclass(slots=True)
class MeterReadings:
    """One meter's readings in order of arrival, in UTC seconds and the units of the files."""

    meter: Meter
    ts: Column
    received_at: Column
    columns: dict[str, Column]


@dataclass(slots=True)
class Table:
    """Readings of one service."""

    integers: ClassVar[tuple[str, ...]] = ()
    floats: ClassVar[tuple[str, ...]] = ()
    meters: dict[str, MeterReadings] = field(default_factory=dict)

    def add(
        self, meter: Meter, stamped_s: Floats, arrival: Arrival, columns: Mapping[str, Column], *, options: SetOptions
    ) -> None:
        """Take in what arrived of a meter's readings."""
        self.meters[meter.meter_id] = MeterReadings(
            meter,
            np.floor(stamped_s[arrival.row]) + options.starts_s,
            np.floor(arrival.received_s) + options.starts_s,
            {name: column[arrival.row] for name, column in columns.items()},
        )

    def insert(self, meter_id: str, *, ts: float, received_at: float, values: Mapping[str, float]) -> None:
        """Put in one more reading, where it belongs by arrival."""
        held = self.meters[meter_id]
        at = int(np.searchsorted(held.received_at, received_at))
        held.ts = np.insert(held.ts, at, ts)
        held.received_at = np.insert(held.received_at, at, received_at)
        held.columns = {name: np.insert(column, at, values[name]) for name, column in held.columns.items()}


class WaterTable(Table):
    """Litres, litres an hour, and pressure in the meter's unit."""

    integers: ClassVar[tuple[str, ...]] = ("volume_l", "flow_lph")
    floats: ClassVar[tuple[str, ...]] = ("pressure",)


class PowerTable(Table):
    """Watt-hours and volts."""

    integers: ClassVar[tuple[str, ...]] = ("import_wh", "export_wh")
    floats: ClassVar[tuple[str, ...]] = ("v1", "v2", "v3")
