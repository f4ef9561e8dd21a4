"""Chance that can be asked for anywhere: the same keys always give the same number, in any order and any process."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def uniform(seed: int, stream: str, *keys: ArrayLike) -> Floats:
    """Give a number in [0, 1) for each combination of the integer keys, which broadcast against each other."""
    state = _mix(np.asarray(seed & 0xFFFF_FFFF_FFFF_FFFF, dtype=np.uint64) + _stream(stream))
    for key in keys:
        with np.errstate(over="ignore"):
            state = _mix(state + _GOLDEN + np.asarray(key, dtype=np.int64).astype(np.uint64))
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(seed: int, stream: str, *keys: ArrayLike) -> Floats:
    """Give a number with mean 0 and deviation 1, never beyond ±3.5: three uniform ones added up."""
    parts = [uniform(seed, f"{stream}/{part}", *keys) for part in range(3)]
    return (parts[0] + parts[1] + parts[2] - 1.5) * 2.0


def _stream(name: str) -> np.uint64:
    value = 0xCBF29CE484222325  # FNV-1a: the built-in hash differs from process to process
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFF_FFFF_FFFF_FFFF
    return np.uint64(value)


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        state = (state ^ (state >> np.uint64(30))) * _MIX_1
        state = (state ^ (state >> np.uint64(27))) * _MIX_2
        return state ^ (state >> np.uint64(31))
