"""Taking in readings that were sorted one by one, in the caller's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain.meters import MeterBook
from ingest_gateway.domain.sorting import Key, Refusal, SenderAnswer, Sorted, payload_of
from ingest_gateway.domain.suiden_json import encode_answer
from ingest_gateway.domain.validation import Row
from ingest_gateway.domain.wire import Telegram, WireReading, instant_us
from ingest_gateway.operations.commands import publish_changed
from ingest_gateway.store import commands, counts, latest, readings, rejects
from kernel import events


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch, in readings: received = stored + duplicates + rejected."""

    received: int
    stored: int
    duplicates: int
    rejected: int
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class StoredOneByOne:
    """What became of readings that were sorted one by one; `refusals` are those that were found on storing."""

    rows: Sequence[Row]
    duplicates: int
    refusals: Sequence[Refusal]


def write(
    conn: Connection[TupleRow],
    *,
    book: MeterBook,
    batch: Sorted,
    source: str,
    worker: str,
    staged: bool | None,
    now: datetime,
) -> Taken:
    """Write what was sorted, with all that follows from it; `staged` as in `store_sorted`, `worker` is who does it."""
    batch_id = readings.next_batch_id(conn)
    stored = store_sorted(conn, book=book, batch=batch, batch_id=batch_id, staged=staged, now=now)
    if stored.rows:
        follow_up(conn, book=book, batch_id=batch_id, rows=stored.rows, source=source, now=now)
    latest.note_falls(conn, utility_id=book.utility_id, falls=batch.falls)
    refusals = [*batch.refusals, *stored.refusals]
    if refusals:
        rejects.keep(conn, refusals=refusals, at=now)
    taken = taken_of(batch, stored=stored)
    counts.add_counts(
        conn,
        utility_id=book.utility_id,
        source=source,
        worker=worker,
        received=taken.received,
        stored=taken.stored,
        duplicates=taken.duplicates,
        rejected=taken.rejected,
        at=now,
    )
    return taken


def store_sorted(
    conn: Connection[TupleRow], *, book: MeterBook, batch: Sorted, batch_id: int, staged: bool | None, now: datetime
) -> StoredOneByOne:
    """Store the readings of a batch, and take the answers to commands in it.

    `staged` says that some readings may be stored already; without it they are copied straight into the table. None
    stores them one by one, for roles that may not COPY.

    :raises psycopg.errors.UniqueViolation: with `staged` False, if one was stored already; do it again with it
    """
    stored, conflicts = list[Row](), list[tuple[Telegram, WireReading]]()
    if batch.rows:
        stored, conflicts = _store(conn, book=book, batch=batch, batch_id=batch_id, staged=staged)
    refusals = _conflict_refusals(conflicts, utility_id=book.utility_id)
    refusals += _take_answers(conn, utility_id=book.utility_id, answers=batch.answers, now=now)
    duplicates = batch.duplicates + len(batch.rows) + len(batch.collisions) - len(stored) - len(conflicts)
    return StoredOneByOne(rows=stored, duplicates=duplicates, refusals=refusals)


def taken_of(batch: Sorted, *, stored: StoredOneByOne) -> Taken:
    """Count what became of a batch that was sorted one by one."""
    reasons = reasons_of([*batch.refusals, *stored.refusals])
    return Taken(
        received=batch.received + reasons.get("unknown_command", 0),
        stored=len(stored.rows),
        duplicates=stored.duplicates,
        rejected=sum(reasons.values()),
        reasons=reasons,
    )


def reasons_of(refusals: Iterable[Refusal]) -> dict[str, int]:
    """Count refused readings by reason."""
    reasons: dict[str, int] = {}
    for refusal in refusals:
        reasons[refusal.reason] = reasons.get(refusal.reason, 0) + refusal.count
    return reasons


def _store(
    conn: Connection[TupleRow], *, book: MeterBook, batch: Sorted, batch_id: int, staged: bool | None
) -> tuple[list[Row], list[tuple[Telegram, WireReading]]]:
    """Store the rows; return those stored, and what is in conflict with what is stored."""
    utility_id = book.utility_id
    taken: set[Key] = set()
    if staged is None:
        stored, taken = _store_one_by_one(conn, utility_id=utility_id, batch_id=batch_id, batch=batch)
    elif staged:
        rows = batch.rows.values()
        new, taken = readings.store_through_stage(conn, utility_id=utility_id, batch_id=batch_id, rows=rows)
        stored = [batch.rows[key] for key in batch.rows if key in new]
    else:
        stored = list(batch.rows.values())
        readings.copy(conn, utility_id=utility_id, batch_id=batch_id, rows=stored)
    conflicts = [batch.sources[key] for key in batch.rows if key in taken]
    conflicts += [
        (telegram, reading)
        for row, telegram, reading in batch.collisions
        if not readings.is_stored_alike(conn, utility_id=utility_id, row=row)
    ]
    return stored, conflicts


def _store_one_by_one(
    conn: Connection[TupleRow], *, utility_id: int, batch_id: int, batch: Sorted
) -> tuple[list[Row], set[Key]]:
    """Store rows without COPY; return those stored, and the keys that are stored with other values."""
    stored: list[Row] = []
    taken: set[Key] = set()
    for key, row in batch.rows.items():
        if readings.store_one(conn, utility_id=utility_id, batch_id=batch_id, row=row):
            stored.append(row)
        elif not readings.is_stored_alike(conn, utility_id=utility_id, row=row):
            taken.add(key)
    return stored, taken


def follow_up(
    conn: Connection[TupleRow], *, book: MeterBook, batch_id: int, rows: Sequence[Row], source: str, now: datetime
) -> None:
    """Write what follows from stored readings: the batch, the newest of each meter, the event."""
    readings.record_batch(
        conn, utility_id=book.utility_id, batch_id=batch_id, received_us=instant_us(now), source=source, rows=rows
    )
    latest.advance(conn, utility_id=book.utility_id, received_at=now, rows=rows)
    events.publish(
        conn,
        utility_id=book.utility_id,
        topic="intake.batch_stored",
        key=f"batch:{batch_id}",
        payload={"batch_id": batch_id},
        occurred_at=now,
    )


def _conflict_refusals(conflicts: Iterable[tuple[Telegram, WireReading]], *, utility_id: int) -> list[Refusal]:
    return [
        Refusal(
            utility_id,
            telegram.topic,
            payload_of([reading], telegram=telegram),
            "conflict",
            "another reading of this meter and instant is stored",
        )
        for telegram, reading in conflicts
    ]


def _take_answers(
    conn: Connection[TupleRow], *, utility_id: int, answers: Sequence[SenderAnswer], now: datetime
) -> list[Refusal]:
    refusals: list[Refusal] = []
    for given in answers:
        answer = given.answer
        changed = commands.answer(
            conn,
            utility_id=utility_id,
            command_id=answer.id,
            sender=given.sender,
            state=answer.state,
            detail=rejects.storable(answer.detail),
            at=now,
        )
        if changed is not None:
            publish_changed(conn, utility_id=utility_id, changed=changed, at=now)
        elif not commands.was_answered(conn, utility_id=utility_id, command_id=answer.id, sender=given.sender):
            refusals.append(
                Refusal(
                    utility_id,
                    given.topic,
                    encode_answer(answer),
                    "unknown_command",
                    f"no command {answer.id} was sent to a meter of {given.sender}",
                )
            )
    return refusals
