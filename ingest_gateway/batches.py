"""What the gateway's threads hand one another: batches to be written, and what was written, to be settled."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from ingest_gateway.domain.columns import Columns, Integers
from ingest_gateway.domain.marks import Marks
from ingest_gateway.domain.meters import MeterBook
from ingest_gateway.domain.sorting import Sorted
from ingest_gateway.domain.validation import Fall, Limits
from ingest_gateway.mqtt.buffer import Acknowledger

NO_METERS: Integers = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages of a batch as they came; the lists go together."""

    topics: list[bytes]
    payloads: list[bytes]

    def __len__(self) -> int:
        return len(self.topics)

    def topic(self, index: int) -> str:
        return self.topics[index].decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Acks:
    """Messages to be acknowledged to the broker once they are durable, by the connection they came on."""

    by_link: list[tuple[Acknowledger, list[int]]]

    @property
    def is_any_up(self) -> bool:
        return any(link.is_up for link, _ in self.by_link)

    def send(self) -> None:
        for link, message_ids in self.by_link:
            link.acknowledge(message_ids)


@dataclass(frozen=True, slots=True)
class Block:
    """Readings as columns, with whose they are."""

    meter_ids: Integers
    columns: Columns

    def __len__(self) -> int:
        return len(self.meter_ids)

    @classmethod
    def of_nothing(cls) -> "Block":
        return cls(NO_METERS, Columns(read_at_us=NO_METERS))

    def extent_us(self) -> tuple[int, int]:
        """Give the instants of the oldest and the newest."""
        return int(self.columns.read_at_us.min()), int(self.columns.read_at_us.max())


NOTHING = Block.of_nothing()


def _no_source(number: int) -> tuple[str, bytes]:
    raise AssertionError(f"there is no late reading {number}")


@dataclass(slots=True)
class Window:
    """Commits of one utility that are settled together.

    `batch_id` is that of readings newer than all before them, `late_batch_id` that of the others.
    """

    utility_id: int
    code: str
    batch_id: int
    late_batch_id: int
    parts: int = 0  # commits begun
    commits: int = 0  # commits done
    received_at: datetime | None = None  # utility time of the last
    stored: int = 0
    late_stored: int = 0  # of them
    duplicates: int = 0
    rejected: int = 0
    fresh: list[Block] = field(default_factory=list[Block])
    late: list[Block] = field(default_factory=list[Block])
    marks: Marks = field(default_factory=Marks)
    falls: dict[int, Fall] = field(default_factory=dict[int, Fall])
    is_closed: bool = False  # no commit begins in it any more
    is_torn: bool = False  # more was committed than is remembered here: it is to be gathered from the store


@dataclass(frozen=True, slots=True)
class Timing:
    """When messages were read from the socket (monotonic), and how many each time."""

    read_s: list[tuple[float, int]]

    @property
    def oldest_s(self) -> float:
        return self.read_s[0][0]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch of one utility, ready to be written.

    `fresh` are newer than all that is stored of their meters. `late` are not, and may be stored already; `late_source`
    tells topic and reading of the n-th. What was looked at one by one is in `others`.
    """

    book: MeterBook
    window: Window
    part: int
    now: datetime
    limits: Limits
    messages: Messages
    acks: Acks
    timing: Timing
    others: Sorted
    staged: bool = True  # some of `others` may be stored already
    fresh: Block = NOTHING
    fresh_packed: bytes = b""
    late: Block = NOTHING
    late_packed: bytes = b""
    late_source: Callable[[int], tuple[str, bytes]] = _no_source
    marks: Marks = field(default_factory=Marks)  # of the messages that were read together
    mark_origins: list[int] = field(default_factory=list[int])  # where those stood in the batch

    def only(self, batch: Sorted) -> "Prepared":
        """Give the same messages with all that is to be written of them in `batch`."""
        return Prepared(
            self.book,
            self.window,
            self.part,
            self.now,
            self.limits,
            self.messages,
            self.acks,
            self.timing,
            others=batch,
        )


@dataclass(frozen=True, slots=True)
class Stray:
    """Messages that name no utility of ours."""

    code: str | None
    messages: Messages
    acks: Acks
    now: datetime
    timing: Timing


Ready = Prepared | Stray


class Windows:
    """The open window of each utility, and how many commits are under way in each window."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open: dict[int, Window] = {}
        self._under_way: dict[int, int] = {}  # by batch id

    def current(self, utility_id: int) -> Window | None:
        """Give the open window of a utility."""
        return self._open.get(utility_id)

    def begin(self, window: Window) -> int | None:
        """Begin a commit in a window, which is open from now on; return its part number. `end` must follow.

        None: the window was closed meanwhile.
        """
        with self._changed:
            if window.is_closed:
                return None
            self._open[window.utility_id] = window
            return self._begin(window)

    def begin_another(self, window: Window) -> int:
        """Begin one more commit while one is under way in the window; return its part number."""
        with self._changed:
            return self._begin(window)

    def end(self, window: Window) -> None:
        """End a commit that was begun, whatever became of it."""
        with self._changed:
            self._under_way[window.batch_id] -= 1
            self._changed.notify_all()

    def wait(self, *, timeout_s: float) -> bool:
        """Wait until a window is open."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._open), timeout=timeout_s)

    def close_all(self) -> list[Window]:
        """Close the open windows, and return them: later commits begin new ones."""
        with self._changed:
            closed = list(self._open.values())
            for window in closed:
                window.is_closed = True
            self._open.clear()
            return closed

    def has_ended(self, window: Window, *, timeout_s: float) -> bool:
        """Wait for the commits of a closed window; False if they took longer."""
        with self._changed:
            ended = self._changed.wait_for(lambda: not self._under_way.get(window.batch_id), timeout=timeout_s)
            if ended:
                self._under_way.pop(window.batch_id, None)
            return ended

    def _begin(self, window: Window) -> int:
        window.parts += 1
        self._under_way[window.batch_id] = self._under_way.get(window.batch_id, 0) + 1
        self._changed.notify_all()
        return window.parts
