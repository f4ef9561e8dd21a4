"""What was paid, and what is under way."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from rating_engine.store import clearing as clearing_store
from rating_engine.store import collections as collections_store
from rating_engine.store import intents as intent_store
from rating_engine.store import payments as store


@dataclass(frozen=True, slots=True)
class PaymentView:
    """A payment with what it settled, in minor units; `advance_minor` waits for bills to come."""

    payment: store.StoredPayment
    allocations: tuple[store.AllocationRow, ...]
    advance_minor: int


def payments_of_account(
    conn: Connection[TupleRow], *, utility_id: int, account_id: int, limit: int = 50
) -> list[PaymentView]:
    """List an account's payments with what each settled, newest first."""
    rows = store.payments_of_account(conn, utility_id=utility_id, account_id=account_id, limit=limit)
    settled = store.allocations(conn, utility_id=utility_id, payment_ids=[row.payment_id for row in rows])
    return [
        PaymentView(
            payment=row,
            allocations=tuple(settled[row.payment_id]),
            advance_minor=row.amount_minor - sum(part.amount_minor for part in settled[row.payment_id]),
        )
        for row in rows
    ]


def pending_payments(
    conn: Connection[TupleRow], *, utility_id: int, account_id: int, at: datetime
) -> list[store.Intent]:
    """List payments that were begun for an account, neither ended nor ran out, and hold back a suspension."""
    policy = collections_store.policy_at(conn, utility_id=utility_id, at=at)
    return intent_store.in_flight(
        conn, utility_id=utility_id, account_id=account_id, card_pages=policy.card_pages, at=at
    )


def card_intent(conn: Connection[TupleRow], *, utility_id: int, intent_id: int) -> store.Intent:
    """:raises IntentUnknown: if the utility has no such payment under way"""
    return intent_store.intent(conn, utility_id=utility_id, intent_id=intent_id)


def card_payments_to_clear(conn: Connection[TupleRow], *, utility_id: int) -> list[clearing_store.CardPaymentToClear]:
    """List card payments that succeeded and could not be taken, and wait for somebody, oldest first."""
    return clearing_store.to_clear(conn, utility_id=utility_id)
