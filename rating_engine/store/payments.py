"""Payments, what they settled, and payments that somebody began."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from rating_engine.domain.allocation import Owed
from rating_engine.domain.payments import Channel, IntentState, PaymentRow


class AccountMissing(LookupError):
    """The utility has no such account."""


class IntentUnknown(LookupError):
    """The utility has no such payment under way."""


@dataclass(frozen=True, slots=True)
class PayingAccount:
    """An account whose row this transaction has locked."""

    account_id: int
    account_number: str
    party_id: int


@dataclass(frozen=True, slots=True)
class StoredPayment:
    """A payment that was taken, in minor units."""

    payment_id: int
    account_id: int
    channel: Channel
    external_id: str
    amount_minor: int
    paid_at: datetime
    received_at: datetime
    taken_by: str


@dataclass(frozen=True, slots=True)
class AllocationRow:
    """What a payment settled of a bill, in minor units."""

    payment_id: int
    bill_id: int
    bill_number: str
    amount_minor: int
    allocated_at: datetime


@dataclass(frozen=True, slots=True)
class Intent:
    """A payment that somebody began; open or pending, it holds back a suspension until `expires_at`."""

    intent_id: int
    account_id: int
    channel: Channel
    external_id: str | None
    amount_minor: int
    state: IntentState
    created_at: datetime
    changed_at: datetime
    expires_at: datetime


def lock_accounts(
    conn: Connection[TupleRow], *, utility_id: int, account_ids: Collection[int]
) -> dict[int, PayingAccount]:
    """Lock accounts, lowest first, so that money and supply of one account are decided by one transaction at a time.

    The lock lets others refer to the account (a bill run need not wait), but two that lock it never run side by side.

    :raises AccountMissing: if there is no such account
    """
    wanted = sorted(set(account_ids))
    with conn.cursor(row_factory=class_row(PayingAccount)) as cursor:
        rows = cursor.execute(
            """
            SELECT account_id, account_number, party_id FROM account
            WHERE utility_id = %(utility_id)s AND account_id = ANY(%(account_ids)s) ORDER BY account_id
            FOR NO KEY UPDATE
            """,
            {"utility_id": utility_id, "account_ids": wanted},
        ).fetchall()
    locked = {row.account_id: row for row in rows}
    if missing := [account_id for account_id in wanted if account_id not in locked]:
        raise AccountMissing(f"no account has the id {', '.join(map(str, missing[:5]))}")
    return locked


def by_external_ids(
    conn: Connection[TupleRow], *, utility_id: int, keys: Collection[tuple[Channel, str]]
) -> dict[tuple[Channel, str], StoredPayment]:
    """Find the payments that came before under these channel numbers."""
    with conn.cursor(row_factory=class_row(StoredPayment)) as cursor:
        rows = cursor.execute(
            """
            SELECT payment.payment_id, payment.account_id, payment.channel, payment.external_id, payment.amount_minor,
                   payment.paid_at, payment.received_at, payment.taken_by
            FROM unnest(%(channels)s::text[], %(external_ids)s::text[]) AS given (channel, external_id)
            JOIN payment USING (channel, external_id)
            WHERE payment.utility_id = %(utility_id)s ORDER BY payment.payment_id
            """,
            {
                "utility_id": utility_id,
                "channels": [channel for channel, _ in keys],
                "external_ids": [external_id for _, external_id in keys],
            },
        ).fetchall()
    return {(row.channel, row.external_id): row for row in rows}


def owed_by_accounts(
    conn: Connection[TupleRow], *, utility_id: int, account_ids: Collection[int]
) -> dict[int, list[Owed]]:
    """List for each account the bills with something open, from the journal; a credit shows below zero."""
    rows = conn.execute(
        """
        SELECT owed.account_id, bill.bill_id, bill.due_on, owed.open_minor
        FROM (
            SELECT account_id, bill_id, sum(amount_minor)::bigint AS open_minor FROM journal_line
            WHERE utility_id = %(utility_id)s AND account_id = ANY(%(account_ids)s) AND ledger_account = 'receivable'
            GROUP BY account_id, bill_id HAVING sum(amount_minor) <> 0
        ) AS owed
        JOIN bill ON bill.utility_id = %(utility_id)s AND bill.bill_id = owed.bill_id
        ORDER BY owed.account_id, bill.due_on, bill.bill_id
        """,
        {"utility_id": utility_id, "account_ids": sorted(set(account_ids))},
    ).fetchall()
    found: dict[int, list[Owed]] = {}
    for account_id, bill_id, due_on, open_minor in rows:
        found.setdefault(account_id, []).append(Owed(bill_id=bill_id, due_on=due_on, open_minor=open_minor))
    return found


def insert_payments(
    conn: Connection[TupleRow], *, utility_id: int, payments: Sequence[PaymentRow]
) -> dict[tuple[Channel, str], int]:
    """Write payments; return their ids by channel number.

    :raises psycopg.errors.UniqueViolation: if one came meanwhile for another account (constraint payment_once)
    """
    rows = conn.execute(
        """
        INSERT INTO payment (utility_id, account_id, channel, external_id, amount_minor, paid_at, received_at, taken_by)
        SELECT %(utility_id)s, given.account_id, given.channel, given.external_id, given.amount_minor, given.paid_at,
               given.received_at, given.taken_by
        FROM unnest(%(accounts)s::bigint[], %(channels)s::text[], %(external_ids)s::text[], %(amounts)s::bigint[],
                    %(paid)s::timestamptz[], %(received)s::timestamptz[], %(taken_by)s::text[]) WITH ORDINALITY
             AS given (account_id, channel, external_id, amount_minor, paid_at, received_at, taken_by, number)
        ORDER BY given.number
        RETURNING channel, external_id, payment_id
        """,
        {
            "utility_id": utility_id,
            "accounts": [payment.account_id for payment in payments],
            "channels": [payment.channel for payment in payments],
            "external_ids": [payment.external_id for payment in payments],
            "amounts": [payment.amount_minor for payment in payments],
            "paid": [payment.paid_at for payment in payments],
            "received": [payment.received_at for payment in payments],
            "taken_by": [payment.taken_by for payment in payments],
        },
    ).fetchall()
    return {(channel, external_id): payment_id for channel, external_id, payment_id in rows}


def insert_allocations(
    conn: Connection[TupleRow], *, utility_id: int, rows: Sequence[tuple[int, int, int, datetime]]
) -> None:
    """Write what payments settled, as (payment, bill, minor units, when)."""
    conn.execute(
        """
        INSERT INTO payment_allocation (utility_id, payment_id, bill_id, amount_minor, allocated_at)
        SELECT %(utility_id)s, given.payment_id, given.bill_id, given.amount_minor, given.allocated_at
        FROM unnest(%(payments)s::bigint[], %(bills)s::bigint[], %(amounts)s::bigint[], %(at)s::timestamptz[])
             AS given (payment_id, bill_id, amount_minor, allocated_at)
        """,
        {
            "utility_id": utility_id,
            "payments": [row[0] for row in rows],
            "bills": [row[1] for row in rows],
            "amounts": [row[2] for row in rows],
            "at": [row[3] for row in rows],
        },
    )


def allocations(
    conn: Connection[TupleRow], *, utility_id: int, payment_ids: Collection[int]
) -> dict[int, list[AllocationRow]]:
    """List for each payment what it settled, later uses of what was over included."""
    with conn.cursor(row_factory=class_row(AllocationRow)) as cursor:
        rows = cursor.execute(
            """
            SELECT payment_allocation.payment_id, payment_allocation.bill_id, bill.bill_number,
                   payment_allocation.amount_minor, payment_allocation.allocated_at
            FROM payment_allocation JOIN bill USING (utility_id, bill_id)
            WHERE payment_allocation.utility_id = %(utility_id)s
              AND payment_allocation.payment_id = ANY(%(payment_ids)s)
            ORDER BY payment_allocation.payment_id, payment_allocation.allocation_id
            """,
            {"utility_id": utility_id, "payment_ids": list(payment_ids)},
        ).fetchall()
    found: dict[int, list[AllocationRow]] = {payment_id: [] for payment_id in payment_ids}
    for row in rows:
        found[row.payment_id].append(row)
    return found


def unused_of_payments(conn: Connection[TupleRow], *, utility_id: int, account_id: int) -> list[tuple[int, int]]:
    """List payments with something left for bills to come, oldest first, as (payment, minor units).

    What a payment settled of a bill that was cancelled since is free again.
    """
    return conn.execute(
        """
        SELECT payment.payment_id, (payment.amount_minor - coalesce(used.used_minor, 0))::bigint
        FROM payment
        LEFT JOIN LATERAL (
            SELECT sum(allocation.amount_minor) AS used_minor FROM payment_allocation AS allocation
            WHERE allocation.utility_id = payment.utility_id AND allocation.payment_id = payment.payment_id
              AND NOT EXISTS (SELECT 1 FROM bill_cancellation AS gone
                              WHERE gone.utility_id = allocation.utility_id AND gone.bill_id = allocation.bill_id)
        ) AS used ON true
        WHERE payment.utility_id = %(utility_id)s AND payment.account_id = %(account_id)s
          AND payment.amount_minor > coalesce(used.used_minor, 0)
        ORDER BY payment.paid_at, payment.payment_id
        """,
        {"utility_id": utility_id, "account_id": account_id},
    ).fetchall()


def next_entry_number(conn: Connection[TupleRow], *, utility_id: int, account_id: int) -> int:
    """Tell how many times money paid ahead was used for this account's bills, and one more."""
    row = conn.execute(
        """
        SELECT count(*) + 1 FROM journal_entry
        WHERE utility_id = %(utility_id)s AND kind = 'allocation' AND starts_with(entry_key, %(prefix)s)
        """,
        {"utility_id": utility_id, "prefix": f"advance:{account_id}:"},
    ).fetchone()
    assert row is not None, "an aggregate gives one row"
    return row[0]


def payments_of_account(
    conn: Connection[TupleRow], *, utility_id: int, account_id: int, limit: int
) -> list[StoredPayment]:
    """List an account's payments, newest first."""
    with conn.cursor(row_factory=class_row(StoredPayment)) as cursor:
        return cursor.execute(
            """
            SELECT payment_id, account_id, channel, external_id, amount_minor, paid_at, received_at, taken_by
            FROM payment WHERE utility_id = %(utility_id)s AND account_id = %(account_id)s
            ORDER BY paid_at DESC, payment_id DESC LIMIT %(limit)s
            """,
            {"utility_id": utility_id, "account_id": account_id, "limit": limit},
        ).fetchall()
