"""Taking payments: once each, allocated by rule, posted, told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection, errors
from psycopg.rows import TupleRow

from kernel import events
from rating_engine.domain import allocation as rules
from rating_engine.domain.allocation import Share
from rating_engine.domain.payments import Channel, PaymentRow, advance_entry, credit_entry, payment_entry
from rating_engine.operations.ledger import post, post_all
from rating_engine.store import ledger as ledger_store
from rating_engine.store import payments as store
from rating_engine.store import settings_of_utility
from registry import operations as registry


class PaymentConflict(Exception):
    """The channel's number was used before for another amount or account; ask the channel which one is right."""


@dataclass(frozen=True, slots=True)
class PaymentTaken:
    """What became of a payment, in minor units; `is_new` is false when it had been taken before."""

    payment_id: int
    account_id: int
    amount_minor: int
    shares: tuple[Share, ...]
    advance_minor: int
    is_new: bool


def take_payment(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    account_id: int,
    channel: Channel,
    external_id: str,
    amount_minor: int,
    paid_at: datetime,
    taken_by: str,
    at: datetime,
) -> PaymentTaken:
    """Take one payment, amount in minor units; a second time under the same channel number gives the first's result.

    :raises PaymentConflict: if the number came before with another amount or account
    :raises PaymentUnusable: if the amount is not above zero or the number is empty
    :raises AccountMissing: if the utility has no such account
    """
    payment = PaymentRow(account_id, channel, external_id, amount_minor, paid_at, at, taken_by)
    return take_payments(conn, utility_id=utility_id, payments=[payment])[0]


def take_payments(
    conn: Connection[TupleRow], *, utility_id: int, payments: Sequence[PaymentRow], announce: bool = True
) -> list[PaymentTaken]:
    """Take many payments in the order given, all or none; `announce` False is for history that nobody is to be told.

    :raises PaymentConflict: if a number came before with another amount or account
    :raises AccountMissing: if the utility has no such account
    """
    if not payments:
        return []
    accounts = store.lock_accounts(conn, utility_id=utility_id, account_ids={p.account_id for p in payments})
    keys = [payment.key for payment in payments]
    known = store.by_external_ids(conn, utility_id=utility_id, keys=keys)
    new: dict[tuple[Channel, str], PaymentRow] = {}
    for key, payment in zip(keys, payments, strict=True):
        first = known.get(key) or new.setdefault(key, payment)
        if (first.account_id, first.amount_minor) != (payment.account_id, payment.amount_minor):
            told = f"{payment.channel} {payment.external_id}: {payment.amount_minor} for account {payment.account_id}"
            raise PaymentConflict(f"{told}, before {first.amount_minor} for account {first.account_id}")
    taken = _take_new(conn, utility_id=utility_id, payments=list(new.values()))
    if announce:
        for key, payment in new.items():
            _announce(
                conn, utility_id=utility_id, payment=payment, taken=taken[key], account=accounts[payment.account_id]
            )
    earlier = _taken_before(conn, utility_id=utility_id, payments=list(known.values()))
    seen: set[tuple[Channel, str]] = set()
    results: list[PaymentTaken] = []
    for key in keys:
        result = earlier[key] if key in earlier else taken[key]
        results.append(_again(result) if key in seen else result)
        seen.add(key)
    return results


def apply_advance(conn: Connection[TupleRow], *, utility_id: int, account_id: int, at: datetime) -> tuple[Share, ...]:
    """Use what an account has paid ahead, and credits left on its bills, for what it owes; tell what was settled.

    :raises AccountMissing: if the utility has no such account
    """
    store.lock_accounts(conn, utility_id=utility_id, account_ids=[account_id])
    number = store.next_entry_number(conn, utility_id=utility_id, account_id=account_id)
    owed = store.owed_by_accounts(conn, utility_id=utility_id, account_ids=[account_id]).get(account_id, [])
    for bill in owed:
        if bill.open_minor < 0:
            key, credit_minor = f"advance:{account_id}:{number}", -bill.open_minor
            entry = credit_entry(
                entry_key=key, account_id=account_id, bill_id=bill.bill_id, credit_minor=credit_minor, at=at
            )
            post(conn, utility_id=utility_id, entry=entry)
            number += 1
    balance = ledger_store.balance_of_account(conn, utility_id=utility_id, account_id=account_id)
    if balance.advance_minor <= 0 or not rules.in_order(owed):
        return ()
    shares = rules.allocate(amount_minor=balance.advance_minor, owed=owed).shares
    entry = advance_entry(entry_key=f"advance:{account_id}:{number}", account_id=account_id, shares=shares, at=at)
    post(conn, utility_id=utility_id, entry=entry)
    unused = store.unused_of_payments(conn, utility_id=utility_id, account_id=account_id)
    rows = [(payment_id, bill_id, minor, at) for payment_id, bill_id, minor in rules.draw(unused, shares=shares)]
    if rows:
        store.insert_allocations(conn, utility_id=utility_id, rows=rows)
    return shares


