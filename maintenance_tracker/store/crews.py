"""Crews and who belongs to them."""

from collections.abc import Collection
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import TupleRow, class_row


class CrewMissing(Exception):
    """The login belongs to no crew."""


@dataclass(frozen=True, slots=True)
class Crew:
    """People who work together and hold tickets together."""

    crew_id: int
    name: str


def insert(conn: Connection[TupleRow], *, utility_id: int, name: str, login_ids: Collection[int]) -> int:
    """Write a crew with its members and return its id."""
    row = conn.execute(
        "INSERT INTO crew (utility_id, name) VALUES (%(utility_id)s, %(name)s) RETURNING crew_id",
        {"utility_id": utility_id, "name": name},
    ).fetchone()
    assert row is not None, "an insert gives its row"
    conn.execute(
        """
        INSERT INTO crew_member (utility_id, crew_id, login_id)
        SELECT %(utility_id)s, %(crew_id)s, login_id FROM unnest(%(login_ids)s::bigint[]) AS login_id
        """,
        {"utility_id": utility_id, "crew_id": row[0], "login_ids": list(login_ids)},
    )
    return row[0]


def crew_of_login(conn: Connection[TupleRow], *, utility_id: int, login_id: int) -> Crew:
    """:raises CrewMissing: if the login belongs to no crew"""
    with conn.cursor(row_factory=class_row(Crew)) as cursor:
        found = cursor.execute(
            """
            SELECT c.crew_id, c.name FROM crew_member AS m
            JOIN crew AS c ON c.utility_id = m.utility_id AND c.crew_id = m.crew_id
            WHERE m.utility_id = %(utility_id)s AND m.login_id = %(login_id)s
            ORDER BY c.crew_id LIMIT 1
            """,
            {"utility_id": utility_id, "login_id": login_id},
        ).fetchone()
    if found is None:
        raise CrewMissing(f"login {login_id} belongs to no crew; have it added to one")
    return found


def crews(conn: Connection[TupleRow], *, utility_id: int) -> list[Crew]:
    """List the crews by name."""
    with conn.cursor(row_factory=class_row(Crew)) as cursor:
        return cursor.execute(
            "SELECT crew_id, name FROM crew WHERE utility_id = %(utility_id)s ORDER BY name, crew_id",
            {"utility_id": utility_id},
        ).fetchall()
