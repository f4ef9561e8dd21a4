"""Events that a consumer could not handle: put aside with their error, listed, and tried again on request."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow, class_row


class FailureUnknown(Exception):
    """No such event waits to be looked after."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An event that a consumer could not handle and nobody has looked after; instants of wall time."""

    consumer: str
    event_id: int
    utility_id: int
    topic: str
    key: str
    payload: dict[str, Any]
    occurred_at: datetime
    error: str
    failed_at: datetime
    retry_asked_at: datetime | None


def put_aside(conn: Connection[TupleRow], *, consumer: str, event_id: int, error: Exception) -> None:
    """Keep an event with what was raised when it was handled; a request to try it again is thereby answered."""
    conn.execute(
        """
        INSERT INTO event_failure (consumer, event_id, error) VALUES (%(consumer)s, %(event_id)s, %(error)s)
        ON CONFLICT (consumer, event_id) DO UPDATE
        SET error = excluded.error, failed_at = excluded.failed_at, retry_asked_at = NULL, resolved_at = NULL
        """,
        {"consumer": consumer, "event_id": event_id, "error": f"{type(error).__name__}: {error}".replace("\0", "")},
    )


def failures(conn: Connection[TupleRow], *, consumer: str | None = None, limit: int = 1_000) -> list[Failure]:
    """List what nobody has looked after, in the order of the events."""
    with conn.cursor(row_factory=class_row(Failure)) as cursor:
        return cursor.execute(
            """
            SELECT event_failure.consumer, event_id, event.utility_id, event.topic, event.key, event.payload,
                   event.occurred_at, event_failure.error, event_failure.failed_at, event_failure.retry_asked_at
            FROM event_failure JOIN event USING (event_id)
            WHERE event_failure.resolved_at IS NULL
              AND (%(consumer)s::text IS NULL OR event_failure.consumer = %(consumer)s)
            ORDER BY event.position, event_failure.consumer LIMIT %(limit)s
            """,
            {"consumer": consumer, "limit": limit},
        ).fetchall()


def ask_again(conn: Connection[TupleRow], *, consumer: str | None = None, event_id: int | None = None) -> int:
    """Let consumers try again what they put aside: all of it, or one consumer's, or one event; return how many.

    The consumer's own process does it as soon as it has nothing else to do, after all that came since.

    :raises FailureUnknown: if one event was named that was not put aside, or was looked after
    """
    asked = conn.execute(
        """
        UPDATE event_failure SET retry_asked_at = clock_timestamp()
        WHERE resolved_at IS NULL AND (%(consumer)s::text IS NULL OR consumer = %(consumer)s)
          AND (%(event_id)s::bigint IS NULL OR event_id = %(event_id)s)
        """,
        {"consumer": consumer, "event_id": event_id},
    )
    if event_id is not None and not asked.rowcount:
        raise FailureUnknown(f"event {event_id} does not wait to be tried again: see `suiden events list`")
    return asked.rowcount


def next_asked(conn: Connection[TupleRow], *, consumer: str) -> int | None:
    """Tell the first event that somebody asked this consumer to try again."""
    row = conn.execute(
        """
        SELECT event_id FROM event_failure JOIN event USING (event_id)
        WHERE consumer = %(consumer)s AND resolved_at IS NULL AND retry_asked_at IS NOT NULL
        ORDER BY event.position LIMIT 1
        """,
        {"consumer": consumer},
    ).fetchone()
    return None if row is None else row[0]


def resolve(conn: Connection[TupleRow], *, consumer: str, event_id: int) -> None:
    """Note that an event was handled after all."""
    conn.execute(
        """
        UPDATE event_failure SET resolved_at = clock_timestamp(), retry_asked_at = NULL
        WHERE consumer = %(consumer)s AND event_id = %(event_id)s
        """,
        {"consumer": consumer, "event_id": event_id},
    )
