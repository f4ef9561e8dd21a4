"""What every detector is given, what it keeps and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Kind = Literal["pressure_low", "pressure_high", "voltage_low", "voltage_high", "continuous_flow", "stuck_meter"]

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Fleet:
    """What the detectors must know of the meters; a meter is a row in each array."""

    meter_id: NDArray[np.int64]
    water: NDArray[np.bool_]
    ring: NDArray[np.int64]  # 10^digits: where the register begins again
    base_per_unit: NDArray[np.float64]  # litres or Wh in the register's least digit
    interval_us: NDArray[np.int64]
    nominal_v: NDArray[np.float64]  # NaN where unknown


@dataclass(frozen=True, slots=True)
class Samples:
    """One reading each of different meters. NaN is a measure that was not sent."""

    row: NDArray[np.intp]
    at_us: NDArray[np.int64]
    register: NDArray[np.int64]
    has_register: NDArray[np.bool_]
    flow: NDArray[np.float64]  # L/h or W
    pressure_kpa: NDArray[np.float64]
    low_v: NDArray[np.float64]
    high_v: NDArray[np.float64]
    may_open: NDArray[np.bool_]  # False: counts, but raises nothing by itself

    def only(self, mask: NDArray[np.bool_]) -> "Samples":
        """Give the samples where the mask is true."""
        return Samples(
            row=self.row[mask],
            at_us=self.at_us[mask],
            register=self.register[mask],
            has_register=self.has_register[mask],
            flow=self.flow[mask],
            pressure_kpa=self.pressure_kpa[mask],
            low_v=self.low_v[mask],
            high_v=self.high_v[mask],
            may_open=self.may_open[mask],
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """An anomaly of one meter begins, or the one that was open ends."""

    opened: bool
    detector: str  # name and version
    kind: Kind
    row: int
    at: datetime  # when it began, or ended, by the readings
    evidence: Mapping[str, Any]


class Detector(Protocol):
    """One rule. `state` holds a row of `dtype` for each meter; `dtype` has the field `open` and begins with zeros."""

    name: ClassVar[str]
    version: ClassVar[int]
    dtype: ClassVar[np.dtype[np.void]]

    def check(self, *, state: NDArray[np.void], fleet: Fleet, samples: Samples) -> list[Finding]:
        """Take in one sample each of different meters, move their rows of `state`, and say what begins and ends."""
        ...


def label(detector: Detector) -> str:
    """Name a detector with its version, as an anomaly keeps it."""
    return f"{detector.name} {detector.version}"


def instant(at_us: int) -> datetime:
    """Turn microseconds since 1970 into an instant, exactly."""
    return EPOCH + timedelta(microseconds=int(at_us))


def text(at_us: int) -> str:
    """Write an instant as evidence keeps it."""
    return instant(at_us).isoformat()


def register_steps(
    *, before: NDArray[np.int64], after: NDArray[np.int64], ring: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Count from one register to the next the shorter way round the ring; negative where it went backwards."""
    half = ring // 2
    return (after - before + ring + half) % ring - half
