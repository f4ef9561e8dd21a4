"""Notices to parties and what became of them on each channel."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg import Connection, errors
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import Jsonb

from registry.book import ChannelKind
from registry.domain.unknown import NoticeUnknown, PartyUnknown

DeliveryState = Literal["queued", "sent", "delivered", "failed", "returned"]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a party is told; the text is made from kind and parameters in the reader's language."""

    notice_id: int
    party_id: int
    account_id: int | None
    kind: str
    subject_key: str
    parameters: dict[str, Any]
    created_at: datetime
    seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One step of a notice's way on one channel."""

    delivery_id: int
    notice_id: int
    channel: ChannelKind
    address: str
    state: DeliveryState
    happened_at: datetime
    detail: str


@dataclass(frozen=True, slots=True)
class NewNotice:
    """A notice to be written."""

    party_id: int
    account_id: int | None
    kind: str
    subject_key: str
    parameters: Mapping[str, Any]


def insert_all(
    conn: Connection[TupleRow], *, utility_id: int, notices: Sequence[NewNotice], at: datetime
) -> list[tuple[int, int, str]]:
    """Write many notices, with their delivery on the web; return (notice, party, kind) of those that are new.

    :raises PartyUnknown: if one goes to a party that the utility does not have
    """
    try:
        return conn.execute(
            """
            WITH written AS (
                INSERT INTO notice (utility_id, party_id, account_id, kind, subject_key, parameters, created_at)
                SELECT %(utility_id)s, given.party_id, given.account_id, given.kind, given.subject_key,
                       given.parameters::jsonb, %(at)s
                FROM unnest(%(parties)s::bigint[], %(accounts)s::bigint[], %(kinds)s::text[], %(subjects)s::text[],
                            %(parameters)s::text[])
                     WITH ORDINALITY AS given (party_id, account_id, kind, subject_key, parameters, number)
                ORDER BY given.number
                ON CONFLICT (utility_id, party_id, kind, subject_key) DO NOTHING
                RETURNING notice_id, party_id, kind
            ), delivered AS (
                INSERT INTO notice_delivery (utility_id, notice_id, channel, address, state, happened_at, detail)
                SELECT %(utility_id)s, notice_id, 'web', '', 'delivered', %(at)s, '' FROM written
            )
            SELECT notice_id, party_id, kind FROM written ORDER BY notice_id
            """,
            {
                "utility_id": utility_id,
                "parties": [notice.party_id for notice in notices],
                "accounts": [notice.account_id for notice in notices],
                "kinds": [notice.kind for notice in notices],
                "subjects": [notice.subject_key for notice in notices],
                "parameters": [json.dumps(dict(notice.parameters)) for notice in notices],
                "at": at,
            },
        ).fetchall()
    except errors.ForeignKeyViolation as error:
        if error.diag.constraint_name != "notice_utility_id_party_id_fkey":
            raise
        raise PartyUnknown("a notice goes to a party that is not in the registry") from error


