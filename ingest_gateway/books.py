"""The meters and senders that the gateway knows; what changed of them is read now and then, and when one is missed."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain.meters import Meter, MeterBook, Sender
from ingest_gateway.trouble import is_away
from kernel.database import Pool
from registry import queries as registry

log = structlog.get_logger()

MISS_REFRESH_S = 1.0


@dataclass(frozen=True, slots=True)
class Kept:
    """A book, and the parts of the registry that it was made of."""

    book: MeterBook
    digests: Mapping[registry.SpokenPart, registry.SpokenDigest] = field(
        default_factory=dict[registry.SpokenPart, registry.SpokenDigest]
    )
    meters: Mapping[int, list[Meter]] = field(default_factory=dict[int, list[Meter]])  # by part
    senders: Mapping[int, list[Sender]] = field(default_factory=dict[int, list[Sender]])


class Books:
    """One book for each utility. One thread keeps them fresh (`keep_fresh`), others take what there is."""

    def __init__(self, *, pool: Pool, refresh_s: float) -> None:
        self._pool = pool
        self._refresh_s = refresh_s
        self._kept: Mapping[str, Kept] = {}
        self._books: Mapping[str, MeterBook] | None = None
        self._read_s = float("-inf")
        self._reading = threading.Lock()

    def now(self) -> Mapping[str, MeterBook]:
        """Give the books by the utilities' codes; another object where one of them changed."""
        books = self._books
        return self._read() if books is None else books

    def of(self, utility_code: str) -> MeterBook | None:
        """Give a utility's book, or None if there is no such utility."""
        book = self.now().get(utility_code)
        return self.later_than(None, code=utility_code) if book is None else book

    def all(self) -> list[MeterBook]:
        """Give every utility's book."""
        return list(self.now().values())

    def later_than(self, book: MeterBook | None, *, code: str) -> MeterBook | None:
        """Look, once a second at most, for what is not in a utility's book; None where there is no later one."""
        if time.monotonic() - self._read_s >= MISS_REFRESH_S:
            self._read()
        later = self.now().get(code)
        return None if later is book else later

    def keep_fresh(self, *, stop: threading.Event) -> None:
        """Read now and then what changed until `stop`, so that nobody who needs it waits."""
        while not stop.wait(self._refresh_s):
            try:
                self._read()
            except Exception as error:
                if not is_away(error):
                    raise
                log.warning("books.database_away", error=str(error)[:200])

    def _read(self) -> Mapping[str, MeterBook]:
        with self._reading, self._pool.connection() as conn:
            kept = {
                utility.code: _brought_up_to_date(conn, utility=utility, kept=self._kept.get(utility.code))
                for utility in registry.utilities(conn)
            }
            for one in kept.values():
                _ = one.book.table  # made here, and not where messages wait for it
            is_same = self._kept.keys() == kept.keys() and all(kept[code] is one for code, one in self._kept.items())
            if self._books is None or not is_same:
                self._books = {code: one.book for code, one in kept.items()}
            self._kept = kept
            self._read_s = time.monotonic()
            return self._books


def read_books(conn: Connection[TupleRow]) -> dict[str, MeterBook]:
    """Read the books of all utilities, by code."""
    return {utility.code: read_book(conn, utility=utility) for utility in registry.utilities(conn)}


def read_book(conn: Connection[TupleRow], *, utility: registry.Utility) -> MeterBook:
    """Read the book of one utility."""
    return _brought_up_to_date(conn, utility=utility, kept=None).book


def _brought_up_to_date(conn: Connection[TupleRow], *, utility: registry.Utility, kept: Kept | None) -> Kept:
    """Read the parts that changed; the same object where none did."""
    # The digests first: what changes between them and the rows is read again the next time, and not missed.
    digests = registry.spoken_parts(conn, utility_id=utility.utility_id)
    if kept is not None and kept.digests == digests and kept.book.zone == utility.zone:
        return kept
    before = {} if kept is None else kept.digests
    meters = {} if kept is None else dict(kept.meters)
    senders = {} if kept is None else dict(kept.senders)
    for of, part in before.keys() - digests.keys():
        (meters if of == "meter" else senders).pop(part, None)
    for of, part in [part for part, digest in digests.items() if before.get(part) != digest]:
        if of == "meter":
            meters[part] = _meters(conn, utility_id=utility.utility_id, part=part)
        else:
            senders[part] = _senders(conn, utility_id=utility.utility_id, part=part)
    book = MeterBook(
        utility_id=utility.utility_id,
        code=utility.code,
        zone=utility.zone,
        meters={meter.serial: meter for part in meters.values() for meter in part},
        senders={sender.name: sender for part in senders.values() for sender in part},
    )
    return Kept(book, digests, meters, senders)


def _meters(conn: Connection[TupleRow], *, utility_id: int, part: int) -> list[Meter]:
    return [
        Meter(
            meter_id=meter.meter_id,
            serial=meter.serial,
            kind=meter.kind,
            unit=meter.unit,
            scale=meter.scale,
            digits=meter.digits,
            sender_names=frozenset(meter.sender_names),
        )
        for meter in registry.meters_of_part(conn, utility_id=utility_id, part=part)
    ]


def _senders(conn: Connection[TupleRow], *, utility_id: int, part: int) -> list[Sender]:
    return [
        Sender(sender_id=sender.sender_id, name=sender.name, kind=sender.kind)
        for sender in registry.speakers_of_part(conn, utility_id=utility_id, part=part)
    ]
