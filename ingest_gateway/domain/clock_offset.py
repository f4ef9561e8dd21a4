"""How far a meter's clock is off, from how far its newest readings were ahead of ours as they came.

A message is always some time on its way, so a reading seems older than it is, never newer: of the messages of some
hours the one that seems newest was under way the shortest. Late data seems old and changes nothing. The median over
several such stretches is the estimate, so that one reading with a wrong instant does not move it either.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

BLOCK = timedelta(hours=6)
BLOCK_SAMPLES = 4
BLOCKS_KEPT = 7


@dataclass(frozen=True, slots=True)
class ClockState:
    """What is remembered of one meter; seconds by which its readings were ahead of our clock, behind is negative."""

    maxima_s: tuple[float, ...]  # of the last whole blocks, oldest first
    block_from: datetime  # utility time
    block_max_s: float
    block_samples: int
    last_s: float

    @property
    def offset_s(self) -> float:
        """How far the clock is ahead, less the shortest time that a message was on its way."""
        return median(self.maxima_s) if self.maxima_s else self.block_max_s

    @property
    def is_steady(self) -> bool:
        """Whether whole blocks agree; before that it is a first impression."""
        return len(self.maxima_s) > BLOCKS_KEPT // 2


def observe(state: ClockState | None, *, offset_s: float, at: datetime) -> ClockState:
    """Take one sample; a block is closed by the first sample after it that finds it long and full enough."""
    if state is None:
        return ClockState((), at, offset_s, 1, offset_s)
    if at - state.block_from >= BLOCK and state.block_samples >= BLOCK_SAMPLES:
        maxima_s = (*state.maxima_s, state.block_max_s)[-BLOCKS_KEPT:]
        return ClockState(maxima_s, at, offset_s, 1, offset_s)
    return ClockState(
        state.maxima_s, state.block_from, max(state.block_max_s, offset_s), state.block_samples + 1, offset_s
    )
