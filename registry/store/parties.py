"""Parties, their contact channels and households."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection, errors
from psycopg.rows import TupleRow, class_row

from registry.book import ChannelKind, PartyKind, Relation
from registry.domain.search import channel_key
from registry.domain.unknown import ChannelUnknown, PartyUnknown


@dataclass(frozen=True, slots=True)
class Party:
    """A person or a firm."""

    party_id: int
    party_number: str
    kind: PartyKind
    name: str
    name_kana: str
    name_latin: str
    locale: str
    note: str


@dataclass(frozen=True, slots=True)
class ContactChannel:
    """A way to reach a party."""

    channel_id: int
    party_id: int
    kind: ChannelKind
    address: str
    preferred: bool


@dataclass(frozen=True, slots=True)
class HouseholdMember:
    """A party in a household, with the household's name."""

    household_id: int
    household_name: str
    party_id: int
    name: str
    relation: Relation
    valid_from: datetime
    valid_to: datetime | None


def party(conn: Connection[TupleRow], *, utility_id: int, party_id: int) -> Party:
    """:raises PartyUnknown: if the utility has no such party"""
    found = parties(conn, utility_id=utility_id, party_ids=[party_id])
    if not found:
        raise PartyUnknown(f"party {party_id} is not in the registry of this utility")
    return found[0]


def parties(conn: Connection[TupleRow], *, utility_id: int, party_ids: Collection[int]) -> list[Party]:
    """List those of the parties that the utility has, by id."""
    with conn.cursor(row_factory=class_row(Party)) as cursor:
        return cursor.execute(
            """
            SELECT party_id, party_number, kind, name, name_kana, name_latin, locale, note FROM party
            WHERE utility_id = %(utility_id)s AND party_id = ANY(%(party_ids)s) ORDER BY party_id
            """,
            {"utility_id": utility_id, "party_ids": list(party_ids)},
        ).fetchall()


def channels_of_party(conn: Connection[TupleRow], *, utility_id: int, party_id: int) -> list[ContactChannel]:
    """List the ways to reach a party, preferred ones first."""
    with conn.cursor(row_factory=class_row(ContactChannel)) as cursor:
        return cursor.execute(
            """
            SELECT channel_id, party_id, kind, address, preferred FROM contact_channel
            WHERE utility_id = %(utility_id)s AND party_id = %(party_id)s
            ORDER BY preferred DESC, kind, channel_id
            """,
            {"utility_id": utility_id, "party_id": party_id},
        ).fetchall()


def household_of_party(
    conn: Connection[TupleRow], *, utility_id: int, party_id: int, at: datetime
) -> list[HouseholdMember]:
    """List all who live in the party's households at `at`, the party among them."""
    with conn.cursor(row_factory=class_row(HouseholdMember)) as cursor:
        return cursor.execute(
            """
            SELECT m.household_id, h.name AS household_name, m.party_id, p.name, m.relation,
                   lower(m.valid) AS valid_from, upper(m.valid) AS valid_to
            FROM household_member mine
            JOIN household_member m ON m.utility_id = mine.utility_id AND m.household_id = mine.household_id
            JOIN household h ON h.utility_id = m.utility_id AND h.household_id = m.household_id
            JOIN party p ON p.utility_id = m.utility_id AND p.party_id = m.party_id
            WHERE mine.utility_id = %(utility_id)s AND mine.party_id = %(party_id)s
              AND mine.valid @> %(at)s::timestamptz AND m.valid @> %(at)s::timestamptz
            ORDER BY m.household_id, m.party_id
            """,
            {"utility_id": utility_id, "party_id": party_id, "at": at},
        ).fetchall()


def insert_channel(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    party_id: int,
    kind: ChannelKind,
    address: str,
    is_preferred: bool,
) -> int:
    """:raises PartyUnknown: if the utility has no such party"""
    parameters = {
        "utility_id": utility_id,
        "party_id": party_id,
        "kind": kind,
        "address": address,
        "search_address": channel_key(kind=kind, address=address),
        "preferred": is_preferred,
    }
    if is_preferred:
        conn.execute(
            """
            UPDATE contact_channel SET preferred = false
            WHERE utility_id = %(utility_id)s AND party_id = %(party_id)s AND kind = %(kind)s AND preferred
            """,
            parameters,
        )
    try:
        row = conn.execute(
            """
            INSERT INTO contact_channel (utility_id, party_id, kind, address, search_address, preferred)
            VALUES (%(utility_id)s, %(party_id)s, %(kind)s, %(address)s, %(search_address)s, %(preferred)s)
            RETURNING channel_id
            """,
            parameters,
        ).fetchone()
    except errors.ForeignKeyViolation as error:
        if error.diag.constraint_name != "contact_channel_utility_id_party_id_fkey":
            raise
        raise PartyUnknown(f"party {party_id} is not in the registry of this utility") from error
    assert row is not None, "an insert returns its row"
    return row[0]


def delete_channel(conn: Connection[TupleRow], *, utility_id: int, party_id: int, channel_id: int) -> None:
    """:raises ChannelUnknown: if the party has no such channel"""
    row = conn.execute(
        """
        DELETE FROM contact_channel
        WHERE utility_id = %(utility_id)s AND party_id = %(party_id)s AND channel_id = %(channel_id)s
        RETURNING channel_id
        """,
        {"utility_id": utility_id, "party_id": party_id, "channel_id": channel_id},
    ).fetchone()
    if row is None:
        raise ChannelUnknown(f"party {party_id} has no contact channel {channel_id}")
