"""The writer: takes batches from the buffer, commits them, then acknowledges."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import msgspec
import psycopg
import structlog
from psycopg import Connection, errors
from psycopg.rows import TupleRow
from psycopg_pool import PoolTimeout

from ingest_gateway.books import Books
from ingest_gateway.domain import decoders
from ingest_gateway.domain.meters import MeterBook
from ingest_gateway.domain.sequence import Ack
from ingest_gateway.domain.sorting import Refusal
from ingest_gateway.domain.validation import Baseline, Limits
from ingest_gateway.domain.wire import Refused, Telegram, instant_us
from ingest_gateway.monitor import Monitor
from ingest_gateway.mqtt.buffer import Acknowledger, Buffer, Received
from ingest_gateway.operations.intake import Taken, refuse, take_in
from ingest_gateway.settings import GatewaySettings
from ingest_gateway.store import latest
from kernel.clock import Clock, ClockNotSet, wall_now
from kernel.database import Pool, Scope, transaction

log = structlog.get_logger()

POLL_S = 0.5
RETRY_S = 0.5

# A message as it came, and what it says or why it cannot be read.
Decoded = tuple[Received, Telegram | Refused]


class Writer:
    """Runs in one thread; everything it knows it can read again from the database."""

    def __init__(
        self,
        *,
        pool: Pool,
        clock: Clock,
        buffer: Buffer,
        monitor: Monitor,
        settings: GatewaySettings,
        stop: threading.Event,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._buffer = buffer
        self._monitor = monitor
        self._settings = settings
        self._stop = stop
        self._books = Books(pool=pool, refresh_s=settings.book_refresh_s)
        self._bridges = settings.bridges
        self._baselines: dict[int, dict[int, Baseline | None]] = {}
        self._baselines_read_s = time.monotonic()
        self._busy: tuple[float, Connection[TupleRow]] | None = None

    def run(self) -> None:
        """Write batches until `stop`; what is then in the buffer stays un-acknowledged and comes again."""
        while not self._stop.is_set():
            batch = self._buffer.take(
                max_messages=self._settings.batch_messages, linger_s=self._settings.batch_age_s, timeout_s=POLL_S
            )
            if batch:
                self._write_until_done(batch)

    def give_up_if_stuck(self) -> None:
        """Cut the line to a database that has not answered for too long; called by another thread.

        A server that is stopped and not dead keeps a connection open for ever.
        """
        busy = self._busy
        if busy is None or time.monotonic() - busy[0] < self._settings.database_deadline_s:
            return
        log.error("intake.database_deadline", deadline_s=self._settings.database_deadline_s)
        with contextlib.suppress(OSError, psycopg.Error):
            duplicate = socket.socket(fileno=os.dup(busy[1].fileno()))
            try:
                duplicate.shutdown(socket.SHUT_RDWR)
            finally:
                duplicate.close()

    def _write_until_done(self, batch: list[Received]) -> None:
        """Write a batch, again while the database is away; give it up when its connection to the broker is gone."""
        is_certain = True
        groups = self._decode(batch)
        for code, messages in groups.items():
            while not self._stop.is_set():
                try:
                    self._write(code, messages, is_repeated=not is_certain)
                    break
                except Exception as error:  # noqa: BLE001 - what it was decides what is done next
                    if not _is_away(error):
                        self._write_each(code, messages, error=error)
                        break
                    # If this was the commit, nobody knows whether it happened: the same is done again, and finds out.
                    is_certain = False
                    self._monitor.database_failed(error)
                    log.warning("intake.database_away", error=str(error)[:300])
                    self._stop.wait(RETRY_S)
                    if not any(received.link.is_up for received, _ in messages):
                        return

    def _write_each(self, code: str | None, messages: Sequence[Decoded], *, error: Exception) -> None:
        """Write the messages of a batch that cannot be stored one by one: no message is to keep the others out."""
        log.error("intake.batch_failed", messages=len(messages), exc_info=error)
        for message in messages:
            while not self._stop.is_set():
                try:
                    self._write(code, [message], is_repeated=True)
                    break
                except Exception as failed:  # noqa: BLE001 - as above
                    if not _is_away(failed):
                        self._put_aside(code, message, error=failed)
                        break
                    self._monitor.database_failed(failed)
                    self._stop.wait(RETRY_S)

    def _put_aside(self, code: str | None, message: Decoded, *, error: Exception) -> None:
        """Refuse a message that could not be written, so that it does not come back for ever."""
        log.error("intake.message_failed", topic=message[0].topic, exc_info=error)
        refused = Refused("malformed", "it could not be stored; the gateway's log says why")
        try:
            self._write(code, [(message[0], refused)], is_repeated=True)
        except Exception:
            log.exception("intake.message_not_kept", topic=message[0].topic)  # un-acknowledged, it comes again

    def _decode(self, batch: list[Received]) -> dict[str | None, list[Decoded]]:
        """Decode a batch, grouped by the utility it names."""
        groups: dict[str | None, list[Decoded]] = {}
        for received in batch:
            try:
                telegram = decoders.decode(
                    topic=received.topic,
                    payload=received.payload,
                    bridges=self._bridges,
                    max_bytes=self._settings.max_message_bytes,
                )
                groups.setdefault(telegram.utility, []).append((received, telegram))
            except Exception as error:
                # What a decoder did not expect must not keep the others out.
                if not isinstance(error, Refused):
                    log.error("intake.decoder_failed", topic=received.topic, exc_info=error)
                    error = Refused("malformed", f"the decoder failed: {type(error).__name__}")
                code = decoders.utility_of_topic(received.topic, bridges=self._bridges)
                groups.setdefault(code, []).append((received, error))
        return groups

    def _write(self, code: str | None, messages: Sequence[Decoded], *, is_repeated: bool) -> None:
        """Commit the messages of one utility, then acknowledge them."""
        began_s = time.monotonic()
        telegrams = [message for _, message in messages if isinstance(message, Telegram)]
        book = None if code is None else self._books.of_messages(code, telegrams)
        now = self._clock.now()
        if book is None:
            taken = self._refuse_all(messages, reason_utility=code, now=now)
        else:
            taken = self._store(book, messages, telegrams, is_repeated=is_repeated, now=now)
        self._acknowledge(messages, utility_code=code, acks=taken.acks)
        self._monitor.committed(
            taken,
            messages=len(messages),
            took_s=time.monotonic() - began_s,
            waited_s=time.monotonic() - messages[0][0].received_s,
            at=wall_now(),
        )

    def _store(
        self,
        book: MeterBook,
        messages: Sequence[Decoded],
        telegrams: list[Telegram],
        *,
        is_repeated: bool,
        now: datetime,
    ) -> Taken:
        limits = Limits.at(instant_us(now), rate=self._clock.rate(), max_age_days=self._settings.max_age_days)
        refusals = [
            Refusal(book.utility_id, received.topic, received.payload, message.reason, message.detail)
            for received, message in messages
            if isinstance(message, Refused)
        ]
        known = self._known_baselines(book.utility_id)
        staged = is_repeated or any(received.is_redelivered for received, _ in messages)
        for attempt_staged in (staged, True):
            try:
                with self._transaction(book.utility_id, now=now) as conn:
                    baselines = _Baselines(conn, utility_id=book.utility_id, known=known)
                    baselines.load(book, telegrams)
                    taken = take_in(
                        conn,
                        book=book,
                        telegrams=telegrams,
                        refusals=refusals,
                        limits=limits,
                        baselines=baselines,
                        staged=attempt_staged,
                        now=now,
                    )
                known.update(taken.newest)
                return taken
            except errors.UniqueViolation:
                if attempt_staged:
                    raise
        raise AssertionError("the staged attempt stores or raises")

    def _refuse_all(self, messages: Sequence[Decoded], *, reason_utility: str | None, now: datetime) -> Taken:
        """Refuse messages that belong to no utility of ours."""
        refusals: list[Refusal] = []
        for received, message in messages:
            if isinstance(message, Refused) and message.reason in ("unknown_topic", "unknown_format", "too_large"):
                refusals.append(Refusal(None, received.topic, received.payload, message.reason, message.detail))
                continue
            count = max(1, message.count) if isinstance(message, Telegram) else 1
            detail = f"no utility has the code {reason_utility!r}"
            refusals.append(Refusal(None, received.topic, received.payload, "unknown_utility", detail, count))
        with self._transaction(0, now=now) as conn:
            return refuse(conn, refusals=refusals, now=now)

    @contextlib.contextmanager
    def _transaction(self, utility_id: int, *, now: datetime) -> Iterator[Connection[TupleRow]]:
        with transaction(self._pool, scope=Scope(utility_id=utility_id, actor="gateway", now=now)) as conn:
            self._busy = (time.monotonic(), conn)
            try:
                yield conn
                conn.commit()  # here, so that the deadline holds for it too
            finally:
                self._busy = None

    def _known_baselines(self, utility_id: int) -> dict[int, Baseline | None]:
        """Give what is remembered of meters' newest registers; forgotten now and then, as other processes write too."""
        if time.monotonic() - self._baselines_read_s > self._settings.book_refresh_s:
            self._baselines.clear()
            self._baselines_read_s = time.monotonic()
        return self._baselines.setdefault(utility_id, {})

    def _acknowledge(
        self,
        messages: Sequence[Decoded],
        *,
        utility_code: str | None,
        acks: Mapping[str, Ack],
    ) -> None:
        """Tell the broker, then the senders, that a batch is durable."""
        by_link: dict[int, tuple[Acknowledger, list[int]]] = {}
        for received, _ in messages:
            ids = by_link.setdefault(id(received.link), (received.link, []))[1]
            if received.message_id:
                ids.append(received.message_id)
        for link, message_ids in by_link.values():
            link.acknowledge(message_ids)
        link = messages[-1][0].link
        for sender, ack in acks.items():
            # Quality 0: an ack tells the whole state, so a lost one is made good by the next, and none piles up for a
            # sender that is away.
            link.publish(
                topic=f"suiden/v1/{utility_code}/{sender}/ack",
                payload=encode_ack(ack),
                qos=0,
            )


