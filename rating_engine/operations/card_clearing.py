"""Card payments that succeeded and could not be taken as they were told: kept until somebody clears them."""

from datetime import datetime, timedelta

import structlog
from psycopg import Connection
from psycopg.rows import TupleRow

from rating_engine.store import clearing as store
from rating_engine.store import intents as intent_store
from rating_engine.store.clearing import ClearingReason
from rating_engine.store.payments import lock_accounts

log = structlog.get_logger()

HOLDS_BACK = timedelta(days=3650)  # the customer has paid something: supply stays on until somebody has looked


class ClearingUnknown(LookupError):
    """There is no such card payment to clear, or it was cleared."""


def keep_to_clear(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    provider_event_id: str,
    reference: str,
    intent_id: int | None,
    amount_minor: int,
    currency: str,
    reason: ClearingReason,
    at: datetime,
) -> None:
    """Keep a card payment whose money is with the provider; a second time does nothing.

    A payment of ours that it names is under way until it is cleared, so that no supply is stopped meanwhile.
    """
    if intent_id is not None:
        intent = intent_store.intent(conn, utility_id=utility_id, intent_id=intent_id)
        lock_accounts(conn, utility_id=utility_id, account_ids=[intent.account_id])
    is_new = store.keep(
        conn,
        utility_id=utility_id,
        provider_event_id=provider_event_id,
        reference=reference,
        intent_id=intent_id,
        amount_minor=amount_minor,
        currency=currency,
        reason=reason,
        at=at,
    )
    if not is_new:
        return
    log.error("card_payment.to_clear", provider_event=provider_event_id, intent_id=intent_id, reason=reason)
    if intent_id is not None:
        intent = intent_store.intent(conn, utility_id=utility_id, intent_id=intent_id)
        if intent.state != "succeeded":
            intent_store.set_state(conn, utility_id=utility_id, intent_id=intent_id, state="pending", at=at)
            intent_store.extend(conn, utility_id=utility_id, intent_id=intent_id, expires_at=at + HOLDS_BACK)


def clear_card_payment(conn: Connection[TupleRow], *, utility_id: int, clearing_id: int, by: str, at: datetime) -> None:
    """Note that somebody cleared a card payment with the provider: given back, or taken at the counter by its number.

    :raises ClearingUnknown: if it does not wait to be cleared
    """
    try:
        intent_id = store.clear(conn, utility_id=utility_id, clearing_id=clearing_id, by=by, at=at)
    except LookupError as error:
        raise ClearingUnknown(str(error)) from error
    if intent_id is None or any(other.intent_id == intent_id for other in store.to_clear(conn, utility_id=utility_id)):
        return
    intent = intent_store.intent(conn, utility_id=utility_id, intent_id=intent_id)
    if intent.state == "pending":
        intent_store.set_state(conn, utility_id=utility_id, intent_id=intent_id, state="failed", at=at)
