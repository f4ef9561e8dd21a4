"""Events between packages: written in the transaction that caused them, delivered at least once, in order.

The publisher writes an outbox row. The relay gives committed rows a position. A consumer handles rows by position and
moves its offset in the same transaction, so that what a handler writes happens once.
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
import structlog
from psycopg import Connection, errors, sql
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import Jsonb

from kernel import event_failures
from kernel.clock import Clock
from kernel.database import Pool, Scope, enter_scope

log = structlog.get_logger()

RELAY_LOCK = 0x5375_6964_656E_0001  # "Suiden", 1
PUBLISHED = "suiden_event_published"
POSITIONED = "suiden_event_positioned"
POLL_S = 1.0
BATCH = 500
LATELY = 1_000  # positions that a listener looks back
ATTEMPTS = 10  # of an event whose handler meets trouble of the database, while the connection stays good


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; rows of one key are handled in the order of their commits."""

    event_id: int
    position: int
    utility_id: int
    topic: str
    key: str
    payload: dict[str, Any]
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class NewEvent:
    """One thing that happened, to be published."""

    topic: str
    key: str
    payload: Mapping[str, Any]
    occurred_at: datetime


Handler = Callable[[Connection[TupleRow], Event], None]


def publish(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    topic: str,
    key: str,
    payload: Mapping[str, Any],
    occurred_at: datetime,
) -> None:
    """Write an event in the caller's transaction; it exists if that commits."""
    conn.execute(
        """
        INSERT INTO event (utility_id, topic, key, payload, occurred_at)
        VALUES (%(utility_id)s, %(topic)s, %(key)s, %(payload)s, %(occurred_at)s)
        """,
        {
            "utility_id": utility_id,
            "topic": topic,
            "key": key,
            "payload": Jsonb(dict(payload)),
            "occurred_at": occurred_at,
        },
    )
    conn.execute("SELECT pg_notify(%(channel)s, '')", {"channel": PUBLISHED})


def publish_all(conn: Connection[TupleRow], *, utility_id: int, events: Sequence[NewEvent]) -> None:
    """Write many events in the caller's transaction, in their order, in one statement."""
    if not events:
        return
    conn.execute(
        """
        INSERT INTO event (utility_id, topic, key, payload, occurred_at)
        SELECT %(utility_id)s, given.topic, given.key, given.payload::jsonb, given.occurred_at
        FROM unnest(%(topics)s::text[], %(keys)s::text[], %(payloads)s::text[], %(occurred)s::timestamptz[])
             WITH ORDINALITY AS given (topic, key, payload, occurred_at, number)
        ORDER BY given.number
        """,
        {
            "utility_id": utility_id,
            "topics": [event.topic for event in events],
            "keys": [event.key for event in events],
            "payloads": [json.dumps(dict(event.payload)) for event in events],
            "occurred": [event.occurred_at for event in events],
        },
    )
    conn.execute("SELECT pg_notify(%(channel)s, '')", {"channel": PUBLISHED})


def relay_once(conn: Connection[TupleRow]) -> int:
    """Number the committed events that have no position yet; return how many. Commits.

    One relay at a time: a second one finds the lock taken and does nothing. A row of a key can only be committed before
    another row of that key is numbered, because publishers of one key hold that key's row lock.
    """
    with conn.transaction():
        if not _scalar(conn, "SELECT pg_try_advisory_xact_lock(%(lock)s)", {"lock": RELAY_LOCK}):
            return 0
        numbered = conn.execute(
            """
            WITH waiting AS (
                SELECT event_id FROM event WHERE position IS NULL ORDER BY event_id LIMIT 10000
            ), numbered AS (
                SELECT event_id, nextval('event_position') AS position
                FROM (SELECT event_id FROM waiting ORDER BY event_id) AS in_order
            )
            UPDATE event SET position = numbered.position FROM numbered
            WHERE event.event_id = numbered.event_id
            RETURNING event.topic, event.utility_id, event.key
            """
        ).fetchall()
        if numbered:
            # Listeners learn which screens may be stale; a notification holds 8,000 bytes, so long lists say "*".
            changed = json.dumps(sorted({f"{utility_id}/{topic}/{key}" for topic, utility_id, key in numbered}))
            conn.execute(
                "SELECT pg_notify(%(channel)s, %(changed)s)",
                {
                    "channel": POSITIONED,
                    "changed": changed if len(changed) < 7_900 else '["*"]',
                },
            )
    return len(numbered)


