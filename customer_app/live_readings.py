"""Newest readings, sent to the pages that show them: one look at the store for all open streams.

A look follows each sign that something was stored, at most one every `LOOK_GAP_S`. It asks for the newest readings of
all watched meters at once, and each that has changed is written once and sent to whoever watches it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg
import structlog

from customer_app.live_viewer import ShownMeter, Viewer
from ingest_gateway.queries import NewestReading

log = structlog.get_logger()

LOOK_GAP_S = 0.2
RETRY_S = 1.0
SENT_AT_ONCE = 50  # messages written before the streams get their turn

Read = Callable[[int, Sequence[int]], Iterable[NewestReading]]  # of a utility, these meters; in a thread
Write = Callable[[NewestReading, ShownMeter, str], bytes]  # for a page in this language
Meter = tuple[int, int]  # utility, meter


class ReadingFeed:
    """Knows which viewers watch which meters. Only the event loop touches it, but for `stored`."""

    def __init__(self, *, read: Read, write: Write, look_gap_s: float = LOOK_GAP_S) -> None:
        self._read = read
        self._write = write
        self._look_gap_s = look_gap_s
        self._watchers: dict[Meter, set[Viewer]] = defaultdict(set)
        self._new: set[Viewer] = set()  # whose pages may be older than what was seen last
        self._seen: dict[Meter, NewestReading] = {}
        self._due = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="live readings")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._look_on())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def stored(self, _payload: str = "") -> None:
        """Take the sign, in any thread, that something may have been stored."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._due.set)

    def join(self, viewer: Viewer) -> None:
        if viewer.meters:
            self._new.add(viewer)
            self._due.set()
        for meter_id in viewer.meters:
            self._watchers[(viewer.utility_id, meter_id)].add(viewer)

    def leave(self, viewer: Viewer) -> None:
        self._new.discard(viewer)
        for meter_id in viewer.meters:
            meter = (viewer.utility_id, meter_id)
            self._watchers[meter].discard(viewer)
            if not self._watchers[meter]:
                del self._watchers[meter]
                self._seen.pop(meter, None)

    async def look(self) -> None:
        """Read what the watched meters said last, and send what has changed."""
        meters: dict[int, list[int]] = defaultdict(list)
        for utility_id, meter_id in self._watchers:
            meters[utility_id].append(meter_id)
        new, self._new = self._new, set()
        loop = asyncio.get_running_loop()
        sent = 0
        for utility_id, meter_ids in meters.items():
            try:
                found = await loop.run_in_executor(self._executor, self._read, utility_id, meter_ids)
            except BaseException:
                self._new |= new
                raise
            for reading in found:
                try:
                    sent += self._send(utility_id, reading, new=new)
                except Exception:
                    # One that cannot be written keeps none of the others back.
                    log.exception("live.reading_unwritten", meter_id=reading.meter_id)
                if sent >= SENT_AT_ONCE:
                    sent = 0
                    await asyncio.sleep(0)

    def _send(self, utility_id: int, reading: NewestReading, *, new: set[Viewer]) -> int:
        meter = (utility_id, reading.meter_id)
        watchers: Iterable[Viewer] = self._watchers.get(meter, ())
        if self._seen.get(meter) == reading:
            watchers = [viewer for viewer in watchers if viewer in new] if new else ()
        elif watchers:
            self._seen[meter] = reading
        written: dict[str, bytes] = {}
        for viewer in watchers:
            if viewer.locale not in written:
                shown = viewer.meters[reading.meter_id]
                written[viewer.locale] = self._write(reading, shown, viewer.locale)
            viewer.send(reading.meter_id, written[viewer.locale])
        return len(written)

    async def _look_on(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            if await self._has_looked():
                await asyncio.sleep(self._look_gap_s)
            else:
                self._due.set()
                await asyncio.sleep(RETRY_S)

    async def _has_looked(self) -> bool:
        """Look; False where that failed: pages stay as they are, and we ask again."""
        try:
            await self.look()
        except psycopg.Error as error:
            log.warning("live.readings_unread", error=f"{type(error).__name__}: {error}")
            return False
        except Exception:
            log.exception("live.readings_unread")
            return False
        return True
