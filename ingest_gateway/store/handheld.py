"""Readings taken by hand, by the id that the handheld gave them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow


def outcomes(
    conn: Connection[TupleRow], *, utility_id: int, entry_ids: Sequence[UUID]
) -> dict[UUID, tuple[str, str | None]]:
    """Tell what became of entries that came before."""
    rows = conn.execute(
        """
        SELECT entry_id, outcome, reject_reason FROM handheld_entry
        WHERE utility_id = %(utility_id)s AND entry_id = ANY(%(entry_ids)s) ORDER BY entry_id
        """,
        {"utility_id": utility_id, "entry_ids": list(entry_ids)},
    ).fetchall()
    return {entry_id: (outcome, reason) for entry_id, outcome, reason in rows}


def insert(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    entry_id: UUID,
    meter_id: int,
    read_at: datetime,
    register: int,
    note: str,
    reason_code: str,
    login_id: int,
    entered_at: datetime,
    received_at: datetime,
    outcome: str,
    reject_reason: str | None,
) -> None:
    conn.execute(
        """
        INSERT INTO handheld_entry (utility_id, entry_id, meter_id, read_at, register, note, reason_code, login_id,
                                    entered_at, received_at, outcome, reject_reason)
        VALUES (%(utility_id)s, %(entry_id)s, %(meter_id)s, %(read_at)s, %(register)s, %(note)s, %(reason_code)s,
                %(login_id)s, %(entered_at)s, %(received_at)s, %(outcome)s, %(reject_reason)s)
        """,
        {
            "utility_id": utility_id,
            "entry_id": entry_id,
            "meter_id": meter_id,
            "read_at": read_at,
            "register": register,
            "note": note,
            "reason_code": reason_code,
            "login_id": login_id,
            "entered_at": entered_at,
            "received_at": received_at,
            "outcome": outcome,
            "reject_reason": reject_reason,
        },
    )


def lock_uploads(conn: Connection[TupleRow], *, utility_id: int, login_id: int) -> None:
    """Let one upload of a reader's at a time in: the same entries sent twice at once are taken one after the other."""
    conn.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended(%(name)s, 0))",
        {"name": f"handheld/{utility_id}/{login_id}"},
    )
