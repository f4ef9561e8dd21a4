"""Web sessions and attempts to sign in, both on wall time."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from registry.domain.sign_in import SignedIn


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A live session."""

    utility_id: int
    login_id: int
    csrf_token: str
    seen_at: datetime


def insert(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    login_id: int,
    token_hash: bytes,
    csrf_token: str,
    created_at: datetime,
    expires_at: datetime,
) -> None:
    conn.execute(
        """
        INSERT INTO web_session (token_hash, utility_id, login_id, csrf_token, created_at, seen_at, expires_at)
        VALUES (%(token_hash)s, %(utility_id)s, %(login_id)s, %(csrf_token)s, %(created_at)s, %(created_at)s,
                %(expires_at)s)
        """,
        {
            "token_hash": token_hash,
            "utility_id": utility_id,
            "login_id": login_id,
            "csrf_token": csrf_token,
            "created_at": created_at,
            "expires_at": expires_at,
        },
    )


def live(
    conn: Connection[TupleRow], *, token_hash: bytes, wall_now: datetime, idle_since: datetime
) -> SessionRow | None:
    """Find a live session, and let the rest of the transaction see its utility's rows."""
    row = conn.execute(
        """
        SELECT utility_id, login_id, csrf_token, seen_at,
               set_config('suiden.utility_id', utility_id::text, true)
        FROM web_session
        WHERE token_hash = %(token_hash)s AND expires_at > %(wall_now)s AND seen_at > %(idle_since)s
        """,
        {"token_hash": token_hash, "wall_now": wall_now, "idle_since": idle_since},
    ).fetchone()
    return None if row is None else SessionRow(*row[:4])


def signed_in(conn: Connection[TupleRow], *, utility_id: int, login_id: int, csrf_token: str) -> SignedIn | None:
    """Read an active login with its roles and their rights as they are now."""
    row = conn.execute(
        """
        SELECT l.login_name, l.display_name, l.party_id, l.locale,
               array(SELECT r.role FROM login_role r
                     WHERE r.utility_id = l.utility_id AND r.login_id = l.login_id),
               array(SELECT DISTINCT rr.granted FROM login_role r
                     JOIN role_right rr ON rr.utility_id = r.utility_id AND rr.role = r.role
                     WHERE r.utility_id = l.utility_id AND r.login_id = l.login_id)
        FROM login l
        WHERE l.utility_id = %(utility_id)s AND l.login_id = %(login_id)s AND l.active
        """,
        {"utility_id": utility_id, "login_id": login_id},
    ).fetchone()
    if row is None:
        return None
    login_name, display_name, party_id, locale, roles, rights = row
    return SignedIn(
        utility_id=utility_id,
        login_id=login_id,
        login_name=login_name,
        display_name=display_name,
        party_id=party_id,
        locale=locale,
        roles=frozenset(roles),
        rights=frozenset(rights),
        csrf_token=csrf_token,
    )


def rights(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    token_hashes: Collection[bytes],
    wall_now: datetime,
    idle_since: datetime,
) -> dict[bytes, frozenset[str]]:
    """Give the rights, as they are now, of those of the sessions that live and whose logins are active."""
    rows = conn.execute(
        """
        SELECT s.token_hash,
               array(SELECT rr.granted FROM login_role r
                     JOIN role_right rr ON rr.utility_id = r.utility_id AND rr.role = r.role
                     WHERE r.utility_id = s.utility_id AND r.login_id = s.login_id)
        FROM web_session s
        JOIN login l ON l.utility_id = s.utility_id AND l.login_id = s.login_id AND l.active
        WHERE s.utility_id = %(utility_id)s AND s.token_hash = ANY(%(token_hashes)s)
          AND s.expires_at > %(wall_now)s AND s.seen_at > %(idle_since)s
        ORDER BY s.token_hash
        """,
        {
            "utility_id": utility_id,
            "token_hashes": list(token_hashes),
            "wall_now": wall_now,
            "idle_since": idle_since,
        },
    ).fetchall()
    return {token_hash: frozenset(granted) for token_hash, granted in rows}


