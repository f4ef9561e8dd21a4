"""What was committed and is not settled yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row


@dataclass(frozen=True, slots=True)
class PendingPart:
    """One commit of the gateway. `meter_ids` are 64-bit integers, `numbers` and `falls` as in `domain.marks`."""

    utility_id: int
    batch_id: int
    part: int
    late_batch_id: int
    worker: str
    received_at: datetime
    stored: int
    duplicates: int
    rejected: int
    meter_ids: bytes
    read_from: datetime | None
    read_to: datetime | None
    late_meter_ids: bytes
    late_from: datetime | None
    late_to: datetime | None
    numbers: bytes
    falls: bytes


def add(conn: Connection[TupleRow], *, part: PendingPart) -> None:
    """Note a commit in its own transaction."""
    conn.execute(
        """
        INSERT INTO intake_pending (utility_id, batch_id, part, late_batch_id, worker, received_at, stored, duplicates,
                                    rejected, meter_ids, read_from, read_to, late_meter_ids, late_from, late_to,
                                    numbers, falls)
        VALUES (%(utility_id)s, %(batch_id)s, %(part)s, %(late_batch_id)s, %(worker)s, %(received_at)s, %(stored)s,
                %(duplicates)s, %(rejected)s, %(meter_ids)b, %(read_from)s, %(read_to)s, %(late_meter_ids)b,
                %(late_from)s, %(late_to)s, %(numbers)b, %(falls)b)
        """,
        {name: getattr(part, name) for name in PendingPart.__dataclass_fields__},
    )


def done(conn: Connection[TupleRow], *, utility_id: int, batch_id: int, part: int) -> tuple[int, int, int] | None:
    """Tell what a commit whose answer was lost stored, found twice and rejected, if it did happen.

    It is not settled before that is known, so that what happened is there.
    """
    return conn.execute(
        """
        SELECT stored, duplicates, rejected FROM intake_pending
        WHERE utility_id = %(utility_id)s AND batch_id = %(batch_id)s AND part = %(part)s
        """,
        {"utility_id": utility_id, "batch_id": batch_id, "part": part},
    ).fetchone()


def take(conn: Connection[TupleRow], *, utility_id: int, batch_id: int) -> int:
    """Delete the parts of a batch that is settled in this transaction; return how many there were."""
    return conn.execute(
        "DELETE FROM intake_pending WHERE utility_id = %(utility_id)s AND batch_id = %(batch_id)s",
        {"utility_id": utility_id, "batch_id": batch_id},
    ).rowcount


def left(
    conn: Connection[TupleRow],
    *,
    batch: tuple[int, int] | None = None,
    worker: str | None = None,
    committed_before: datetime | None = None,
) -> Sequence[PendingPart]:
    """List the parts of a batch (utility and batch id), of a worker, or older than that (wall time), in order."""
    utility_id, batch_id = batch or (None, None)
    with conn.cursor(row_factory=class_row(PendingPart)) as cursor:
        return cursor.execute(
            """
            SELECT utility_id, batch_id, part, late_batch_id, worker, received_at, stored, duplicates, rejected,
                   meter_ids, read_from, read_to, late_meter_ids, late_from, late_to, numbers, falls
            FROM intake_pending
            WHERE (utility_id = %(utility_id)s AND batch_id = %(batch_id)s) OR worker = %(worker)s
               OR committed_at < %(committed_before)s
            ORDER BY utility_id, batch_id, part
            """,
            {
                "utility_id": utility_id,
                "batch_id": batch_id,
                "worker": worker,
                "committed_before": committed_before,
            },
        ).fetchall()
