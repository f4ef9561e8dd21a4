"""What of a commit is kept beside its readings until it is settled: senders' numbers, and registers that fell."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.sequence import Numbered
from ingest_gateway.domain.validation import Fall


@dataclass(frozen=True, slots=True)
class Marks:
    """Numbered messages in the order they came; the lists go together.

    `brought_new` says whether a message held a reading that was not stored before.
    """

    sender_ids: list[int] = field(default_factory=list[int])
    numbers: list[int] = field(default_factory=list[int])
    boots: list[str | None] = field(default_factory=list[str | None])
    kept_from: list[int | None] = field(default_factory=list[int | None])
    brought_new: list[bool] = field(default_factory=list[bool])

    def __len__(self) -> int:
        return len(self.numbers)

    def add(self, other: "Marks") -> None:
        """Put other marks behind these."""
        for own, more in zip(_lists(self), _lists(other), strict=True):
            own += more

    def at(self, places: Iterable[int]) -> "Marks":
        """Give those at some places."""
        chosen = list(places)
        return Marks(*[[column[place] for place in chosen] for column in _lists(self)])

    def numbered(self) -> list[Numbered]:
        """List them as `domain.sequence.take` wants them."""
        return [Numbered(*one) for one in zip(self.numbers, self.boots, self.kept_from, self.brought_new, strict=True)]


def _lists(marks: Marks) -> list[list[Any]]:
    return [
        marks.sender_ids,
        marks.numbers,
        marks.boots,
        marks.kept_from,
        marks.brought_new,
    ]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Marks)
_FALLS = msgspec.msgpack.Decoder(dict[int, Fall])


def encode(marks: Marks) -> bytes:
    """Write marks to be kept."""
    return _ENCODER.encode(marks)


def decode(written: bytes) -> Marks:
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
    boots: list[str]  # empty: the sender names none


def runs_of(marks: Marks) -> tuple[Runs, dict[int, Marks]]:
    """Tell the senders whose numbers follow one another from the others, whose marks are given in their order."""
    senders = np.array(marks.sender_ids, dtype=np.int64)
    number = np.array(marks.numbers, dtype=np.int64)
    order = np.lexsort((number, senders))
    senders, number = senders[order], number[order]
    start = np.flatnonzero(np.concatenate([[True], senders[1:] != senders[:-1]]))
    size = np.diff(np.concatenate([start, [len(senders)]]))
    step_is_one = np.concatenate([[True], np.diff(number) == 1])
    step_is_one[start] = True
    is_run = np.logical_and.reduceat(step_is_one, start)
    boot_of, odd = _boots(marks)
    if odd:
        is_run &= ~np.isin(senders[start], np.array(sorted(odd), dtype=np.int64))
    kept = np.array([one or 1 for one in marks.kept_from], dtype=np.int64)[order]
    run_senders = senders[start][is_run]
    runs = Runs(
        sender_ids=run_senders,
        first=number[start][is_run],
        last=(number[start] + size - 1)[is_run],
        kept_from=np.maximum.reduceat(kept, start)[is_run],
        boots=[boot_of.get(sender_id) or "" for sender_id in run_senders.tolist()],
    )
    return runs, of_senders(marks, set(senders[start][~is_run].tolist()))


def of_senders(marks: Marks, sender_ids: Collection[int]) -> dict[int, Marks]:
    """Give the marks of some senders, each in the order they came."""
    places: dict[int, list[int]] = {}
    if sender_ids:
        for place, sender_id in enumerate(marks.sender_ids):
            if sender_id in sender_ids:
                places.setdefault(sender_id, []).append(place)
    return {sender_id: marks.at(those) for sender_id, those in places.items()}


def _boots(marks: Marks) -> tuple[dict[int, str | None], set[int]]:
    """Give the name of each sender's count, and the senders that gave more than one."""
    if marks.boots.count(None) == len(marks):
        return {}, set()
    boot_of = dict(zip(marks.sender_ids, marks.boots, strict=True))
    given = set(zip(marks.sender_ids, marks.boots, strict=True))
    if len(given) == len(boot_of):
        return boot_of, set()
    return boot_of, {sender_id for sender_id, boot in given if boot_of[sender_id] != boot}
