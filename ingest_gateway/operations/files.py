"""Readings out of a file: the same validation as over MQTT, the whole file in one transaction, and each file once."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

import msgspec
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.books import read_book
from ingest_gateway.domain.files.lines import (
    TOPIC,
    FileLine,
    FileOptions,
    FileUnusable,
    as_speaker,
    kept,
    telegram_of,
)
from ingest_gateway.domain.meters import MeterBook
from ingest_gateway.domain.sorting import Refusal, Sorted, Sorter
from ingest_gateway.domain.validation import Baseline, Limits
from ingest_gateway.domain.wire import Telegram, instant_us
from ingest_gateway.files.source import Progress, Source, look_at, read
from ingest_gateway.operations.intake import Taken, write
from ingest_gateway.store import imports, latest, readings, rejects
from ingest_gateway.store.imports import ImportedFile
from ingest_gateway.store.registers import require_scope
from kernel import clock
from registry import queries as registry

LINES_AT_ONCE = 5_000

__all__ = ["FileOptions", "FileUnusable", "Source", "look_at"]  # what a caller needs besides


class AlreadyImported(Exception):
    """The same bytes were taken in before; `earlier` says when, and as what."""

    def __init__(self, earlier: ImportedFile) -> None:
        super().__init__(
            f"this file was imported before, as {earlier.name} by {earlier.imported_by} on "
            f"{earlier.imported_at:%Y-%m-%d %H:%M} UTC: {earlier.stored} readings were stored then"
        )
        self.earlier = earlier


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that was not taken in, with its reason of the closed list."""

    number: int
    reason: str
    detail: str
    text: str


@dataclass(frozen=True, slots=True)
class FileTaken:
    """What became of a file, in readings: received = stored + duplicates + rejected; `left_out` is no reading."""

    file_id: int
    topic: str  # under which refused lines are kept
    received: int
    stored: int
    duplicates: int
    rejected: int
    reasons: Mapping[str, int]
    left_out: Mapping[str, int]


def import_readings(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    source: Source,
    options: FileOptions,
    imported_by: str,
    now: datetime,
    on_refused: Callable[[RefusedLine], None],
    progress: Progress,
    may_copy: bool = True,
) -> FileTaken:
    """Take a file in; refused lines do not keep the others out, and are kept and told of.

    All of it is in the caller's transaction: rolled back, it was a trial. Without `may_copy`, readings are stored one
    by one: for roles that may not COPY.

    :raises AlreadyImported: if the same file was taken in before
    :raises FileUnusable: if some of it cannot be understood; then nothing of it may be committed
    """
    require_scope(conn, utility_id=utility_id)
    imports.lock(conn, utility_id=utility_id)
    earlier = imports.by_hash(conn, utility_id=utility_id, file_hash=source.digest)
    if earlier is not None:
        raise AlreadyImported(earlier)
    utility = next(one for one in registry.utilities(conn) if one.utility_id == utility_id)
    left_out: Counter[str] = Counter()
    taker = _Taker(
        conn,
        book=read_book(conn, utility=utility),
        source=source,
        now=now,
        on_refused=on_refused,
        staged=True if may_copy else None,
    )
    lines = read(source, zone=utility.zone, options=options, left_out=left_out, progress=progress)
    for portion in _portions(lines):
        taker.take(portion)
    if not taker.received:
        raise FileUnusable(f"{source.path} holds no reading of a register{_listed(left_out)}")
    file_id = imports.insert(
        conn,
        utility_id=utility_id,
        file_hash=source.digest,
        name=rejects.storable(source.name)[:200],
        file_format=source.format,
        size=source.size,
        imported_by=imported_by,
        at=now,
        received=taker.received,
        stored=taker.stored,
        duplicates=taker.duplicates,
        rejected=taker.rejected,
        reasons=taker.reasons,
        left_out={rejects.storable(what): count for what, count in left_out.items()},
    )
    return FileTaken(
        file_id,
        taker.topic,
        taker.received,
        taker.stored,
        taker.duplicates,
        taker.rejected,
        taker.reasons,
        dict(left_out),
    )


def _portions(lines: Iterator[FileLine]) -> Iterator[list[FileLine]]:
    while portion := list(islice(lines, LINES_AT_ONCE)):
        yield portion


def _listed(left_out: Mapping[str, int]) -> str:
    return f"; left out: {', '.join(f'{count} {what}' for what, count in left_out.items())}" if left_out else ""