def consume_once(pool: Pool, *, consumer: str, handlers: Mapping[str, Handler], clock: Clock) -> int:
    """Handle the next events that this consumer has not seen; return how many rows its offset passed.

    With none waiting, an event that was put aside and asked for again is tried, and counts as one.
    One process at a time works for a consumer: a second one finds the lock taken and does nothing.
    """
    with pool.connection() as conn:
        lock = {"consumer": consumer}
        if not _scalar(conn, "SELECT pg_try_advisory_lock(hashtextextended(%(consumer)s, 0))", lock):
            return 0
        try:
            events = _next(conn, consumer=consumer)
            for event in events:
                handler = handlers.get(event.topic)
                if handler is not None:
                    _handle(
                        conn,
                        consumer=consumer,
                        event=event,
                        handler=handler,
                        clock=clock,
                    )
                    conn.commit()
            if events:
                _move(conn, consumer=consumer, position=events[-1].position)
                conn.commit()
                return len(events)
            return _try_again(conn, consumer=consumer, handlers=handlers, clock=clock)
        finally:
            if not conn.broken:
                conn.rollback()
                conn.execute("SELECT pg_advisory_unlock(hashtextextended(%(consumer)s, 0))", lock)


def listen(
    database_url: str,
    *,
    channel: str,
    wake: Callable[[str], None],
    stop: threading.Event,
    poll_s: float = POLL_S,
) -> None:
    """Call `wake` with each notification's payload, until `stop`; comes back by itself after a database restart.

    `stop` is looked at every `poll_s` seconds.
    """
    while not stop.is_set():
        try:
            with psycopg.connect(database_url, autocommit=True) as conn:
                conn.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                wake("")
                while not stop.is_set():
                    for notification in conn.notifies(timeout=poll_s):
                        wake(notification.payload)
        except psycopg.OperationalError as error:
            log.warning("events.listen_lost", channel=channel, error=str(error))
            stop.wait(POLL_S)


def newest_payloads(
    conn: Connection[TupleRow], *, utility_id: int, topic: str, keys: Sequence[str]
) -> list[dict[str, Any]]:
    """Give what the events of these keys say, oldest first, of those that were positioned lately.

    For listeners: a notification names the keys alone. It is not for what must see every event.
    """
    rows = conn.execute(
        """
        SELECT payload FROM event
        WHERE utility_id = %(utility_id)s AND topic = %(topic)s AND key = ANY(%(keys)s)
          AND position > (SELECT max(position) FROM event) - %(lately)s
        ORDER BY position
        """,
        {"utility_id": utility_id, "topic": topic, "keys": list(keys), "lately": LATELY},
    ).fetchall()
    return [row[0] for row in rows]


def pass_all(conn: Connection[TupleRow], *, consumers: Sequence[str]) -> None:
    """Let consumers begin after everything that was published so far, as after loading a history."""
    while relay_once(conn):
        pass
    for consumer in consumers:
        conn.execute(
            """
            INSERT INTO event_offset (consumer, position)
            SELECT %(consumer)s, coalesce(max(position), 0) FROM event
            ON CONFLICT (consumer) DO UPDATE SET position = excluded.position
            """,
            {"consumer": consumer},
        )


def forget(conn: Connection[TupleRow], *, keep: int) -> int:
    """Delete events that every consumer has passed, but for the last `keep`; return how many went."""
    deleted = conn.execute(
        """
        DELETE FROM event
        WHERE position <= (SELECT min(position) FROM event_offset) - %(keep)s
          AND NOT EXISTS (SELECT 1 FROM event_failure WHERE event_failure.event_id = event.event_id)
        """,
        {"keep": keep},
    )
    return deleted.rowcount


def unresolved_failures(conn: Connection[TupleRow]) -> int:
    """Count the events that a consumer could not handle and nobody has looked after."""
    return _scalar(conn, "SELECT count(*) FROM event_failure WHERE resolved_at IS NULL")


def backlog(conn: Connection[TupleRow]) -> dict[str, int]:
    """Tell for each consumer how many events wait for it."""
    rows = conn.execute(
        """
        SELECT consumer, (SELECT count(*) FROM event WHERE event.position > event_offset.position) FROM event_offset
        ORDER BY consumer
        """
    ).fetchall()
    return dict(rows)


