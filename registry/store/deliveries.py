"""What has still to leave as e-mail or letter."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

WaitingChannel = Literal["email", "post"]


@dataclass(frozen=True, slots=True)
class WaitingDelivery:
    """A notice that waits on a channel, and to whom it goes."""

    notice_id: int
    channel: WaitingChannel
    address: str
    attempts: int
    party_id: int
    name: str
    locale: str


def insert(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    notice_id: int,
    channel: WaitingChannel,
    address: str,
    try_after: datetime,
) -> bool:
    """Let a notice wait on a channel, unless it went that way before; tell whether it waits now and did not."""
    added = conn.execute(
        """
        INSERT INTO delivery_waiting (utility_id, notice_id, channel, address, try_after)
        SELECT %(utility_id)s, %(notice_id)s, %(channel)s, %(address)s, %(try_after)s
        WHERE NOT EXISTS (
            SELECT FROM notice_delivery
            WHERE utility_id = %(utility_id)s AND notice_id = %(notice_id)s AND channel = %(channel)s)
        ON CONFLICT (utility_id, notice_id, channel) DO NOTHING
        """,
        {
            "utility_id": utility_id,
            "notice_id": notice_id,
            "channel": channel,
            "address": address,
            "try_after": try_after,
        },
    )
    return added.rowcount == 1


def take_next(
    conn: Connection[TupleRow], *, utility_id: int, channel: WaitingChannel, wall_now: datetime
) -> WaitingDelivery | None:
    """Lock the next one that may be tried; None if there is none, or others hold them all."""
    with conn.cursor(row_factory=class_row(WaitingDelivery)) as cursor:
        return cursor.execute(
            """
            SELECT waiting.notice_id, waiting.channel, waiting.address, waiting.attempts, party.party_id, party.name,
                   party.locale
            FROM delivery_waiting AS waiting
            JOIN notice USING (utility_id, notice_id)
            JOIN party USING (utility_id, party_id)
            WHERE waiting.utility_id = %(utility_id)s AND waiting.channel = %(channel)s
              AND waiting.try_after <= %(wall_now)s
            ORDER BY waiting.try_after, waiting.notice_id LIMIT 1
            FOR UPDATE OF waiting SKIP LOCKED
            """,
            {"utility_id": utility_id, "channel": channel, "wall_now": wall_now},
        ).fetchone()


def postpone(
    conn: Connection[TupleRow], *, utility_id: int, notice_id: int, channel: WaitingChannel, try_after: datetime
) -> None:
    conn.execute(
        """
        UPDATE delivery_waiting SET attempts = attempts + 1, try_after = %(try_after)s
        WHERE utility_id = %(utility_id)s AND notice_id = %(notice_id)s AND channel = %(channel)s
        """,
        {"utility_id": utility_id, "notice_id": notice_id, "channel": channel, "try_after": try_after},
    )


def delete(conn: Connection[TupleRow], *, utility_id: int, notice_id: int, channel: WaitingChannel) -> bool:
    """Take a notice off a channel; tell whether it waited there."""
    deleted = conn.execute(
        """
        DELETE FROM delivery_waiting
        WHERE utility_id = %(utility_id)s AND notice_id = %(notice_id)s AND channel = %(channel)s
        """,
        {"utility_id": utility_id, "notice_id": notice_id, "channel": channel},
    )
    return deleted.rowcount == 1


def waiting_deliveries(
    conn: Connection[TupleRow], *, utility_id: int, channel: WaitingChannel, limit: int
) -> list[WaitingDelivery]:
    """List what waits on a channel, the oldest notice first."""
    with conn.cursor(row_factory=class_row(WaitingDelivery)) as cursor:
        return cursor.execute(
            """
            SELECT waiting.notice_id, waiting.channel, waiting.address, waiting.attempts, party.party_id, party.name,
                   party.locale
            FROM delivery_waiting AS waiting
            JOIN notice USING (utility_id, notice_id)
            JOIN party USING (utility_id, party_id)
            WHERE waiting.utility_id = %(utility_id)s AND waiting.channel = %(channel)s
            ORDER BY waiting.notice_id LIMIT %(limit)s
            """,
            {"utility_id": utility_id, "channel": channel, "limit": limit},
        ).fetchall()