def _take_new(
    conn: Connection[TupleRow], *, utility_id: int, payments: Sequence[PaymentRow]
) -> dict[tuple[Channel, str], PaymentTaken]:
    if not payments:
        return {}
    owed = store.owed_by_accounts(conn, utility_id=utility_id, account_ids={p.account_id for p in payments})
    try:
        ids = store.insert_payments(conn, utility_id=utility_id, payments=payments)
    except errors.UniqueViolation as error:
        if error.diag.constraint_name != "payment_once":
            raise
        raise PaymentConflict(f"taken at this moment for another account: {error.diag.message_detail}") from error
    taken: dict[tuple[Channel, str], PaymentTaken] = {}
    entries, rows = [], []
    for payment in payments:
        key = payment.key
        open_now = owed.get(payment.account_id, [])
        allocation = rules.allocate(amount_minor=payment.amount_minor, owed=open_now)
        owed[payment.account_id] = list(rules.settle(open_now, shares=allocation.shares))
        entries.append(payment_entry(payment_id=ids[key], payment=payment, allocation=allocation))
        rows += [(ids[key], share.bill_id, share.amount_minor, payment.received_at) for share in allocation.shares]
        taken[key] = PaymentTaken(
            payment_id=ids[key],
            account_id=payment.account_id,
            amount_minor=payment.amount_minor,
            shares=allocation.shares,
            advance_minor=allocation.advance_minor,
            is_new=True,
        )
    post_all(conn, utility_id=utility_id, entries=entries)
    if rows:
        store.insert_allocations(conn, utility_id=utility_id, rows=rows)
    return taken


def _taken_before(
    conn: Connection[TupleRow], *, utility_id: int, payments: Sequence[store.StoredPayment]
) -> dict[tuple[Channel, str], PaymentTaken]:
    if not payments:
        return {}
    settled = store.allocations(conn, utility_id=utility_id, payment_ids=[p.payment_id for p in payments])
    results: dict[tuple[Channel, str], PaymentTaken] = {}
    for payment in payments:
        # What was used later, when a bill came, is no part of the first result.
        at_once = [row for row in settled[payment.payment_id] if row.allocated_at == payment.received_at]
        results[(payment.channel, payment.external_id)] = PaymentTaken(
            payment_id=payment.payment_id,
            account_id=payment.account_id,
            amount_minor=payment.amount_minor,
            shares=tuple(Share(bill_id=row.bill_id, amount_minor=row.amount_minor) for row in at_once),
            advance_minor=payment.amount_minor - sum(row.amount_minor for row in at_once),
            is_new=False,
        )
    return results


def _again(taken: PaymentTaken) -> PaymentTaken:
    return PaymentTaken(
        payment_id=taken.payment_id,
        account_id=taken.account_id,
        amount_minor=taken.amount_minor,
        shares=taken.shares,
        advance_minor=taken.advance_minor,
        is_new=False,
    )


def _announce(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    payment: PaymentRow,
    taken: PaymentTaken,
    account: store.PayingAccount,
) -> None:
    facts = settings_of_utility.facts(conn, utility_id=utility_id)
    registry.write_notice(
        conn,
        utility_id=utility_id,
        party_id=account.party_id,
        account_id=account.account_id,
        kind="payment.received",
        subject_key=f"payment:{taken.payment_id}",
        parameters={
            "payment_id": taken.payment_id,
            "account_number": account.account_number,
            "channel": payment.channel,
            "amount_minor": payment.amount_minor,
            "advance_minor": taken.advance_minor,
            "currency": facts.currency,
            "paid_on": facts.today(payment.paid_at).isoformat(),
        },
        at=payment.received_at,
    )
    events.publish(
        conn,
        utility_id=utility_id,
        topic="payment.received",
        key=f"account:{payment.account_id}",
        payload={"payment_id": taken.payment_id, "account_id": payment.account_id},
        occurred_at=payment.received_at,
    )
