"""What broken things do, and how badly: the same in the living town and in evaluation sets."""

import numpy as np

from simulators.noise import Floats

Bounds = tuple[float, float]

LEAK_LPH: Bounds = (12.0, 140.0)  # behind a meter; small ones are as frequent as great ones
BACKFLOW_LPH: Bounds = (60.0, 320.0)
TAMPER_SHARE: Bounds = (0.02, 0.35)  # of the water that the meter still counts
THEFT_SHARE: Bounds = (0.08, 0.45)  # of the power
PRESSURE_DRIFT: Bounds = (0.012, 0.03)  # of the measure, a day, either way
VOLTAGE_DRIFT: Bounds = (0.0025, 0.006)
SAG: Bounds = (0.72, 0.89)  # of the usual voltage
PHASE_LEFT = (0.0, 0.01, 0.12, 0.25)  # what is still seen on a lost phase
ROOF_KWP: Bounds = (1.5, 6.0)
LAST_GASPS = 0.3  # the share of meters that tell their outage with their last strength
MOST_ERROR: Bounds = (-0.9, 1.0)  # a sensor's end


def between(bounds: Bounds, share: float) -> float:
    """Choose from a range by a number from 0 to 1."""
    low, high = bounds
    return low + (high - low) * share


def between_by_ratio(bounds: Bounds, share: float) -> float:
    """Choose from a range so that each doubling is as likely as the next."""
    low, high = np.log(bounds[0]), np.log(bounds[1])
    return float(np.exp(low + (high - low) * share))


def sensor_factor(days: Floats, *, per_day: float) -> Floats:
    """Tell by what a drifting sensor's true measure is multiplied, so many days after it began to drift."""
    return 1.0 + np.clip(per_day * days, *MOST_ERROR)
