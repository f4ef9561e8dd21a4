"""Parties, their contact channels and households."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from registry.book import ChannelKind, PartyKind, Relation
from registry.domain.unknown import PartyUnknown


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
