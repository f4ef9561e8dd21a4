"""Card payments: begun here, decided by the provider's notifications, whatever their order."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg import Connection
from psycopg.rows import TupleRow

from rating_engine.domain.payments import IntentState, PaymentUnusable, later_state
from rating_engine.operations.card_clearing import keep_to_clear
from rating_engine.operations.payments import PaymentConflict, PaymentTaken, take_payment
from rating_engine.store import collections as collections_store
from rating_engine.store import intents as store
from rating_engine.store import settings_of_utility
from rating_engine.store.clearing import ClearingReason
from rating_engine.store.payments import Intent, lock_accounts


@dataclass(frozen=True, slots=True)
class Settled:
    """Where a card payment stands after a notification; `payment` is what was taken, once the money came.

    `to_clear` says why money that came was not taken: it is kept for somebody to clear it with the provider.
    """

    intent_id: int
    state: IntentState
    payment: PaymentTaken | None
    to_clear: ClearingReason | None = None


def begin_card_payment(
    conn: Connection[TupleRow], *, utility_id: int, account_id: int, amount_minor: int, at: datetime
) -> Intent:
    """Begin a card payment; while it is under way no supply of the account is stopped.

    :raises PaymentUnusable: if the amount is not above zero
    :raises AccountMissing: if the utility has no such account
    """
    if amount_minor <= 0:
        raise PaymentUnusable(f"a card payment of {amount_minor}: give an amount above zero")
    lock_accounts(conn, utility_id=utility_id, account_ids=[account_id])
    policy = collections_store.policy_at(conn, utility_id=utility_id, at=at)
    intent_id = store.insert_intent(
        conn,
        utility_id=utility_id,
        account_id=account_id,
        channel="card",
        external_id=None,
        amount_minor=amount_minor,
        state="open",
        at=at,
        expires_at=at + timedelta(hours=policy.card_intent_hours),
    )
    return store.intent(conn, utility_id=utility_id, intent_id=intent_id)


def settle_card_notification(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    provider_event_id: str,
    intent_id: int,
    state: IntentState,
    amount_minor: int,
    at: datetime,
) -> Settled:
    """Take in what the provider tells of a card payment: any order and any number of times ends the same.

    Money that came for no payment of ours, or with another amount, is kept to be cleared: see `card_clearing`.

    :raises IntentUnknown: if no such payment was begun, and no money came
    :raises PaymentConflict: if no money came and the amount is not the one begun, or the event id told something else
    """
    notification = store.CardNotification(provider_event_id, intent_id, state, amount_minor)
    begun = store.intents(conn, utility_id=utility_id, intent_ids=[intent_id])
    if state == "succeeded" and not begun:
        return _to_clear(conn, utility_id=utility_id, told=notification, reason="unknown_reference", at=at)
    if state == "succeeded" and begun[0].amount_minor != amount_minor:
        return _to_clear(conn, utility_id=utility_id, told=notification, reason="other_amount", at=at)
    intent = store.intent(conn, utility_id=utility_id, intent_id=intent_id)
    lock_accounts(conn, utility_id=utility_id, account_ids=[intent.account_id])
    intent = store.intent(conn, utility_id=utility_id, intent_id=intent_id)
    if amount_minor != intent.amount_minor:
        told = f"card payment {intent_id}: the provider names {amount_minor}"
        raise PaymentConflict(f"{told} and {intent.amount_minor} was begun; ask the provider")
    before = store.keep_notification(conn, utility_id=utility_id, notification=notification, at=at)
    if before is not None and before != notification:
        raise PaymentConflict(f"provider event {provider_event_id} said {before.state} of {before.intent_id} before")
    reached = later_state(intent.state, state)
    if reached != intent.state:
        store.set_state(conn, utility_id=utility_id, intent_id=intent_id, state=reached, at=at)
    if reached == "pending":
        policy = collections_store.policy_at(conn, utility_id=utility_id, at=at)
        until = at + timedelta(hours=policy.card_intent_hours)
        store.extend(conn, utility_id=utility_id, intent_id=intent_id, expires_at=until)
    payment = None
    if reached == "succeeded":
        payment = take_payment(
            conn,
            utility_id=utility_id,
            account_id=intent.account_id,
            channel="card",
            external_id=f"intent:{intent_id}",
            amount_minor=amount_minor,
            paid_at=at,
            taken_by="card provider",
            at=at,
        )
    return Settled(intent_id=intent_id, state=reached, payment=payment)


def _to_clear(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    told: store.CardNotification,
    reason: ClearingReason,
    at: datetime,
) -> Settled:
    is_ours = reason != "unknown_reference"
    keep_to_clear(
        conn,
        utility_id=utility_id,
        provider_event_id=told.provider_event_id,
        reference=str(told.intent_id),
        intent_id=told.intent_id if is_ours else None,
        amount_minor=told.amount_minor,
        currency=settings_of_utility.facts(conn, utility_id=utility_id).currency,
        reason=reason,
        at=at,
    )
    return Settled(intent_id=told.intent_id, state="pending", payment=None, to_clear=reason)
