"""The gateway's own way from messages to what is stored and settled, in one thread and without a broker."""

import contextlib
import json
import threading
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

import psycopg
from psycopg import Connection, errors, sql
from psycopg.rows import TupleRow

from ingest_gateway.batches import Acks, Messages, Prepared, Timing, Window
from ingest_gateway.books import Books, read_books
from ingest_gateway.domain import decoders
from ingest_gateway.domain.registers import KnownRegisters, Newest
from ingest_gateway.domain.sequence import Ack
from ingest_gateway.domain.validation import Limits
from ingest_gateway.domain.wire import instant_us
from ingest_gateway.monitor import Monitor, Totals
from ingest_gateway.mqtt.buffer import Acknowledger
from ingest_gateway.operations.committing import commit
from ingest_gateway.operations.intake import Taken
from ingest_gateway.operations.settling import WindowTorn, gathered_anew, left_behind, note, settle
from ingest_gateway.own_connection import OwnConnection
from ingest_gateway.preparing import Incoming, Reader, Setting, collect, prepare, sort_one_by_one
from ingest_gateway.settings import GatewaySettings
from ingest_gateway.shared import Shared
from ingest_gateway.store import latest, readings
from ingest_gateway.writer import Writer
from kernel.clock import FixedClock
from kernel.database import Pool, Scope, enter_scope, with_options
from kernel.metrics import Metrics
from tests import gateway_town as town

WORKER = "gateway-test"
MAX_BYTES = 262_144
FOLLOWING = ("meter_latest", "sender_sequence", "intake_batch", "intake_count", "event")
WRITTEN = ("reading", "rejected_message", "intake_pending", *FOLLOWING)


@dataclass(frozen=True)
class Message:
    """A message as the broker hands it over."""

    topic: str
    payload: bytes


def message(
    *readings_: Mapping[str, object], sender: str = town.CONCENTRATOR, kind: str = "up", **more: object
) -> Message:
    """Give a message in suiden JSON."""
    payload = json.dumps({"readings": list(readings_), **more}).encode()
    return Message(f"suiden/v1/{town.CODE}/{sender}/{kind}", payload)


def at(minutes: float) -> str:
    """Give an instant as it is sent: minutes from when the town's clock stands."""
    return (town.START + timedelta(minutes=minutes)).isoformat()


def reading(minutes: float, register: int | None, meter: str = "W-0001", **more: object) -> dict[str, object]:
    """Give a reading as a concentrator sends it."""
    return {"meter": meter, "at": at(minutes), "register": register, **more}


class Broker:
    """A connection to the broker that keeps what was acknowledged on it."""

    def __init__(self) -> None:
        self.is_up = True
        self.acknowledged: list[int] = []

    def acknowledge(self, message_ids: list[int]) -> None:
        self.acknowledged += message_ids

    def publish_all(self, messages: list[tuple[str, bytes]]) -> bool:
        return self.is_up and bool(messages)


