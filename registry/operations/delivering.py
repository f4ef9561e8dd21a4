"""Notices on their way as e-mail or letter: queued once, tried until it works, and every step on record."""

from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from registry.domain.unknown import NoticeUnknown
from registry.operations.noticing import record_delivery
from registry.store import deliveries
from registry.store.deliveries import WaitingChannel, WaitingDelivery
from registry.store.notices import DeliveryState


def queue_delivery(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    notice_id: int,
    channel: WaitingChannel,
    address: str,
    wall_now: datetime,
    at: datetime,
) -> bool:
    """Send a notice on its way; False if it went on this channel before."""
    is_new = deliveries.insert(
        conn, utility_id=utility_id, notice_id=notice_id, channel=channel, address=address, try_after=wall_now
    )
    if is_new:
        record_delivery(
            conn,
            utility_id=utility_id,
            notice_id=notice_id,
            channel=channel,
            address=address,
            state="queued",
            detail="",
            at=at,
        )
    return is_new


def take_delivery(
    conn: Connection[TupleRow], *, utility_id: int, channel: WaitingChannel, wall_now: datetime
) -> WaitingDelivery | None:
    """Take the next delivery that may be tried and hold it to the end of the transaction; None if there is none."""
    return deliveries.take_next(conn, utility_id=utility_id, channel=channel, wall_now=wall_now)


def postpone_delivery(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    waiting: WaitingDelivery,
    reason: str,
    try_after: datetime,
    at: datetime,
) -> None:
    """Note that a try did not work and when the next one is; `try_after` is wall time."""
    deliveries.postpone(
        conn, utility_id=utility_id, notice_id=waiting.notice_id, channel=waiting.channel, try_after=try_after
    )
    record_delivery(
        conn,
        utility_id=utility_id,
        notice_id=waiting.notice_id,
        channel=waiting.channel,
        address=waiting.address,
        state="queued",
        detail=reason,
        at=at,
    )


def finish_delivery(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    notice_id: int,
    channel: WaitingChannel,
    address: str,
    state: DeliveryState,
    detail: str,
    at: datetime,
) -> None:
    """Record that a notice left, or cannot leave, on a channel; it waits there no more.

    :raises NoticeUnknown: if no such notice waits on this channel
    """
    if not deliveries.delete(conn, utility_id=utility_id, notice_id=notice_id, channel=channel):
        raise NoticeUnknown(f"notice {notice_id} does not wait on {channel}")
    record_delivery(
        conn,
        utility_id=utility_id,
        notice_id=notice_id,
        channel=channel,
        address=address,
        state=state,
        detail=detail,
        at=at,
    )
