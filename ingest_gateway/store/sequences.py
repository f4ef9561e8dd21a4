"""Senders' message numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg.types.multirange import Int8Multirange, Multirange
from psycopg.types.range import Int8Range

from ingest_gateway.domain.marks import Runs
from ingest_gateway.domain.sequence import SequenceState


@dataclass(frozen=True, slots=True)
class SenderGap:
    """A sender with numbers that never came."""

    sender_id: int
    through: int
    missing_count: int
    filled: int
    seen_at: datetime


def lock(
    conn: Connection[TupleRow], *, utility_id: int, sender_ids: Sequence[int], at: datetime
) -> dict[int, SequenceState]:
    """Take the states of senders; one that was never heard gets its row first: two writers cannot both make it."""
    conn.execute(
        """
        INSERT INTO sender_sequence (utility_id, sender_id, through, seen_at)
        SELECT %(utility_id)s, heard.sender_id, 0, %(at)s FROM unnest(%(sender_ids)s::bigint[]) AS heard (sender_id)
        WHERE NOT EXISTS (SELECT FROM sender_sequence s
                          WHERE s.utility_id = %(utility_id)s AND s.sender_id = heard.sender_id)
        ORDER BY heard.sender_id
        ON CONFLICT DO NOTHING
        """,
        {"utility_id": utility_id, "sender_ids": list(sender_ids), "at": at},
    )
    rows = conn.execute(
        """
        SELECT sender_id, through, missing, filled, boot, kept_from, past_boots FROM sender_sequence
        WHERE utility_id = %(utility_id)s AND sender_id = ANY(%(sender_ids)s) ORDER BY sender_id FOR UPDATE
        """,
        {"utility_id": utility_id, "sender_ids": list(sender_ids)},
    ).fetchall()
    return {row[0]: _state(*row[1:]) for row in rows}


def save(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    states: Mapping[int, SequenceState],
    at: datetime,
) -> None:
    """Save senders' states."""
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO sender_sequence (utility_id, sender_id, through, missing, filled, boot, kept_from, past_boots,
                                         seen_at)
            VALUES (%(utility_id)s, %(sender_id)s, %(through)s, %(missing)s, %(filled)s, %(boot)s, %(kept_from)s,
                    %(past_boots)s, %(at)s)
            ON CONFLICT (utility_id, sender_id) DO UPDATE
            SET through = excluded.through, missing = excluded.missing, filled = excluded.filled, boot = excluded.boot,
                kept_from = excluded.kept_from, past_boots = excluded.past_boots, seen_at = excluded.seen_at
            """,
            [
                {
                    "utility_id": utility_id,
                    "sender_id": sender_id,
                    "through": state.through,
                    "missing": Int8Multirange([Int8Range(start, end) for start, end in state.missing]),
                    "filled": state.filled,
                    "boot": state.boot.replace("\0", ""),
                    "kept_from": state.kept_from,
                    "past_boots": [boot.replace("\0", "") for boot in state.past_boots],
                    "at": at,
                }
                for sender_id, state in sorted(states.items())
            ],
        )


def advance(conn: Connection[TupleRow], *, utility_id: int, runs: Runs, now: datetime) -> dict[int, SequenceState]:
    """Move on the senders whose run begins where they stood, or that were never heard; give their new states.

    Of the others (a gap, a number sent again, another count) nothing is changed, and they are not given.
    """
    rows = conn.execute(
        """
        WITH came AS (
            SELECT * FROM unnest(%(sender_ids)s::bigint[], %(first)s::bigint[], %(last)s::bigint[],
                                 %(kept_from)s::bigint[], %(boot)s::text[])
                 AS came (sender_id, first, last, kept_from, boot)
        ), standing AS (
            SELECT s.sender_id, came.last, came.kept_from
            FROM sender_sequence AS s JOIN came USING (sender_id)
            WHERE s.utility_id = %(utility_id)s AND s.through = came.first - 1 AND s.boot = came.boot
            ORDER BY s.sender_id  -- one order of locks for every worker
            FOR UPDATE OF s
        ), never_heard AS (
            INSERT INTO sender_sequence (utility_id, sender_id, through, boot, kept_from, seen_at)
            SELECT %(utility_id)s, sender_id, last, boot, kept_from, %(now)s FROM came
            WHERE first = 1
              AND NOT EXISTS (SELECT FROM sender_sequence AS s
                              WHERE s.utility_id = %(utility_id)s AND s.sender_id = came.sender_id)
            ORDER BY sender_id
            ON CONFLICT DO NOTHING
            RETURNING sender_id, through, missing, filled, boot, kept_from, past_boots
        ), moved AS (
            UPDATE sender_sequence AS s
            SET through = standing.last, kept_from = greatest(s.kept_from, standing.kept_from), seen_at = %(now)s
            FROM standing WHERE s.utility_id = %(utility_id)s AND s.sender_id = standing.sender_id
            RETURNING s.sender_id, s.through, s.missing, s.filled, s.boot, s.kept_from, s.past_boots
        )
        SELECT * FROM never_heard UNION ALL SELECT * FROM moved
        """,
        {
            "utility_id": utility_id,
            "sender_ids": runs.sender_ids.tolist(),
            "first": runs.first.tolist(),
            "last": runs.last.tolist(),
            "kept_from": runs.kept_from.tolist(),
            "boot": [boot.replace("\0", "") for boot in runs.boots],
            "now": now,
        },
    ).fetchall()
    return {row[0]: _state(*row[1:]) for row in rows}


def gaps(conn: Connection[TupleRow], *, utility_id: int, limit: int) -> list[SenderGap]:
    """List the senders with the most numbers missing."""
    with conn.cursor(row_factory=class_row(SenderGap)) as cursor:
        return cursor.execute(
            """
            SELECT sender_id, through, coalesce(lost.count, 0)::bigint AS missing_count, filled, seen_at
            FROM sender_sequence
            LEFT JOIN LATERAL (
                SELECT sum(upper(part) - lower(part)) AS count FROM unnest(missing) AS part) AS lost ON true
            WHERE utility_id = %(utility_id)s AND NOT isempty(missing)
            ORDER BY missing_count DESC, sender_id LIMIT %(limit)s
            """,
            {"utility_id": utility_id, "limit": limit},
        ).fetchall()


def _state(
    through: int, missing: Multirange[int], filled: int, boot: str, kept_from: int, past_boots: list[str]
) -> SequenceState:
    parts = tuple((part.lower, part.upper) for part in missing if part.lower is not None and part.upper is not None)
    return SequenceState(
        through=through, missing=parts, filled=filled, boot=boot, kept_from=kept_from, past_boots=tuple(past_boots)
    )