def insert(
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
    """Write a notice; None if the party has it already.

    :raises PartyUnknown: if the utility has no such party
    """
    try:
        row = conn.execute(
            """
            INSERT INTO notice (utility_id, party_id, account_id, kind, subject_key, parameters, created_at)
            VALUES (%(utility_id)s, %(party_id)s, %(account_id)s, %(kind)s, %(subject_key)s, %(parameters)s, %(at)s)
            ON CONFLICT (utility_id, party_id, kind, subject_key) DO NOTHING
            RETURNING notice_id
            """,
            {
                "utility_id": utility_id,
                "party_id": party_id,
                "account_id": account_id,
                "kind": kind,
                "subject_key": subject_key,
                "parameters": Jsonb(dict(parameters)),
                "at": at,
            },
        ).fetchone()
    except errors.ForeignKeyViolation as error:
        if error.diag.constraint_name != "notice_utility_id_party_id_fkey":
            raise
        raise PartyUnknown(f"party {party_id} of notice {kind} {subject_key} is not in the registry") from error
    return None if row is None else row[0]


def insert_delivery(
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
    """:raises NoticeUnknown: if the utility has no such notice"""
    try:
        conn.execute(
            """
            INSERT INTO notice_delivery (utility_id, notice_id, channel, address, state, happened_at, detail)
            VALUES (%(utility_id)s, %(notice_id)s, %(channel)s, %(address)s, %(state)s, %(at)s, %(detail)s)
            """,
            {
                "utility_id": utility_id,
                "notice_id": notice_id,
                "channel": channel,
                "address": address,
                "state": state,
                "detail": detail,
                "at": at,
            },
        )
    except errors.ForeignKeyViolation as error:
        if error.diag.constraint_name != "notice_delivery_utility_id_notice_id_fkey":
            raise
        raise NoticeUnknown(f"notice {notice_id} was never written") from error


def mark_seen(conn: Connection[TupleRow], *, utility_id: int, party_id: int, notice_id: int, at: datetime) -> None:
    """Record the first time that the party saw the notice.

    :raises NoticeUnknown: if the party has no such notice
    """
    row = conn.execute(
        """
        UPDATE notice SET seen_at = coalesce(seen_at, %(at)s)
        WHERE utility_id = %(utility_id)s AND party_id = %(party_id)s AND notice_id = %(notice_id)s
        RETURNING notice_id
        """,
        {"utility_id": utility_id, "party_id": party_id, "notice_id": notice_id, "at": at},
    ).fetchone()
    if row is None:
        raise NoticeUnknown(f"party {party_id} has no notice {notice_id}")


def notice(conn: Connection[TupleRow], *, utility_id: int, party_id: int, notice_id: int) -> Notice:
    """:raises NoticeUnknown: if the party has no such notice"""
    with conn.cursor(row_factory=class_row(Notice)) as cursor:
        found = cursor.execute(
            """
            SELECT notice_id, party_id, account_id, kind, subject_key, parameters, created_at, seen_at FROM notice
            WHERE utility_id = %(utility_id)s AND party_id = %(party_id)s AND notice_id = %(notice_id)s
            """,
            {"utility_id": utility_id, "party_id": party_id, "notice_id": notice_id},
        ).fetchone()
    if found is None:
        raise NoticeUnknown(f"party {party_id} has no notice {notice_id}")
    return found


def notices_of_party(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    party_id: int,
    before_notice_id: int | None = None,
    limit: int = 50,
) -> list[Notice]:
    """List a party's notices, newest first; the next page begins before the last notice_id of this one."""
    with conn.cursor(row_factory=class_row(Notice)) as cursor:
        return cursor.execute(
            """
            SELECT notice_id, party_id, account_id, kind, subject_key, parameters, created_at, seen_at FROM notice
            WHERE utility_id = %(utility_id)s AND party_id = %(party_id)s
              AND (%(before)s::bigint IS NULL OR (created_at, notice_id) < (
                  SELECT created_at, notice_id FROM notice
                  WHERE utility_id = %(utility_id)s AND notice_id = %(before)s))
            ORDER BY created_at DESC, notice_id DESC LIMIT %(limit)s
            """,
            {"utility_id": utility_id, "party_id": party_id, "before": before_notice_id, "limit": limit},
        ).fetchall()


def unseen_notices(conn: Connection[TupleRow], *, utility_id: int, party_id: int) -> int:
    """Count the notices that the party has not seen."""
    row = conn.execute(
        """
        SELECT count(*) FROM notice
        WHERE utility_id = %(utility_id)s AND party_id = %(party_id)s AND seen_at IS NULL
        """,
        {"utility_id": utility_id, "party_id": party_id},
    ).fetchone()
    assert row is not None, "a count is one row"
    return row[0]


def deliveries_of_notice(conn: Connection[TupleRow], *, utility_id: int, notice_id: int) -> list[Delivery]:
    """List what became of a notice on each channel, oldest first."""
    with conn.cursor(row_factory=class_row(Delivery)) as cursor:
        return cursor.execute(
            """
            SELECT delivery_id, notice_id, channel, address, state, happened_at, detail FROM notice_delivery
            WHERE utility_id = %(utility_id)s AND notice_id = %(notice_id)s ORDER BY delivery_id
            """,
            {"utility_id": utility_id, "notice_id": notice_id},
        ).fetchall()


def notices_by_id(conn: Connection[TupleRow], *, utility_id: int, notice_ids: Collection[int]) -> dict[int, Notice]:
    """Give these notices, each by its id."""
    with conn.cursor(row_factory=class_row(Notice)) as cursor:
        found = cursor.execute(
            """
            SELECT notice_id, party_id, account_id, kind, subject_key, parameters, created_at, seen_at FROM notice
            WHERE utility_id = %(utility_id)s AND notice_id = ANY(%(notice_ids)s) ORDER BY notice_id
            """,
            {"utility_id": utility_id, "notice_ids": list(notice_ids)},
        ).fetchall()
    return {one.notice_id: one for one in found}


def newest_deliveries(
    conn: Connection[TupleRow], *, utility_id: int, notice_ids: Collection[int]
) -> dict[int, list[Delivery]]:
    """Give for each of these notices its newest step on each channel it took."""
    with conn.cursor(row_factory=class_row(Delivery)) as cursor:
        found = cursor.execute(
            """
            SELECT DISTINCT ON (notice_id, channel)
                   delivery_id, notice_id, channel, address, state, happened_at, detail
            FROM notice_delivery
            WHERE utility_id = %(utility_id)s AND notice_id = ANY(%(notice_ids)s)
            ORDER BY notice_id, channel, delivery_id DESC
            """,
            {"utility_id": utility_id, "notice_ids": list(notice_ids)},
        ).fetchall()
    newest: dict[int, list[Delivery]] = {}
    for one in found:
        newest.setdefault(one.notice_id, []).append(one)
    return newest
