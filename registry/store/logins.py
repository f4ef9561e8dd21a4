"""Logins and their roles."""

from collections.abc import Collection
from dataclasses import dataclass

from psycopg import Connection, errors
from psycopg.rows import TupleRow, class_row

from registry.domain.rights import RoleName
from registry.domain.unknown import LoginUnknown, PartyUnknown
from registry.store.rows import frozen_row


class LoginNameTaken(Exception):
    """Another login of the utility has this name."""


@dataclass(frozen=True, slots=True)
class Login:
    """A person who may sign in."""

    login_id: int
    login_name: str
    display_name: str
    party_id: int | None
    locale: str
    active: bool
    roles: tuple[RoleName, ...]


@dataclass(frozen=True, slots=True)
class Secret:
    """What a password is checked against."""

    login_id: int
    password_hash: str


def insert(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    login_name: str,
    display_name: str,
    password_hash: str,
    party_id: int | None,
    locale: str,
) -> int:
    """:raises LoginNameTaken: if another login has the name
    :raises PartyUnknown: if the utility has no such party
    """
    try:
        row = conn.execute(
            """
            INSERT INTO login (utility_id, login_name, display_name, password_hash, party_id, locale)
            VALUES (%(utility_id)s, %(login_name)s, %(display_name)s, %(password_hash)s, %(party_id)s, %(locale)s)
            RETURNING login_id
            """,
            {
                "utility_id": utility_id,
                "login_name": login_name,
                "display_name": display_name,
                "password_hash": password_hash,
                "party_id": party_id,
                "locale": locale,
            },
        ).fetchone()
    except errors.UniqueViolation as error:
        if error.diag.constraint_name != "login_utility_id_login_name_key":
            raise
        raise LoginNameTaken(f"the login name {login_name} is taken; choose another") from error
    except errors.ForeignKeyViolation as error:
        if error.diag.constraint_name != "login_utility_id_party_id_fkey":
            raise
        raise PartyUnknown(f"party {party_id} of login {login_name} is not in the registry") from error
    assert row is not None, "an insert returns its row"
    return row[0]


def set_roles(conn: Connection[TupleRow], *, utility_id: int, login_id: int, roles: Collection[RoleName]) -> None:
    """Give a login these roles and no others."""
    parameters = {"utility_id": utility_id, "login_id": login_id, "roles": sorted(roles)}
    conn.execute(
        """
        DELETE FROM login_role
        WHERE utility_id = %(utility_id)s AND login_id = %(login_id)s AND role <> ALL(%(roles)s::text[])
        """,
        parameters,
    )
    conn.execute(
        """
        INSERT INTO login_role (utility_id, login_id, role)
        SELECT %(utility_id)s, %(login_id)s, role FROM unnest(%(roles)s::text[]) AS role
        ON CONFLICT (utility_id, login_id, role) DO NOTHING
        """,
        parameters,
    )


def logins(conn: Connection[TupleRow], *, utility_id: int) -> list[Login]:
    """List the logins by name, inactive ones too."""
    with conn.cursor(row_factory=frozen_row(Login)) as cursor:
        return cursor.execute(
            """
            SELECT l.login_id, l.login_name, l.display_name, l.party_id, l.locale, l.active,
                   array(SELECT r.role FROM login_role r
                         WHERE r.utility_id = l.utility_id AND r.login_id = l.login_id ORDER BY r.role) AS roles
            FROM login l WHERE l.utility_id = %(utility_id)s ORDER BY l.login_name
            """,
            {"utility_id": utility_id},
        ).fetchall()


def secret(conn: Connection[TupleRow], *, utility_id: int, login_name: str) -> Secret | None:
    """Find what an active login's password is checked against."""
    with conn.cursor(row_factory=class_row(Secret)) as cursor:
        return cursor.execute(
            """
            SELECT login_id, password_hash FROM login
            WHERE utility_id = %(utility_id)s AND login_name = %(login_name)s AND active
            """,
            {"utility_id": utility_id, "login_name": login_name},
        ).fetchone()


def set_password_hash(conn: Connection[TupleRow], *, utility_id: int, login_id: int, password_hash: str) -> None:
    """:raises LoginUnknown: if the utility has no such login"""
    row = conn.execute(
        """
        UPDATE login SET password_hash = %(password_hash)s
        WHERE utility_id = %(utility_id)s AND login_id = %(login_id)s RETURNING login_id
        """,
        {"utility_id": utility_id, "login_id": login_id, "password_hash": password_hash},
    ).fetchone()
    if row is None:
        raise LoginUnknown(f"login {login_id} is not in the registry of this utility")


def set_active(conn: Connection[TupleRow], *, utility_id: int, login_id: int, is_active: bool) -> None:
    """:raises LoginUnknown: if the utility has no such login"""
    row = conn.execute(
        """
        UPDATE login SET active = %(active)s
        WHERE utility_id = %(utility_id)s AND login_id = %(login_id)s RETURNING login_id
        """,
        {"utility_id": utility_id, "login_id": login_id, "active": is_active},
    ).fetchone()
    if row is None:
        raise LoginUnknown(f"login {login_id} is not in the registry of this utility")


def set_locale(conn: Connection[TupleRow], *, utility_id: int, login_id: int, locale: str) -> None:
    """Remember the language that a person chose."""
    conn.execute(
        """
        UPDATE login SET locale = %(locale)s
        WHERE utility_id = %(utility_id)s AND login_id = %(login_id)s AND locale <> %(locale)s
        """,
        {"utility_id": utility_id, "login_id": login_id, "locale": locale},
    )
