"""The thread that takes messages from the buffer and gets them ready to be written."""

import queue
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TypeVar

import structlog

from ingest_gateway.batches import Acks, Messages, Prepared, Ready, Stray, Timing, Window
from ingest_gateway.domain import decoders
from ingest_gateway.domain.meters import MeterBook, Speaker
from ingest_gateway.domain.registers import KnownRegisters, Newest
from ingest_gateway.domain.sorting import Sorted
from ingest_gateway.domain.validation import Limits
from ingest_gateway.domain.wire import instant_us
from ingest_gateway.mqtt.buffer import Acknowledger, Buffer, Delivery
from ingest_gateway.preparing import Incoming, Reader, Setting, collect, prepare, refused
from ingest_gateway.shared import Shared
from ingest_gateway.store import latest, readings
from ingest_gateway.trouble import GivenUp, until_done
from kernel.database import Scope, transaction

log = structlog.get_logger()

POLL_S = 0.25
MAX_ROUTES = 500_000
BATCH_IDS = 64  # taken at a time
UNKNOWN = ("unknown_sender", "unknown_meter", "not_this_sender")  # reasons that the registry may know better by now

Done = TypeVar("Done")


@dataclass(frozen=True, slots=True)
class Route:
    """What a topic says: which utility, and who speaks by suiden JSON (None: anything else)."""

    code: str | None
    speaker: Speaker | None


@dataclass(frozen=True, slots=True)
class Group:
    """The messages of one utility in a batch, and its book; None where there is none of that code."""

    code: str | None
    book: MeterBook | None
    incoming: Incoming