def _next(conn: Connection[TupleRow], *, consumer: str) -> list[Event]:
    conn.execute(
        "INSERT INTO event_offset (consumer, position) VALUES (%(consumer)s, 0) ON CONFLICT DO NOTHING",
        {"consumer": consumer},
    )
    position = _scalar(
        conn,
        "SELECT position FROM event_offset WHERE consumer = %(consumer)s",
        {"consumer": consumer},
    )
    with conn.cursor(row_factory=class_row(Event)) as cursor:
        return cursor.execute(
            """
            SELECT event_id, position, utility_id, topic, key, payload, occurred_at FROM event
            WHERE position > %(position)s ORDER BY position LIMIT %(limit)s
            """,
            {"position": position, "limit": BATCH},
        ).fetchall()


def _handle(
    conn: Connection[TupleRow],
    *,
    consumer: str,
    event: Event,
    handler: Handler,
    clock: Clock,
) -> None:
    try:
        with conn.transaction():
            enter_scope(
                conn,
                scope=Scope(utility_id=event.utility_id, actor=consumer, now=clock.now()),
            )
            handler(conn, event)
            # What is checked at the commit is checked here: there its refusal would stop the consumer for ever.
            conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
            _move(conn, consumer=consumer, position=event.position)
    except Exception as error:
        if _may_pass(error) and (conn.broken or _count_attempt(conn, consumer=consumer) < ATTEMPTS):
            raise  # the database is away or in trouble: nothing was decided, try again later
        log.exception(
            "events.handler_failed",
            consumer=consumer,
            event_id=event.event_id,
            topic=event.topic,
        )
        with conn.transaction():
            event_failures.put_aside(conn, consumer=consumer, event_id=event.event_id, error=error)
            _move(conn, consumer=consumer, position=event.position)


def _may_pass(error: Exception) -> bool:
    return isinstance(error, psycopg.OperationalError) and not isinstance(error, errors.ProgramLimitExceeded)


def _count_attempt(conn: Connection[TupleRow], *, consumer: str) -> int:
    """Count one more attempt at the event that this consumer stands before. Commits."""
    attempts = _scalar(
        conn,
        "UPDATE event_offset SET attempts = attempts + 1 WHERE consumer = %(consumer)s RETURNING attempts",
        {"consumer": consumer},
    )
    conn.commit()
    return attempts


def _try_again(conn: Connection[TupleRow], *, consumer: str, handlers: Mapping[str, Handler], clock: Clock) -> int:
    """Handle one event that was put aside, if somebody asked for it. Commits.

    It comes as the newest of all: a consumer that leaves out what it has passed shall not leave it out. So the relay
    numbers nothing meanwhile, and nothing numbered waits.
    """
    event_id = event_failures.next_asked(conn, consumer=consumer)
    if event_id is None:
        return 0
    conn.execute("SELECT pg_advisory_xact_lock(%(lock)s)", {"lock": RELAY_LOCK})
    if _next(conn, consumer=consumer):
        conn.rollback()
        return 0
    try:
        with conn.transaction():
            event = _as_newest(conn, event_id=event_id)
            enter_scope(conn, scope=Scope(utility_id=event.utility_id, actor=consumer, now=clock.now()))
            if event.topic in handlers:
                handlers[event.topic](conn, event)
            conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
            event_failures.resolve(conn, consumer=consumer, event_id=event_id)
    except Exception as error:
        if conn.broken:
            raise
        log.exception("events.handler_failed_again", consumer=consumer, event_id=event_id)
        event_failures.put_aside(conn, consumer=consumer, event_id=event_id, error=error)
    conn.commit()
    return 1


def _as_newest(conn: Connection[TupleRow], *, event_id: int) -> Event:
    with conn.cursor(row_factory=class_row(Event)) as cursor:
        event = cursor.execute(
            """
            SELECT event_id, nextval('event_position') AS position, utility_id, topic, key, payload, occurred_at
            FROM event WHERE event_id = %(event_id)s
            """,
            {"event_id": event_id},
        ).fetchone()
    assert event is not None, "an event that was put aside is kept"
    return event


def _move(conn: Connection[TupleRow], *, consumer: str, position: int) -> None:
    conn.execute(
        """
        UPDATE event_offset SET position = %(position)s, attempts = 0, moved_at = clock_timestamp()
        WHERE consumer = %(consumer)s
        """,
        {"consumer": consumer, "position": position},
    )


def _scalar(conn: Connection[TupleRow], query: Any, parameters: Mapping[str, Any] | None = None) -> Any:
    row = conn.execute(query, parameters).fetchone()
    assert row is not None, "the query returns one row"
    return row[0]