@dataclass(slots=True)
class _Portion:
    """Lines that are sorted, and those of them that were refused so far."""

    batch: Sorted
    refused: list[RefusedLine] = field(default_factory=list[RefusedLine])


class _Taker:
    """Takes the portions of one file, each of which becomes a batch; remembers registers from one to the next."""

    def __init__(
        self,
        conn: Connection[TupleRow],
        *,
        book: MeterBook,
        source: Source,
        now: datetime,
        on_refused: Callable[[RefusedLine], None],
        staged: bool | None,
    ) -> None:
        self._conn = conn
        self._staged = staged
        self._book = as_speaker(book)
        self.topic = f"{TOPIC}/{book.code}/{source.digest.hex()[:12]}"
        self._limits = Limits.at(instant_us(now), rate=clock.rate_of(conn))
        self._now = now
        self._on_refused = on_refused
        self._newest: dict[int, Baseline] = {}
        self._stored: dict[int, Baseline] = {}
        self.received = self.stored = self.duplicates = self.rejected = 0
        self.reasons: Counter[str] = Counter()

    def take(self, lines: Sequence[FileLine]) -> None:
        """Take one portion."""
        portion = self._sort(lines)
        taken = self._write(portion.batch)
        if taken.reasons.get("conflict"):
            portion.refused += self._conflicts(portion.batch)
        assert len(portion.refused) == taken.rejected, "each refused reading is told by its line"
        for line in sorted(portion.refused, key=lambda line: line.number):
            self._on_refused(line)
        self._newest.update(portion.batch.newest)
        self.received += taken.received
        self.stored += taken.stored
        self.duplicates += taken.duplicates
        self.rejected += taken.rejected
        self.reasons.update(taken.reasons)

    def of(self, meter_id: int) -> Baseline | None:
        """Give the newest register of a meter: of this file where it had one, else what was stored before it."""
        return self._newest.get(meter_id) or self._stored.get(meter_id)

    def fresh(self, meter_id: int) -> Baseline | None:
        stored = latest.baselines(self._conn, utility_id=self._book.utility_id, meter_ids=[meter_id]).get(meter_id)
        known = self._newest.get(meter_id)
        if stored is None or known is None:
            return stored or known
        return known if known.read_at_us >= stored.read_at_us else stored

    def _look_up(self, lines: Iterable[FileLine]) -> None:
        """Read what is stored of the portion's meters at once, not one by one."""
        serials = {line.reading.meter or "" for line in lines if line.reading is not None}
        known = [self._book.meters[serial].meter_id for serial in serials if serial in self._book.meters]
        self._stored = latest.baselines(self._conn, utility_id=self._book.utility_id, meter_ids=known)

    def _sort(self, lines: Sequence[FileLine]) -> _Portion:
        self._look_up(lines)
        sorter = Sorter(book=self._book, limits=self._limits, baselines=self)
        portion = _Portion(sorter.sorted)
        for line in lines:
            before = len(sorter.sorted.refusals)
            if line.reading is None:
                sorter.refuse(self._refusal(line))
            else:
                sorter.add(telegram_of(line, topic=self.topic, utility=self._book.code), origin=line.number)
            portion.refused += [
                RefusedLine(line.number, refusal.reason, refusal.detail, line.text)
                for refusal in sorter.sorted.refusals[before:]
            ]
        return portion

    def _write(self, batch: Sorted) -> Taken:
        """Hand a portion to intake: the one place where files meet it."""
        return write(
            self._conn, book=self._book, batch=batch, source="file", worker="file", staged=self._staged, now=self._now
        )

    def _refusal(self, line: FileLine) -> Refusal:
        assert line.reason is not None, "a line without a reading says why"
        return Refusal(self._book.utility_id, self.topic, kept(line), line.reason, line.detail)

    def _conflicts(self, batch: Sorted) -> Iterator[RefusedLine]:
        """Find the lines that say otherwise than what is stored, now that all the others of the portion are."""
        utility_id = self._book.utility_id
        for key in imports.stored_otherwise(self._conn, utility_id=utility_id, rows=batch.rows.values()):
            yield _conflict(batch.sources[key][0])
        for row, telegram, _ in batch.collisions:
            if not readings.is_stored_alike(self._conn, utility_id=utility_id, row=row):
                yield _conflict(telegram)


def _conflict(telegram: Telegram) -> RefusedLine:
    told = msgspec.json.decode(telegram.payload)
    return RefusedLine(told["line"], "conflict", "another reading of this meter and instant is stored", told["text"])
