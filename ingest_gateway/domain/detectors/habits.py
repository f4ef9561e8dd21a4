"""What detectors of one meter's use share: its habits, learnt from its own days."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.findings import Outlet
from ingest_gateway.domain.checking.view import Cohort, Floats, Mask, View

HOUR_S, DAY_S = 3600, 86_400
WEEK_DAYS = 7
SPREAD_OF_MEDIAN_DISTANCE = 1.4826  # makes it the standard deviation where values are normal


def turn_s(cohort: Cohort) -> int:
    """Seconds that one asking at the end of an hour stands for: an hour, or the interval of slower meters."""
    return max(HOUR_S, cohort.interval_s)


def turns_a_day(cohort: Cohort) -> int:
    """Count the askings in a day."""
    return max(1, DAY_S // turn_s(cohort))


def turn_of_day(view: View) -> int:
    """Tell which turn of the day (by UTC) ends now, from 0."""
    return ((view.slot_s - 1) // turn_s(view.cohort)) % turns_a_day(view.cohort)


def day_of(at_s: int) -> int:
    """Tell the day (by UTC, since 1970) in which what ends at an instant lay."""
    return (at_s - 1) // DAY_S


def middle(values: NDArray[Any]) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Give of each row the median of what is known (the lower of two), the spread around it, and how many are known."""
    center, known = median(values)
    distance = np.abs(values - center[:, None])
    return center, SPREAD_OF_MEDIAN_DISTANCE * median(distance)[0], known


def median(values: NDArray[Any]) -> tuple[Floats, NDArray[np.intp]]:
    """Give of each row the median of what is known (the lower of two), and how many are known."""
    ordered = np.sort(values, axis=1)  # NaN last
    known = np.count_nonzero(ordered == ordered, axis=1)
    return ordered[np.arange(len(values)), np.maximum(known - 1, 0) // 2].astype(np.float64), known


def same_weekday(ring: NDArray[Any], day: int) -> NDArray[Any]:
    """Give the columns of a ring of days, of whole weeks, that lie weeks before a day; the day itself last."""
    width = ring.shape[1]
    return ring[:, [(day - WEEK_DAYS * weeks) % width for weeks in range(1, width // WEEK_DAYS + 1)]]


def alike(groups: NDArray[Any], values: Floats, *, least: int) -> Floats:
    """Give each meter the median over the meters of its group that are known; NaN where fewer than `least` are."""
    found = np.full(len(values), np.nan)
    for group in np.unique(groups):
        here = groups == group
        known = values[here & ~np.isnan(values)]
        if len(known) >= least:
            found[here] = np.median(known)
    return found


NOTHING, WATCHED, TICKETED = 0, 1, 2  # how far a detector went with a meter, in its state `level`
OUTLETS: tuple[Outlet, ...] = ("watch", "watch", "ticket")


def levels(level: NDArray[np.int8], *, watch: Mask, ticket: Mask, ends: Mask) -> list[tuple[int, int, int]]:
    """Move the levels of a rule with two outlets; give each meter's row that moved, with its level before and now."""
    before = level.copy()
    level[watch & (level == NOTHING)] = WATCHED
    level[ticket] = TICKETED
    level[ends] = NOTHING
    return [(int(row), int(before[row]), int(level[row])) for row in np.flatnonzero(level != before)]
