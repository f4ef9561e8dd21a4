"""The thread that commits prepared batches, then acknowledges their messages to the broker."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import structlog
from psycopg import Connection, errors
from psycopg.rows import TupleRow

from ingest_gateway.batches import Acks, Block, Messages, Prepared, Stray, Timing, Windows
from ingest_gateway.domain.marks import Marks
from ingest_gateway.domain.sorting import Refusal, Sorted
from ingest_gateway.monitor import Monitor
from ingest_gateway.operations.committing import commit, commit_stray
from ingest_gateway.operations.intake import Taken
from ingest_gateway.operations.settling import note
from ingest_gateway.own_connection import OwnConnection
from ingest_gateway.preparer import Ready
from ingest_gateway.preparing import Reader, no_source, sort_one_by_one
from ingest_gateway.settings import GatewaySettings
from ingest_gateway.store import latest, pending
from ingest_gateway.trouble import is_away
from kernel.clock import wall_now

log = structlog.get_logger()

POLL_S = 0.25
RETRY_S = 0.5
NOTHING = Block.of_nothing()

# Writes something; the argument says whether an earlier try may have done it.
Attempt = Callable[[bool], None]


class Writer:
    """Runs in one thread, with a connection of its own."""

    def __init__(
        self,
        *,
        connection: OwnConnection,
        ready: "queue.Queue[Ready]",
        doubt: Callable[[], None],
        windows: Windows,
        monitor: Monitor,
        settings: GatewaySettings,
        worker: str,
        stop: threading.Event,
    ) -> None:
        """`doubt` is called when something that was prepared is not written as it was."""
        self._connection = connection
        self._ready = ready
        self._doubt = doubt
        self._windows = windows
        self._monitor = monitor
        self._worker = worker
        self._stop = stop
        self._reader = Reader(bridges=settings.bridges, max_bytes=settings.max_message_bytes)

    def run(self) -> None:
        """Write batches until `stop`; what is prepared then stays un-acknowledged and comes again."""
        while not self._stop.is_set():
            try:
                ready = self._ready.get(timeout=POLL_S)
            except queue.Empty:
                continue
            if isinstance(ready, Stray):
                self._write_stray(ready)
                continue
            try:
                self._write(ready)
            finally:
                self._windows.end(ready.window)
        self._leave_the_rest()
        self._connection.close()

    def _leave_the_rest(self) -> None:
        """Let go of what was prepared: it stays un-acknowledged."""
        while not self._ready.empty():
            ready = self._ready.get_nowait()
            if isinstance(ready, Prepared):
                self._windows.end(ready.window)

    def _write_stray(self, stray: Stray) -> None:
        try:
            self._until_done(lambda _: self._refuse(stray), stray.acks)
        except Exception:
            log.exception("intake.messages_not_kept", messages=len(stray.messages))  # un-acknowledged, they come again

    def _write(self, prepared: Prepared) -> None:
        """Write a batch; where it cannot be written as it was prepared, reading by reading, then message by message."""
        try:
            self._until_done(lambda repeated: self._commit(prepared, repeated=repeated), prepared.acks)
            return
        except errors.UniqueViolation:
            log.info("intake.one_by_one", messages=len(prepared.messages))
        except Exception:
            log.exception("intake.batch_failed", messages=len(prepared.messages))
        self._doubt()
        try:
            self._until_done(lambda repeated: self._commit_one_by_one(prepared, repeated=repeated), prepared.acks)
        except Exception:
            log.exception("intake.batch_failed", messages=len(prepared.messages))
            self._write_each(prepared)

    def _write_each(self, prepared: Prepared) -> None:
        """Write the messages of a batch that cannot be stored each by itself: no message is to keep the others out."""
        is_all_kept = True
        for topic, payload in zip(prepared.messages.topics, prepared.messages.payloads, strict=True):
            one = replace(
                prepared,
                messages=Messages([topic], [payload]),
                acks=Acks([]),
                timing=Timing([(prepared.timing.oldest_s, 1)]),
                part=self._windows.begin_another(prepared.window),
            )
            try:
                self._until_done(
                    lambda repeated, one=one: self._commit_one_by_one(one, repeated=repeated), prepared.acks
                )
            except Exception:
                log.exception("intake.message_failed", topic=topic[:200])
                is_all_kept &= self._put_aside(one, prepared.acks)
            finally:
                self._windows.end(prepared.window)
        if is_all_kept and not self._stop.is_set():
            prepared.acks.send()

    def _put_aside(self, one: Prepared, acks: Acks) -> bool:
        """Refuse a message that could not be written, so that it does not come back for ever; False if that failed."""
        detail = "it could not be stored; the gateway's log says why"
        refusal = Refusal(one.book.utility_id, one.messages.topic(0), one.messages.payloads[0], "malformed", detail)
        aside = _only(one, Sorted(received=1, refusals=[refusal]))
        try:
            self._until_done(lambda repeated: self._commit(aside, repeated=repeated), acks)
        except Exception:
            log.exception("intake.message_not_kept", topic=one.messages.topic(0)[:200])
            return False
        return True

    def _until_done(self, attempt: Attempt, acks: Acks) -> None:
        """Do it again while the database is away; give it up when no connection waits for its acknowledgement.

        :raises Exception: whatever else stands in the way
        """
        repeated = False
        while not self._stop.is_set():
            try:
                attempt(repeated)
                return
            except Exception as error:
                if not is_away(error):
                    raise
                # If this was the commit, nobody knows whether it happened: the next try finds out.
                repeated = True
                self._monitor.database_failed(error)
                log.warning("intake.database_away", error=str(error)[:300])
                self._stop.wait(RETRY_S)
                if acks.by_link and not acks.is_any_up:
                    self._doubt()
                    return

    def _commit(self, prepared: Prepared, *, repeated: bool) -> None:
        began_s = time.monotonic()
        with self._connection.at_work() as conn:
            taken = self._already_taken(conn, prepared) if repeated else None
            if taken is None:
                committed = commit(conn, prepared, worker=self._worker)
                note(prepared.window, committed, received_at=prepared.now)
                taken = committed.taken
        self._acknowledge(prepared, taken, began_s=began_s)

    def _commit_one_by_one(self, prepared: Prepared, *, repeated: bool) -> None:
        """Commit a batch of which each reading is compared with what is stored."""
        began_s = time.monotonic()
        with self._connection.at_work() as conn:
            taken = self._already_taken(conn, prepared) if repeated else None
            if taken is None:
                batch = sort_one_by_one(
                    prepared.messages,
                    book=prepared.book,
                    limits=prepared.limits,
                    baselines=latest.StoredBaselines(conn, utility_id=prepared.book.utility_id),
                    reader=self._reader,
                )
                committed = commit(conn, _only(prepared, batch), worker=self._worker)
                note(prepared.window, committed, received_at=prepared.now)
                taken = committed.taken
        self._acknowledge(prepared, taken, began_s=began_s)

    @staticmethod
    def _already_taken(conn: Connection[TupleRow], prepared: Prepared) -> Taken | None:
        """Tell what a commit did whose answer was lost, if it happened; its window is then gathered from the store."""
        window = prepared.window
        done = pending.done(conn, utility_id=window.utility_id, batch_id=window.batch_id, part=prepared.part)
        if done is None:
            return None
        window.is_torn = True
        window.commits += 1
        stored, duplicates, rejected = done
        return Taken(received=sum(done), stored=stored, duplicates=duplicates, rejected=rejected, reasons={})

    def _refuse(self, stray: Stray) -> None:
        began_s = time.monotonic()
        with self._connection.at_work() as conn:
            taken = commit_stray(conn, stray, reader=self._reader, worker=self._worker)
        self._acknowledge(stray, taken, began_s=began_s)

    def _acknowledge(self, written: Ready, taken: Taken, *, began_s: float) -> None:
        now_s = time.monotonic()
        written.acks.send()
        self._monitor.committed(
            taken,
            messages=len(written.messages),
            took_s=now_s - began_s,
            waited=[(now_s - read_s, messages) for read_s, messages in written.timing.read_s],
            at=wall_now(),
        )


def _only(prepared: Prepared, batch: Sorted) -> Prepared:
    """Give a batch of which all is in `batch`."""
    return replace(
        prepared,
        fresh=NOTHING,
        fresh_packed=b"",
        late=NOTHING,
        late_packed=b"",
        late_source=no_source,
        others=batch,
        staged=True,
        marks=Marks(),
        mark_origins=[],
    )
