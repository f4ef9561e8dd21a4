"""Writing a prepared batch: its readings, what it was refused for, and what is left to be settled."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.batches import NO_METERS, NOTHING, Block, Prepared, Stray
from ingest_gateway.domain import marks
from ingest_gateway.domain.columns import Integers, columns_of_rows
from ingest_gateway.domain.marks import Marks
from ingest_gateway.domain.packing import HEADER, TRAILER
from ingest_gateway.domain.sorting import Key, Refusal, marks_of
from ingest_gateway.domain.validation import Fall, Row
from ingest_gateway.domain.wire import Refused, Telegram, from_us
from ingest_gateway.operations.intake import Taken, reasons_of, store_sorted
from ingest_gateway.preparing import Reader
from ingest_gateway.store import counts, pending, readings, rejects
from ingest_gateway.store.pending import PendingPart
from kernel.database import Scope, enter_scope

KEPT_OF_A_FLOOD = 500  # different refused messages of one commit


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit stored: `fresh` readings, `late` ones as far as they were new, and those seen to one by one.

    `ended` are meters whose registers went on from where they stood, `falls` those whose did not.
    """

    taken: Taken
    fresh: Block
    late: Block
    late_stored: int
    others: Block
    marks: Marks
    falls: Mapping[int, Fall]
    ended: Sequence[int] = ()


def commit(conn: Connection[TupleRow], prepared: Prepared, *, worker: str) -> Committed:
    """Write a batch, and commit.

    :raises psycopg.errors.UniqueViolation: if something that was taken for fresh is stored already; nothing is
        written then, and the batch is to be prepared anew with all its readings seen to one by one
    """
    if len(prepared.fresh):
        readings.copy_packed(conn, parts=(HEADER, prepared.fresh_packed, TRAILER))
    if len(prepared.late) or prepared.others.has_anything:
        _enter(conn, prepared)
        committed = _write_the_rest(conn, prepared)
        _note(conn, prepared, committed, worker=worker)
        conn.commit()
        return committed
    committed = _all_fresh(prepared)
    with conn.pipeline():  # one trip to the database
        _enter(conn, prepared)
        _note(conn, prepared, committed, worker=worker)
        conn.commit()
    return committed


def commit_stray(conn: Connection[TupleRow], stray: Stray, *, reader: Reader, worker: str) -> Taken:
    """Keep messages that belong to no utility of ours, and commit."""
    refusals: list[Refusal] = []
    for index in range(len(stray.messages)):
        topic, payload = stray.messages.topic(index), stray.messages.payloads[index]
        read = reader.read(topic, payload)
        if isinstance(read, Refused) and read.reason in ("unknown_topic", "unknown_format", "too_large"):
            refusals.append(Refusal(None, topic, payload, read.reason, read.detail))
            continue
        count = max(1, read.count) if isinstance(read, Telegram) else 1
        detail = f"no utility has the code {stray.code!r}"
        refusals.append(Refusal(None, topic, payload, "unknown_utility", detail, count))
    enter_scope(conn, scope=Scope(utility_id=0, actor="gateway", now=stray.now))
    rejects.keep(conn, refusals=refusals, at=stray.now, most=KEPT_OF_A_FLOOD)
    reasons = reasons_of(refusals)
    count = sum(reasons.values())
    counts.add_counts(
        conn,
        utility_id=None,
        source="mqtt",
        worker=worker,
        received=count,
        stored=0,
        duplicates=0,
        rejected=count,
        at=stray.now,
    )
    conn.commit()
    return Taken(received=count, stored=0, duplicates=0, rejected=count, reasons=reasons)


def _all_fresh(prepared: Prepared) -> Committed:
    stored = len(prepared.fresh)
    taken = Taken(received=stored, stored=stored, duplicates=0, rejected=0, reasons={})
    return Committed(taken, prepared.fresh, NOTHING, 0, NOTHING, prepared.marks, {})


