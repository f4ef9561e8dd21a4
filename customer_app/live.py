"""Live pages: one thread listens to the database, every open stream is woken when what it shows has changed.

A stream sends names of topics, never content: the page then asks for its fragment again, with its own rights.
"""

import asyncio
import contextlib
import json
import secrets
import threading
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass

import structlog
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from kernel import events

log = structlog.get_logger()

LEAST_GAP_S = 1.0
KEEPALIVE_S = 15.0
LISTEN_POLL_S = 0.2  # how long the end of the server waits for the listening thread
EVERYTHING = "*"
PAST_KEPT = 200  # deliveries: seconds of a busy day, longer than a page takes to open its stream


@dataclass(frozen=True, slots=True)
class Change:
    """Something that changed, such as 1 / ticket.changed / ticket:17."""

    utility_id: int
    topic: str
    key: str


# Turns changes of one topic into the keys that viewers wait for: a batch into its meters, a ticket into its points.
Resolve = Callable[[int, list[str]], Iterable[str]]


class Viewer:
    """One open stream: what it waits for, and which of its topics are due."""

    def __init__(self, utility_id: int, wants: Mapping[str, frozenset[str]]) -> None:
        self.utility_id = utility_id
        self.wants = wants  # "ticket.changed/point:3" -> names of page topics
        self.due: set[str] = set()
        self.woken = asyncio.Event()

    def wake(self, topics: Iterable[str]) -> None:
        self.due.update(topics)
        self.woken.set()


class Hub:
    """Fans changes out to viewers. Only the event loop touches the viewers; the listening thread hands over."""

    def __init__(self, *, resolvers: Mapping[str, Resolve]) -> None:
        self._resolvers = resolvers
        self._viewers: dict[tuple[int, str], set[Viewer]] = defaultdict(set)
        self._all: set[Viewer] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._name = secrets.token_hex(4)
        self._delivered = 0
        self._past: deque[tuple[int, set[tuple[int, str]] | None]] = deque(maxlen=PAST_KEPT)
        self.closed = asyncio.Event()

    def start(self, database_url: str) -> None:
        """Begin to listen; called in the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(
            target=events.listen,
            args=(database_url,),
            kwargs={"channel": events.POSITIONED, "wake": self.notified, "stop": self._stop, "poll_s": LISTEN_POLL_S},
            name="live pages",
            daemon=True,
        )
        self._thread.start()

    def close_streams(self) -> None:
        """End every stream; the server can then finish its other answers. Called in the event loop."""
        self.closed.set()
        for viewer in self._all:
            viewer.woken.set()

    def stop(self) -> None:
        self.close_streams()
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

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
        if after:
            self._catch_up(viewer, after=after)

    def _catch_up(self, viewer: Viewer, *, after: str) -> None:
        name, _, number = after.partition("-")
        oldest = self._past[0][0] if self._past else self._delivered + 1
        is_known = name == self._name and number.isdecimal() and int(number) + 1 >= oldest
        if not is_known:  # of another process, or too long ago
            viewer.wake(topic for topics in viewer.wants.values() for topic in topics)
            return
        for woken in (woken for seen, woken in self._past if seen > int(number)):
            for want, topics in viewer.wants.items():
                if woken is None or (viewer.utility_id, want) in woken:
                    viewer.wake(topics)

    def leave(self, viewer: Viewer) -> None:
        self._all.discard(viewer)
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
        self._delivered += 1
        self._past.append((self._delivered, woken))
        if woken is None:
            for viewer in self._all:
                viewer.wake(topic for topics in viewer.wants.values() for topic in topics)
            return
        for utility_id, want in woken:
            for viewer in self._viewers.get((utility_id, want), ()):
                viewer.wake(viewer.wants[want])


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
    """Send the names of due topics, at most once a `least_gap_s`, until the limit or the server's end.

    `after` is the mark of the page that shows them: what changed since then is due at once.
    """
    hub.join(viewer, after=after)
    ends_s = time.monotonic() + limit_s
    try:
        yield format_sse_event(event="ready", data_str="", retry=2000)
        while not hub.closed.is_set() and time.monotonic() < ends_s:
            try:
                async with asyncio.timeout(min(KEEPALIVE_S, max(0.0, ends_s - time.monotonic()))):
                    await viewer.woken.wait()
            except TimeoutError:
                yield KEEPALIVE_COMMENT
                continue
            viewer.woken.clear()
            due, viewer.due = sorted(viewer.due), set()
            for topic in due:
                yield format_sse_event(event=f"live-{topic}", data_str="")
            # What changes meanwhile is told in one go; the server's end cuts the wait short.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(least_gap_s):
                    await hub.closed.wait()
    finally:
        hub.leave(viewer)
