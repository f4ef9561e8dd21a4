"""A sender's message numbers: what has come, what is missing, and what may be said to be durable."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

MAX_ACK_MISSING = 500
PAST_BOOTS = 8  # a broker brings late what was sent under a count that is over


@dataclass(frozen=True, slots=True)
class SequenceState:
    """All numbers up to `through` but those of `missing` have come. Ranges are half-open, in order and apart."""

    through: int = 0
    missing: tuple[tuple[int, int], ...] = ()
    filled: int = 0
    boot: str = ""
    kept_from: int = 1
    past_boots: tuple[str, ...] = ()  # names of counts that are over, the last first

    @property
    def missing_count(self) -> int:
        return sum(end - start for start, end in self.missing)


@dataclass(frozen=True, slots=True)
class Ack:
    """What a sender is told: all up to `through` but `missing` is durable."""

    through: int
    missing: tuple[int, ...]
    boot: str = ""


@dataclass(frozen=True, slots=True)
class Numbered:
    """One numbered message; `brought_new` says whether it held a reading that was not stored before."""

    number: int
    boot: str | None
    kept_from: int | None
    brought_new: bool


def take(state: SequenceState, message: Numbered) -> SequenceState:
    """Note that a message came.

    A sender that lost its count begins at 1 with another `boot`. Where it gives none, a number 1 that was here before
    and now brings new readings says the same. What comes late under a count that is over says nothing of this one.
    """
    if message.boot is not None and message.boot in state.past_boots:
        return state
    state = _restarted(state, message)
    if message.kept_from is not None and message.kept_from > state.kept_from:
        state = replace(state, kept_from=message.kept_from)
    if message.number > state.through:
        gap = ((state.through + 1, message.number),) if message.number > state.through + 1 else ()
        return replace(state, through=message.number, missing=state.missing + gap)
    missing = _without(state.missing, message.number)
    if missing == state.missing:
        return state  # it came before
    return replace(state, missing=missing, filled=state.filled + 1)


def ack_of(state: SequenceState) -> Ack:
    """Tell the sender what is durable.

    Numbers that it holds no longer are not listed. The list is bounded: where too much is missing, less is said to be
    durable.
    """
    if not state.missing:
        return Ack(state.through, (), state.boot)
    listed: list[int] = []
    for start, end in state.missing:
        for number in range(max(start, state.kept_from), end):
            if len(listed) == MAX_ACK_MISSING:
                return Ack(through=number - 1, missing=tuple(listed), boot=state.boot)
            listed.append(number)
    return Ack(through=state.through, missing=tuple(listed), boot=state.boot)


def encode_ack(ack: Ack) -> bytes:
    """Write an ack; the name of the count is told to a sender that gave one."""
    told: dict[str, object] = {"through": ack.through, "missing": ack.missing}
    if ack.boot:
        told["boot"] = ack.boot
    return msgspec.json.encode(told)


def _restarted(state: SequenceState, message: Numbered) -> SequenceState:
    if message.boot is not None and message.boot != state.boot:
        if not state.boot:  # it has begun to give one, which is no restart
            return replace(state, boot=message.boot)
        past = (state.boot, *state.past_boots)[:PAST_BOOTS]
        return SequenceState(filled=state.filled, boot=message.boot, past_boots=past)
    was_here = message.number <= state.through and not _holds(state.missing, message.number)
    if message.boot is None and message.number == 1 and was_here and message.brought_new and state.through > 1:
        return SequenceState(filled=state.filled, boot=state.boot)
    return state


def _holds(ranges: Sequence[tuple[int, int]], number: int) -> bool:
    return any(start <= number < end for start, end in ranges)


def _without(ranges: tuple[tuple[int, int], ...], number: int) -> tuple[tuple[int, int], ...]:
    left: list[tuple[int, int]] = []
    for start, end in ranges:
        if start <= number < end:
            left += [part for part in ((start, number), (number + 1, end)) if part[0] < part[1]]
        else:
            left.append((start, end))
    return tuple(left)