class Preparer:
    """Runs in one thread; what it remembers it can read again from the database."""

    def __init__(self, shared: Shared, *, buffer: Buffer) -> None:
        self._shared = shared
        self._buffer = buffer
        settings = shared.settings
        self._reader = Reader(bridges=settings.bridges, max_bytes=settings.max_message_bytes)
        self._routes: dict[bytes, Route] = {}
        self._routed_by: object = None
        self._known: dict[int, tuple[MeterBook, KnownRegisters]] = {}
        self._doubted_s = time.monotonic()
        self._batch_ids: list[int] = []  # not given to any batch yet, the highest first

    def run(self) -> None:
        """Prepare batches until `stop`; what is then in the buffer stays un-acknowledged and comes again."""
        shared = self._shared
        while not shared.stop.is_set():
            if not shared.may_begin.wait(POLL_S):
                continue
            batch = self._buffer.take(
                max_messages=shared.settings.batch_messages,
                max_bytes=shared.settings.batch_bytes,
                linger_s=shared.settings.batch_age_s,
                timeout_s=POLL_S,
            )
            if batch:
                self._prepare_until_done(batch)

    def _prepare_until_done(self, batch: list[Delivery]) -> None:
        """Prepare a batch, again while the database is away; give it up when its connection to the broker is gone."""
        try:
            for group in self._until_done(lambda: self._group(batch), batch):
                if not self._is_prepared(group, batch):
                    self._prepare_each(group, batch)
        except GivenUp:
            return

    def _until_done(self, work: Callable[[], Done], batch: Sequence[Delivery]) -> Done:
        return until_done(
            lambda _: work(),
            is_wanted=lambda: any(delivery.link.is_up for delivery in batch),
            failed=self._shared.monitor.database_failed,
            stop=self._shared.stop,
        )

    def _is_prepared(self, group: Group, batch: Sequence[Delivery]) -> bool:
        """Prepare messages; False, and logged, where one of them stands in the way.

        :raises GivenUp: if they will come again
        """
        try:
            self._until_done(partial(self._prepare_group, group), batch)
        except GivenUp:
            raise
        except Exception:
            topics = group.incoming.messages.topics
            log.exception("intake.not_prepared", messages=len(topics), topic=topics[0][:200])
            return False
        return True

    def _group(self, batch: list[Delivery]) -> list[Group]:
        """Sort the messages of a batch by the utility they name."""
        topics = [topic for delivery in batch for topic in delivery.topics]
        payloads = [payload for delivery in batch for payload in delivery.payloads]
        redelivered = any(delivery.is_redelivered for delivery in batch)
        timing = Timing([(delivery.received_s, delivery.messages) for delivery in batch])
        books, routes = self._routes_of(topics)
        codes = {route.code for route in routes}
        if len(codes) == 1:
            speakers = [route.speaker for route in routes]
            whole = Incoming(Messages(topics, payloads), speakers, _acks(batch, None), redelivered, timing)
            return [Group(routes[0].code, _book(books, routes[0].code), whole)]
        groups: list[Group] = []
        for code in sorted(codes, key=str):
            places = [place for place, route in enumerate(routes) if route.code == code]
            messages = Messages([topics[place] for place in places], [payloads[place] for place in places])
            speakers = [routes[place].speaker for place in places]
            some = Incoming(messages, speakers, _acks(batch, set(places)), redelivered, timing)
            groups.append(Group(code, _book(books, code), some))
        return groups

    def _routes_of(self, topics: list[bytes]) -> tuple[Mapping[str, MeterBook], list[Route]]:
        """Tell of each topic who speaks; slots are places in the very books that are given with them."""
        books = self._shared.books.now()
        if books is not self._routed_by or len(self._routes) > MAX_ROUTES:
            self._routes, self._routed_by = {}, books
        known = self._routes
        return books, [known.get(topic) or self._route(topic, books) for topic in topics]

    def _route(self, topic: bytes, books: Mapping[str, MeterBook]) -> Route:
        text = topic.decode(errors="replace")
        code = decoders.utility_of_topic(text, bridges=self._shared.settings.bridges)
        book = _book(books, code)
        speaker = None
        if book is not None and decoders.is_suiden_json(text):
            speaker = book.table.speakers.get(text.split("/")[3])
        route = self._routes[topic] = Route(code, speaker)
        return route

    def _prepare_group(self, group: Group) -> None:
        if group.book is None and self._has_later_book(group):
            group = self._routed_again(group)
        book, incoming = group.book, group.incoming
        if book is None:
            stray = Stray(group.code, incoming.messages, incoming.acks, self._shared.clock.now(), incoming.timing)
            self._hand_over(stray)
            return
        prepared = self._prepare(book, incoming)
        if _names_unknown(prepared.others) and self._has_later_book(group):
            # What was fresh is late now, as it counts as known: it is stored all the same.
            self._shared.windows.end(prepared.window)
            again = self._routed_again(group)
            prepared = self._prepare(again.book or book, again.incoming if again.book else incoming)
        self._hand_over(prepared)

    def _has_later_book(self, group: Group) -> bool:
        return group.code is not None and self._shared.books.later_than(group.book, code=group.code) is not None

    def _prepare(self, book: MeterBook, incoming: Incoming) -> Prepared:
        collected = collect(incoming, max_bytes=self._shared.settings.max_message_bytes)
        now = self._shared.clock.now()
        known = self._known_of(book)
        limits = Limits.at(
            instant_us(now), rate=self._shared.clock.rate(), max_age_days=self._shared.settings.max_age_days
        )
        window, part = self._begin(book, now=now)
        try:
            setting = Setting(book, known, limits, window, part, now)
            return prepare(incoming, collected=collected, setting=setting, reader=self._reader)
        except BaseException:
            self._shared.windows.end(window)
            self._shared.doubts.set()
            raise

    def _routed_again(self, group: Group) -> Group:
        """Look the senders of messages up in books that were read anew."""
        books, routes = self._routes_of(group.incoming.messages.topics)
        incoming = replace(group.incoming, speakers=[route.speaker for route in routes])
        return Group(group.code, _book(books, group.code), incoming)

    def _hand_over(self, ready: Ready) -> None:
        while not self._shared.stop.is_set():
            try:
                self._shared.ready.put(ready, timeout=POLL_S)
                return
            except queue.Full:
                continue
        if isinstance(ready, Prepared):
            self._shared.windows.end(ready.window)

    def _prepare_each(self, group: Group, batch: Sequence[Delivery]) -> None:
        """Prepare the messages of a batch that cannot be prepared, each by itself: none may keep the others out."""
        incoming = group.incoming
        places = zip(incoming.messages.topics, incoming.messages.payloads, incoming.speakers, strict=True)
        last = len(incoming.messages) - 1
        for number, (topic, payload, speaker) in enumerate(places):
            # The batch is acknowledged with its last message: by then all are written.
            acks = incoming.acks if number == last else Acks([])
            timing = incoming.timing if number == last else Timing([(incoming.timing.oldest_s, 0)])
            one = Incoming(Messages([topic], [payload]), [speaker], acks, incoming.is_redelivered, timing)
            if not self._is_prepared(Group(group.code, group.book, one), batch):
                self._until_done(partial(self._put_aside, group.book, one), batch)

    def _put_aside(self, book: MeterBook | None, one: Incoming) -> None:
        """Refuse a message that cannot be prepared, so that it does not come back for ever."""
        assert book is not None, "what names no utility of ours is not prepared"
        now = self._shared.clock.now()
        window, part = self._begin(book, now=now)
        setting = Setting(book, self._known_of(book), Limits.at(instant_us(now), rate=1.0), window, part, now)
        self._hand_over(refused(one, setting=setting, detail="it could not be read; the gateway's log says why"))

    def _begin(self, book: MeterBook, *, now: datetime) -> tuple[Window, int]:
        """Begin a commit in the open window of a utility, or in a new one."""
        while True:
            window = self._shared.windows.current(book.utility_id)
            if window is None:
                window = Window(book.utility_id, book.code, *self._next_ids(book, now=now))
            part = self._shared.windows.begin(window)
            if part is not None:
                return window, part

    def _next_ids(self, book: MeterBook, *, now: datetime) -> tuple[int, int]:
        """Give two numbers for batches; taken many at a time, as messages wait meanwhile."""
        if len(self._batch_ids) < 2:
            scope = Scope(utility_id=book.utility_id, actor="gateway", now=now)
            with transaction(self._shared.pool, scope=scope) as conn:
                self._batch_ids = readings.next_batch_ids(conn, count=BATCH_IDS)[::-1]
        return self._batch_ids.pop(), self._batch_ids.pop()

    def _known_of(self, book: MeterBook) -> KnownRegisters:
        """Give what is remembered of a utility's meters; compared with the store now and then, as others write too."""
        earlier = self._known.get(book.utility_id)
        if earlier is None:
            known = KnownRegisters(book.table, load=lambda meter_ids: self._newest(book.utility_id, meter_ids))
        else:
            known = earlier[1] if earlier[0] is book else earlier[1].on(book.table)
        self._known[book.utility_id] = (book, known)
        if self._shared.doubts.is_set() or time.monotonic() - self._doubted_s > self._shared.settings.book_refresh_s:
            self._shared.doubts.clear()
            self._doubted_s = time.monotonic()
            for _, one in self._known.values():
                one.doubt()
        return known

    def _newest(self, utility_id: int, meter_ids: list[int]) -> dict[int, Newest]:
        scope = Scope(utility_id=utility_id, actor="gateway", now=self._shared.clock.now())
        with transaction(self._shared.pool, scope=scope) as conn:
            return latest.newest(conn, utility_id=utility_id, meter_ids=meter_ids)


def _names_unknown(batch: Sorted) -> bool:
    return any(refusal.reason in UNKNOWN for refusal in batch.refusals)


def _book(books: Mapping[str, MeterBook], code: str | None) -> MeterBook | None:
    return None if code is None else books.get(code)


def _acks(batch: Sequence[Delivery], places: set[int] | None) -> Acks:
    """List what is to be acknowledged of a batch, or of its messages at these places."""
    by_link: dict[int, tuple[Acknowledger, list[int]]] = {}
    first = 0
    for delivery in batch:
        ids = by_link.setdefault(id(delivery.link), (delivery.link, []))[1]
        if places is None and 0 not in delivery.message_ids:
            ids += delivery.message_ids
            continue
        for place, message_id in enumerate(delivery.message_ids, first):
            if message_id and (places is None or place in places):
                ids.append(message_id)
        first += delivery.messages
    return Acks(list(by_link.values()))
