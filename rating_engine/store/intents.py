"""Payments that somebody began, and what the card provider told of them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from rating_engine.domain.payments import Channel, IntentState
from rating_engine.store.payments import Intent, IntentUnknown


@dataclass(frozen=True, slots=True)
class CardNotification:
    """One message of the card provider."""

    provider_event_id: str
    intent_id: int
    state: IntentState
    amount_minor: int


def insert_intent(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    account_id: int,
    channel: Channel,
    external_id: str | None,
    amount_minor: int,
    state: IntentState,
    at: datetime,
    expires_at: datetime,
) -> int:
    """Write a payment that somebody began; return its id."""
    row = conn.execute(
        """
        INSERT INTO payment_intent (utility_id, account_id, channel, external_id, amount_minor, state, created_at,
                                    changed_at, expires_at)
        VALUES (%(utility_id)s, %(account_id)s, %(channel)s, %(external_id)s, %(amount_minor)s, %(state)s, %(at)s,
                %(at)s, %(expires_at)s)
        RETURNING intent_id
        """,
        {
            "utility_id": utility_id,
            "account_id": account_id,
            "channel": channel,
            "external_id": external_id,
            "amount_minor": amount_minor,
            "state": state,
            "at": at,
            "expires_at": expires_at,
        },
    ).fetchone()
    assert row is not None, "an insert without a condition returns its row"
    return row[0]


def intent(conn: Connection[TupleRow], *, utility_id: int, intent_id: int) -> Intent:
    """:raises IntentUnknown: if the utility has no such payment under way"""
    found = intents(conn, utility_id=utility_id, intent_ids=[intent_id])
    if not found:
        raise IntentUnknown(f"no payment under way has the id {intent_id}")
    return found[0]


def intents(conn: Connection[TupleRow], *, utility_id: int, intent_ids: Collection[int]) -> list[Intent]:
    """List payments under way, by id."""
    with conn.cursor(row_factory=class_row(Intent)) as cursor:
        return cursor.execute(
            """
            SELECT intent_id, account_id, channel, external_id, amount_minor, state, created_at, changed_at, expires_at
            FROM payment_intent WHERE utility_id = %(utility_id)s AND intent_id = ANY(%(intent_ids)s)
            ORDER BY intent_id
            """,
            {"utility_id": utility_id, "intent_ids": list(intent_ids)},
        ).fetchall()


def in_flight(
    conn: Connection[TupleRow], *, utility_id: int, account_id: int, card_pages: int, at: datetime
) -> list[Intent]:
    """List what holds back a suspension: begun for an account, neither ended nor run out; by id.

    Of card pages of which the provider told nothing, the newest counts; and none does when more than `card_pages` were
    opened in 30 days and not paid: who opens one after the other and pays none is not spared by it.
    """
    with conn.cursor(row_factory=class_row(Intent)) as cursor:
        return cursor.execute(
            """
            WITH unpaid AS (
                SELECT intent_id FROM payment_intent
                WHERE utility_id = %(utility_id)s AND account_id = %(account_id)s AND channel = 'card'
                  AND state <> 'succeeded' AND created_at > %(at)s - interval '30 days'
            )
            SELECT intent_id, account_id, channel, external_id, amount_minor, state, created_at, changed_at, expires_at
            FROM payment_intent
            WHERE utility_id = %(utility_id)s AND account_id = %(account_id)s AND state IN ('open', 'pending')
              AND expires_at > %(at)s
              AND (channel <> 'card' OR state <> 'open'
                   OR (intent_id = (SELECT max(intent_id) FROM unpaid)
                       AND (SELECT count(*) FROM unpaid) <= %(card_pages)s))
            ORDER BY intent_id
            """,
            {"utility_id": utility_id, "account_id": account_id, "card_pages": card_pages, "at": at},
        ).fetchall()


def set_state(conn: Connection[TupleRow], *, utility_id: int, intent_id: int, state: IntentState, at: datetime) -> None:
    """Write a new state."""
    conn.execute(
        """
        UPDATE payment_intent SET state = %(state)s, changed_at = %(at)s
        WHERE utility_id = %(utility_id)s AND intent_id = %(intent_id)s
        """,
        {"utility_id": utility_id, "intent_id": intent_id, "state": state, "at": at},
    )


def extend(conn: Connection[TupleRow], *, utility_id: int, intent_id: int, expires_at: datetime) -> None:
    """Let a payment that the provider is working on hold back a suspension for longer, never for less."""
    conn.execute(
        """
        UPDATE payment_intent SET expires_at = greatest(expires_at, %(expires_at)s)
        WHERE utility_id = %(utility_id)s AND intent_id = %(intent_id)s
        """,
        {"utility_id": utility_id, "intent_id": intent_id, "expires_at": expires_at},
    )


def keep_notification(
    conn: Connection[TupleRow], *, utility_id: int, notification: CardNotification, at: datetime
) -> CardNotification | None:
    """Keep what the provider told; return what it told before under the same id, None if this is new."""
    kept = conn.execute(
        """
        INSERT INTO card_notification (utility_id, provider_event_id, intent_id, state, amount_minor, received_at)
        VALUES (%(utility_id)s, %(provider_event_id)s, %(intent_id)s, %(state)s, %(amount_minor)s, %(at)s)
        ON CONFLICT DO NOTHING
        """,
        {
            "utility_id": utility_id,
            "provider_event_id": notification.provider_event_id,
            "intent_id": notification.intent_id,
            "state": notification.state,
            "amount_minor": notification.amount_minor,
            "at": at,
        },
    )
    if kept.rowcount == 1:
        return None
    with conn.cursor(row_factory=class_row(CardNotification)) as cursor:
        return cursor.execute(
            """
            SELECT provider_event_id, intent_id, state, amount_minor FROM card_notification
            WHERE utility_id = %(utility_id)s AND provider_event_id = %(provider_event_id)s
            """,
            {"utility_id": utility_id, "provider_event_id": notification.provider_event_id},
        ).fetchone()
