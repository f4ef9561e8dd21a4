"""Journal entries and what is derived from them: balances and open bills."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg.types.range import TimestamptzRange

from rating_engine.domain.ledger import JournalEntry, JournalLine


class EntryAlreadyPosted(Exception):
    """An entry with this key was posted before; what it stands for has already happened."""


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """What an account owes on bills, and what it has paid ahead; both in minor units, neither negative in order."""

    account_id: int
    owed_minor: int
    advance_minor: int


@dataclass(frozen=True, slots=True)
class OpenBill:
    """A bill that is not yet settled; `open_minor` is what is still owed on it."""

    bill_id: int
    bill_number: str
    account_id: int
    agreement_id: int
    point_id: int
    service: str
    kind: str
    revision: int
    period: TimestamptzRange
    issued_at: datetime
    due_on: date
    currency: str
    total_minor: int
    open_minor: int


def insert_entries(conn: Connection[TupleRow], *, utility_id: int, entries: Sequence[JournalEntry]) -> dict[str, int]:
    """Write entries with their lines in two statements; return entry ids by key.

    :raises EntryAlreadyPosted: if one of the keys was posted before; the transaction must then be rolled back
    """
    ids = dict(
        conn.execute(
            """
            INSERT INTO journal_entry (utility_id, entry_key, kind, posted_at)
            SELECT %(utility_id)s, given.entry_key, given.kind, given.posted_at
            FROM unnest(%(keys)s::text[], %(kinds)s::text[], %(posted)s::timestamptz[])
                 WITH ORDINALITY AS given (entry_key, kind, posted_at, number)
            ORDER BY given.number
            ON CONFLICT ON CONSTRAINT journal_entry_once DO NOTHING
            RETURNING entry_key, entry_id
            """,
            {
                "utility_id": utility_id,
                "keys": [entry.entry_key for entry in entries],
                "kinds": [entry.kind for entry in entries],
                "posted": [entry.posted_at for entry in entries],
            },
        ).fetchall()
    )
    if len(ids) != len(entries):
        known = sorted({entry.entry_key for entry in entries} - ids.keys()) or ["given twice"]
        raise EntryAlreadyPosted(f"already posted: {', '.join(known[:5])}")
    _insert_lines(conn, utility_id=utility_id, entries=entries, ids=ids)
    return ids


def lines_of_entry(conn: Connection[TupleRow], *, utility_id: int, entry_key: str) -> list[JournalLine]:
    """Give the lines of one entry, none if it was never posted."""
    with conn.cursor(row_factory=class_row(JournalLine)) as cursor:
        return cursor.execute(
            """
            SELECT line.ledger_account, line.amount_minor, line.account_id, line.bill_id
            FROM journal_entry AS entry JOIN journal_line AS line USING (utility_id, entry_id)
            WHERE entry.utility_id = %(utility_id)s AND entry.entry_key = %(entry_key)s ORDER BY line.line_number
            """,
            {"utility_id": utility_id, "entry_key": entry_key},
        ).fetchall()


def balance_of_account(conn: Connection[TupleRow], *, utility_id: int, account_id: int) -> AccountBalance:
    """Sum what the account owes and what it has paid ahead, from the journal."""
    row = conn.execute(
        """
        SELECT coalesce(sum(amount_minor) FILTER (WHERE ledger_account = 'receivable'), 0)::bigint,
               coalesce(-sum(amount_minor) FILTER (WHERE ledger_account = 'advance'), 0)::bigint
        FROM journal_line
        WHERE utility_id = %(utility_id)s AND account_id = %(account_id)s
          AND ledger_account IN ('receivable', 'advance')
        """,
        {"utility_id": utility_id, "account_id": account_id},
    ).fetchone()
    assert row is not None, "an aggregate gives one row"
    return AccountBalance(account_id=account_id, owed_minor=row[0], advance_minor=row[1])


def open_bills(conn: Connection[TupleRow], *, utility_id: int, account_id: int) -> list[OpenBill]:
    """List the account's bills with something owed, the one due first first."""
    with conn.cursor(row_factory=class_row(OpenBill)) as cursor:
        return cursor.execute(
            """
            SELECT bill.bill_id, bill.bill_number, bill.account_id, bill.agreement_id, bill.point_id, bill.service,
                   bill.kind, bill.revision, bill.period, bill.issued_at, bill.due_on, bill.currency, bill.total_minor,
                   owed.open_minor
            FROM (
                SELECT bill_id, sum(amount_minor)::bigint AS open_minor FROM journal_line
                WHERE utility_id = %(utility_id)s AND account_id = %(account_id)s AND ledger_account = 'receivable'
                GROUP BY bill_id HAVING sum(amount_minor) <> 0
            ) AS owed
            JOIN bill ON bill.utility_id = %(utility_id)s AND bill.bill_id = owed.bill_id
            ORDER BY bill.due_on, bill.bill_id
            """,
            {"utility_id": utility_id, "account_id": account_id},
        ).fetchall()


def open_minor_of_bill(conn: Connection[TupleRow], *, utility_id: int, bill_id: int) -> int:
    """Tell what is still owed on one bill."""
    row = conn.execute(
        """
        SELECT coalesce(sum(amount_minor), 0)::bigint FROM journal_line
        WHERE utility_id = %(utility_id)s AND bill_id = %(bill_id)s AND ledger_account = 'receivable'
        """,
        {"utility_id": utility_id, "bill_id": bill_id},
    ).fetchone()
    assert row is not None, "an aggregate gives one row"
    return row[0]


def _insert_lines(
    conn: Connection[TupleRow], *, utility_id: int, entries: Sequence[JournalEntry], ids: dict[str, int]
) -> None:
    rows = [
        (ids[entry.entry_key], number, line.ledger_account, line.account_id, line.bill_id, line.amount_minor)
        for entry in entries
        for number, line in enumerate(entry.lines, start=1)
    ]
    # One JSON document: made and read in C at both ends, much faster than arrays of text.
    conn.execute(
        """
        INSERT INTO journal_line (utility_id, entry_id, line_number, ledger_account, account_id, bill_id, amount_minor)
        SELECT %(utility_id)s, (g.line ->> 0)::bigint, (g.line ->> 1)::integer, g.line ->> 2, (g.line ->> 3)::bigint,
               (g.line ->> 4)::bigint, (g.line ->> 5)::bigint
        FROM json_array_elements(%(lines)s::json) AS g (line)
        """,
        {"utility_id": utility_id, "lines": json.dumps(rows)},
    )
