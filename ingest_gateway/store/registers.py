"""Stored readings, as they are read: registers at an instant, a meter's series.

All reads go through the view `own_reading`, to every role: it shows the utility of the transaction's scope.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from kernel.period import Period

ReadMethod = Literal["read", "handheld", "edited", "estimated", "customer"]


class ScopeMissing(Exception):
    """The transaction was not entered for this utility (kernel.database.transaction), so its readings are not seen."""


@dataclass(frozen=True, slots=True)
class RegisterAt:
    """The newest register at or before an instant, in the meter's least digit, and how it was come by."""

    register: int
    read_at: datetime
    method: ReadMethod


@dataclass(frozen=True, slots=True)
class StoredReading:
    """One reading as it is stored; flow in L/h or W; flags as in ingest_gateway.domain.flags."""

    read_at: datetime
    register: int | None
    export_register: int | None
    flow: float | None
    pressure_kpa: float | None
    voltage_1_v: float | None
    voltage_2_v: float | None
    voltage_3_v: float | None
    battery_pct: int | None
    flags: int


def require_scope(conn: Connection[TupleRow], *, utility_id: int) -> None:
    """:raises ScopeMissing: if the view would show another utility, or none"""
    row = conn.execute("SELECT current_utility()").fetchone()
    if row is None or row[0] != utility_id:
        raise ScopeMissing(f"the transaction is not in the scope of utility {utility_id}: enter it first")


def registers_at(
    conn: Connection[TupleRow], *, utility_id: int, meter_ids: Sequence[int], at: datetime, max_age: timedelta
) -> dict[int, RegisterAt]:
    """Give each meter's newest register at or before `at`; a revision stands in the place of the reading it revises."""
    rows = conn.execute(
        """
        SELECT m.meter_id, coalesce(v.register, r.register), coalesce(v.read_at, r.read_at),
               coalesce(v.method, CASE b.source WHEN 'handheld' THEN 'handheld' ELSE 'read' END)
        FROM unnest(%(meter_ids)s::bigint[]) AS m (meter_id)
        LEFT JOIN LATERAL (
            SELECT o.read_at, o.register, o.batch_id FROM own_reading o
            WHERE o.utility_id = %(utility_id)s AND o.meter_id = m.meter_id AND o.register IS NOT NULL
              AND o.read_at <= %(at)s AND o.read_at > %(oldest)s
            ORDER BY o.read_at DESC LIMIT 1
        ) AS r ON true
        LEFT JOIN LATERAL (
            SELECT e.read_at, e.register, e.method FROM reading_revision e
            WHERE e.utility_id = %(utility_id)s AND e.meter_id = m.meter_id
              AND e.read_at <= %(at)s AND e.read_at > %(oldest)s AND (r.read_at IS NULL OR e.read_at >= r.read_at)
            ORDER BY e.read_at DESC, e.revision_id DESC LIMIT 1
        ) AS v ON true
        LEFT JOIN intake_batch b ON b.utility_id = %(utility_id)s AND b.batch_id = r.batch_id
        WHERE r.read_at IS NOT NULL OR v.read_at IS NOT NULL
        ORDER BY m.meter_id
        """,
        {"utility_id": utility_id, "meter_ids": list(meter_ids), "at": at, "oldest": at - max_age},
    ).fetchall()
    return {meter_id: RegisterAt(register, read_at, method) for meter_id, register, read_at, method in rows}


def series(
    conn: Connection[TupleRow], *, utility_id: int, meter_id: int, period: Period, limit: int
) -> list[StoredReading]:
    """List a meter's readings of a period, the last first."""
    with conn.cursor(row_factory=class_row(StoredReading)) as cursor:
        return cursor.execute(
            """
            SELECT read_at, register, export_register, flow, pressure_kpa, voltage_1_v, voltage_2_v, voltage_3_v,
                   battery_pct, flags
            FROM own_reading
            WHERE utility_id = %(utility_id)s AND meter_id = %(meter_id)s
              AND read_at >= %(start)s AND read_at < %(end)s
            ORDER BY read_at DESC LIMIT %(limit)s
            """,
            {
                "utility_id": utility_id,
                "meter_id": meter_id,
                "start": period.start,
                "end": period.end,
                "limit": limit,
            },
        ).fetchall()


def insert_revision(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    meter_id: int,
    read_at: datetime,
    register: int,
    method: Literal["edited", "estimated", "customer"],
    reason: str,
    decided_by: str,
    at: datetime,
) -> int:
    row = conn.execute(
        """
        INSERT INTO reading_revision (utility_id, meter_id, read_at, register, method, reason, decided_by, decided_at)
        VALUES (%(utility_id)s, %(meter_id)s, %(read_at)s, %(register)s, %(method)s, %(reason)s, %(decided_by)s, %(at)s)
        RETURNING revision_id
        """,
        {
            "utility_id": utility_id,
            "meter_id": meter_id,
            "read_at": read_at,
            "register": register,
            "method": method,
            "reason": reason,
            "decided_by": decided_by,
            "at": at,
        },
    ).fetchone()
    assert row is not None, "an insert returns its row"
    return row[0]
