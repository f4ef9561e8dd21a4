"""Notices to parties, and contact channels."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from kernel.events import NewEvent, publish, publish_all
from registry.book import ChannelKind
from registry.store import notices, parties
from registry.store.notices import DeliveryState, NewNotice, insert_all


def write_notice(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    party_id: int,
    account_id: int | None,
    kind: str,
    subject_key: str,
    parameters: Mapping[str, Any],
    at: datetime,
) -> int | None:
    """Tell a party something, once for each kind and subject; None if it was told already.

    The notice is on the party's page from the commit on, which is its delivery on the channel `web`.

    :raises PartyUnknown: if the utility has no such party
    """
    notice_id = notices.insert(
        conn,
        utility_id=utility_id,
        party_id=party_id,
        account_id=account_id,
        kind=kind,
        subject_key=subject_key,
        parameters=parameters,
        at=at,
    )
    if notice_id is None:
        return None
    record_delivery(
        conn, utility_id=utility_id, notice_id=notice_id, channel="web", address="", state="delivered", detail="", at=at
    )
    publish(
        conn,
        utility_id=utility_id,
        topic="notice.created",
        key=f"party:{party_id}",
        payload={"notice_id": notice_id, "party_id": party_id, "kind": kind},
        occurred_at=at,
    )
    return notice_id


def write_notices(conn: Connection[TupleRow], *, utility_id: int, notices: Sequence[NewNotice], at: datetime) -> int:
    """Tell many parties at once, each once for each kind and subject; return how many notices are new.

    :raises PartyUnknown: if one goes to a party that the utility does not have
    """
    written = insert_all(conn, utility_id=utility_id, notices=notices, at=at)
    events = [
        NewEvent(
            topic="notice.created",
            key=f"party:{party_id}",
            payload={"notice_id": notice_id, "party_id": party_id, "kind": kind},
            occurred_at=at,
        )
        for notice_id, party_id, kind in written
    ]
    publish_all(conn, utility_id=utility_id, events=events)
    return len(written)


def record_delivery(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    notice_id: int,
    channel: ChannelKind,
    address: str,
    state: DeliveryState,
    detail: str,
    at: datetime,
) -> None:
    """Record what became of a notice on a channel; each step is a row of its own.

    :raises NoticeUnknown: if the utility has no such notice
    """
    notices.insert_delivery(
        conn,
        utility_id=utility_id,
        notice_id=notice_id,
        channel=channel,
        address=address,
        state=state,
        detail=detail,
        at=at,
    )


def mark_notice_seen(
    conn: Connection[TupleRow], *, utility_id: int, party_id: int, notice_id: int, at: datetime
) -> None:
    """Record the first time that the party saw the notice.

    :raises NoticeUnknown: if the party has no such notice
    """
    notices.mark_seen(conn, utility_id=utility_id, party_id=party_id, notice_id=notice_id, at=at)


def add_channel(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    party_id: int,
    kind: ChannelKind,
    address: str,
    is_preferred: bool,
) -> int:
    """Add a way to reach a party; a preferred one takes the place of the one before, of the same kind.

    :raises PartyUnknown: if the utility has no such party
    """
    return parties.insert_channel(
        conn, utility_id=utility_id, party_id=party_id, kind=kind, address=address, is_preferred=is_preferred
    )


def remove_channel(conn: Connection[TupleRow], *, utility_id: int, party_id: int, channel_id: int) -> None:
    """Forget a way to reach a party; the history keeps it.

    :raises ChannelUnknown: if the party has no such channel
    """
    parties.delete_channel(conn, utility_id=utility_id, party_id=party_id, channel_id=channel_id)
