"""Live pages: one thread listens to the database, every open stream is woken when what it shows has changed.

A stream sends names of topics: the page then asks for its fragment again, with its own rights. One thing is sent as
content, because it changes with every reading: what a customer's own meter said last (see live_readings.py).
"""

import asyncio
import json
import secrets
import threading
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import structlog
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from customer_app.live_pace import Pace
from customer_app.live_readings import ReadingFeed
from customer_app.live_rights import StandingWatch
from customer_app.live_viewer import Viewer
from kernel import events

log = structlog.get_logger()

LEAST_GAP_S = 1.0
KEEPALIVE_S = 15.0
LISTEN_POLL_S = 0.2  # how long the end of the server waits for the listening thread
EVERYTHING = "*"
PAST_KEPT = 200  # deliveries: seconds of a busy day, longer than a page takes to open its stream
PAST_NAMES_KEPT = 50_000  # names in these deliveries: a batch of a city's readings names thousands of meters
REFRESHES_PER_S = 10.0
ROLLED_UP_AFTER_S = 2.0  # hours and days of use follow a reading about a second later: a page asks for them then


@dataclass(frozen=True, slots=True)
class Change:
    """Something that changed, such as 1 / ticket.changed / ticket:17."""

    utility_id: int
    topic: str
    key: str


# Turns changes of one topic into the keys that viewers wait for: a batch into its meters, a ticket into its points.
Resolve = Callable[[int, list[str]], Iterable[str]]


class Hub:
    """Fans changes out to viewers. Only the event loop touches the viewers; the listening thread hands over."""

    def __init__(
        self,
        *,
        resolvers: Mapping[str, Resolve],
        readings: ReadingFeed | None = None,
        standings: StandingWatch | None = None,
        paced: Collection[str] = (),
        paced_after_s: float = ROLLED_UP_AFTER_S,
        refreshes_per_s: float = REFRESHES_PER_S,
    ) -> None:
        """Take who is woken by what. The topics in `paced`, and all where much is due at once, are told at a pace."""
        self._resolvers = resolvers
        self._readings = readings
        self._standings = standings
        self._paced = frozenset(paced)
        self._pace = Pace(per_s=refreshes_per_s)
        self._slow_pace = Pace(per_s=refreshes_per_s, delay_s=paced_after_s)
        self._viewers: dict[tuple[int, str], set[Viewer]] = defaultdict(set)
        self._all: set[Viewer] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._watch: asyncio.Task[None] | None = None
        self._name = secrets.token_hex(4)
        self._delivered = 0
        self._past: deque[tuple[int, set[tuple[int, str]] | None]] = deque()
        self._past_names = 0
        self.closed = asyncio.Event()

    def start(self, database_url: str) -> None:
        """Begin to listen; called in the event loop."""
        self._loop = asyncio.get_running_loop()
        self._listen(database_url, channel=events.POSITIONED, wake=self.notified)
        if self._readings is not None:
            # Not by way of the relay: a reading is shown as soon as it is stored, also while the checker is away.
            self._readings.start()
            self._listen(database_url, channel=events.PUBLISHED, wake=self._readings.stored)
        if self._standings is not None:
            self._watch = self._loop.create_task(self._standings.look_on(lambda: self._all))

    def close_streams(self) -> None:
        """End every stream; the server can then finish its other answers. Called in the event loop."""
        self.closed.set()
        for viewer in self._all:
            viewer.woken.set()

    def stop(self) -> None:
        self.close_streams()
        self._stop.set()
        self._pace.stop()
        self._slow_pace.stop()
        if self._readings is not None:
            self._readings.stop()
        if self._watch is not None:
            self._watch.cancel()
        for thread in self._threads:
            thread.join(timeout=5.0)

    def _listen(self, database_url: str, *, channel: str, wake: Callable[[str], None]) -> None:
        thread = threading.Thread(
            target=events.listen,
            args=(database_url,),
            kwargs={"channel": channel, "wake": wake, "stop": self._stop, "poll_s": LISTEN_POLL_S},
            name=f"live pages: {channel}",
            daemon=True,
        )
        thread.start()
        self._threads.append(thread)

    def mark(self) -> str:
        """Name this moment: what a page shows is at least as new. Called in any thread, before the page is read."""
        return f"{self._name}-{self._delivered}"

    @property
    def viewers(self) -> int:
        return len(self._all)

    def notified(self, payload: str) -> None:
        """Take a notification in the listening thread; an empty one means that some may have been missed."""
        changes = parse(payload)
        woken = None if changes is None else self._resolve(changes)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._deliver, woken)

    def join(self, viewer: Viewer, *, after: str = "") -> None:
        """Wake a viewer from now on; and now, for what came between the mark `after` of its page and this."""
        self._all.add(viewer)
        for want in viewer.wants:
            self._viewers[(viewer.utility_id, want)].add(viewer)
        if self._readings is not None:
            self._readings.join(viewer)
        if after:
            self._catch_up(viewer, after=after)

    def _catch_up(self, viewer: Viewer, *, after: str) -> None:
        name, _, number = after.partition("-")
        oldest = self._past[0][0] if self._past else self._delivered + 1
        is_known = name == self._name and number.isdecimal() and int(number) + 1 >= oldest
        if not is_known:  # of another process, or too long ago
            self._pace.tell(viewer, viewer.topics)
            return
        for woken in (woken for seen, woken in self._past if seen > int(number)):
            for want, topics in viewer.wants.items():
                if woken is None or (viewer.utility_id, want) in woken:
                    viewer.wake(topics)

    def has_told(self, viewer: Viewer) -> bool:
        """Tell whether a viewer has heard of all that changed so far."""
        return not (viewer.due or viewer.is_ended or self._pace.owes(viewer) or self._slow_pace.owes(viewer))

    def leave(self, viewer: Viewer) -> None:
        self._all.discard(viewer)
        self._pace.forget(viewer)
        self._slow_pace.forget(viewer)
        if self._readings is not None:
            self._readings.leave(viewer)
        for want in viewer.wants:
            waiting = self._viewers[(viewer.utility_id, want)]
            waiting.discard(viewer)
            if not waiting:
                del self._viewers[(viewer.utility_id, want)]

    def _resolve(self, changes: list[Change]) -> set[tuple[int, str]]:
        by_topic: dict[tuple[int, str], list[str]] = defaultdict(list)
        for change in changes:
            by_topic[(change.utility_id, change.topic)].append(change.key)
        woken: set[tuple[int, str]] = set()
        for (utility_id, topic), keys in by_topic.items():
            woken.add((utility_id, f"{topic}/{EVERYTHING}"))
            resolve = self._resolvers.get(topic)
            try:
                found = keys if resolve is None else resolve(utility_id, keys)
            except Exception as error:  # noqa: BLE001
                # The page stays a little old; the next change wakes it again.
                log.warning("live.unresolved", topic=topic, error=f"{type(error).__name__}: {error}")
                continue
            woken.update((utility_id, f"{topic}/{key}") for key in found)
        return woken

    def _deliver(self, woken: set[tuple[int, str]] | None) -> None:
        self._remember(woken)
        if woken is None:
            for viewer in self._all:
                self._pace.tell(viewer, viewer.topics)
            return
        for utility_id, want in woken:
            for viewer in self._viewers.get((utility_id, want), ()):
                topics = viewer.wants[want]
                if topics <= self._paced:
                    self._slow_pace.tell(viewer, topics)
                else:
                    viewer.wake(topics)

    def _remember(self, woken: set[tuple[int, str]] | None) -> None:
        self._delivered += 1
        self._past.append((self._delivered, woken))
        self._past_names += len(woken or ())
        while len(self._past) > PAST_KEPT or self._past_names > PAST_NAMES_KEPT:
            _, gone = self._past.popleft()
            self._past_names -= len(gone or ())


