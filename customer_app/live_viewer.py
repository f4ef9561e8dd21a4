"""One open live stream: what it waits for, what it may be sent, and on what grounds it is open."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class ShownMeter:
    """A meter whose newest reading a page shows, with what it takes to write it."""

    meter_id: int
    serial: str
    service: str
    unit: str
    scale: int
    zone: ZoneInfo  # the utility's


@dataclass(frozen=True, slots=True)
class Standing:
    """On what grounds a stream was opened; it ends once they are gone."""

    token: str = field(repr=False)
    rights: frozenset[str]
    party_id: int | None
    meter_ids: frozenset[int]


class Viewer:
    """One open stream. Only the event loop touches it."""

    def __init__(
        self,
        utility_id: int,
        wants: Mapping[str, frozenset[str]],
        *,
        meters: Mapping[int, ShownMeter] | None = None,
        locale: str = "en",
        standing: Standing | None = None,
    ) -> None:
        self.utility_id = utility_id
        self.wants = wants  # "ticket.changed/point:3" -> names of page topics
        self.meters = meters or {}  # whose newest readings are sent
        self.locale = locale
        self.standing = standing
        self.due: set[str] = set()
        self.messages: dict[int, bytes] = {}  # of each meter the newest
        self.is_ended = False
        self.woken = asyncio.Event()

    @property
    def topics(self) -> frozenset[str]:
        """Name all page topics that it waits for."""
        return frozenset[str]().union(*self.wants.values())

    def wake(self, topics: Iterable[str]) -> None:
        """Tell the page that these topics have changed."""
        self.due.update(topics)
        self.woken.set()

    def send(self, meter_id: int, message: bytes) -> None:
        """Send a meter's newest reading in place of one that still waits."""
        self.messages[meter_id] = message
        self.woken.set()

    def end(self) -> None:
        """Let the stream end; the browser asks again, and gets what it may see then."""
        self.is_ended = True
        self.woken.set()
