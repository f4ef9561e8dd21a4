"""Orders to meters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import Jsonb

from ingest_gateway.commands import Command, CommandState, QueuedCommand


@dataclass(frozen=True, slots=True)
class MeterCommand:
    """An order with what became of it, as pages show it."""

    command_id: int
    meter_id: int
    command: Command
    arguments: dict[str, Any]
    purpose: str
    state: CommandState
    state_detail: str
    queued_at: datetime
    expires_at: datetime
    sent_at: datetime | None
    answered_at: datetime | None
    sends: int
    release_proof: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Changed:
    """An order that changed its state, for the event."""

    command_id: int
    meter_id: int
    purpose: str
    state: CommandState
    command: Command


def insert(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    meter_id: int,
    command: Command,
    arguments: Mapping[str, Any],
    purpose: str,
    expires_at: datetime,
    at: datetime,
) -> int:
    row = conn.execute(
        """
        INSERT INTO meter_command (utility_id, meter_id, command, arguments, purpose, state, queued_at, expires_at)
        VALUES (%(utility_id)s, %(meter_id)s, %(command)s, %(arguments)s, %(purpose)s, 'queued', %(at)s, %(expires_at)s)
        RETURNING command_id
        """,
        {
            "utility_id": utility_id,
            "meter_id": meter_id,
            "command": command,
            "arguments": Jsonb(dict(arguments)),
            "purpose": purpose,
            "at": at,
            "expires_at": expires_at,
        },
    ).fetchone()
    assert row is not None, "an insert returns its row"
    return row[0]


def cancel(conn: Connection[TupleRow], *, utility_id: int, purpose: str) -> list[Changed]:
    """Take back what is queued. What was sent may have been obeyed: it becomes unknown and is not sent again."""
    with conn.cursor(row_factory=class_row(Changed)) as cursor:
        return cursor.execute(
            """
            UPDATE meter_command
            SET state = CASE state WHEN 'queued' THEN 'cancelled' ELSE 'unknown' END,
                state_detail = CASE state WHEN 'queued' THEN 'taken back before it was sent'
                                          ELSE 'taken back after it was sent' END
            WHERE utility_id = %(utility_id)s AND purpose = %(purpose)s AND state IN ('queued', 'sent')
            RETURNING command_id, meter_id, purpose, state, command
            """,
            {"utility_id": utility_id, "purpose": purpose},
        ).fetchall()


def expire(conn: Connection[TupleRow], *, utility_id: int, at: datetime) -> list[Changed]:
    """Close orders whose time is over: never sent is expired, sent and not answered is unknown."""
    with conn.cursor(row_factory=class_row(Changed)) as cursor:
        return cursor.execute(
            """
            UPDATE meter_command
            SET state = CASE state WHEN 'queued' THEN 'expired' ELSE 'unknown' END,
                state_detail = CASE state WHEN 'queued' THEN 'its time was over before it could be sent'
                                          ELSE 'no answer before its time was over' END
            WHERE utility_id = %(utility_id)s AND state IN ('queued', 'sent') AND expires_at <= %(at)s
            RETURNING command_id, meter_id, purpose, state, command
            """,
            {"utility_id": utility_id, "at": at},
        ).fetchall()


@dataclass(frozen=True, slots=True)
class OpenCommand:
    """An order that is not answered, and how often it left."""

    command_id: int
    state: CommandState
    sends: int


def open_commands(conn: Connection[TupleRow], *, utility_id: int) -> list[OpenCommand]:
    """List the orders that are queued or sent and not answered, the oldest first."""
    with conn.cursor(row_factory=class_row(OpenCommand)) as cursor:
        return cursor.execute(
            """
            SELECT command_id, state, sends FROM meter_command
            WHERE utility_id = %(utility_id)s AND state IN ('queued', 'sent') ORDER BY command_id
            """,
            {"utility_id": utility_id},
        ).fetchall()


def open_order(conn: Connection[TupleRow], *, utility_id: int, command_id: int) -> QueuedCommand | None:
    """Give one order that is queued or sent, not locked; None if it is neither by now."""
    with conn.cursor(row_factory=class_row(QueuedCommand)) as cursor:
        return cursor.execute(
            """
            SELECT utility_id, command_id, meter_id, command, arguments, purpose, state, queued_at, expires_at, sends
            FROM meter_command
            WHERE utility_id = %(utility_id)s AND command_id = %(command_id)s AND state IN ('queued', 'sent')
            """,
            {"utility_id": utility_id, "command_id": command_id},
        ).fetchone()


def mark_sent(
    conn: Connection[TupleRow], *, order: QueuedCommand, proof: Mapping[str, Any] | None, at: datetime
) -> bool:
    """Note that an order leaves, for the first time or again; tell false if it is not as it was looked at."""
    marked = conn.execute(
        """
        UPDATE meter_command
        SET state = 'sent', sent_at = coalesce(sent_at, %(at)s), sends = sends + 1,
            release_proof = coalesce(%(proof)s, release_proof)
        WHERE utility_id = %(utility_id)s AND command_id = %(command_id)s AND state = %(state)s AND sends = %(sends)s
        """,
        {
            "utility_id": order.utility_id,
            "command_id": order.command_id,
            "state": order.state,
            "sends": order.sends,
            "proof": None if proof is None else Jsonb(dict(proof)),
            "at": at,
        },
    )
    return marked.rowcount == 1


def refuse(
    conn: Connection[TupleRow], *, order: QueuedCommand, detail: str, proof: Mapping[str, Any]
) -> CommandState | None:
    """End an order that the guard refused: one that had left before may be obeyed, so it is unknown.

    None if its meter answered meanwhile: what it says counts for more.
    """
    row = conn.execute(
        """
        UPDATE meter_command
        SET state = CASE WHEN sends > 0 THEN 'unknown' ELSE 'refused' END, state_detail = %(detail)s,
            release_proof = %(proof)s
        WHERE utility_id = %(utility_id)s AND command_id = %(command_id)s AND answered_at IS NULL
        RETURNING state
        """,
        {
            "utility_id": order.utility_id,
            "command_id": order.command_id,
            "detail": detail,
            "proof": Jsonb(dict(proof)),
        },
    ).fetchone()
    return None if row is None else row[0]


def answer(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    command_id: int,
    sender: str,
    state: CommandState,
    detail: str,
    at: datetime,
) -> Changed | None:
    """Note the meter's answer; None if there is no such order for this sender's meters, or it was answered before.

    An answer tells what happened, so it counts even after the order was given up.
    """
    with conn.cursor(row_factory=class_row(Changed)) as cursor:
        return cursor.execute(
            """
            UPDATE meter_command c
            SET state = %(state)s, state_detail = %(detail)s, answered_at = %(at)s
            WHERE c.utility_id = %(utility_id)s AND c.command_id = %(command_id)s
              AND c.sends > 0 AND c.answered_at IS NULL
              AND EXISTS (SELECT FROM sender_meter sm JOIN sender s USING (utility_id, sender_id)
                          WHERE sm.utility_id = c.utility_id AND sm.meter_id = c.meter_id AND s.name = %(sender)s)
            RETURNING c.command_id, c.meter_id, c.purpose, c.state, c.command
            """,
            {
                "utility_id": utility_id,
                "command_id": command_id,
                "sender": sender,
                "state": state,
                "detail": detail,
                "at": at,
            },
        ).fetchone()


def was_answered(conn: Connection[TupleRow], *, utility_id: int, command_id: int, sender: str) -> bool:
    """Tell whether this sender's meter answered the order before."""
    row = conn.execute(
        """
        SELECT EXISTS (
            SELECT FROM meter_command c JOIN sender_meter sm USING (utility_id, meter_id)
            JOIN sender s USING (utility_id, sender_id)
            WHERE c.utility_id = %(utility_id)s AND c.command_id = %(command_id)s AND c.answered_at IS NOT NULL
              AND s.name = %(sender)s)
        """,
        {"utility_id": utility_id, "command_id": command_id, "sender": sender},
    ).fetchone()
    return row is not None and row[0]


def of_meter(conn: Connection[TupleRow], *, utility_id: int, meter_id: int, limit: int) -> list[MeterCommand]:
    """List a meter's orders, the last first."""
    with conn.cursor(row_factory=class_row(MeterCommand)) as cursor:
        return cursor.execute(
            """
            SELECT command_id, meter_id, command, arguments, purpose, state, state_detail, queued_at, expires_at,
                   sent_at, answered_at, sends, release_proof
            FROM meter_command WHERE utility_id = %(utility_id)s AND meter_id = %(meter_id)s
            ORDER BY command_id DESC LIMIT %(limit)s
            """,
            {"utility_id": utility_id, "meter_id": meter_id, "limit": limit},
        ).fetchall()


def states(conn: Connection[TupleRow], *, utility_id: int, command_ids: Sequence[int]) -> dict[int, CommandState]:
    """Tell the state of each order."""
    rows = conn.execute(
        """
        SELECT command_id, state FROM meter_command
        WHERE utility_id = %(utility_id)s AND command_id = ANY(%(command_ids)s) ORDER BY command_id
        """,
        {"utility_id": utility_id, "command_ids": list(command_ids)},
    ).fetchall()
    return dict(rows)
