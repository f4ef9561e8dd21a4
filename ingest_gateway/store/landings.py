"""What is known of a meter's line to us: who speaks for it, what was refused, what it was last asked for."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from ingest_gateway.store.commands import MeterCommand


@dataclass(frozen=True, slots=True)
class SenderState:
    """A sender that speaks for a meter; `seen_at` (utility time) None where it was never heard."""

    name: str
    kind: str
    active: bool
    seen_at: datetime | None
    through: int
    missing_count: int


@dataclass(frozen=True, slots=True)
class RefusedOfMeter:
    """A refused message that came from a meter's sender and names the meter."""

    reject_id: int
    reason: str
    detail: str
    last_at: datetime
    times: int


def senders_of(conn: Connection[TupleRow], *, utility_id: int, meter_id: int) -> list[SenderState]:
    """List the senders that may speak for a meter, with what we know of their numbers."""
    with conn.cursor(row_factory=class_row(SenderState)) as cursor:
        return cursor.execute(
            """
            SELECT s.name, s.kind, s.active, q.seen_at, coalesce(q.through, 0) AS through,
                   coalesce(lost.count, 0)::bigint AS missing_count
            FROM sender_meter sm JOIN sender s USING (utility_id, sender_id)
            LEFT JOIN sender_sequence q USING (utility_id, sender_id)
            LEFT JOIN LATERAL (
                SELECT sum(upper(part) - lower(part)) AS count FROM unnest(q.missing) AS part) AS lost ON true
            WHERE sm.utility_id = %(utility_id)s AND sm.meter_id = %(meter_id)s ORDER BY s.name
            """,
            {"utility_id": utility_id, "meter_id": meter_id},
        ).fetchall()


def last_backfill(conn: Connection[TupleRow], *, utility_id: int, meter_id: int) -> MeterCommand | None:
    """Give the order by which the meter was last asked for what is missing; None if it never was."""
    with conn.cursor(row_factory=class_row(MeterCommand)) as cursor:
        return cursor.execute(
            """
            SELECT command_id, meter_id, command, arguments, purpose, state, state_detail, queued_at, expires_at,
                   sent_at, answered_at, sends, release_proof
            FROM meter_command
            WHERE utility_id = %(utility_id)s AND meter_id = %(meter_id)s AND command = 'backfill'
            ORDER BY command_id DESC LIMIT 1
            """,
            {"utility_id": utility_id, "meter_id": meter_id},
        ).fetchone()


def refused_of(conn: Connection[TupleRow], *, utility_id: int, meter_id: int, limit: int) -> list[RefusedOfMeter]:
    """List what was refused last on the topics of a meter's senders and holds its serial, or is the meter's own."""
    with conn.cursor(row_factory=class_row(RefusedOfMeter)) as cursor:
        return cursor.execute(
            """
            WITH recent AS (
                SELECT reject_id, topic, payload, reason, detail, last_at, times FROM rejected_message
                WHERE utility_id = %(utility_id)s ORDER BY last_at DESC, reject_id DESC LIMIT 1000
            )
            SELECT r.reject_id, r.reason, r.detail, r.last_at, r.times
            FROM recent r JOIN meter m ON m.utility_id = %(utility_id)s AND m.meter_id = %(meter_id)s
            WHERE position(convert_to(m.serial, 'UTF8') IN r.payload) > 0
               OR position('/' || m.serial || '/' IN r.topic) > 0
            ORDER BY r.last_at DESC, r.reject_id DESC LIMIT %(limit)s
            """,
            {"utility_id": utility_id, "meter_id": meter_id, "limit": limit},
        ).fetchall()
