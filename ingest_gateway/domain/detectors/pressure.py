"""Water pressure outside its normal range.

Rule: two samples in a row below 150 kPa, or above 740 kPa; ends with two in a row at least 20 kPa inside the limit.
0 and 6553.5 kPa are what a sensor sends when it cannot measure; they count as not sent.
Source: Japanese mains run at 0.15 to 0.74 MPa (Ordinance on structure and material of water supply devices).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.detectors.base import Finding, Fleet, Samples
from ingest_gateway.domain.detectors.limits import DTYPE, Limit, check_limit

GLITCHES_KPA = (0.0, 6553.5)


@dataclass(frozen=True, slots=True)
class PressureLow:
    """`limit_kpa` may be set by each utility."""

    name: ClassVar[str] = "pressure_low"
    version: ClassVar[int] = 1
    dtype: ClassVar[np.dtype[np.void]] = DTYPE
    limit_kpa: float = 150.0
    slack_kpa: float = 20.0
    in_a_row: int = 2

    def check(self, *, state: NDArray[np.void], fleet: Fleet, samples: Samples) -> list[Finding]:
        limit = Limit(f"{self.name} {self.version}", "pressure_low", -1, self.slack_kpa, self.in_a_row, "kPa")
        return _check(limit, bound_kpa=self.limit_kpa, state=state, fleet=fleet, samples=samples)


@dataclass(frozen=True, slots=True)
class PressureHigh:
    """`limit_kpa` may be set by each utility."""

    name: ClassVar[str] = "pressure_high"
    version: ClassVar[int] = 1
    dtype: ClassVar[np.dtype[np.void]] = DTYPE
    limit_kpa: float = 740.0
    slack_kpa: float = 20.0
    in_a_row: int = 2

    def check(self, *, state: NDArray[np.void], fleet: Fleet, samples: Samples) -> list[Finding]:
        limit = Limit(f"{self.name} {self.version}", "pressure_high", 1, self.slack_kpa, self.in_a_row, "kPa")
        return _check(limit, bound_kpa=self.limit_kpa, state=state, fleet=fleet, samples=samples)


def _check(limit: Limit, *, bound_kpa: float, state: NDArray[np.void], fleet: Fleet, samples: Samples) -> list[Finding]:
    glitch = np.isin(np.round(samples.pressure_kpa, 1), GLITCHES_KPA)
    measure = np.where(glitch, np.nan, samples.pressure_kpa)
    limits = np.where(fleet.water[samples.row], bound_kpa, np.nan)
    return check_limit(limit, state=state, samples=samples, measure=measure, limits=limits)
