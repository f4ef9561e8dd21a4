"""Taking in one batch of messages: everything that becomes of it is written in the caller's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain import sequence
from ingest_gateway.domain.meters import MeterBook
from ingest_gateway.domain.sequence import Ack
from ingest_gateway.domain.sorting import (
    Key,
    Refusal,
    SenderAnswer,
    Sorted,
    Sorter,
    numbered_messages,
    payload_of,
)
from ingest_gateway.domain.suiden_json import encode_answer
from ingest_gateway.domain.validation import Baseline, Baselines, Limits, Row
from ingest_gateway.domain.wire import Telegram, WireReading, instant_us
from ingest_gateway.operations.commands import publish_changed
from ingest_gateway.store import commands, latest, readings, rejects, sequences
from kernel import events


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch, in readings: received = stored + duplicates + rejected. `acks` by sender."""

    received: int
    stored: int
    duplicates: int
    rejected: int
    reasons: Mapping[str, int]
    acks: Mapping[str, Ack]
    newest: Mapping[int, Baseline]
    batch_id: int | None


def take_in(
    conn: Connection[TupleRow],
    *,
    book: MeterBook,
    telegrams: Sequence[Telegram],
    refusals: Sequence[Refusal],
    limits: Limits,
    baselines: Baselines,
    staged: bool,
    now: datetime,
) -> Taken:
    """Store a batch of messages of one utility by COPY; `refusals` are those that could not be decoded.

    `staged` says that some readings may be stored already; without it the batch is copied straight into the table.

    :raises psycopg.errors.UniqueViolation: without `staged`, if one was stored already; do it again with it
    """
    sorter = Sorter(book=book, limits=limits, baselines=baselines)
    for origin, telegram in enumerate(telegrams):
        sorter.add(telegram, origin=origin)
    for refusal in refusals:
        sorter.refuse(refusal)
    return write(conn, book=book, batch=sorter.sorted, source="mqtt", staged=staged, now=now)


def refuse(conn: Connection[TupleRow], *, refusals: Sequence[Refusal], now: datetime) -> Taken:
    """Keep messages that belong to no utility of ours."""
    rejects.keep(conn, refusals=refusals, at=now)
    reasons = _by_reason(refusals)
    count = sum(reasons.values())
    return Taken(
        received=count, stored=0, duplicates=0, rejected=count, reasons=reasons, acks={}, newest={}, batch_id=None
    )


def write(
    conn: Connection[TupleRow], *, book: MeterBook, batch: Sorted, source: str, staged: bool | None, now: datetime
) -> Taken:
    """Write what was sorted; `staged` None stores the readings one by one, for roles that may not COPY."""
    batch_id, stored, conflicts = None, list[Row](), list[tuple[Telegram, WireReading]]()
    if batch.rows:
        batch_id, stored, conflicts = _store(conn, book=book, batch=batch, staged=staged)
    if stored:
        assert batch_id is not None, "what is stored has a batch"
        follow_up(conn, book=book, batch_id=batch_id, rows=stored, source=source, now=now)
    latest.note_falls(conn, utility_id=book.utility_id, falls=batch.falls)
    refusals = [*batch.refusals, *_conflict_refusals(conflicts, utility_id=book.utility_id)]
    refusals += _take_answers(conn, utility_id=book.utility_id, answers=batch.answers, now=now)
    if refusals:
        rejects.keep(conn, refusals=refusals, at=now)
    acks = _take_numbers(conn, book=book, batch=batch, stored=stored, now=now)
    reasons = _by_reason(refusals)
    rejected = sum(reasons.values())
    return Taken(
        received=batch.received + reasons.get("unknown_command", 0),
        stored=len(stored),
        duplicates=batch.duplicates + len(batch.rows) + len(batch.collisions) - len(stored) - len(conflicts),
        rejected=rejected,
        reasons=reasons,
        acks=acks,
        newest=batch.newest,
        batch_id=batch_id if stored else None,
    )


def _by_reason(refusals: Iterable[Refusal]) -> dict[str, int]:
    reasons: dict[str, int] = {}
    for refusal in refusals:
        reasons[refusal.reason] = reasons.get(refusal.reason, 0) + refusal.count
    return reasons


def _store(
    conn: Connection[TupleRow], *, book: MeterBook, batch: Sorted, staged: bool | None
) -> tuple[int, list[Row], list[tuple[Telegram, WireReading]]]:
    """Store the rows; return the batch's id, those stored, and what is in conflict with what is stored."""
    batch_id, utility_id = readings.next_batch_id(conn), book.utility_id
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
    return batch_id, stored, conflicts


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


def _take_numbers(
    conn: Connection[TupleRow], *, book: MeterBook, batch: Sorted, stored: Sequence[Row], now: datetime
) -> dict[str, Ack]:
    """Note the senders' numbers; return what each may be told once this is committed."""
    if not batch.numbered:
        return {}
    brought_new = {batch.origin[row.meter_id, row.read_at_us]: True for row in stored}
    by_sender = numbered_messages(batch.numbered, brought_new=brought_new)
    ids = {book.senders[name].sender_id: name for name in by_sender}
    states = sequences.lock(conn, utility_id=book.utility_id, sender_ids=sorted(ids), at=now)
    acks: dict[str, Ack] = {}
    for sender_id, name in ids.items():
        state = states.get(sender_id, sequence.SequenceState())
        for message in by_sender[name]:
            state = sequence.take(state, message)
        states[sender_id] = state
        acks[name] = sequence.ack_of(state)
    sequences.save(
        conn, utility_id=book.utility_id, states=states, offsets_s=_offsets_s(batch, book=book, now=now), at=now
    )
    return acks


def _offsets_s(batch: Sorted, *, book: MeterBook, now: datetime) -> dict[int, float]:
    """Tell how far each sender's newest reading was ahead of our clock; behind is negative, and ordinary."""
    newest_us: dict[str, int] = {}
    for (_, read_at_us), (telegram, _) in batch.sources.items():
        newest_us[telegram.sender] = max(read_at_us, newest_us.get(telegram.sender, read_at_us))
    now_us = instant_us(now)
    return {book.senders[name].sender_id: (read_us - now_us) / 1e6 for name, read_us in newest_us.items()}
