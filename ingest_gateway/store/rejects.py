"""Messages that could not be accepted, kept with their reason."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from ingest_gateway.domain.sorting import Refusal
from ingest_gateway.store import reject_bounds

KEPT_BYTES = 65_536
KEPT_TOPIC_CHARACTERS = 500  # an index holds the topic, and no index row may be longer than 2,704 bytes
KEPT_AT_ONCE = 2_000
# A flood of messages that are all refused may not wait for the next turn of the timed job: intake itself keeps to this.
ROOM_MESSAGES = 20_000
ROOM_BYTES = 256 * 2**20
LOOK_FOR_ROOM_EVERY = 5_000
UNKNOWN = (
    "this utility has no refused message {reject_id}, or no longer: the oldest go; choose one of the list of refused "
    "messages"
)


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


@dataclass(frozen=True, slots=True)
class RejectFilter:
    """Which refused messages: by reason, by a part of the topic, by when they came; `waiting`: not sent again yet."""

    reason: str | None = None
    topic: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    waiting: bool = False


def keep(conn: Connection[TupleRow], *, refusals: Sequence[Refusal], at: datetime, most: int | None = None) -> None:
    """Keep refused messages; one that was refused before counts on. The oldest go where there is no more room.

    With `most`, of a flood not all are written, to go again at once: different messages beyond that number are counted
    with what is no longer kept.
    """
    alike: dict[tuple[str, bytes, str], tuple[Refusal, int]] = {}
    for refusal in refusals:
        key = (refusal.topic, refusal.payload, refusal.reason)
        alike[key] = (refusal, refusal.count + (alike[key][1] if key in alike else 0))
    flood = list(alike.values())
    reject_bounds.count_dropped(conn, surplus=flood[most:] if most is not None else [], at=at)
    merged: dict[tuple[str, bytes, str], tuple[Refusal, int]] = {}
    for refusal, count in flood[:most]:
        topic = storable(refusal.topic)[:KEPT_TOPIC_CHARACTERS]
        key = (topic, hashlib.sha256(refusal.payload).digest(), refusal.reason)
        merged[key] = (refusal, count + (merged[key][1] if key in merged else 0))
    in_order = sorted(merged.items(), key=lambda item: item[0])
    needs_room = False
    for start in range(0, len(in_order), KEPT_AT_ONCE):
        needs_room |= _upsert(conn, in_order[start : start + KEPT_AT_ONCE], at=at)
    if needs_room and reject_bounds.may_drop(conn):
        reject_bounds.drop(conn, last_before=None, keep=ROOM_MESSAGES, keep_bytes=ROOM_BYTES)


def _upsert(
    conn: Connection[TupleRow], part: Sequence[tuple[tuple[str, bytes, str], tuple[Refusal, int]]], *, at: datetime
) -> bool:
    """Write one portion; tell whether it is time to look for room: the numbers of the rows passed a round one."""
    rows = conn.execute(
        """
        INSERT INTO rejected_message AS r (utility_id, topic, payload, payload_bytes, payload_hash, reason, detail,
                                           first_at, last_at, times)
        SELECT given.utility_id, given.topic, given.payload, given.payload_bytes, given.payload_hash, given.reason,
               given.detail, %(at)s, %(at)s, given.times
        FROM unnest(%(utility_ids)s::integer[], %(topics)s::text[], %(payloads)b::bytea[], %(payload_bytes)s::bigint[],
                    %(payload_hashes)b::bytea[], %(reasons)s::text[], %(details)s::text[], %(times)s::bigint[])
             AS given (utility_id, topic, payload, payload_bytes, payload_hash, reason, detail, times)
        ON CONFLICT (topic, payload_hash, reason) DO UPDATE
        SET times = r.times + excluded.times, last_at = greatest(r.last_at, excluded.last_at),
            detail = excluded.detail, utility_id = coalesce(r.utility_id, excluded.utility_id)
        RETURNING reject_id
        """,
        {
            "at": at,
            "utility_ids": [refusal.utility_id for _, (refusal, _) in part],
            "topics": [topic for (topic, _, _), _ in part],
            "payloads": [refusal.payload[:KEPT_BYTES] for _, (refusal, _) in part],
            "payload_bytes": [len(refusal.payload) for _, (refusal, _) in part],
            "payload_hashes": [payload_hash for (_, payload_hash, _), _ in part],
            "reasons": [reason for (_, _, reason), _ in part],
            "details": [storable(refusal.detail)[:1_000] for _, (refusal, _) in part],
            "times": [times for _, (_, times) in part],
        },
    ).fetchall()
    return any(reject_id % LOOK_FOR_ROOM_EVERY == 0 for (reject_id,) in rows)


def storable(text: str) -> str:
    """Make text that PostgreSQL takes: no NUL, no half of a character."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def page(
    conn: Connection[TupleRow], *, utility_id: int | None, before: int | None, limit: int, chosen: RejectFilter
) -> list[RejectedMessage]:
    """List refused messages, the last made first; of no utility: those that name none of ours."""
    with conn.cursor(row_factory=class_row(RejectedMessage)) as cursor:
        return cursor.execute(
            """
            SELECT reject_id, topic, payload, payload_bytes, reason, detail, first_at, last_at, times, replayed_at
            FROM rejected_message
            WHERE utility_id IS NOT DISTINCT FROM %(utility_id)s::integer
              AND (%(before)s::bigint IS NULL OR reject_id < %(before)s)
              AND (%(reason)s::text IS NULL OR reason = %(reason)s)
              AND (%(topic)s::text IS NULL OR strpos(topic, %(topic)s) > 0)
              AND (%(since)s::timestamptz IS NULL OR last_at >= %(since)s)
              AND (%(until)s::timestamptz IS NULL OR first_at < %(until)s)
              AND NOT (%(waiting)s AND replayed_at IS NOT NULL)
            ORDER BY reject_id DESC LIMIT %(limit)s
            """,
            {
                "utility_id": utility_id,
                "before": before,
                "limit": limit,
                "reason": chosen.reason,
                "topic": None if chosen.topic is None else storable(chosen.topic),
                "since": chosen.since,
                "until": chosen.until,
                "waiting": chosen.waiting,
            },
        ).fetchall()


def one(conn: Connection[TupleRow], *, utility_id: int | None, reject_id: int) -> RejectedMessage:
    """:raises RejectUnknown: if the utility has none of this number"""
    with conn.cursor(row_factory=class_row(RejectedMessage)) as cursor:
        found = cursor.execute(
            """
            SELECT reject_id, topic, payload, payload_bytes, reason, detail, first_at, last_at, times, replayed_at
            FROM rejected_message
            WHERE utility_id IS NOT DISTINCT FROM %(utility_id)s::integer AND reject_id = %(reject_id)s
            """,
            {"utility_id": utility_id, "reject_id": reject_id},
        ).fetchone()
    if found is None:
        raise RejectUnknown(UNKNOWN.format(reject_id=reject_id))
    return found


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
        raise RejectUnknown(UNKNOWN.format(reject_id=reject_id))
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
