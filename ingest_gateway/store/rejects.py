"""Messages that could not be accepted, kept with their reason."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from ingest_gateway.domain.sorting import Refusal

KEPT_BYTES = 65_536
KEPT_TOPIC_CHARACTERS = 500  # an index holds the topic, and no index row may be longer than 2,704 bytes


class RejectUnknown(Exception):
    """There is no such refused message in this utility."""


@dataclass(frozen=True, slots=True)
class RejectedMessage:
    """A refused message, as pages show it; `times` counts readings."""

    reject_id: int
    topic: str
    payload: bytes
    payload_bytes: int
    reason: str
    detail: str
    first_at: datetime
    last_at: datetime
    times: int
    replayed_at: datetime | None


def keep(conn: Connection[TupleRow], *, refusals: Sequence[Refusal], at: datetime) -> None:
    """Keep refused messages; one that was refused before counts on."""
    merged: dict[tuple[str, bytes, str], tuple[Refusal, int]] = {}
    for refusal in refusals:
        topic = storable(refusal.topic)[:KEPT_TOPIC_CHARACTERS]
        key = (topic, hashlib.sha256(refusal.payload).digest(), refusal.reason)
        merged[key] = (refusal, refusal.count + (merged[key][1] if key in merged else 0))
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO rejected_message AS r (utility_id, topic, payload, payload_bytes, payload_hash, reason, detail,
                                               first_at, last_at, times)
            VALUES (%(utility_id)s, %(topic)s, %(payload)s, %(payload_bytes)s, %(payload_hash)s, %(reason)s, %(detail)s,
                    %(at)s, %(at)s, %(times)s)
            ON CONFLICT (topic, payload_hash, reason) DO UPDATE
            SET times = r.times + excluded.times, last_at = greatest(r.last_at, excluded.last_at),
                detail = excluded.detail, utility_id = coalesce(r.utility_id, excluded.utility_id)
            """,
            [
                {
                    "utility_id": refusal.utility_id,
                    "topic": topic,
                    "payload": refusal.payload[:KEPT_BYTES],
                    "payload_bytes": len(refusal.payload),
                    "payload_hash": payload_hash,
                    "reason": reason,
                    "detail": storable(refusal.detail)[:1_000],
                    "at": at,
                    "times": times,
                }
                for (topic, payload_hash, reason), (refusal, times) in sorted(merged.items(), key=lambda item: item[0])
            ],
        )


def storable(text: str) -> str:
    """Make text that PostgreSQL takes: no NUL, no half of a character."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def page(
    conn: Connection[TupleRow], *, utility_id: int, before: int | None, limit: int, reason: str | None
) -> list[RejectedMessage]:
    """List refused messages, the last made first."""
    with conn.cursor(row_factory=class_row(RejectedMessage)) as cursor:
        return cursor.execute(
            """
            SELECT reject_id, topic, payload, payload_bytes, reason, detail, first_at, last_at, times, replayed_at
            FROM rejected_message
            WHERE utility_id = %(utility_id)s AND (%(before)s::bigint IS NULL OR reject_id < %(before)s)
              AND (%(reason)s::text IS NULL OR reason = %(reason)s)
            ORDER BY reject_id DESC LIMIT %(limit)s
            """,
            {"utility_id": utility_id, "before": before, "limit": limit, "reason": reason},
        ).fetchall()


def lock(conn: Connection[TupleRow], *, utility_id: int, reject_id: int) -> RejectedMessage:
    """Take one for replay.

    :raises RejectUnknown: if the utility has none of this number
    """
    with conn.cursor(row_factory=class_row(RejectedMessage)) as cursor:
        found = cursor.execute(
            """
            SELECT reject_id, topic, payload, payload_bytes, reason, detail, first_at, last_at, times, replayed_at
            FROM rejected_message WHERE utility_id = %(utility_id)s AND reject_id = %(reject_id)s FOR UPDATE
            """,
            {"utility_id": utility_id, "reject_id": reject_id},
        ).fetchone()
    if found is None:
        raise RejectUnknown(
            f"this utility has no refused message {reject_id}; choose one of the list of refused messages"
        )
    return found


def mark_replayed(conn: Connection[TupleRow], *, utility_id: int, reject_id: int, at: datetime) -> None:
    conn.execute(
        """
        UPDATE rejected_message SET replayed_at = %(at)s
        WHERE utility_id = %(utility_id)s AND reject_id = %(reject_id)s
        """,
        {"utility_id": utility_id, "reject_id": reject_id, "at": at},
    )


def counts(conn: Connection[TupleRow], *, utility_id: int) -> dict[str, int]:
    """Count refused readings by reason."""
    rows = conn.execute(
        """
        SELECT reason, sum(times)::bigint FROM rejected_message WHERE utility_id = %(utility_id)s
        GROUP BY reason ORDER BY reason
        """,
        {"utility_id": utility_id},
    ).fetchall()
    return dict(rows)


def forget(conn: Connection[TupleRow], *, last_before: datetime, keep: int) -> int:
    """Delete what last came before, and all but the newest of each utility; return how many."""
    return conn.execute(
        """
        DELETE FROM rejected_message USING (
            SELECT reject_id, row_number() OVER (PARTITION BY utility_id ORDER BY last_at DESC, reject_id DESC) AS place
            FROM rejected_message
        ) AS ranked
        WHERE ranked.reject_id = rejected_message.reject_id
          AND (ranked.place > %(keep)s OR rejected_message.last_at < %(last_before)s)
        """,
        {"last_before": last_before, "keep": keep},
    ).rowcount