class Intake:
    """Prepares, commits and settles on one connection; what it remembers is what the gateway's threads remember."""

    def __init__(self, conn: Connection[TupleRow], *, now: datetime = town.START, worker: str = WORKER) -> None:
        conn.rollback()
        self.conn = conn
        self.now = now
        self.worker = worker
        self.book = read_books(conn)[town.CODE]
        self.known = KnownRegisters(self.book.table, load=self._newest)
        self.reader = Reader(bridges=decoders.DEFAULT_BRIDGES, max_bytes=MAX_BYTES)
        self.limits = Limits.at(instant_us(now), rate=1.0)
        self.window: Window | None = None
        self.taken: list[Taken] = []

    def prepare(self, messages: Sequence[Message], *, acks: Acks | None = None) -> Prepared:
        """Get messages ready as the preparer does."""
        speakers = [
            self.book.table.speakers.get(one.topic.split("/")[3]) if decoders.is_suiden_json(one.topic) else None
            for one in messages
        ]
        incoming = Incoming(
            Messages([one.topic.encode() for one in messages], [one.payload for one in messages]),
            speakers,
            acks or Acks([]),
            False,
            Timing([(0.0, len(messages))]),
        )
        collected = collect(incoming, max_bytes=MAX_BYTES)
        window, part = self._begin()
        setting = Setting(self.book, self.known, self.limits, window, part, self.now)
        return prepare(incoming, collected=collected, setting=setting, reader=self.reader)

    def commit(self, prepared: Prepared) -> Taken:
        """Write what was prepared; it may turn out to have been stored by others."""
        committed = commit(self.conn, prepared, worker=self.worker)
        note(prepared.window, committed, received_at=prepared.now)
        self.taken.append(committed.taken)
        return committed.taken

    def commit_one_by_one(self, prepared: Prepared) -> Taken:
        """Write it with each reading compared with what is stored."""
        self._enter()
        batch = sort_one_by_one(
            prepared.messages,
            book=self.book,
            limits=self.limits,
            baselines=latest.StoredBaselines(self.conn, utility_id=self.book.utility_id),
            reader=self.reader,
        )
        return self.commit(prepared.only(batch))

    def settle(self) -> dict[int, Ack]:
        """Settle what was committed; return what each sender is told."""
        window, self.window = self.window, None
        if window is None or not window.commits:
            return {}
        self._enter()
        try:
            gathered = gathered_anew(self.conn, window) if window.is_torn else [window]
            told = [settle(self.conn, one, worker=self.worker) for one in gathered]
        except WindowTorn:
            self.conn.rollback()
            window.is_torn, self.window = True, window
            return self.settle()
        self.conn.commit()
        return {sender_id: ack for acks in told for sender_id, ack in (acks or {}).items()}

    def settle_what_was_left(self) -> int:
        """Forget everything, and settle from the store, as after a crash; return how many windows there were."""
        self.window = None
        windows = left_behind(self.conn, worker=self.worker, committed_before=None)
        for window in windows:
            settle(self.conn, window, worker=self.worker)
        self.conn.commit()
        self.known = KnownRegisters(self.book.table, load=self._newest)
        return len(windows)

    def take(self, messages: Sequence[Message]) -> Taken:
        """Take messages in as columns, and settle them; one by one where that does not go, as the writer does."""
        prepared = self.prepare(messages)
        try:
            taken = self.commit(prepared)
        except errors.UniqueViolation:
            self.conn.rollback()
            self.known.doubt()
            taken = self.commit_one_by_one(prepared)
        self.settle()
        return taken

    def take_one_by_one(self, messages: Sequence[Message]) -> Taken:
        """Take messages in one after the other, and settle them."""
        window, part = self._begin()
        taken = self.commit_one_by_one(self._unprepared(messages, window=window, part=part))
        self.settle()
        return taken

    def _unprepared(self, messages: Sequence[Message], *, window: Window, part: int) -> Prepared:
        empty = Incoming(Messages([], []), [], Acks([]), False, Timing([(0.0, len(messages))]))
        setting = Setting(self.book, self.known, self.limits, window, part, self.now)
        nothing = prepare(empty, collected=collect(empty, max_bytes=MAX_BYTES), setting=setting, reader=self.reader)
        whole = Messages([one.topic.encode() for one in messages], [one.payload for one in messages])
        return _with_messages(nothing, whole)

    def _begin(self) -> tuple[Window, int]:
        if self.window is None:
            first, second = readings.next_batch_id(self.conn), readings.next_batch_id(self.conn)
            self.window = Window(self.book.utility_id, self.book.code, first, second)
        self.window.parts += 1
        return self.window, self.window.parts

    def _enter(self) -> None:
        enter_scope(self.conn, scope=Scope(utility_id=self.book.utility_id, actor="gateway", now=self.now))

    def _newest(self, meter_ids: list[int]) -> dict[int, Newest]:
        self._enter()
        found = latest.newest(self.conn, utility_id=self.book.utility_id, meter_ids=meter_ids)
        self.conn.rollback()  # what was begun for a batch is its own transaction
        return found


def _with_messages(prepared: Prepared, messages: Messages) -> Prepared:
    return replace(prepared, messages=messages)


class Kept(OwnConnection):
    """Gives the same connection to each piece of work, until that breaks."""

    def __init__(self, url: str, *, wrap: Any = None) -> None:
        super().__init__(url, process="test writer")
        self._wrap = wrap

    @contextlib.contextmanager
    def at_work(self) -> Generator[Connection[TupleRow]]:
        with super().at_work() as conn:
            yield conn if self._wrap is None else cast("Connection[TupleRow]", self._wrap(conn))