def touch(conn: Connection[TupleRow], *, token_hash: bytes, wall_now: datetime) -> None:
    conn.execute(
        "UPDATE web_session SET seen_at = %(wall_now)s WHERE token_hash = %(token_hash)s AND seen_at < %(wall_now)s",
        {"token_hash": token_hash, "wall_now": wall_now},
    )


def delete(conn: Connection[TupleRow], *, token_hash: bytes) -> None:
    conn.execute("DELETE FROM web_session WHERE token_hash = %(token_hash)s", {"token_hash": token_hash})


def delete_of_login(conn: Connection[TupleRow], *, utility_id: int, login_id: int) -> None:
    conn.execute(
        "DELETE FROM web_session WHERE utility_id = %(utility_id)s AND login_id = %(login_id)s",
        {"utility_id": utility_id, "login_id": login_id},
    )


def delete_ended(conn: Connection[TupleRow], *, utility_id: int, wall_now: datetime, idle_since: datetime) -> int:
    return conn.execute(
        """
        DELETE FROM web_session
        WHERE utility_id = %(utility_id)s AND (expires_at <= %(wall_now)s OR seen_at <= %(idle_since)s)
        """,
        {"utility_id": utility_id, "wall_now": wall_now, "idle_since": idle_since},
    ).rowcount


def one_try_at_a_time(conn: Connection[TupleRow], *, utility_id: int, login_name: str) -> None:
    """Wait until no other transaction tries this login name, so that parallel guesses are counted too."""
    conn.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended(%(name)s, %(utility_id)s))",
        {"name": f"sign-in:{login_name}", "utility_id": utility_id},
    )


def failures_of_login(
    conn: Connection[TupleRow], *, utility_id: int, login_name: str, since: datetime, limit: int
) -> list[datetime]:
    """Give the times of the newest failures of a login name after its last success."""
    rows = conn.execute(
        """
        SELECT attempted_at FROM login_attempt
        WHERE utility_id = %(utility_id)s AND login_name = %(login_name)s AND attempted_at > %(since)s
          AND NOT succeeded
          AND attempted_at > coalesce((
              SELECT max(attempted_at) FROM login_attempt
              WHERE utility_id = %(utility_id)s AND login_name = %(login_name)s AND attempted_at > %(since)s
                AND succeeded), '-infinity')
        ORDER BY attempted_at DESC, attempt_id DESC LIMIT %(limit)s
        """,
        {"utility_id": utility_id, "login_name": login_name, "since": since, "limit": limit},
    ).fetchall()
    return [row[0] for row in rows]


def failures_of_address(
    conn: Connection[TupleRow], *, utility_id: int, remote_address: str, since: datetime, limit: int
) -> list[datetime]:
    """Give the times of the newest failures from an address; a success does not wipe them out."""
    rows = conn.execute(
        """
        SELECT attempted_at FROM login_attempt
        WHERE utility_id = %(utility_id)s AND remote_address = %(remote_address)s AND attempted_at > %(since)s
          AND NOT succeeded
        ORDER BY attempted_at DESC, attempt_id DESC LIMIT %(limit)s
        """,
        {"utility_id": utility_id, "remote_address": remote_address, "since": since, "limit": limit},
    ).fetchall()
    return [row[0] for row in rows]


def record_attempt(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    login_name: str,
    remote_address: str,
    wall_now: datetime,
    has_succeeded: bool,
) -> None:
    conn.execute(
        """
        INSERT INTO login_attempt (utility_id, login_name, remote_address, attempted_at, succeeded)
        VALUES (%(utility_id)s, %(login_name)s, %(remote_address)s, %(attempted_at)s, %(succeeded)s)
        """,
        {
            "utility_id": utility_id,
            "login_name": login_name,
            "remote_address": remote_address,
            "attempted_at": wall_now,
            "succeeded": has_succeeded,
        },
    )


def delete_attempts(conn: Connection[TupleRow], *, utility_id: int, before: datetime) -> int:
    return conn.execute(
        "DELETE FROM login_attempt WHERE utility_id = %(utility_id)s AND attempted_at < %(before)s",
        {"utility_id": utility_id, "before": before},
    ).rowcount
