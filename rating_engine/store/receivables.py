"""What is owed by everyone: bills with an open amount, across accounts."""

from dataclasses import dataclass
from datetime import date, datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row


@dataclass(frozen=True, slots=True)
class Receivable:
    """A bill that is not settled; `open_minor` is what is left of it."""

    bill_id: int
    bill_number: str
    account_id: int
    account_number: str
    payment_method: str
    service: str
    issued_at: datetime
    due_on: date
    open_minor: int


def open_bills_of_all(
    conn: Connection[TupleRow], *, utility_id: int, issued_from: datetime | None, limit: int | None
) -> list[Receivable]:
    """List bills with something open, the oldest due first; `limit` None lists all."""
    with conn.cursor(row_factory=class_row(Receivable)) as cursor:
        return cursor.execute(
            """
            SELECT bill.bill_id, bill.bill_number, bill.account_id, account.account_number, account.payment_method,
                   bill.service, bill.issued_at, bill.due_on, open.amount_minor::bigint AS open_minor
            FROM (
                SELECT bill_id, sum(amount_minor) AS amount_minor FROM journal_line
                WHERE utility_id = %(utility_id)s AND ledger_account = 'receivable' AND bill_id IS NOT NULL
                GROUP BY bill_id HAVING sum(amount_minor) > 0
            ) AS open
            JOIN bill ON bill.utility_id = %(utility_id)s AND bill.bill_id = open.bill_id
            JOIN account ON account.utility_id = %(utility_id)s AND account.account_id = bill.account_id
            WHERE %(issued_from)s::timestamptz IS NULL OR bill.issued_at >= %(issued_from)s
            ORDER BY bill.due_on, bill.bill_id
            LIMIT %(limit)s
            """,
            {"utility_id": utility_id, "issued_from": issued_from, "limit": limit},
        ).fetchall()
