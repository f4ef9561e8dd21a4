"""What real meters do besides: registers that step back, jumps after gaps, mixed-up meters, clocks that change.

None of it is a fault to send people for. Plain homes have none of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from simulators.evaluation.air import Slots
from simulators.evaluation.lives import Life
from simulators.evaluation.options import DAY_S, HOUR_S, SetOptions
from simulators.evaluation.register import Meter
from simulators.evaluation.tables import Column, Table
from simulators.noise import Floats

WILD, STEPS_BACK, JUMPS, CHANGES_CLOCK, EMPTY = 0.12, 0.3, 0.2, 0.15, 0.4


@dataclass(frozen=True, slots=True)
class Odd:
    """What is odd about one meter; instants in seconds since the set began."""

    is_wild: bool = False  # reads when it likes
    back: tuple[tuple[float, float], ...] = ()  # when the register steps back, and by how many of its steps
    jumps: tuple[tuple[float, float, float], ...] = ()  # silent from, to, and by how many steps it has jumped then
    clock: tuple[tuple[float, float], ...] = ()  # from when its clock is how many seconds off

    def spoil(
        self, when: Slots, columns: dict[str, Column], *, register: str, step: float
    ) -> tuple[Floats, dict[str, Column]]:
        """Give the stamps and columns that such a meter sends."""
        stamped, shown = when.stamped_s.copy(), columns[register].copy()
        for at_s, steps in self.back:
            shown[when.at_s >= at_s] -= steps * step
        for start, end, steps in self.jumps:
            shown[when.at_s >= end] += steps * step
            inside = (when.at_s >= start) & (when.at_s < end)
            if inside.any():  # it goes on sending what it last knew; what the gap hides is told at once
                shown[inside] = shown[int(np.argmax(inside))]
        for at_s, off_s in self.clock:
            stamped[when.at_s >= at_s] += off_s
        return stamped, columns | {register: shown}


def choose(meters: Sequence[Meter], *, lives: Sequence[Life], options: SetOptions) -> dict[str, Odd]:
    """Choose each meter's oddities, and which homes are empty for a while, whenever."""
    if options.homes == "plain":
        return {meter.meter_id: Odd() for meter in meters}
    found: dict[str, Odd] = {}
    for meter, life in zip(meters, lives, strict=True):
        chance = options.chance("odd", meter.meter_id)
        found[meter.meter_id] = _of_meter(chance, options=options, is_fault_free=not _has_story(life))
        if chance.random() < EMPTY and not _has_story(life):
            for _ in range(int(chance.integers(1, 3))):
                start = float(chance.uniform(-3 * DAY_S, options.duration_s))
                life.use = life.use.outside(max(start, 1.0), start + float(chance.uniform(2, 24)) * DAY_S)
    return found


def mix_up(table: Table, *, meters: Sequence[Meter], lives: Sequence[Life], options: SetOptions) -> None:
    """Let pairs of meters to which nothing else happens be taken for each other for some days."""
    meters = [meter for meter, life in zip(meters, lives, strict=True) if not _has_story(life)]
    if options.homes == "plain" or len(meters) < 10:
        return
    chance = options.chance("mix-up", meters[0].site)
    for _ in range(max(1, len(meters) // 50)):
        first, second = (meters[int(at)].meter_id for at in chance.choice(len(meters), 2, replace=False))
        start = options.starts_s + float(chance.uniform(2 * DAY_S, options.duration_s - 6 * DAY_S))
        _swap(table, first, second, start, start + float(chance.uniform(0.2, 5)) * DAY_S)


def _has_story(life: Life) -> bool:
    return bool(life.extra or life.counted or life.frozen or life.drift or life.exchanged_s)


def _of_meter(chance: np.random.Generator, *, options: SetOptions, is_fault_free: bool) -> Odd:
    odd = Odd(is_wild=bool(chance.random() < WILD))
    if chance.random() < STEPS_BACK:
        times = int(chance.integers(1, 4))
        odd = replace(odd, back=tuple((float(t), float(chance.integers(1, 6))) for t in _times(chance, times, options)))
    if chance.random() < JUMPS and is_fault_free:
        start = float(_times(chance, 1, options)[0])
        silent = float(chance.uniform(6, 120)) * HOUR_S
        odd = replace(odd, jumps=((start, start + silent, float(chance.integers(20, 900))),))
    if chance.random() < CHANGES_CLOCK:
        off = float(chance.choice([-HOUR_S, HOUR_S, 120.0, -600.0, 1500.0]))
        odd = replace(odd, clock=((float(_times(chance, 1, options)[0]), off),))
    return odd


def _times(chance: np.random.Generator, count: int, options: SetOptions) -> Floats:
    return np.sort(chance.uniform(DAY_S, options.duration_s - DAY_S, count))


def _swap(table: Table, first: str, second: str, start: float, end: float) -> None:
    one, other = table.meters[first], table.meters[second]
    parts = [(held.received_at >= start) & (held.received_at < end) for held in (one, other)]
    rows = [
        (held.ts[part], held.received_at[part], {name: c[part] for name, c in held.columns.items()})
        for held, part in zip((one, other), parts, strict=True)
    ]
    for held, part, (ts, received, columns) in zip((one, other), parts, reversed(rows), strict=True):
        order = np.argsort(np.concatenate([held.received_at[~part], received]), kind="stable")
        held.ts = np.concatenate([held.ts[~part], ts])[order]
        held.received_at = np.concatenate([held.received_at[~part], received])[order]
        held.columns = {
            name: np.concatenate([column[~part], columns[name]])[order] for name, column in held.columns.items()
        }