def encode_ack(ack: Ack) -> bytes:
    """Write an ack; the name of the count is told to a sender that gave one."""
    told: dict[str, object] = {"through": ack.through, "missing": ack.missing}
    if ack.boot:
        told["boot"] = ack.boot
    return msgspec.json.encode(told)


def _is_away(error: Exception) -> bool:
    """Tell whether the database, and not what a message holds, is the reason; then all is done again later."""
    if isinstance(error, psycopg.Error):
        # ProgramLimitExceeded is what PostgreSQL says of a row that is too long for an index.
        return not isinstance(error, psycopg.DataError | psycopg.IntegrityError | errors.ProgramLimitExceeded)
    return isinstance(error, PoolTimeout | ClockNotSet | OSError)


class _Baselines:
    """The newest stored register of each meter; one that would refuse a reading is read anew before it does."""

    def __init__(self, conn: Connection[TupleRow], *, utility_id: int, known: dict[int, Baseline | None]) -> None:
        self._conn = conn
        self._utility_id = utility_id
        self._known = known

    def load(self, book: MeterBook, telegrams: Sequence[Telegram]) -> None:
        """Read those of a batch's meters that are not known yet, in one go."""
        named = {reading.meter or telegram.sender for telegram in telegrams for reading in telegram.readings}
        ids = {book.meters[serial].meter_id for serial in named if serial in book.meters}
        self._read(sorted(ids - self._known.keys()))

    def of(self, meter_id: int) -> Baseline | None:
        """Give it as it is remembered."""
        return self._known.get(meter_id)

    def fresh(self, meter_id: int) -> Baseline | None:
        """Give it as it is stored now."""
        self._read([meter_id])
        return self._known[meter_id]

    def _read(self, meter_ids: list[int]) -> None:
        if meter_ids:
            found = latest.baselines(self._conn, utility_id=self._utility_id, meter_ids=meter_ids)
            self._known.update({meter_id: found.get(meter_id) for meter_id in meter_ids})
