"""Keeping the list of a sender's missing numbers short, without ever calling a message durable that never came."""

from dataclasses import dataclass

MOST_RANGES = 256


@dataclass(frozen=True, slots=True)
class Bounded:
    """The ranges that stay, half-open, in order and apart, and what was done to have so few.

    `lost` numbers will never come: the sender says that it no longer keeps them. `joined` numbers had come and are
    listed as missing once more, because they stood between ranges that were joined: one of them may come again.
    """

    missing: tuple[tuple[int, int], ...]
    lost: int
    joined: int


def bounded(missing: tuple[tuple[int, int], ...], *, kept_from: int, most_ranges: int = MOST_RANGES) -> Bounded:
    """Keep at most `most_ranges` ranges: what the sender no longer keeps goes, then the oldest grow into one.

    A range is never dropped to save room: an ack would call its numbers durable, and the sender would forget them. What
    is below `kept_from` may go: there is nothing left to forget.
    """
    assert most_ranges > 0, "one range can hold all"
    kept = tuple((max(start, kept_from), end) for start, end in missing if end > kept_from)
    lost = _count(missing) - _count(kept)
    if len(kept) <= most_ranges:
        return Bounded(kept, lost, 0)
    last = len(kept) - most_ranges
    oldest = (kept[0][0], kept[last][1])
    joined = oldest[1] - oldest[0] - _count(kept[: last + 1])
    return Bounded((oldest, *kept[last + 1 :]), lost, joined)


def _count(ranges: tuple[tuple[int, int], ...]) -> int:
    return sum(end - start for start, end in ranges)
