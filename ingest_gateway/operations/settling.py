"""What follows from commits, made for many at a time: newest readings, senders' numbers, the batch and its event.

Done in one transaction that also deletes what was noted of the commits (`intake_pending`), so that it happens once,
whoever does it and however often it is tried.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby

import numpy as np
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.batches import Block, Window
from ingest_gateway.domain import marks, sequence
from ingest_gateway.domain.columns import ABSENT, Columns, Integers, columns_of_rows, join
from ingest_gateway.domain.packing import pack_columns
from ingest_gateway.domain.sequence import Ack, SequenceState
from ingest_gateway.domain.sequence_bounds import MOST_RANGES, bounded
from ingest_gateway.domain.validation import BELIEVED_AFTER, Fall, has_fallen
from ingest_gateway.domain.wire import from_us
from ingest_gateway.operations.committing import Committed, extent_us
from ingest_gateway.store import counts, latest, pending, readings, sequences
from ingest_gateway.store.pending import PendingPart
from kernel import events
from registry import queries as registry

SOURCE = "mqtt"


class WindowTorn(Exception):
    """What is remembered of a window is not what is left to be settled of it."""


def note(window: Window, committed: Committed, *, received_at: datetime) -> None:
    """Add a commit to the window that it belongs to."""
    taken = committed.taken
    window.received_at = received_at
    window.commits += 1
    window.stored += taken.stored
    window.duplicates += taken.duplicates
    window.rejected += taken.rejected
    window.late_stored += taken.stored - len(committed.fresh)
    window.marks.add(committed.marks)
    _end_falls(window, committed)
    window.falls |= committed.falls
    if len(committed.fresh):
        window.fresh.append(committed.fresh)
    if committed.late_stored:
        window.late.append(committed.late)
    if len(committed.others):
        window.late.append(committed.others)


def _end_falls(window: Window, committed: Committed) -> None:
    """A meter that counts on from where it stood before has not fallen."""
    register = committed.fresh.columns.register
    if not window.falls:
        return
    ended = [] if register is None else committed.fresh.meter_ids[register != ABSENT].tolist()
    for meter_id in [*ended, *committed.ended]:
        window.falls.pop(meter_id, None)


def settle(
    conn: Connection[TupleRow], window: Window, *, worker: str, is_one_of_many: bool = False
) -> dict[int, Ack] | None:
    """Settle a window in the caller's transaction; return what each sender may be told once that is committed.

    None: it was settled already, by an earlier try whose answer was lost. `is_one_of_many` says that other workers hear
    the same meters: their registers are then compared with what those settled meanwhile.

    :raises WindowTorn: if somebody else settled a part of it; it is then to be gathered anew from the store
    """
    parts = pending.take(conn, utility_id=window.utility_id, batch_id=window.batch_id)
    if parts == 0:
        return None
    if parts != window.commits:
        raise WindowTorn(f"of {window.commits} commits of batch {window.batch_id} {parts} are left to be settled")
    at = window.received_at
    assert at is not None, "a window that has commits has a time"
    sequences.wait_for_turn(conn, utility_id=window.utility_id)
    fallen = _advance_latest(conn, window, received_at=at, is_one_of_many=is_one_of_many)
    latest.note_falls(conn, utility_id=window.utility_id, falls={**window.falls, **fallen})
    _record(conn, window, batch_id=window.batch_id, blocks=window.fresh, stored=window.stored - window.late_stored)
    _record(conn, window, batch_id=window.late_batch_id, blocks=window.late, stored=window.late_stored)
    acks = _take_numbers(conn, window, now=at) if len(window.marks) else {}
    counts.add_counts(
        conn,
        utility_id=window.utility_id,
        source=SOURCE,
        worker=worker,
        received=window.stored + window.duplicates + window.rejected,
        stored=window.stored,
        duplicates=window.duplicates,
        rejected=window.rejected,
        at=at,
    )
    return acks


def left_behind(conn: Connection[TupleRow], *, worker: str | None, committed_before: datetime | None) -> list[Window]:
    """Gather from the store what was committed and not settled: by a worker, or by any before then (wall time)."""
    return _windows(conn, pending.left(conn, worker=worker, committed_before=committed_before))


def gathered_anew(conn: Connection[TupleRow], window: Window) -> list[Window]:
    """Gather a window from the store: what is remembered of it is not all that was committed."""
    return _windows(conn, pending.left(conn, batch=(window.utility_id, window.batch_id)))


def _windows(conn: Connection[TupleRow], parts: Sequence[PendingPart]) -> list[Window]:
    utilities = {utility.utility_id: utility.code for utility in registry.utilities(conn)}
    windows: list[Window] = []
    for (utility_id, batch_id), group in groupby(parts, key=lambda part: (part.utility_id, part.batch_id)):
        windows.append(_gather(conn, list(group), code=utilities[utility_id], batch_id=batch_id))
    return windows


def _gather(conn: Connection[TupleRow], parts: list[PendingPart], *, code: str, batch_id: int) -> Window:
    """Make a window of its parts and of what is stored of it."""
    utility_id = parts[0].utility_id
    window = Window(utility_id, code, batch_id, parts[0].late_batch_id)
    window.received_at = parts[-1].received_at
    window.commits = len(parts)
    window.stored = sum(part.stored for part in parts)
    window.duplicates = sum(part.duplicates for part in parts)
    window.rejected = sum(part.rejected for part in parts)
    fresh = [(part.meter_ids, part.read_from, part.read_to) for part in parts]
    late = [(part.late_meter_ids, part.late_from, part.late_to) for part in parts]
    for part in parts:
        window.marks.add(marks.decode(part.numbers))
        window.falls |= marks.decode_falls(part.falls)
    window.fresh = _stored_blocks(conn, fresh, utility_id=utility_id, batch_id=batch_id)
    window.late = _stored_blocks(conn, late, utility_id=utility_id, batch_id=window.late_batch_id)
    window.late_stored = sum(map(len, window.late))
    for block in [*window.fresh, *window.late]:
        _end_older_falls(window, block)
    return window


def _end_older_falls(window: Window, stored: Block) -> None:
    """Leave out falls that a later reading ended: which commit came first is not kept, but when they were read is."""
    register = stored.columns.register
    if window.falls and register is not None:
        said = register != ABSENT
        for meter_id, read_at_us in zip(
            stored.meter_ids[said].tolist(), stored.columns.read_at_us[said].tolist(), strict=True
        ):
            fall = window.falls.get(meter_id)
            if fall is not None and fall.read_at_us < read_at_us:
                del window.falls[meter_id]


def _stored_blocks(
    conn: Connection[TupleRow],
    extents: list[tuple[bytes, datetime | None, datetime | None]],
    *,
    utility_id: int,
    batch_id: int,
) -> list[Block]:
    firsts = [first for _, first, _ in extents if first is not None]
    lasts = [last for _, _, last in extents if last is not None]
    if not firsts:
        return []
    meter_ids = np.unique(np.concatenate([np.frombuffer(meters, dtype=np.int64) for meters, _, _ in extents]))
    rows = readings.rows_of_batch(
        conn,
        utility_id=utility_id,
        batch_id=batch_id,
        meter_ids=meter_ids.tolist(),
        first=min(firsts),
        last=max(lasts),
    )
    if not rows:
        return []
    return [Block(np.array([row.meter_id for row in rows], dtype=np.int64), columns_of_rows(rows))]


def _record(conn: Connection[TupleRow], window: Window, *, batch_id: int, blocks: Sequence[Block], stored: int) -> None:
    """Write the row and the event that everything after the store follows."""
    extent = extent_us(blocks)
    if extent is None or not stored:
        return
    assert window.received_at is not None, "as above"
    readings.insert_batch(
        conn,
        utility_id=window.utility_id,
        batch_id=batch_id,
        received_at=window.received_at,
        source=SOURCE,
        meter_ids=np.unique(np.concatenate([block.meter_ids for block in blocks])).tolist(),
        read_from=from_us(extent[0]),
        read_to=from_us(extent[1]),
        stored=stored,
    )
    events.publish(
        conn,
        utility_id=window.utility_id,
        topic="intake.batch_stored",
        key=f"batch:{batch_id}",
        payload={"batch_id": batch_id},
        occurred_at=window.received_at,
    )


def _advance_latest(
    conn: Connection[TupleRow], window: Window, *, received_at: datetime, is_one_of_many: bool
) -> Mapping[int, Fall]:
    """Move newest readings on; give those that were left where they were, as what was stored meanwhile is higher."""
    blocks = [*window.fresh, *window.late]
    if not blocks:
        return {}
    meter_ids = np.concatenate([block.meter_ids for block in blocks])
    chosen, newest = newest_of(meter_ids, join([block.columns for block in blocks]))
    packed = pack_columns(newest, meter_ids=chosen, utility_id=window.utility_id, batch_id=window.batch_id)
    latest.stage(conn, packed=packed)
    fallen = _fallen_beside_others(conn, window) if is_one_of_many else {}
    if fallen:
        latest.unstage(conn, meter_ids=sorted(fallen))
    latest.move_on(conn, received_at=received_at)
    return fallen


def _fallen_beside_others(conn: Connection[TupleRow], window: Window) -> Mapping[int, Fall]:
    """Find registers that went on from what this worker knew, and fell from what another one has settled since.

    Such a reading is stored already. It does not become the newest, and is noted as one that was refused is, until as
    many in a row are believed. What was seen to one by one was compared with the store.
    """
    seen_to = set[int]().union(*[block.meter_ids.tolist() for block in window.late])
    fallen: dict[int, Fall] = {}
    for one in latest.lower_on_stage(conn):
        if one.meter_id in seen_to or not has_fallen(one.register, before=one.stored_register, digits=one.digits):
            continue
        came = sum(int((block.meter_ids == one.meter_id).sum()) for block in window.fresh)
        before = one.fall.readings if one.fall is not None and one.register > one.fall.register else 0
        if before + came < BELIEVED_AFTER:
            fallen[one.meter_id] = Fall(one.read_at_us, one.register, before + came)
    return fallen


def newest_of(meter_ids: Integers, columns: Columns) -> tuple[Integers, Columns]:
    """Give the newest reading of each meter; register and battery as they were last said."""
    order = np.lexsort((columns.read_at_us, meter_ids))
    meter_ids = meter_ids[order]
    columns = columns.take(order)
    is_last = np.concatenate([meter_ids[1:] != meter_ids[:-1], [True]])
    if is_last.all():
        return meter_ids, columns
    starts = np.concatenate([[0], np.flatnonzero(is_last)[:-1] + 1])
    places = np.arange(len(meter_ids))
    newest = columns.take(np.flatnonzero(is_last))
    for name in ("register", "export_register", "battery_pct"):
        column = getattr(columns, name)
        if column is not None:
            said = np.maximum.reduceat(np.where(column == ABSENT, -1, places), starts)
            newest = newest.with_column(name, np.where(said < 0, ABSENT, column[said]))
    return meter_ids[is_last], newest


def _take_numbers(conn: Connection[TupleRow], window: Window, *, now: datetime) -> dict[int, Ack]:
    """Note the senders' numbers. Those that go on where they stood are moved on together, the others one by one."""
    runs, others = marks.runs_of(window.marks)
    utility_id = window.utility_id
    states: dict[int, SequenceState] = {}
    if len(runs.sender_ids):
        states = sequences.advance(conn, utility_id=utility_id, runs=runs, now=now)
        left = {sender_id for sender_id in runs.sender_ids.tolist() if sender_id not in states}
        others |= marks.of_senders(window.marks, left)
    if others:
        changed = sequences.lock(conn, utility_id=utility_id, sender_ids=sorted(others), at=now)
        for sender_id, came in others.items():
            state = changed[sender_id]
            for message in came.numbered():
                state = sequence.take(state, message)
            if len(state.missing) > MOST_RANGES:
                state = replace(state, missing=bounded(state.missing, kept_from=state.kept_from).missing)
            changed[sender_id] = state
        sequences.save(conn, utility_id=utility_id, states=changed, at=now)
        states |= changed
    return {sender_id: sequence.ack_of(state) for sender_id, state in states.items()}
