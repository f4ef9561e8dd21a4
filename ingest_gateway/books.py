"""The meters and senders that the gateway knows, read again now and then and when one is missed."""

import threading
import time
from collections.abc import Mapping

import structlog
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain.meters import Meter, MeterBook, Sender
from ingest_gateway.trouble import is_away
from kernel.database import Pool
from registry import queries as registry

log = structlog.get_logger()

MISS_REFRESH_S = 1.0


class Books:
    """One book for each utility. One thread keeps them fresh (`keep_fresh`), others take what there is."""

    def __init__(self, *, pool: Pool, refresh_s: float) -> None:
        self._pool = pool
        self._refresh_s = refresh_s
        self._books: Mapping[str, MeterBook] | None = None
        self._read_s = float("-inf")
        self._reading = threading.Lock()

    def now(self) -> Mapping[str, MeterBook]:
        """Give the books by the utilities' codes; another object when they were read anew."""
        books = self._books
        return self._read() if books is None else books

    def of(self, utility_code: str) -> MeterBook | None:
        """Give a utility's book, or None if there is no such utility."""
        book = self.now().get(utility_code)
        if book is None and self.read_again():
            return self.now().get(utility_code)
        return book

    def all(self) -> list[MeterBook]:
        """Give every utility's book."""
        return list(self.now().values())

    def read_again(self) -> bool:
        """Read them anew because something is not in them, once a second at most; tell whether that was done."""
        if time.monotonic() - self._read_s < MISS_REFRESH_S:
            return False
        self._read()
        return True

    def keep_fresh(self, *, stop: threading.Event) -> None:
        """Read them anew now and then until `stop`, so that nobody who needs them waits."""
        while not stop.wait(self._refresh_s):
            try:
                self._read()
            except Exception as error:
                if not is_away(error):
                    raise
                log.warning("books.database_away", error=str(error)[:200])

    def _read(self) -> Mapping[str, MeterBook]:
        with self._reading, self._pool.connection() as conn:
            books = read_books(conn)
            for book in books.values():
                _ = book.table  # made here, and not where messages wait for it
            self._books = books
            self._read_s = time.monotonic()
        return books


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
