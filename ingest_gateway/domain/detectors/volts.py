"""What the detectors of power share: the lowest and highest phase, and how many samples make an event."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.view import Floats, Mask, View

Volts = NDArray[np.float32]

DARK_V = 20.0  # below it on every phase there is no supply, at any nominal voltage; a last gasp says 0
LOST_SHARE = 0.6  # a phase below this share of the highest one is lost, not sagging
EVENT_S = 1_800  # a sample is the mean of its interval: so much time beyond a limit is an event, less is a dip
MOST_SAMPLES = 3
CALM_S = 3_600

# The levels that utilities supply at. All of 212 to 262 V is the 230 V of EN 50160 and its likes: 220 and 240 V systems
# were brought under it.
NOMINAL_V = np.array([100.0, 110.0, 120.0, 127.0, 202.0, 230.0, 277.0])


def lowest(view: View) -> Volts:
    """Give the lowest phase's volts; NaN where no phase was told or there is no supply."""
    return view.shared("volts", lambda: _lowest_and_highest(view))[0]


def lowest_standing(view: View) -> Volts:
    """Give the lowest phase's volts; NaN where one is lost, too: that is no sag."""
    return view.shared("volts_standing", lambda: _standing(lowest(view), highest(view)))


def highest(view: View) -> Volts:
    """Give the highest phase's volts; NaN where no phase was told or there is no supply."""
    return view.shared("volts", lambda: _lowest_and_highest(view))[1]


def gasped(view: View) -> Mask:
    """Tell which meters said that they have no supply: every phase near 0."""
    return view.shared("volts", lambda: _lowest_and_highest(view))[2]


def samples_of_event(interval_s: int) -> int:
    """Count the samples in a row beyond a limit that make an event."""
    return min(MOST_SAMPLES, max(1, -(-EVENT_S // interval_s)))


def samples_of_calm(interval_s: int) -> int:
    """Count the samples in a row inside a limit that end an event."""
    return max(2, -(-CALM_S // interval_s))


def nominal_v(given: Floats, usual: Floats) -> Floats:
    """Give the nominal volts: as the register of meters says, else the supply level nearest to what is usual."""
    inferred = NOMINAL_V[np.argmin(np.abs(usual[..., None] / NOMINAL_V - 1), axis=-1)]
    inferred = np.where((usual >= 212) & (usual <= 262), 230.0, inferred)
    return np.where(np.isnan(given), np.where(np.isnan(usual), np.nan, inferred), given)


def run(count: NDArray[Any], *, known: Mask, on: Mask) -> None:
    """Count on, in place, the samples in a row where something holds; what is not known changes nothing."""
    count += on
    count[known & ~on] = 0
    np.minimum(count, 100, out=count)


def _lowest_and_highest(view: View) -> tuple[Volts, Volts, Mask]:
    v1, v2, v3 = (v.astype(np.float32) for v in (view.v1, view.v2, view.v3))
    low, high = np.fmin(np.fmin(v1, v2), v3), np.fmax(np.fmax(v1, v2), v3)
    dark = high < DARK_V
    if dark.any():
        low[dark] = high[dark] = np.nan
    return low, high, dark


def _standing(low: Volts, high: Volts) -> Volts:
    lost = low < LOST_SHARE * high
    return np.where(lost, np.float32(np.nan), low) if lost.any() else low
