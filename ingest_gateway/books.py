"""The meters and senders that the gateway knows, read again now and then and when one is missed."""

import time

import structlog
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain.meters import Meter, MeterBook, Sender
from ingest_gateway.domain.wire import Telegram
from kernel.database import Pool
from registry import queries as registry

log = structlog.get_logger()

MISS_REFRESH_S = 1.0


class Books:
    """One book for each utility; used by one thread."""

    def __init__(self, *, pool: Pool, refresh_s: float) -> None:
        self._pool = pool
        self._refresh_s = refresh_s
        self._books: dict[str, MeterBook] = {}
        self._read_s = float("-inf")

    def of(self, utility_code: str) -> MeterBook | None:
        """Give a utility's book, or None if there is no such utility."""
        refresh_s = self._refresh_s if utility_code in self._books else MISS_REFRESH_S
        if self._is_older_than(refresh_s):
            self._read()
        return self._books.get(utility_code)

    def of_messages(self, utility_code: str, telegrams: list[Telegram]) -> MeterBook | None:
        """Give the book for a batch; if it names what is not known, the book is read again, once a second at most."""
        book = self.of(utility_code)
        if book is not None and self._is_older_than(MISS_REFRESH_S) and not all(_knows(book, one) for one in telegrams):
            self._read()
            return self._books.get(utility_code)
        return book

    def all(self) -> list[MeterBook]:
        """Give every utility's book."""
        if self._is_older_than(self._refresh_s):
            self._read()
        return list(self._books.values())

    def _is_older_than(self, seconds: float) -> bool:
        return time.monotonic() - self._read_s > seconds

    def _read(self) -> None:
        with self._pool.connection() as conn:
            self._books = read_books(conn)
        self._read_s = time.monotonic()


def read_books(conn: Connection[TupleRow]) -> dict[str, MeterBook]:
    """Read the books of all utilities, by code."""
    return {utility.code: read_book(conn, utility=utility) for utility in registry.utilities(conn)}


def read_book(conn: Connection[TupleRow], *, utility: registry.Utility) -> MeterBook:
    """Read the book of one utility."""
    meters = registry.known_meters(conn, utility_id=utility.utility_id)
    senders = registry.senders(conn, utility_id=utility.utility_id)
    return MeterBook(
        utility_id=utility.utility_id,
        code=utility.code,
        zone=utility.zone,
        meters={
            meter.serial: Meter(
                meter_id=meter.meter_id,
                serial=meter.serial,
                kind=meter.kind,
                unit=meter.unit,
                scale=meter.scale,
                digits=meter.digits,
                sender_names=frozenset(meter.sender_names),
            )
            for meter in meters
        },
        senders={
            sender.name: Sender(sender_id=sender.sender_id, name=sender.name, kind=sender.kind)
            for sender in senders
            if sender.active
        },
    )


def _knows(book: MeterBook, telegram: Telegram) -> bool:
    if telegram.sender not in book.senders:
        return False
    for reading in telegram.readings:
        meter = book.meters.get(reading.meter or telegram.sender)
        if meter is None or telegram.sender not in meter.sender_names:
            return False
    return True