def _write_the_rest(conn: Connection[TupleRow], prepared: Prepared) -> Committed:
    """Store late readings, and what is seen to one by one; keep what is refused."""
    window, batch, now = prepared.window, prepared.others, prepared.now
    late_stored, conflicts = 0, set[Key]()
    if len(prepared.late):
        late_stored, conflicts = readings.store_late(conn, packed=prepared.late_packed)
    stored = store_sorted(
        conn, book=prepared.book, batch=batch, batch_id=window.late_batch_id, staged=prepared.staged, now=now
    )
    late_refusals = _late_refusals(prepared, conflicts)
    refusals = [*batch.refusals, *stored.refusals, *late_refusals]
    if refusals:
        rejects.keep(conn, refusals=refusals, at=now, most=KEPT_OF_A_FLOOD)
    reasons = reasons_of(refusals)
    fresh, late = len(prepared.fresh), len(prepared.late)
    taken = Taken(
        received=fresh + late + batch.received + reasons.get("unknown_command", 0),
        stored=fresh + late_stored + len(stored.rows),
        duplicates=late - late_stored - len(late_refusals) + stored.duplicates,
        rejected=sum(reasons.values()),
        reasons=reasons,
    )
    in_order = _in_order(prepared, *marks_of(batch, book=prepared.book, stored=stored.rows))
    others = _block_of(stored.rows)
    late_block = _without(prepared.late, conflicts)
    ended = [meter_id for meter_id, baseline in batch.newest.items() if baseline.fall is None]
    return Committed(taken, prepared.fresh, late_block, late_stored, others, in_order, batch.falls, ended)


def _in_order(prepared: Prepared, origins: list[int], of_others: Marks) -> Marks:
    """Put the numbers of messages that were seen to one by one between those of the others, as they came."""
    if not len(of_others):
        return prepared.marks
    joined = Marks()
    joined.add(prepared.marks)
    joined.add(of_others)
    stood = [*prepared.mark_origins, *origins]
    return joined.at(sorted(range(len(stood)), key=stood.__getitem__))


def _late_refusals(prepared: Prepared, conflicts: set[Key]) -> list[Refusal]:
    """Refuse late readings of whose instant another reading is stored."""
    if not conflicts:
        return []
    refusals: list[Refusal] = []
    keys = zip(prepared.late.meter_ids.tolist(), prepared.late.columns.read_at_us.tolist(), strict=True)
    for number, key in enumerate(keys):
        if key in conflicts:
            topic, payload = prepared.late_source(number)
            detail = "another reading of this meter and instant is stored"
            refusals.append(Refusal(prepared.book.utility_id, topic, payload, "conflict", detail))
    return refusals


def _without(block: Block, refused: set[Key]) -> Block:
    """Leave out what was refused."""
    if not refused:
        return block
    keys = zip(block.meter_ids.tolist(), block.columns.read_at_us.tolist(), strict=True)
    kept = np.array([key not in refused for key in keys], dtype=np.bool_)
    return Block(block.meter_ids[kept], block.columns.take(kept))


def _block_of(rows: Sequence[Row]) -> Block:
    if not rows:
        return NOTHING
    return Block(np.array([row.meter_id for row in rows], dtype=np.int64), columns_of_rows(rows))


def _enter(conn: Connection[TupleRow], prepared: Prepared) -> None:
    enter_scope(conn, scope=Scope(utility_id=prepared.book.utility_id, actor="gateway", now=prepared.now))


def _note(conn: Connection[TupleRow], prepared: Prepared, committed: Committed, *, worker: str) -> None:
    """Note in the commit itself what is to be settled."""
    late = [block for block in (committed.late if committed.late_stored else NOTHING, committed.others) if len(block)]
    fresh = [committed.fresh] if len(committed.fresh) else []
    extents = [extent_us(fresh), extent_us(late)]
    (read_from, read_to), (late_from, late_to) = [
        (None, None) if extent is None else (from_us(extent[0]), from_us(extent[1])) for extent in extents
    ]
    window = prepared.window
    pending.add(
        conn,
        part=PendingPart(
            utility_id=window.utility_id,
            batch_id=window.batch_id,
            part=prepared.part,
            late_batch_id=window.late_batch_id,
            worker=worker,
            received_at=prepared.now,
            stored=committed.taken.stored,
            duplicates=committed.taken.duplicates,
            rejected=committed.taken.rejected,
            meter_ids=_meters_of(fresh).tobytes(),
            read_from=read_from,
            read_to=read_to,
            late_meter_ids=_meters_of(late).tobytes(),
            late_from=late_from,
            late_to=late_to,
            numbers=marks.encode(committed.marks),
            falls=marks.encode_falls(committed.falls),
        ),
    )


def extent_us(blocks: Iterable[Block]) -> tuple[int, int] | None:
    """Give the instants of the oldest and newest reading of blocks."""
    extents = [block.extent_us() for block in blocks]
    return (min(first for first, _ in extents), max(last for _, last in extents)) if extents else None


def _meters_of(blocks: Sequence[Block]) -> Integers:
    if len(blocks) == 1:
        return blocks[0].meter_ids
    return np.concatenate([block.meter_ids for block in blocks]) if blocks else NO_METERS
