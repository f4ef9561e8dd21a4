"""What happens behind one meter and in it, over a set."""

from dataclasses import dataclass, field

import numpy as np

from simulators.evaluation.pulses import Pulses, joined
from simulators.fault_models import sensor_factor
from simulators.noise import Floats


@dataclass(slots=True)
class Life:
    """One meter's story; instants in seconds since the set began."""

    use: Pulses
    extra: list[Pulses] = field(default_factory=list)
    counted: list[tuple[float, float, float]] = field(default_factory=list)  # from, to, share of use that is counted
    frozen: list[tuple[float, float, bool]] = field(default_factory=list)  # from, to, whether the flow field lives on
    exchanged_s: float | None = None
    drift: tuple[float, float, float] | None = None  # from, to, relative error a day of the sensor

    def drawn(self) -> Pulses:
        """All that really flows."""
        return joined([self.use, *self.extra])

    def register(self, at_s: Floats, total: Floats) -> Floats:
        """Tell what the register counts of a running total known at the same instants, in order."""
        steps = np.diff(total, prepend=total[:1])
        for start, end, share in self.counted:
            steps[(at_s > start) & (at_s <= end)] *= share
        for start, end, _ in self.frozen:
            steps[(at_s > start) & (at_s <= end)] = 0.0
        counted = np.cumsum(steps)
        if self.exchanged_s is not None:
            after = np.searchsorted(at_s, self.exchanged_s)
            if after < len(counted):
                counted[after:] -= counted[after]
        return counted

    def shown_rate(self, at_s: Floats, rate: Floats) -> Floats:
        """Tell which rate the meter shows at each instant."""
        shown = rate.copy()
        for start, end, share in self.counted:
            shown[(at_s > start) & (at_s <= end)] *= share
        for start, end, is_alive in self.frozen:
            if not is_alive:
                shown[(at_s > start) & (at_s <= end)] = 0.0
        return shown

    def sensor_error(self, at_s: Floats) -> Floats:
        """Tell by what factor the sensor is wrong; it is mended at the end."""
        if self.drift is None:
            return np.ones_like(at_s)
        start, end, per_day = self.drift
        days = np.where((at_s >= start) & (at_s < end), at_s - start, 0.0) / 86400.0
        return sensor_factor(days, per_day=per_day)