def parse(payload: str) -> list[Change] | None:
    """Read a notification; None means that anything may have changed."""
    if not payload:
        return None
    named = json.loads(payload)
    if EVERYTHING in named:
        return None
    changes: list[Change] = []
    for name in named:
        utility_id, topic, key = str(name).split("/", 2)
        changes.append(Change(int(utility_id), topic, key))
    return changes


async def stream(
    hub: Hub, viewer: Viewer, *, limit_s: float, least_gap_s: float = LEAST_GAP_S, after: str = ""
) -> AsyncIterator[bytes]:
    """Send messages as they come and names of due topics at most once a `least_gap_s`, until limit or server's end.

    `after` is the mark of the page that shows the topics: what changed since then is due at once.
    """
    hub.join(viewer, after=after)
    ends_s = time.monotonic() + limit_s
    told_s = float("-inf")
    try:
        yield format_sse_event(event="ready", data_str="", retry=2000)
        while not hub.closed.is_set() and (now_s := time.monotonic()) < ends_s:
            # What changes within the gap is told in one go after it; readings do not wait for it.
            wait_s = max(0.0, told_s + least_gap_s - now_s) if viewer.due else KEEPALIVE_S
            is_woken = await _is_woken(viewer, within_s=min(wait_s, ends_s - now_s))
            if viewer.is_ended:
                break
            parts = list(viewer.messages.values())
            viewer.messages.clear()
            if viewer.due and time.monotonic() >= told_s + least_gap_s:
                due, viewer.due = sorted(viewer.due), set()
                parts += [format_sse_event(event=f"live-{topic}", data_str="") for topic in due]
                told_s = time.monotonic()
            if parts:
                yield b"".join(parts)
            elif not is_woken and not viewer.due:
                yield KEEPALIVE_COMMENT
        if hub.has_told(viewer):  # the browser says this mark when it asks again, and nothing is told twice
            yield f"id: {hub.mark()}\n\n".encode()
    finally:
        hub.leave(viewer)


async def _is_woken(viewer: Viewer, *, within_s: float) -> bool:
    """Wait for something to send, and tell whether it came in time."""
    if not viewer.woken.is_set():
        try:
            async with asyncio.timeout(within_s):
                await viewer.woken.wait()
        except TimeoutError:
            return False
    viewer.woken.clear()
    return True
