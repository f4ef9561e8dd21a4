"""What of a commit is kept beside its readings until it is settled: senders' numbers, and registers that fell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.sequence import Numbered
from ingest_gateway.domain.validation import Fall

NOTHING_READ_US = -(1 << 62)


class Mark(NamedTuple):
    """One numbered message; `newest_us` is its newest reading, `NOTHING_READ_US` where it held none."""

    sender_id: int
    number: int
    newest_us: int
    boot: str | None
    kept_from: int | None
    brought_new: bool

    @property
    def numbered(self) -> Numbered:
        return Numbered(self.number, self.boot, self.kept_from, self.brought_new)


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[Mark])
_FALLS = msgspec.msgpack.Decoder(dict[int, Fall])


def encode(marks: Sequence[Mark]) -> bytes:
    """Write marks to be kept."""
    return _ENCODER.encode(marks)


def decode(written: bytes) -> list[Mark]:
    """Read kept marks."""
    return _DECODER.decode(written)


def encode_falls(falls: Mapping[int, Fall]) -> bytes:
    """Write what was refused of meters as lower than before, to be kept."""
    return _ENCODER.encode(dict(falls))


def decode_falls(written: bytes) -> dict[int, Fall]:
    """Read what was kept of falls."""
    return _FALLS.decode(written)


@dataclass(frozen=True, slots=True)
class Runs:
    """Senders whose messages came without a gap between them: from `first` to `last`; the columns go together."""

    sender_ids: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    kept_from: NDArray[np.int64]
    newest_us: NDArray[np.int64]
    boots: list[str]  # empty: the sender names none


def runs_of(marks: Sequence[Mark]) -> tuple[Runs, dict[int, list[Mark]]]:
    """Tell the senders whose numbers follow one another from the others, whose marks are given in the order they came.

    A number 1 is never part of a run: a count may begin with it anew.
    """
    sender_ids, numbers, newest_us, boots, kept_from, _ = zip(*marks, strict=True)
    senders = np.array(sender_ids, dtype=np.int64)
    number = np.array(numbers, dtype=np.int64)
    order = np.lexsort((number, senders))
    senders, number = senders[order], number[order]
    start = np.flatnonzero(np.concatenate([[True], senders[1:] != senders[:-1]]))
    size = np.diff(np.concatenate([start, [len(senders)]]))
    step_is_one = np.concatenate([[True], np.diff(number) == 1])
    step_is_one[start] = True
    is_run = np.logical_and.reduceat(step_is_one, start) & (number[start] > 1)
    boot_of, odd = _boots(sender_ids, boots)
    if odd:
        is_run &= ~np.isin(senders[start], np.array(sorted(odd), dtype=np.int64))
    kept = np.array([one or 1 for one in kept_from], dtype=np.int64)[order]
    newest = np.array(newest_us, dtype=np.int64)[order]
    run_senders = senders[start][is_run]
    runs = Runs(
        sender_ids=run_senders,
        first=number[start][is_run],
        last=(number[start] + size - 1)[is_run],
        kept_from=np.maximum.reduceat(kept, start)[is_run],
        newest_us=np.maximum.reduceat(newest, start)[is_run],
        boots=[boot_of.get(sender_id) or "" for sender_id in run_senders.tolist()],
    )
    others: dict[int, list[Mark]] = {sender_id: [] for sender_id in senders[start][~is_run].tolist()}
    if others:
        for mark in marks:
            if mark.sender_id in others:
                others[mark.sender_id].append(mark)
    return runs, others


def _boots(sender_ids: Sequence[int], boots: Sequence[str | None]) -> tuple[dict[int, str | None], set[int]]:
    """Give the name of each sender's count, and the senders that gave more than one."""
    if not any(boots):
        return {}, set()
    boot_of: dict[int, str | None] = {}
    odd: set[int] = set()
    for sender_id, boot in zip(sender_ids, boots, strict=True):
        if boot_of.setdefault(sender_id, boot) != boot:
            odd.add(sender_id)
    return boot_of, odd
