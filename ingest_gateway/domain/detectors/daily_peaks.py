"""How high a zone's statistic rises on a usual day, and the level that hardly any day exceeds.

The largest value of each day is kept for four weeks; the limit is their median and so many of their spreads above it,
and no less than a little more than the second highest of these days (a pump that seldom stops, a Sunday).
So pump cycles, weather and what a zone is like are in the limit by themselves, in the statistic's own unit. Days with
something open are not counted. Source: block maxima of extreme value statistics, with a robust spread.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.state import Arrays, Field

DAYS = 28
ENOUGH_DAYS = 7
ABOVE_HIGH = 1.15  # times the second highest day: the highest may have been trouble that was not found
LEAST_SPREAD = 0.25  # of the median: few days know their spread badly
TO_DEVIATION = 1.4826  # a normal deviation over a median absolute one

Floats = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]


def fields(name: str) -> Sequence[Field]:
    """Tell what is kept of a statistic of each zone."""
    return [
        Field(f"{name}_today", "f8", per="zone", fill=np.nan),
        Field(f"{name}_days", "f8", per="zone", shape=(DAYS,), fill=np.nan),
        Field(f"{name}_usual", "f8", per="zone", shape=(3,)),  # the days' median, their spread, and the second highest
        Field(f"{name}_known", "i4", per="zone"),  # days
    ]


def see(state: Arrays, name: str, *, values: Floats, where: Mask) -> None:
    """Take a value of today into account."""
    today = state[f"{name}_today"]
    np.copyto(today, np.fmax(today, values), where=where)


def end_day(state: Arrays, name: str, *, zones: NDArray[np.intp], leave_out: int = 0) -> None:
    """End the day at some zones. The newest days may be left out, lest what grows for days sets its own limit."""
    today, days = state[f"{name}_today"], state[f"{name}_days"]
    ended = zones[np.isfinite(today[zones])]
    days[ended, 1:] = days[ended, :-1]
    days[ended, 0] = np.maximum(today[ended], 0.0)
    today[zones] = np.nan
    if len(ended) == 0:
        return
    median, spread, known = middle_and_spread(days[ended], leave_out=leave_out)
    high = np.sort(np.where(np.isnan(days[ended]), 0.0, days[ended]), axis=1)[:, -2]
    state[f"{name}_usual"][ended] = np.stack([median, spread, high], axis=1)
    state[f"{name}_known"][ended] = known


def middle_and_spread(
    days: NDArray[np.float64], *, leave_out: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """Give each row's median, its robust deviation, and how many values there are, newest first in a row."""
    known = np.isfinite(days).sum(axis=1)
    kept = days.copy()
    kept[known >= ENOUGH_DAYS + leave_out, :leave_out] = np.nan
    median = np.nanmedian(kept, axis=1)
    spread = TO_DEVIATION * np.nanmedian(np.abs(kept - median[:, None]), axis=1)
    return median, spread, known


def limit(state: Arrays, name: str, *, spreads: float | Floats) -> NDArray[np.float64]:
    """Give the level that hardly any day exceeds; infinite until enough days are known."""
    median, spread, high = state[f"{name}_usual"].T
    level = np.maximum(median + spreads * np.maximum(spread, LEAST_SPREAD * median), ABOVE_HIGH * high)
    return np.where(state[f"{name}_known"] >= ENOUGH_DAYS, level, np.inf)
