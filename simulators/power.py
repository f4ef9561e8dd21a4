"""Voltage at each point: what its transformer gives, less what the load takes, and what faults do to it."""

from collections.abc import Mapping

import numpy as np

from simulators.noise import Floats, Ints, normal, uniform

OPEN_CIRCUIT = 1.028  # of the nominal voltage, at the transformer without load
DROP_AT_FULL_LOAD = 0.028
FULL_LOAD_W_PER_POINT = 1_600.0
DROP_ALONG_THE_LINE = 0.008
SAG, SWELL = 0.87, 1.09  # of what the voltage would be: beyond 101 ± 6 V and 202 ± 20 V


def per_unit(
    seed: int, *, ids: Ints, transformer: Ints, hours: Ints, load_w: Floats, factors: Mapping[int, float] | None = None
) -> Floats:
    """Tell each point's voltage as a share of nominal: [hour, point]; `factors` are the faults by transformer."""
    count = int(transformer.max()) + 1
    loads = np.zeros((len(hours), count))
    for number in range(count):
        loads[:, number] = load_w[:, transformer == number].sum(axis=1)
    full = np.bincount(transformer, minlength=count) * FULL_LOAD_W_PER_POINT
    share = loads / np.maximum(full, 1)
    place = uniform(seed, "power/place", ids)
    ripple = 0.0022 * normal(seed, "power/ripple", ids, np.asarray(hours)[:, None])
    level = OPEN_CIRCUIT - (DROP_AT_FULL_LOAD + DROP_ALONG_THE_LINE * place) * share[:, transformer] + ripple
    for number, factor in (factors or {}).items():
        level = np.where(transformer == number, level * factor, level)
    return level
