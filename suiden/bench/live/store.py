"""The many logins of a benchmark, without a password's twenty milliseconds for each."""

from collections.abc import Mapping
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow


def copy_login(conn: Connection[TupleRow], *, utility_id: int, login_name: str, party_numbers: list[str]) -> None:
    """Give each of these parties a login of its number, with the password and the roles of `login_name`."""
    conn.execute(
        """
        WITH made AS (
            INSERT INTO login (utility_id, login_name, display_name, password_hash, party_id, locale)
            SELECT l.utility_id, lower(p.party_number), p.name, l.password_hash, p.party_id, p.locale
            FROM login l
            JOIN party p ON p.utility_id = l.utility_id AND p.party_number = ANY(%(party_numbers)s)
            WHERE l.utility_id = %(utility_id)s AND l.login_name = %(login_name)s
            ORDER BY p.party_number
            RETURNING utility_id, login_id
        )
        INSERT INTO login_role (utility_id, login_id, role)
        SELECT made.utility_id, made.login_id, r.role
        FROM made
        JOIN login l ON l.utility_id = made.utility_id AND l.login_name = %(login_name)s
        JOIN login_role r ON r.utility_id = l.utility_id AND r.login_id = l.login_id
        """,
        {"utility_id": utility_id, "login_name": login_name, "party_numbers": party_numbers},
    )


def open_sessions(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    token_hashes: Mapping[str, bytes],
    created_at: datetime,
    expires_at: datetime,
) -> None:
    """Sign in the logins of these names, each with a token of which this is the hash."""
    conn.execute(
        """
        INSERT INTO web_session (token_hash, utility_id, login_id, csrf_token, created_at, seen_at, expires_at)
        SELECT given.token_hash, l.utility_id, l.login_id, encode(given.token_hash, 'hex'), %(created_at)s,
               %(created_at)s, %(expires_at)s
        FROM unnest(%(names)s::text[], %(token_hashes)s::bytea[]) AS given (login_name, token_hash)
        JOIN login l ON l.utility_id = %(utility_id)s AND l.login_name = given.login_name
        """,
        {
            "utility_id": utility_id,
            "names": list(token_hashes),
            "token_hashes": list(token_hashes.values()),
            "created_at": created_at,
            "expires_at": expires_at,
        },
    )


def meter_ids(conn: Connection[TupleRow], *, utility_id: int, serials: list[str]) -> list[int]:
    """Give the ids of meters, in the order of their serials."""
    rows = conn.execute(
        """
        SELECT meter_id FROM meter WHERE utility_id = %(utility_id)s AND serial = ANY(%(serials)s)
        ORDER BY serial, meter_id
        """,
        {"utility_id": utility_id, "serials": serials},
    ).fetchall()
    return [row[0] for row in rows]


def party_ids(conn: Connection[TupleRow], *, utility_id: int, party_numbers: list[str]) -> list[int]:
    """Give the ids of parties, in the order of their numbers."""
    rows = conn.execute(
        """
        SELECT party_id FROM party WHERE utility_id = %(utility_id)s AND party_number = ANY(%(party_numbers)s)
        ORDER BY party_number, party_id
        """,
        {"utility_id": utility_id, "party_numbers": party_numbers},
    ).fetchall()
    return [row[0] for row in rows]


def let_the_planner_know(conn: Connection[TupleRow]) -> None:
    conn.execute("ANALYZE")
