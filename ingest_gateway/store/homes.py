"""Customers whose own Home Assistant may see their meters."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection, errors
from psycopg.rows import TupleRow, class_row


class HomeOpen(Exception):
    """The party has an open login already."""


class HomeUnknown(Exception):
    """The party has no open login."""


@dataclass(frozen=True, slots=True)
class Home:
    """An open login of a party."""

    home_id: int
    party_id: int
    password_hash: str
    opened_at: datetime


def insert(conn: Connection[TupleRow], *, utility_id: int, party_id: int, password_hash: str, at: datetime) -> int:
    """Open a login and return its number.

    :raises HomeOpen: if the party has one
    """
    try:
        row = conn.execute(
            """
            INSERT INTO home_login (utility_id, party_id, password_hash, opened_at)
            VALUES (%(utility_id)s, %(party_id)s, %(password_hash)s, %(at)s) RETURNING home_id
            """,
            {"utility_id": utility_id, "party_id": party_id, "password_hash": password_hash, "at": at},
        ).fetchone()
    except errors.UniqueViolation as error:
        if error.diag.constraint_name != "home_login_open_once":
            raise
        raise HomeOpen(f"party {party_id} has a login already: close it first, if a new password is wanted") from error
    assert row is not None
    return row[0]


def close(conn: Connection[TupleRow], *, utility_id: int, party_id: int, at: datetime) -> int:
    """Close the party's login and return its number.

    :raises HomeUnknown: if it has none
    """
    row = conn.execute(
        """
        UPDATE home_login SET closed_at = greatest(%(at)s, opened_at)
        WHERE utility_id = %(utility_id)s AND party_id = %(party_id)s AND closed_at IS NULL RETURNING home_id
        """,
        {"utility_id": utility_id, "party_id": party_id, "at": at},
    ).fetchone()
    if row is None:
        raise HomeUnknown(f"party {party_id} has no open login")
    return row[0]


def open_homes(conn: Connection[TupleRow], *, utility_id: int) -> Sequence[Home]:
    """List the open logins by number."""
    with conn.cursor(row_factory=class_row(Home)) as cursor:
        return cursor.execute(
            """
            SELECT home_id, party_id, password_hash, opened_at FROM home_login
            WHERE utility_id = %(utility_id)s AND closed_at IS NULL ORDER BY home_id
            """,
            {"utility_id": utility_id},
        ).fetchall()
