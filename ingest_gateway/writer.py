"""The thread that commits prepared batches, then acknowledges their messages to the broker."""

import hashlib
import queue
import time
from collections.abc import Callable
from dataclasses import replace

import structlog
from psycopg import Connection, errors
from psycopg.rows import TupleRow

from ingest_gateway.batches import Acks, Messages, Prepared, Ready, Stray, Timing
from ingest_gateway.domain.sorting import Refusal, Sorted
from ingest_gateway.operations.committing import Committed, commit, commit_stray
from ingest_gateway.operations.intake import Taken
from ingest_gateway.operations.settling import note
from ingest_gateway.own_connection import OwnConnection
from ingest_gateway.preparing import Reader, sort_one_by_one
from ingest_gateway.shared import Shared
from ingest_gateway.store import latest, pending
from ingest_gateway.trouble import GivenUp, until_done
from kernel.clock import wall_now

log = structlog.get_logger()

POLL_S = 0.25
NOT_STORED = "it could not be stored; the gateway's log says why"
STAND_IN = b"unstorable"  # the topic of what is kept in place of a message that cannot be kept itself

# Writes something; the argument says whether an earlier try may have done it.
Attempt = Callable[[bool], None]


class Writer:
    """Runs in one thread, with a connection of its own."""

    def __init__(self, shared: Shared, *, connection: OwnConnection) -> None:
        self._shared = shared
        self._connection = connection
        settings = shared.settings
        self._reader = Reader(bridges=settings.bridges, max_bytes=settings.max_message_bytes)

    def run(self) -> None:
        """Write batches until `stop`; what is prepared then stays un-acknowledged and comes again."""
        shared = self._shared
        while not shared.stop.is_set():
            try:
                ready = shared.ready.get(timeout=POLL_S)
            except queue.Empty:
                continue
            if isinstance(ready, Stray):
                self._write(ready)
                continue
            try:
                self._write(ready)
            finally:
                shared.windows.end(ready.window)
        self._leave_the_rest()
        self._connection.close()

    def _leave_the_rest(self) -> None:
        """Let go of what was prepared: it stays un-acknowledged."""
        while not self._shared.ready.empty():
            ready = self._shared.ready.get_nowait()
            if isinstance(ready, Prepared):
                self._shared.windows.end(ready.window)

    def _write(self, ready: Ready) -> None:
        """Write a batch; where it cannot be written as it was prepared, reading by reading, then message by message."""
        try:
            if isinstance(ready, Stray):
                self._write_stray(ready)
            else:
                self._write_prepared(ready)
        except GivenUp:
            self._shared.doubts.set()

    def _write_prepared(self, prepared: Prepared) -> None:
        acks = prepared.acks
        if self._is_written(lambda repeated: self._commit(prepared, repeated=repeated), prepared.messages, acks):
            return
        self._shared.doubts.set()
        if self._is_written(
            lambda repeated: self._commit_one_by_one(prepared, repeated=repeated), prepared.messages, acks
        ):
            return
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
                part=self._shared.windows.begin_another(prepared.window),
            )
            try:
                is_all_kept &= self._is_kept(one, prepared.acks)
            finally:
                self._shared.windows.end(prepared.window)
        if is_all_kept:
            prepared.acks.send()

    def _is_kept(self, one: Prepared, acks: Acks) -> bool:
        """Write one message, or refuse it, so that it does not come back for ever; False if not even that went."""
        if self._is_written(lambda repeated: self._commit_one_by_one(one, repeated=repeated), one.messages, acks):
            return True
        for messages in (one.messages, _stand_in(one.messages)):
            refusal = Refusal(one.book.utility_id, messages.topic(0), messages.payloads[0], "malformed", NOT_STORED)
            aside = one.only(Sorted(received=1, refusals=[refusal]))
            if self._is_written(lambda repeated, aside=aside: self._commit(aside, repeated=repeated), messages, acks):
                return True
        return False

    def _write_stray(self, stray: Stray) -> None:
        if self._is_written(lambda _: self._refuse(stray), stray.messages, stray.acks):
            return
        is_all_kept = True
        for topic, payload in zip(stray.messages.topics, stray.messages.payloads, strict=True):
            messages = Messages([topic], [payload])
            one = replace(stray, messages=messages, acks=Acks([]), timing=Timing([(stray.timing.oldest_s, 1)]))
            is_all_kept &= any(
                self._is_written(lambda _, this=this: self._refuse(this), this.messages, stray.acks)
                for this in (one, replace(one, messages=_stand_in(messages)))
            )
        if is_all_kept:
            stray.acks.send()

    def _is_written(self, attempt: Attempt, messages: Messages, acks: Acks) -> bool:
        """Write messages of a batch with these acks; False, and logged, where what it holds stands in the way.

        :raises GivenUp: if it will come again
        """
        try:
            until_done(
                attempt,
                is_wanted=lambda: not acks.by_link or acks.is_any_up,
                failed=self._shared.monitor.database_failed,
                stop=self._shared.stop,
            )
        except GivenUp:
            raise
        except errors.UniqueViolation:
            log.info("intake.one_by_one", messages=len(messages))
            return False
        except Exception:
            digest = hashlib.sha256(messages.payloads[0]).hexdigest()
            log.exception("intake.not_written", messages=len(messages), topic=messages.topics[0][:200], sha256=digest)
            return False
        return True

    def _commit(self, prepared: Prepared, *, repeated: bool) -> None:
        self._commit_by(lambda conn: commit(conn, prepared, worker=self._shared.worker), prepared, repeated=repeated)

    def _commit_one_by_one(self, prepared: Prepared, *, repeated: bool) -> None:
        """Commit a batch of which each reading is compared with what is stored."""

        def sort_and_commit(conn: Connection[TupleRow]) -> Committed:
            batch = sort_one_by_one(
                prepared.messages,
                book=prepared.book,
                limits=prepared.limits,
                baselines=latest.StoredBaselines(conn, utility_id=prepared.book.utility_id),
                reader=self._reader,
            )
            return commit(conn, prepared.only(batch), worker=self._shared.worker)

        self._commit_by(sort_and_commit, prepared, repeated=repeated)

    def _commit_by(
        self, way: Callable[[Connection[TupleRow]], Committed], prepared: Prepared, *, repeated: bool
    ) -> None:
        began_s = time.monotonic()
        with self._connection.at_work() as conn:
            taken = self._already_taken(conn, prepared) if repeated else None
            if taken is None:
                committed = way(conn)
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
            taken = commit_stray(conn, stray, reader=self._reader, worker=self._shared.worker)
        self._acknowledge(stray, taken, began_s=began_s)

    def _acknowledge(self, written: Ready, taken: Taken, *, began_s: float) -> None:
        now_s = time.monotonic()
        written.acks.send()
        self._shared.monitor.committed(
            taken,
            messages=len(written.messages),
            took_s=now_s - began_s,
            waited=[(now_s - read_s, messages) for read_s, messages in written.timing.read_s],
            at=wall_now(),
        )


def _stand_in(one: Messages) -> Messages:
    """Give what is kept of a message that cannot be kept itself: what it can be found by in the log."""
    return Messages([STAND_IN], [hashlib.sha256(one.payloads[0]).hexdigest().encode()])
