"""Bills as pages and reports want them."""

from dataclasses import dataclass
from datetime import date, datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg.types.range import TimestamptzRange

from kernel.period import Period


@dataclass(frozen=True, slots=True)
class BillSummary:
    """One bill in a list; `open_minor` is what is still owed on it, `use` an exact decimal in the meter's unit."""

    bill_id: int
    bill_number: str
    account_id: int
    agreement_id: int
    point_id: int
    service: str
    kind: str
    revision: int
    period: TimestamptzRange
    first_day: str
    end_day: str
    use: str
    unit: str
    issued_at: datetime
    due_on: date
    currency: str
    total_minor: int
    tax_minor: int
    open_minor: int
    is_cancelled: bool


@dataclass(frozen=True, slots=True)
class BilledTotal:
    """What was billed in a local month for a service, cancelled bills left out; amounts in minor units."""

    month: date
    service: str
    bills: int
    total_minor: int
    tax_minor: int


@dataclass(frozen=True, slots=True)
class OwedService:
    """The part of a bill that is for one service, tax and rounding included."""

    bill_id: int
    service: str
    total_minor: int


def of_account(conn: Connection[TupleRow], *, utility_id: int, account_id: int, limit: int) -> list[BillSummary]:
    """List an account's bills, the newest first, cancelled ones too."""
    with conn.cursor(row_factory=class_row(BillSummary)) as cursor:
        return cursor.execute(
            """
            SELECT bill.bill_id, bill.bill_number, bill.account_id, bill.agreement_id, bill.point_id, bill.service,
                   bill.kind, bill.revision, bill.period, bill.input #>> '{period,first_day}' AS first_day,
                   bill.input #>> '{period,end_day}' AS end_day, bill.input ->> 'use' AS use,
                   coalesce(bill.input #>> '{segments,0,unit}', '') AS unit, bill.issued_at, bill.due_on, bill.currency,
                   bill.total_minor, bill.tax_minor, coalesce(owed.open_minor, 0) AS open_minor,
                   gone.bill_id IS NOT NULL AS is_cancelled
            FROM bill
            LEFT JOIN bill_cancellation AS gone USING (utility_id, bill_id)
            LEFT JOIN LATERAL (
                SELECT sum(line.amount_minor)::bigint AS open_minor FROM journal_line AS line
                WHERE line.utility_id = bill.utility_id AND line.bill_id = bill.bill_id
                  AND line.ledger_account = 'receivable'
            ) AS owed ON true
            WHERE bill.utility_id = %(utility_id)s AND bill.account_id = %(account_id)s
            ORDER BY bill.issued_at DESC, bill.bill_id DESC LIMIT %(limit)s
            """,
            {"utility_id": utility_id, "account_id": account_id, "limit": limit},
        ).fetchall()


def newest_of_point(conn: Connection[TupleRow], *, utility_id: int, point_id: int) -> int | None:
    """Give the point's newest bill that was not cancelled."""
    row = conn.execute(
        """
        SELECT bill.bill_id
        FROM bill LEFT JOIN bill_cancellation AS gone USING (utility_id, bill_id)
        WHERE bill.utility_id = %(utility_id)s AND bill.point_id = %(point_id)s AND gone.bill_id IS NULL
        ORDER BY bill.issued_at DESC, bill.bill_id DESC LIMIT 1
        """,
        {"utility_id": utility_id, "point_id": point_id},
    ).fetchone()
    return None if row is None else row[0]


def billed_totals(conn: Connection[TupleRow], *, utility_id: int, zone: str, period: Period) -> list[BilledTotal]:
    """Add up the bills issued in the period, by local month and service."""
    with conn.cursor(row_factory=class_row(BilledTotal)) as cursor:
        return cursor.execute(
            """
            SELECT date_trunc('month', bill.issued_at AT TIME ZONE %(zone)s)::date AS month, bill.service,
                   count(*) AS bills, sum(bill.total_minor)::bigint AS total_minor,
                   sum(bill.tax_minor)::bigint AS tax_minor
            FROM bill LEFT JOIN bill_cancellation AS gone USING (utility_id, bill_id)
            WHERE bill.utility_id = %(utility_id)s AND bill.issued_at >= %(start)s AND bill.issued_at < %(end)s
              AND gone.bill_id IS NULL
            GROUP BY 1, 2 ORDER BY 1, 2
            """,
            {"utility_id": utility_id, "zone": zone, "start": period.start, "end": period.end},
        ).fetchall()


def services_of_bills(conn: Connection[TupleRow], *, utility_id: int, bill_ids: list[int]) -> list[OwedService]:
    """Add up the lines of each bill by service."""
    with conn.cursor(row_factory=class_row(OwedService)) as cursor:
        return cursor.execute(
            """
            SELECT bill_id, service, sum(amount_minor)::bigint AS total_minor FROM bill_line
            WHERE utility_id = %(utility_id)s AND bill_id = ANY(%(bill_ids)s)
            GROUP BY bill_id, service ORDER BY bill_id, min(line_number)
            """,
            {"utility_id": utility_id, "bill_ids": bill_ids},
        ).fetchall()
