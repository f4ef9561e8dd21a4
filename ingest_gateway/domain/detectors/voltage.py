"""Voltage outside its normal range.

Rule: two samples in a row beyond the limit, the lowest phase downwards and the highest upwards; ends with two in a row
at least 1 V inside. Tolerances by nominal voltage: 100 V: 95 to 107; 200 V: 182 to 222; any other: ± 10 %.
Source: Japan keeps 101 ± 6 V and 202 ± 20 V (Electricity Business Act, enforcement rules, article 38).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.detectors.base import Finding, Fleet, Samples
from ingest_gateway.domain.detectors.limits import DTYPE, Limit, check_limit

NEAR = 0.05  # a nominal voltage within this share of 100 or 200 V counts as it


@dataclass(frozen=True, slots=True)
class VoltageLow:
    """Limits in V by nominal voltage; `other_share` of the nominal elsewhere."""

    name: ClassVar[str] = "voltage_low"
    version: ClassVar[int] = 1
    dtype: ClassVar[np.dtype[np.void]] = DTYPE
    limit_100_v: float = 95.0
    limit_200_v: float = 182.0
    other_share: float = 0.9
    slack_v: float = 1.0
    in_a_row: int = 2

    def check(self, *, state: NDArray[np.void], fleet: Fleet, samples: Samples) -> list[Finding]:
        limit = Limit(f"{self.name} {self.version}", "voltage_low", -1, self.slack_v, self.in_a_row, "V")
        limits = _limits(fleet, samples, at_100=self.limit_100_v, at_200=self.limit_200_v, share=self.other_share)
        return check_limit(limit, state=state, samples=samples, measure=samples.low_v, limits=limits)


@dataclass(frozen=True, slots=True)
class VoltageHigh:
    """Limits in V by nominal voltage; `other_share` of the nominal elsewhere."""

    name: ClassVar[str] = "voltage_high"
    version: ClassVar[int] = 1
    dtype: ClassVar[np.dtype[np.void]] = DTYPE
    limit_100_v: float = 107.0
    limit_200_v: float = 222.0
    other_share: float = 1.1
    slack_v: float = 1.0
    in_a_row: int = 2

    def check(self, *, state: NDArray[np.void], fleet: Fleet, samples: Samples) -> list[Finding]:
        limit = Limit(f"{self.name} {self.version}", "voltage_high", 1, self.slack_v, self.in_a_row, "V")
        limits = _limits(fleet, samples, at_100=self.limit_100_v, at_200=self.limit_200_v, share=self.other_share)
        return check_limit(limit, state=state, samples=samples, measure=samples.high_v, limits=limits)


def _limits(fleet: Fleet, samples: Samples, *, at_100: float, at_200: float, share: float) -> NDArray[np.float64]:
    nominal = fleet.nominal_v[samples.row]
    near_100 = np.abs(nominal - 100.0) <= 100.0 * NEAR
    near_200 = np.abs(nominal - 200.0) <= 200.0 * NEAR
    return np.where(near_100, at_100, np.where(near_200, at_200, nominal * share))
