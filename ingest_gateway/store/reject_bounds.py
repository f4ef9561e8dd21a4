"""Keeping the refused messages bounded: what had to go is counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from ingest_gateway.domain.sorting import Refusal
from ingest_gateway.store.counts import NO_UTILITY


@dataclass(frozen=True, slots=True)
class Dropped:
    """Refused messages that are no longer kept; `readings` counts each as often as it came."""

    reason: str
    messages: int
    readings: int
    bytes: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Room:
    """How much of a utility's refused messages is kept."""

    messages: int
    bytes: int
    waiting: int  # were not sent again yet


def drop(conn: Connection[TupleRow], *, last_before: datetime | None, keep: int, keep_bytes: int) -> int:
    """Delete what is beyond the bounds of its utility, and count it; return how many messages went.

    Those that were sent again go first, then those that last came longest ago. A row that another transaction holds is
    left for the next turn, so that neither waits for the other.
    """
    row = conn.execute(
        """
        WITH ranked AS (
            SELECT reject_id, last_at, row_number() OVER kept_first AS place,
                   sum(octet_length(payload)) OVER kept_first AS bytes
            FROM rejected_message
            WINDOW kept_first AS (PARTITION BY utility_id
                                  ORDER BY (replayed_at IS NULL) DESC, last_at DESC, reject_id DESC)
        ), held AS (
            SELECT r.reject_id FROM rejected_message AS r JOIN ranked USING (reject_id)
            WHERE ranked.place > %(keep)s OR ranked.bytes > %(keep_bytes)s OR ranked.last_at < %(last_before)s
            FOR UPDATE OF r SKIP LOCKED
        ), gone AS (
            DELETE FROM rejected_message AS r USING held WHERE r.reject_id = held.reject_id
            RETURNING coalesce(r.utility_id, %(no_utility)s) AS utility_id, r.reason, r.times,
                      octet_length(r.payload) AS bytes, r.last_at
        ), counted AS (
            INSERT INTO rejected_dropped AS d (utility_id, reason, messages, readings, bytes, last_at)
            SELECT utility_id, reason, count(*), sum(times), sum(bytes), max(last_at) FROM gone
            GROUP BY utility_id, reason ORDER BY utility_id, reason
            ON CONFLICT (utility_id, reason) DO UPDATE
            SET messages = d.messages + excluded.messages, readings = d.readings + excluded.readings,
                bytes = d.bytes + excluded.bytes, last_at = greatest(d.last_at, excluded.last_at)
        )
        SELECT count(*) FROM gone
        """,
        {"last_before": last_before, "keep": keep, "keep_bytes": keep_bytes, "no_utility": NO_UTILITY},
    ).fetchone()
    assert row is not None, "an aggregate returns one row"
    return row[0]


def count_dropped(conn: Connection[TupleRow], *, surplus: Sequence[tuple[Refusal, int]], at: datetime) -> None:
    """Count refused messages that were never written, with how often each came."""
    by_key: dict[tuple[int, str], list[int]] = {}
    for refusal, times in surplus:
        utility_id = NO_UTILITY if refusal.utility_id is None else refusal.utility_id
        sums = by_key.setdefault((utility_id, refusal.reason), [0, 0, 0])
        sums[0] += 1
        sums[1] += times
        sums[2] += len(refusal.payload)
    for (utility_id, reason), (messages, readings, payload_bytes) in sorted(by_key.items()):
        conn.execute(
            """
            INSERT INTO rejected_dropped AS d (utility_id, reason, messages, readings, bytes, last_at)
            VALUES (%(utility_id)s, %(reason)s, %(messages)s, %(readings)s, %(bytes)s, %(at)s)
            ON CONFLICT (utility_id, reason) DO UPDATE
            SET messages = d.messages + excluded.messages, readings = d.readings + excluded.readings,
                bytes = d.bytes + excluded.bytes, last_at = greatest(d.last_at, excluded.last_at)
            """,
            {
                "utility_id": utility_id,
                "reason": reason,
                "messages": messages,
                "readings": readings,
                "bytes": payload_bytes,
                "at": at,
            },
        )


def may_drop(conn: Connection[TupleRow]) -> bool:
    """Tell whether this role may delete refused messages: the web may not, and leaves it to the others."""
    row = conn.execute("SELECT has_table_privilege('rejected_message', 'DELETE')").fetchone()
    return row is not None and row[0]


def dropped(conn: Connection[TupleRow], *, utility_id: int | None) -> Sequence[Dropped]:
    """List by reason what is no longer kept; of no utility: of messages that name none of ours."""
    with conn.cursor(row_factory=class_row(Dropped)) as cursor:
        return cursor.execute(
            """
            SELECT reason, messages, readings, bytes, last_at FROM rejected_dropped
            WHERE utility_id = %(utility_id)s ORDER BY reason
            """,
            {"utility_id": NO_UTILITY if utility_id is None else utility_id},
        ).fetchall()


def room(conn: Connection[TupleRow], *, utility_id: int | None) -> Room:
    """Tell how much is kept of a utility's refused messages, or of those that name none of ours."""
    with conn.cursor(row_factory=class_row(Room)) as cursor:
        found = cursor.execute(
            """
            SELECT count(*) AS messages, coalesce(sum(octet_length(payload)), 0)::bigint AS bytes,
                   count(*) FILTER (WHERE replayed_at IS NULL) AS waiting
            FROM rejected_message WHERE utility_id IS NOT DISTINCT FROM %(utility_id)s::integer
            """,
            {"utility_id": utility_id},
        ).fetchone()
    assert found is not None, "an aggregate returns one row"
    return found
