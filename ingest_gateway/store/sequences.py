"""Senders' message numbers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
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


def wait_for_turn(conn: Connection[TupleRow], *, utility_id: int) -> None:
    """Wait until no other transaction moves a utility's numbers on: workers of a group hear the same senders."""
    conn.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('numbers', %(utility_id)s))", {"utility_id": utility_id}
    )


def advance(conn: Connection[TupleRow], *, utility_id: int, runs: Runs, now: datetime) -> dict[int, SequenceState]:
    """Move on the senders whose run begins where they stood, or that were never heard; give what an ack says of them.

    Of the others (a gap, a number sent again, another count) nothing is changed, and they are not given. Only in turn
    (`wait_for_turn`).
    """
    boots = [boot.replace("\0", "") for boot in runs.boots]
    rows = conn.execute(
        """
        WITH came AS MATERIALIZED (
            SELECT * FROM unnest(%(sender_ids)s::bigint[], %(first)s::bigint[], %(last)s::bigint[],
                                 %(kept_from)s::bigint[], ARRAY(SELECT jsonb_array_elements_text(%(boots)s::jsonb)))
                 AS came (sender_id, first, last, kept_from, boot)
        ), never_heard AS (
            INSERT INTO sender_sequence (utility_id, sender_id, through, boot, kept_from, seen_at)
            SELECT %(utility_id)s, sender_id, last, boot, kept_from, %(now)s FROM came
            WHERE first = 1
              AND NOT EXISTS (SELECT FROM sender_sequence AS s
                              WHERE s.utility_id = %(utility_id)s AND s.sender_id = came.sender_id)
            RETURNING sender_id, missing, kept_from
        ), moved AS (
            UPDATE sender_sequence AS s
            SET through = came.last, kept_from = greatest(s.kept_from, came.kept_from), seen_at = %(now)s
            FROM came
            WHERE s.utility_id = %(utility_id)s AND s.sender_id = came.sender_id AND s.through = came.first - 1
              AND s.boot = came.boot
            RETURNING s.sender_id, s.missing, s.kept_from
        )
        SELECT sender_id, nullif(missing, '{}'), kept_from FROM never_heard
        UNION ALL SELECT sender_id, nullif(missing, '{}'), kept_from FROM moved
        """,
        {
            "utility_id": utility_id,
            "sender_ids": _list(runs.sender_ids),
            "first": _list(runs.first),
            "last": _list(runs.last),
            "kept_from": _list(runs.kept_from),
            "boots": json.dumps(boots),
            "now": now,
        },
    ).fetchall()
    came = {sender_id: place for place, sender_id in enumerate(runs.sender_ids.tolist())}
    last = runs.last.tolist()
    return {
        sender_id: SequenceState(
            last[came[sender_id]], _ranges(missing) if missing else (), 0, boots[came[sender_id]], kept_from
        )
        for sender_id, missing, kept_from in rows
    }


def _list(numbers: NDArray[np.int64]) -> str:
    """Write an array as PostgreSQL reads it: as text it costs a sixth of what a list of numbers does."""
    return f"{{{','.join(map(str, numbers.tolist()))}}}"


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
    return SequenceState(through, _ranges(missing), filled, boot, kept_from, tuple(past_boots))


def _ranges(missing: Multirange[int]) -> tuple[tuple[int, int], ...]:
    return tuple((part.lower, part.upper) for part in missing if part.lower is not None and part.upper is not None)