class Writing:
    """The gateway's writer, called by the test and not by its thread."""

    def __init__(self, url: str, *, wrap: Any = None) -> None:
        self.monitor = Monitor(Metrics())
        self.stop = threading.Event()
        self.connection = Kept(url, wrap=wrap)
        self._shared = Shared(
            pool=cast("Pool", None),
            clock=FixedClock(town.START),
            books=cast("Books", None),
            monitor=self.monitor,
            settings=GatewaySettings(),
            worker=WORKER,
            stop=self.stop,
        )
        self._writer = Writer(self._shared, connection=self.connection)

    @property
    def totals(self) -> Totals:
        return self.monitor.totals

    @property
    def doubts(self) -> bool:
        return self._shared.doubts.is_set()

    def write(self, prepared: Prepared) -> None:
        """Write a batch until it is done, by whatever way."""
        self._shared.windows.begin_another(prepared.window)
        prepared.window.parts -= 1  # it has its part already
        self._writer._write(prepared)
        self._shared.windows.end(prepared.window)


def acks_on(link: Acknowledger, *message_ids: int) -> Acks:
    return Acks([(link, list(message_ids))])


def as_gateway(database_url: str) -> Connection[TupleRow]:
    """Connect with the rights that the gateway has."""
    return psycopg.connect(with_options(database_url, role="suiden_gateway", process="test"))


def wipe(conn: Connection[TupleRow]) -> None:
    """Remove all that intake wrote, as the owner."""
    for table in WRITTEN:
        conn.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
    conn.commit()


STORED = """
    SELECT m.serial, r.read_at, r.register, r.export_register, r.flow, r.pressure_kpa, r.voltage_1_v, r.voltage_2_v,
           r.voltage_3_v, r.battery_pct, r.flags
    FROM reading r JOIN meter m USING (utility_id, meter_id) ORDER BY m.serial, r.read_at
    """
LATEST = """
    SELECT m.serial, l.read_at, l.received_at, l.register, l.export_register, l.flow, l.pressure_kpa, l.voltage_1_v,
           l.voltage_2_v, l.voltage_3_v, l.battery_pct, l.flags, l.fallen_at, l.fallen_register, l.fallen_readings
    FROM meter_latest l JOIN meter m USING (utility_id, meter_id) ORDER BY m.serial
    """
SEQUENCES = """
    SELECT s.name, q.through, q.missing::text, q.filled, q.boot, q.kept_from, q.seen_at
    FROM sender_sequence q JOIN sender s USING (utility_id, sender_id) ORDER BY s.name
    """
# What its newest reading says of each meter; what that one does not say depends on what was settled together.
NEWEST = """
    SELECT m.serial, l.read_at, l.register >= 0 AND r.register IS NOT NULL, l.flow, l.pressure_kpa, l.voltage_1_v,
           l.voltage_2_v, l.voltage_3_v, l.flags, l.fallen_at, l.fallen_register, l.fallen_readings,
           l.register IS NOT DISTINCT FROM coalesce(r.register, l.register)
           AND l.export_register IS NOT DISTINCT FROM coalesce(r.export_register, l.export_register)
           AND l.battery_pct IS NOT DISTINCT FROM coalesce(r.battery_pct, l.battery_pct) AS is_as_stored
    FROM meter_latest l JOIN meter m USING (utility_id, meter_id)
    LEFT JOIN reading r USING (utility_id, meter_id, read_at) ORDER BY m.serial
    """
REJECTED = "SELECT topic, payload, reason, detail, times, utility_id FROM rejected_message ORDER BY 1, 2, 3"
COUNTED = """
    SELECT sum(received)::int, sum(stored)::int, sum(duplicates)::int, sum(rejected)::int FROM intake_count
    WHERE received > 0
    """
BATCHED = "SELECT coalesce(sum(stored), 0)::int FROM intake_batch"


def state(conn: Connection[TupleRow], names: Iterable[str] = ()) -> dict[str, list[TupleRow]]:
    """Give all that intake wrote, in a form that can be compared; of `names` alone where some are given."""
    queries = {
        "stored": STORED,
        "latest": LATEST,
        "newest": NEWEST,
        "sequences": SEQUENCES,
        "rejected": REJECTED,
        "counted": COUNTED,
        "batched": BATCHED,
    }
    chosen = set(names) or set(queries)
    found = {name: conn.execute(query.encode()).fetchall() for name, query in queries.items() if name in chosen}
    conn.rollback()
    return found
