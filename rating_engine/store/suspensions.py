"""Suspensions, what happened to each, and the brake."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import Jsonb

from rating_engine.domain.suspension import State

BRAKE_LOCK = 0x5375_6964_0001


class SuspensionUnknown(LookupError):
    """The utility has no such suspension."""


@dataclass(frozen=True, slots=True)
class SuspensionRow:
    """A suspension of one point. `may_be_off`: a command has left, so the supply may be off whatever was answered."""

    suspension_id: int
    account_id: int
    point_id: int
    state: State
    debt_minor: int
    bill_ids: list[int]
    ordered_at: datetime
    suspended_at: datetime | None
    restored_at: datetime | None
    stop_command_id: int | None
    restore_command_id: int | None
    proof: dict[str, Any]
    may_be_off: bool
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class SuspensionEvent:
    """One thing that happened to a suspension."""

    suspension_id: int
    state: State
    happened_at: datetime
    detail: dict[str, Any]


def insert(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    account_id: int,
    point_id: int,
    debt_minor: int,
    bill_ids: Sequence[int],
    proof: Mapping[str, Any],
    at: datetime,
) -> int:
    """Write an order; a point has one open at most (index suspension_open_once)."""
    row = conn.execute(
        """
        INSERT INTO suspension (utility_id, account_id, point_id, state, debt_minor, bill_ids, ordered_at, proof)
        VALUES (%(utility_id)s, %(account_id)s, %(point_id)s, 'ordered', %(debt_minor)s, %(bill_ids)s, %(at)s,
                %(proof)s)
        RETURNING suspension_id
        """,
        {
            "utility_id": utility_id,
            "account_id": account_id,
            "point_id": point_id,
            "debt_minor": debt_minor,
            "bill_ids": list(bill_ids),
            "at": at,
            "proof": Jsonb(dict(proof)),
        },
    ).fetchone()
    assert row is not None, "an insert without a condition returns its row"
    return row[0]


def account_of(conn: Connection[TupleRow], *, utility_id: int, suspension_id: int) -> int:
    """:raises SuspensionUnknown: if the utility has no such suspension"""
    row = conn.execute(
        "SELECT account_id FROM suspension WHERE utility_id = %(utility_id)s AND suspension_id = %(suspension_id)s",
        {"utility_id": utility_id, "suspension_id": suspension_id},
    ).fetchone()
    if row is None:
        raise SuspensionUnknown(f"there is no suspension {suspension_id}")
    return row[0]


def suspension(conn: Connection[TupleRow], *, utility_id: int, suspension_id: int) -> SuspensionRow:
    """:raises SuspensionUnknown: if the utility has no such suspension"""
    account_id = account_of(conn, utility_id=utility_id, suspension_id=suspension_id)
    rows = of_account(conn, utility_id=utility_id, account_id=account_id)
    return next(row for row in rows if row.suspension_id == suspension_id)


def of_account(conn: Connection[TupleRow], *, utility_id: int, account_id: int) -> list[SuspensionRow]:
    """List an account's suspensions, newest first."""
    with conn.cursor(row_factory=class_row(SuspensionRow)) as cursor:
        return cursor.execute(
            """
            SELECT suspension.suspension_id, suspension.account_id, suspension.point_id, suspension.state,
                   suspension.debt_minor, suspension.bill_ids, suspension.ordered_at, suspension.suspended_at,
                   suspension.restored_at, suspension.stop_command_id, suspension.restore_command_id, suspension.proof,
                   suspension.state NOT IN ('withdrawn', 'restored')
                   AND coalesce(happened.was_commanded, false) AS may_be_off,
                   coalesce(happened.changed_at, suspension.ordered_at) AS changed_at
            FROM suspension
            LEFT JOIN LATERAL (
                SELECT bool_or(event.state IN ('commanded', 'suspended', 'restoring')) AS was_commanded,
                       max(event.happened_at) AS changed_at
                FROM suspension_event AS event
                WHERE event.utility_id = suspension.utility_id AND event.suspension_id = suspension.suspension_id
            ) AS happened ON true
            WHERE suspension.utility_id = %(utility_id)s AND suspension.account_id = %(account_id)s
            ORDER BY suspension.suspension_id DESC
            """,
            {"utility_id": utility_id, "account_id": account_id},
        ).fetchall()


def open_points(conn: Connection[TupleRow], *, utility_id: int, point_ids: Collection[int]) -> set[int]:
    """Tell which of these points have a suspension under way, whoever's."""
    rows = conn.execute(
        """
        SELECT point_id FROM suspension
        WHERE utility_id = %(utility_id)s AND point_id = ANY(%(point_ids)s) AND state NOT IN ('withdrawn', 'restored')
        ORDER BY point_id
        """,
        {"utility_id": utility_id, "point_ids": list(point_ids)},
    ).fetchall()
    return {point_id for (point_id,) in rows}


