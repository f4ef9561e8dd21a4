"""Which meters are asked for what they have not sent, and for which stretch: as much as heals, never a storm."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

ON_THE_WAY_S = 60.0  # of wall time that a sender has to send again by itself what was not acknowledged
PROBES = 1  # open at a time to a sender that is not heard: it may be dead, and all its meters silent with it
MOST_DENIALS = 2  # a meter that has answered so often and not sent it does not have it
MOST_READINGS = 1_000  # asked for at once


@dataclass(frozen=True, slots=True)
class AskLimits:
    """How patiently and how often meters are asked; times of utility time."""

    grace: timedelta  # from finding a gap to asking: what was lost on the way is usually sent again
    first_wait: timedelta
    longest_wait: timedelta
    lasts: timedelta  # until an unanswered order is given up
    kept: timedelta  # how far back a meter remembers
    most_open: int
    most_open_per_sender: int

    @classmethod
    def at_rate(
        cls, rate: float, *, grace_s: float, kept_days: int, most_open: int, most_open_per_sender: int
    ) -> "AskLimits":
        """Set them for utility time that runs `rate` times as fast as the wall's: messages travel by the wall's."""
        way = timedelta(seconds=ON_THE_WAY_S * rate)
        return cls(
            grace=max(timedelta(seconds=grace_s), way),
            first_wait=max(timedelta(hours=1), way),
            longest_wait=max(timedelta(days=1), 10 * way),
            lasts=max(timedelta(days=1), way),
            kept=timedelta(days=kept_days),
            most_open=most_open,
            most_open_per_sender=most_open_per_sender,
        )

    def wait(self, asks: int) -> timedelta:
        """Tell how long to wait after the so-manieth ask: twice as long each time, up to the longest."""
        return min(self.longest_wait, self.first_wait * 2 ** min(max(0, asks - 1), 16))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A meter that may be asked now, and the sender that hears for it."""

    meter_id: int
    interval_s: int
    sender_id: int
    sender_is_heard: bool


@dataclass(frozen=True, slots=True)
class OpenGap:
    """A stretch without readings: after the one at `after_at`, before that at `before_at` (None: none came since)."""

    meter_id: int
    after_at: datetime
    before_at: datetime | None
    asks: int


@dataclass(frozen=True, slots=True)
class Ask:
    """What one meter is asked for: readings with instants from `from_at` to `to_at`, and the gaps this is for."""

    meter_id: int
    from_at: datetime
    to_at: datetime
    gaps: tuple[OpenGap, ...]

    @property
    def asks(self) -> int:
        """How often the most patient of its gaps was asked for, this one included."""
        return 1 + max(gap.asks for gap in self.gaps)


def choose(candidates: Iterable[Candidate], *, open_by_sender: Mapping[int, int], limits: AskLimits) -> list[Candidate]:
    """Choose whom to ask, in the order given, within what may be open in all and for each sender."""
    is_open = Counter(open_by_sender)
    chosen: list[Candidate] = []
    for candidate in candidates:
        most = limits.most_open_per_sender if candidate.sender_is_heard else PROBES
        if is_open.total() >= limits.most_open:
            break
        if is_open[candidate.sender_id] < most:
            is_open[candidate.sender_id] += 1
            chosen.append(candidate)
    return chosen


def ask_for(gaps: Sequence[OpenGap], *, interval_s: int, limits: AskLimits, at: datetime) -> Ask | None:
    """Put a meter's gaps, oldest first, into one period: those that follow each other within a day's readings.

    None if the meter remembers none of them any more. The ends lie half an interval inside, so that the readings on
    both sides, which are here, are not sent again.
    """
    interval = timedelta(seconds=interval_s)
    oldest = at - limits.kept
    kept = [gap for gap in gaps if (gap.before_at or at) > oldest]
    if not kept:
        return None
    from_at = max(kept[0].after_at + interval / 2, oldest)
    taken = [kept[0]]
    for gap in kept[1:]:
        is_near = gap.after_at - (taken[-1].before_at or at) <= 24 * interval
        if not is_near or ((gap.before_at or at) - from_at) > MOST_READINGS * interval:
            break
        taken.append(gap)
    last = taken[-1].before_at
    to_at = min(at if last is None else last - interval / 2, from_at + MOST_READINGS * interval)
    return Ask(kept[0].meter_id, from_at, max(from_at, to_at), tuple(taken))
