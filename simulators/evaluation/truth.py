"""What really happens in a set: faults to be found, and what only looks like one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from simulators.evaluation.options import HOUR_S, SetOptions

LONG_ENOUGH = 0.6  # of the days after learning: what would last longer may be cut short by the set's end

Scope = Literal["meter", "zone", "gateway"]


@dataclass(frozen=True, slots=True)
class Happening:
    """An event or a distractor; instants in seconds since the set began."""

    kind: str
    domain: str
    site: str
    scope: Scope
    meters: tuple[str, ...]
    zones: tuple[str, ...]
    start_s: int
    end_s: int
    is_fault: bool
    params: dict[str, Any] = field(default_factory=dict)
    gateway: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedWork:
    """What the utility has announced, and a checker may read."""

    site: str
    zone: str
    meter_id: str
    kind: str
    start_s: int
    end_s: int


def count(chance: np.random.Generator, usual: float, *, options: SetOptions) -> int:
    """Tell how often a kind happens, about as often as usual and at least twice."""
    return max(2, int(chance.poisson(usual * options.events * 4) / 4 + 0.5)) if usual > 0 else 0


def begin(chance: np.random.Generator, *, options: SetOptions, interval_s: int, lasts_s: float) -> int:
    """Choose when something begins: at a reading after the learning days, and long enough before the end."""
    first = options.learning_s
    last = max(first + HOUR_S, options.duration_s - lasts_s)
    return int(chance.uniform(first, last) // interval_s * interval_s)


def end_of(start_s: int, lasts_s: float, *, options: SetOptions, interval_s: int) -> int:
    """Tell when it ends, not later than the set's last reading."""
    return int(min(start_s + lasts_s, options.duration_s - interval_s))


def free_start(
    chance: np.random.Generator,
    *,
    options: SetOptions,
    interval_s: int,
    lasts_s: float,
    taken: Sequence[tuple[float, float]],
    apart_s: float,
) -> int | None:
    """Choose a beginning that stays apart from what is there already; None if no place is left."""
    for _ in range(300):
        start = begin(chance, options=options, interval_s=interval_s, lasts_s=lasts_s + apart_s)
        if all(start + lasts_s + apart_s <= a or start >= b + apart_s for a, b in taken):
            return start
    return None
