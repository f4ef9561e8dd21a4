"""Readings as the checker takes them, in columns and in the order of their arrival."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

MISSING = -1  # of a register or a battery, which are never negative


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Each reading a place in each column. NaN and MISSING are what was not sent."""

    row: NDArray[np.int64]  # of the meter in Meters
    at_s: NDArray[np.int64]  # by the meter's clock, since 1970
    received_s: NDArray[np.int64]  # by ours; never falling
    register: NDArray[np.int64]  # in the meter's least digit
    export_register: NDArray[np.int64]
    flow: NDArray[np.float32]  # L/h, or W
    pressure_kpa: NDArray[np.float32]
    v1: NDArray[np.float32]
    v2: NDArray[np.float32]
    v3: NDArray[np.float32]
    battery_pct: NDArray[np.int8]
    flags: NDArray[np.int32]

    def __len__(self) -> int:
        """Count the readings."""
        return len(self.row)

    def take(self, which: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Self:
        """Give some of them, in their order."""
        return type(self)(*(getattr(self, name)[which] for name in _NAMES))


_NAMES = tuple(column.name for column in fields(Arrivals))