def set_state(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    suspension_id: int,
    state: State,
    at: datetime,
    detail: Mapping[str, Any],
) -> None:
    """Write a new state and what led to it."""
    conn.execute(
        """
        UPDATE suspension SET state = %(state)s,
            suspended_at = CASE WHEN %(state)s = 'suspended' THEN coalesce(suspended_at, %(at)s) ELSE suspended_at END,
            restored_at = CASE WHEN %(state)s = 'restored' THEN coalesce(restored_at, %(at)s) ELSE restored_at END
        WHERE utility_id = %(utility_id)s AND suspension_id = %(suspension_id)s
        """,
        {"utility_id": utility_id, "suspension_id": suspension_id, "state": state, "at": at},
    )
    record(conn, utility_id=utility_id, suspension_id=suspension_id, state=state, at=at, detail=detail)


def record(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    suspension_id: int,
    state: State,
    at: datetime,
    detail: Mapping[str, Any],
) -> None:
    """Write down what happened to a suspension in its state."""
    conn.execute(
        """
        INSERT INTO suspension_event (utility_id, suspension_id, state, happened_at, detail)
        VALUES (%(utility_id)s, %(suspension_id)s, %(state)s, %(at)s, %(detail)s)
        """,
        {
            "utility_id": utility_id,
            "suspension_id": suspension_id,
            "state": state,
            "at": at,
            "detail": Jsonb(dict(detail)),
        },
    )


def set_stop_command(
    conn: Connection[TupleRow], *, utility_id: int, suspension_id: int, command_id: int | None
) -> None:
    """Say which command is to stop the supply."""
    conn.execute(
        """
        UPDATE suspension SET stop_command_id = %(command_id)s
        WHERE utility_id = %(utility_id)s AND suspension_id = %(suspension_id)s
        """,
        {"utility_id": utility_id, "suspension_id": suspension_id, "command_id": command_id},
    )


def set_restore_command(
    conn: Connection[TupleRow], *, utility_id: int, suspension_id: int, command_id: int | None
) -> None:
    """Say which command is to bring the supply back; None: the last one came to nothing."""
    conn.execute(
        """
        UPDATE suspension SET restore_command_id = %(command_id)s
        WHERE utility_id = %(utility_id)s AND suspension_id = %(suspension_id)s
        """,
        {"utility_id": utility_id, "suspension_id": suspension_id, "command_id": command_id},
    )


def add_proof(
    conn: Connection[TupleRow], *, utility_id: int, suspension_id: int, name: str, proof: Mapping[str, Any]
) -> None:
    """Keep a proof beside the others, under its name; each look at the guards stays in the events too."""
    conn.execute(
        """
        UPDATE suspension SET proof = proof || jsonb_build_object(%(name)s::text, %(proof)s::jsonb)
        WHERE utility_id = %(utility_id)s AND suspension_id = %(suspension_id)s
        """,
        {"utility_id": utility_id, "suspension_id": suspension_id, "name": name, "proof": Jsonb(dict(proof))},
    )


def events_of(conn: Connection[TupleRow], *, utility_id: int, suspension_ids: Collection[int]) -> list[SuspensionEvent]:
    """List what happened to suspensions, in order."""
    with conn.cursor(row_factory=class_row(SuspensionEvent)) as cursor:
        return cursor.execute(
            """
            SELECT suspension_id, state, happened_at, detail FROM suspension_event
            WHERE utility_id = %(utility_id)s AND suspension_id = ANY(%(suspension_ids)s)
            ORDER BY suspension_id, suspension_event_id
            """,
            {"utility_id": utility_id, "suspension_ids": list(suspension_ids)},
        ).fetchall()


def commands_between(
    conn: Connection[TupleRow], *, utility_id: int, after: datetime, until: datetime, but_for: int | None
) -> int:
    """Count suspensions whose command left in a time, or that wait for theirs to leave, but for one of them.

    Takes the utility's brake lock, so that two that count at once see each other.
    """
    conn.execute(
        "SELECT pg_advisory_xact_lock(%(lock)s + %(utility_id)s)", {"lock": BRAKE_LOCK, "utility_id": utility_id}
    )
    row = conn.execute(
        """
        SELECT count(*) FROM (
            SELECT suspension_id FROM suspension_event
            WHERE utility_id = %(utility_id)s AND state = 'commanded' AND happened_at > %(after)s
              AND happened_at <= %(until)s
            UNION
            SELECT suspension_id FROM suspension WHERE utility_id = %(utility_id)s AND state = 'ordered'
        ) AS counted WHERE suspension_id IS DISTINCT FROM %(but_for)s
        """,
        {"utility_id": utility_id, "after": after, "until": until, "but_for": but_for},
    ).fetchone()
    assert row is not None, "an aggregate gives one row"
    return row[0]
