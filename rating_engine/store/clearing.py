"""Card payments that succeeded and could not be taken as they were told."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

ClearingReason = Literal["other_amount", "other_currency", "unknown_reference"]


@dataclass(frozen=True, slots=True)
class CardPaymentToClear:
    """Money with the provider, in minor units of its currency; `begun_minor` is what we asked for."""

    clearing_id: int
    provider_event_id: str
    reference: str
    intent_id: int | None
    account_id: int | None
    begun_minor: int | None
    amount_minor: int
    currency: str
    reason: ClearingReason
    received_at: datetime


def keep(
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
) -> bool:
    """Keep a payment to clear; tell whether it is new."""
    kept = conn.execute(
        """
        INSERT INTO card_payment_to_clear (utility_id, provider_event_id, reference, intent_id, amount_minor, currency,
                                           reason, received_at)
        VALUES (%(utility_id)s, %(provider_event_id)s, %(reference)s, %(intent_id)s, %(amount_minor)s, %(currency)s,
                %(reason)s, %(at)s)
        ON CONFLICT ON CONSTRAINT card_payment_to_clear_once DO NOTHING
        """,
        {
            "utility_id": utility_id,
            "provider_event_id": provider_event_id,
            "reference": reference,
            "intent_id": intent_id,
            "amount_minor": amount_minor,
            "currency": currency,
            "reason": reason,
            "at": at,
        },
    )
    return kept.rowcount == 1


def to_clear(conn: Connection[TupleRow], *, utility_id: int) -> list[CardPaymentToClear]:
    """List what waits to be cleared, oldest first."""
    with conn.cursor(row_factory=class_row(CardPaymentToClear)) as cursor:
        return cursor.execute(
            """
            SELECT clearing_id, provider_event_id, reference, intent_id, payment_intent.account_id,
                   payment_intent.amount_minor AS begun_minor, card_payment_to_clear.amount_minor, currency, reason,
                   received_at
            FROM card_payment_to_clear LEFT JOIN payment_intent USING (utility_id, intent_id)
            WHERE utility_id = %(utility_id)s AND cleared_at IS NULL
            ORDER BY received_at, clearing_id
            """,
            {"utility_id": utility_id},
        ).fetchall()


def clear(conn: Connection[TupleRow], *, utility_id: int, clearing_id: int, by: str, at: datetime) -> int | None:
    """Note that somebody cleared a payment; return its intent.

    :raises LookupError: if it does not wait to be cleared
    """
    row = conn.execute(
        """
        UPDATE card_payment_to_clear SET cleared_at = %(at)s, cleared_by = %(by)s
        WHERE utility_id = %(utility_id)s AND clearing_id = %(clearing_id)s AND cleared_at IS NULL
        RETURNING intent_id
        """,
        {"utility_id": utility_id, "clearing_id": clearing_id, "by": by, "at": at},
    ).fetchone()
    if row is None:
        raise LookupError(f"card payment {clearing_id} does not wait to be cleared")
    return row[0]
