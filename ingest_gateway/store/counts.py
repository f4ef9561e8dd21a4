"""What became of readings, added up in the transaction that decided it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

NO_UTILITY = 0  # what names no utility of ours is counted under this number


@dataclass(frozen=True, slots=True)
class IntakeCount:
    """Readings of one source, added up over the workers and days; received = stored + duplicates + rejected."""

    source: str
    received: int
    stored: int
    duplicates: int
    rejected: int


def add_counts(
    conn: Connection[TupleRow],
    *,
    utility_id: int | None,
    source: str,
    worker: str,
    received: int,
    stored: int,
    duplicates: int,
    rejected: int,
    at: datetime,
) -> None:
    """Count what became of readings. Call it last in their transaction: it holds the worker's row until the commit.

    `utility_id` is None for messages that name no utility of ours; `at` is the `received_at` of the batch.
    """
    if not (received or stored or duplicates or rejected):
        return
    conn.execute(
        """
        INSERT INTO intake_count AS c (utility_id, day, source, worker, received, stored, duplicates, rejected)
        VALUES (%(utility_id)s, (%(at)s::timestamptz AT TIME ZONE 'UTC')::date, %(source)s, %(worker)s, %(received)s,
                %(stored)s, %(duplicates)s, %(rejected)s)
        ON CONFLICT (utility_id, day, source, worker) DO UPDATE
        SET received = c.received + excluded.received, stored = c.stored + excluded.stored,
            duplicates = c.duplicates + excluded.duplicates, rejected = c.rejected + excluded.rejected
        """,
        {
            "utility_id": NO_UTILITY if utility_id is None else utility_id,
            "at": at,
            "source": source,
            "worker": worker,
            "received": received,
            "stored": stored,
            "duplicates": duplicates,
            "rejected": rejected,
        },
    )


def totals(conn: Connection[TupleRow], *, utility_id: int) -> Sequence[IntakeCount]:
    """Add up by source all that ever came in."""
    with conn.cursor(row_factory=class_row(IntakeCount)) as cursor:
        return cursor.execute(
            """
            SELECT source, sum(received)::bigint AS received, sum(stored)::bigint AS stored,
                   sum(duplicates)::bigint AS duplicates, sum(rejected)::bigint AS rejected
            FROM intake_count WHERE utility_id = %(utility_id)s GROUP BY source ORDER BY source
            """,
            {"utility_id": utility_id},
        ).fetchall()
