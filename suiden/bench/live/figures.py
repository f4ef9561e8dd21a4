"""What the live benchmark tells: from what was published and what arrived."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """Milliseconds, over the readings published while it was measured."""

    load: str
    readings_per_s: float  # published, and all of them stored
    commit_ms_p50: float  # read from the socket -> committed, to the millisecond, over all messages
    commit_ms_p95: float
    commit_ms_p99: float
    screen_ms_p50: float  # published -> on the screen of the customer: this reading, or a newer one of its meter
    screen_ms_p95: float
    screen_ms_p99: float
    never_shown: int
    console_ms_p50: float  # how old the newest reading was on a console at each of its refreshes
    console_ms_p99: float
    console_refreshes_per_s: float  # over all consoles
    viewers: int
    consoles: int
    meters: int
    measured_s: float
    published: int
    stored: int
    asked: Mapping[str, int]  # parts of pages that screens asked for, and what went wrong
    processor_share: Mapping[str, float]  # of one processor, by process; `machine`: of all of them
    load_before: float  # of the machine, over the minute before

    def as_json(self) -> dict[str, Any]:
        """Give all of them; None stands where nothing came that could be measured."""
        return {name: None if found != found else found for name, found in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Shown:
    """Latencies of the readings that screens should have shown, and how many they never showed."""

    after_ms: NDArray[np.float64]
    never: int


def shown(
    *, published_screen: Numbers, published_us: Numbers, seen_screen: Numbers, seen_us: Numbers, arrived_us: Numbers
) -> Shown:
    """Tell for each published reading how long it took until its screen showed it, or a newer one."""
    found: list[NDArray[np.float64]] = []
    never = 0
    for screen in np.unique(published_screen):
        due_us = published_us[published_screen == screen]
        mine = seen_screen == screen
        order = np.argsort(arrived_us[mine], kind="stable")
        newest_us, at_us = np.maximum.accumulate(seen_us[mine][order]), arrived_us[mine][order]
        first = np.searchsorted(newest_us, due_us, side="left")
        is_shown = first < len(newest_us)
        never += int((~is_shown).sum())
        found.append((at_us[first[is_shown]] - due_us[is_shown]) / 1000)
    return Shown(np.concatenate(found) if found else np.empty(0), never)


def percentile(found: NDArray[np.float64], percent: float) -> float:
    """Round to a tenth; no number where nothing was measured."""
    return round(float(np.percentile(found, percent)), 1) if len(found) else float("nan")


def waited_ms(before: Mapping[str, int], after: Mapping[str, int], *, percent: float) -> float:
    """Read a percentile out of the waits that a gateway counted between two looks, by their upper limits."""
    limits = sorted(after, key=int)
    running = np.cumsum([after[limit] - before.get(limit, 0) for limit in limits])
    if not limits or not running[-1]:
        return float("nan")
    return float(limits[int(np.searchsorted(running, running[-1] * percent / 100))])
