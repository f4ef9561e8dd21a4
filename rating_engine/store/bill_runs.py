"""Bill runs: one row for each district, service and period."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import Jsonb
from psycopg.types.range import TimestamptzRange

from kernel.database import range_of
from kernel.period import Period


@dataclass(frozen=True, slots=True)
class BillRunRow:
    """One run; `excluded` lists agreements not billed, with the reason."""

    bill_run_id: int
    district_id: int
    service: str
    period: TimestamptzRange
    started_at: datetime
    finished_at: datetime | None
    billed: int
    excluded: list[dict[str, Any]]


def ensure(
    conn: Connection[TupleRow], *, utility_id: int, district_id: int, service: str, period: Period, at: datetime
) -> int:
    """Write the run's row, or find the one that an earlier try wrote."""
    parameters = {
        "utility_id": utility_id,
        "district_id": district_id,
        "service": service,
        "period": range_of(period),
        "at": at,
    }
    conn.execute(
        """
        INSERT INTO bill_run (utility_id, district_id, service, period, started_at)
        VALUES (%(utility_id)s, %(district_id)s, %(service)s, %(period)s, %(at)s)
        ON CONFLICT (utility_id, district_id, service, period) DO NOTHING
        """,
        parameters,
    )
    row = conn.execute(
        """
        SELECT bill_run_id FROM bill_run
        WHERE utility_id = %(utility_id)s AND district_id = %(district_id)s AND service = %(service)s
          AND period = %(period)s
        """,
        parameters,
    ).fetchone()
    assert row is not None, "the row was written above"
    return row[0]


def lock(conn: Connection[TupleRow], *, utility_id: int, bill_run_id: int) -> None:
    """Let one transaction at a time bill for this run."""
    conn.execute(
        """
        SELECT 1 FROM bill_run WHERE utility_id = %(utility_id)s AND bill_run_id = %(bill_run_id)s FOR NO KEY UPDATE
        """,
        {"utility_id": utility_id, "bill_run_id": bill_run_id},
    )


def add_billed(conn: Connection[TupleRow], *, utility_id: int, bill_run_id: int, billed: int) -> None:
    """Count bills that this transaction wrote."""
    conn.execute(
        """
        UPDATE bill_run SET billed = billed + %(billed)s
        WHERE utility_id = %(utility_id)s AND bill_run_id = %(bill_run_id)s
        """,
        {"utility_id": utility_id, "bill_run_id": bill_run_id, "billed": billed},
    )


def finish(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    bill_run_id: int,
    excluded: Sequence[dict[str, Any]],
    at: datetime,
) -> int:
    """Mark the run as finished; return how many bills it wrote in all its tries."""
    row = conn.execute(
        """
        UPDATE bill_run SET finished_at = coalesce(finished_at, %(at)s), excluded = %(excluded)s
        WHERE utility_id = %(utility_id)s AND bill_run_id = %(bill_run_id)s RETURNING billed
        """,
        {"utility_id": utility_id, "bill_run_id": bill_run_id, "excluded": Jsonb(list(excluded)), "at": at},
    ).fetchone()
    assert row is not None, "the run's row stands"
    return row[0]


def finished_periods(
    conn: Connection[TupleRow], *, utility_id: int, district_id: int, service: str, since: datetime
) -> set[datetime]:
    """Give the ends of the periods whose run is finished."""
    rows = conn.execute(
        """
        SELECT upper(period) FROM bill_run
        WHERE utility_id = %(utility_id)s AND district_id = %(district_id)s AND service = %(service)s
          AND upper(period) >= %(since)s AND finished_at IS NOT NULL
        ORDER BY 1
        """,
        {"utility_id": utility_id, "district_id": district_id, "service": service, "since": since},
    ).fetchall()
    return {row[0] for row in rows}


def recent(conn: Connection[TupleRow], *, utility_id: int, limit: int) -> list[BillRunRow]:
    """List runs, the newest first."""
    with conn.cursor(row_factory=class_row(BillRunRow)) as cursor:
        return cursor.execute(
            """
            SELECT bill_run_id, district_id, service, period, started_at, finished_at, billed, excluded FROM bill_run
            WHERE utility_id = %(utility_id)s ORDER BY upper(period) DESC, bill_run_id DESC LIMIT %(limit)s
            """,
            {"utility_id": utility_id, "limit": limit},
        ).fetchall()


def refresh_statistics(conn: Connection[TupleRow]) -> None:
    """Have the planner count the bills anew where it believes in less than a quarter of those that the runs wrote."""
    row = conn.execute(
        """
        SELECT (SELECT sum(billed) FROM bill_run) > 100 + 4 * greatest(0, reltuples) FROM pg_class
        WHERE oid = 'bill'::regclass
        """
    ).fetchone()
    if row is not None and row[0]:
        conn.execute("SELECT refresh_bill_statistics()")


def highest_number(conn: Connection[TupleRow], *, utility_id: int, prefix: str) -> int:
    """Tell the highest serial among bill numbers that begin with `prefix`; 0 if there is none."""
    row = conn.execute(
        """
        SELECT coalesce(max(substring(bill_number FROM length(%(prefix)s) + 1)::bigint), 0) FROM bill
        WHERE utility_id = %(utility_id)s AND starts_with(bill_number, %(prefix)s)
          AND bill_number BETWEEN %(prefix)s || '0' AND %(prefix)s || '99999999'
          AND substring(bill_number FROM length(%(prefix)s) + 1) ~ '^[0-9]{1,18}$'
        """,
        {"utility_id": utility_id, "prefix": prefix},
    ).fetchone()
    assert row is not None, "an aggregate gives one row"
    return row[0]
