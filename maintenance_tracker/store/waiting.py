"""Findings that have a known reason for a while."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """`until_at`: what lasts longer is tracked after all."""

    anomaly_id: int
    reason: str
    until_at: datetime


def waiting(conn: Connection[TupleRow], *, utility_id: int) -> list[WaitingRow]:
    """List the findings that have a known reason."""
    with conn.cursor(row_factory=class_row(WaitingRow)) as cursor:
        return cursor.execute(
            """
            SELECT anomaly_id, reason, until_at FROM anomaly_waiting
            WHERE utility_id = %(utility_id)s ORDER BY until_at, anomaly_id
            """,
            {"utility_id": utility_id},
        ).fetchall()


def put(conn: Connection[TupleRow], *, utility_id: int, anomaly_id: int, reason: str, until: datetime) -> None:
    """Note why a finding is no trouble until then."""
    conn.execute(
        """
        INSERT INTO anomaly_waiting (utility_id, anomaly_id, reason, until_at)
        VALUES (%(utility_id)s, %(anomaly_id)s, %(reason)s, %(until)s)
        ON CONFLICT (utility_id, anomaly_id) DO UPDATE SET reason = excluded.reason, until_at = excluded.until_at
        """,
        {"utility_id": utility_id, "anomaly_id": anomaly_id, "reason": reason, "until": until},
    )


def remove(conn: Connection[TupleRow], *, utility_id: int, anomaly_ids: Collection[int]) -> None:
    """Forget the reasons of these findings."""
    conn.execute(
        "DELETE FROM anomaly_waiting WHERE utility_id = %(utility_id)s AND anomaly_id = ANY (%(anomaly_ids)s)",
        {"utility_id": utility_id, "anomaly_ids": list(anomaly_ids)},
    )
