"""Logins, signing in and out, and sessions."""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import cache

from psycopg import Connection
from psycopg.rows import TupleRow
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from registry.domain import sign_in as rules
from registry.domain.rights import RIGHTS_AT_FOUNDING, RoleName
from registry.domain.sign_in import NewSession, SignedIn, SignInRefused
from registry.store import logins, sessions

# 19 MiB and two passes: what OWASP asks for at least; about 20 ms on a core.
PASSWORDS = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19_456, parallelism=1),))


class LoginUnusable(ValueError):
    """The login has no usable name, password or role, or is a customer's and names no party."""


def add_login(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    login_name: str,
    display_name: str,
    password: str,
    roles: Collection[RoleName],
    party_id: int | None = None,
    locale: str,
) -> int:
    """Let a person sign in; a customer is a party, everyone else is staff.

    :raises LoginUnusable: if name, password or roles cannot be used
    :raises LoginNameTaken: if another login has the name
    :raises PartyUnknown: if the utility has no such party
    """
    name = rules.login_key(login_name)
    unknown = sorted(set(roles) - RIGHTS_AT_FOUNDING.keys())
    if not name or not roles or unknown:
        raise LoginUnusable(f"login {login_name!r} needs a name and at least one known role; not known: {unknown}")
    if "customer" in roles and party_id is None:
        raise LoginUnusable(f"login {login_name} has the role customer, so it must say which party it is")
    login_id = logins.insert(
        conn,
        utility_id=utility_id,
        login_name=name,
        display_name=display_name,
        password_hash=_hash(password),
        party_id=party_id,
        locale=locale,
    )
    logins.set_roles(conn, utility_id=utility_id, login_id=login_id, roles=roles)
    return login_id


def change_password(conn: Connection[TupleRow], *, utility_id: int, login_id: int, password: str) -> None:
    """Set a new password and end all sessions of the login.

    :raises LoginUnusable: if the password is empty or too long
    :raises LoginUnknown: if the utility has no such login
    """
    logins.set_password_hash(conn, utility_id=utility_id, login_id=login_id, password_hash=_hash(password))
    sessions.delete_of_login(conn, utility_id=utility_id, login_id=login_id)


def set_login_active(conn: Connection[TupleRow], *, utility_id: int, login_id: int, is_active: bool) -> None:
    """Let a person sign in again, or no more: then all sessions end at once.

    :raises LoginUnknown: if the utility has no such login
    """
    logins.set_active(conn, utility_id=utility_id, login_id=login_id, is_active=is_active)
    if not is_active:
        sessions.delete_of_login(conn, utility_id=utility_id, login_id=login_id)


def set_login_locale(conn: Connection[TupleRow], *, utility_id: int, login_id: int, locale: str) -> None:
    """Remember the language that a person chose."""
    logins.set_locale(conn, utility_id=utility_id, login_id=login_id, locale=locale)


def sign_in(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    login_name: str,
    password: str,
    remote_address: str,
    wall_now: datetime,
) -> NewSession | SignInRefused:
    """Check a password and start a new session.

    A refusal is returned, not raised: the attempt is counted in this transaction, so the caller must commit it.
    """
    name = rules.login_key(login_name)
    sessions.one_try_at_a_time(conn, utility_id=utility_id, login_name=name)
    wait = _wait(conn, utility_id=utility_id, login_name=name, remote_address=remote_address, wall_now=wall_now)
    if wait > timedelta(0):
        return SignInRefused(reason="too_many_failures", retry_after=wait)
    login_id = _checked_login(conn, utility_id=utility_id, login_name=name, password=password)
    sessions.record_attempt(
        conn,
        utility_id=utility_id,
        login_name=name,
        remote_address=remote_address,
        wall_now=wall_now,
        has_succeeded=login_id is not None,
    )
    if login_id is None:
        return SignInRefused(reason="wrong_name_or_password", retry_after=timedelta(0))
    return _start_session(conn, utility_id=utility_id, login_id=login_id, wall_now=wall_now)


def session(conn: Connection[TupleRow], *, token: str, wall_now: datetime) -> SignedIn | None:
    """Tell whose session a cookie's token is; None if it ended, idled too long, or never was.

    The rest of the transaction sees the rows of the session's utility.
    """
    hashed = rules.token_hash(token)
    row = sessions.live(conn, token_hash=hashed, wall_now=wall_now, idle_since=wall_now - rules.SESSION_IDLE)
    if row is None:
        return None
    found = sessions.signed_in(conn, utility_id=row.utility_id, login_id=row.login_id, csrf_token=row.csrf_token)
    if found is not None and row.seen_at <= wall_now - rules.SEEN_EVERY:
        sessions.touch(conn, token_hash=hashed, wall_now=wall_now)
    return found


def rights_of_sessions(
    conn: Connection[TupleRow], *, utility_id: int, tokens: Collection[str], wall_now: datetime
) -> dict[str, frozenset[str]]:
    """Give the rights, as they are now, of each of these sessions that lives; ended ones are left out.

    Nothing is noted as seen: this is for looking after streams that are open, not for people who do something.
    """
    hashed = {rules.token_hash(token): token for token in tokens}
    found = sessions.rights(
        conn,
        utility_id=utility_id,
        token_hashes=list(hashed),
        wall_now=wall_now,
        idle_since=wall_now - rules.SESSION_IDLE,
    )
    return {hashed[token_hash]: rights for token_hash, rights in found.items()}


def sign_out(conn: Connection[TupleRow], *, token: str) -> None:
    """End the session of a token; one that has ended already stays so."""
    sessions.delete(conn, token_hash=rules.token_hash(token))


def end_sessions(conn: Connection[TupleRow], *, utility_id: int, login_id: int) -> None:
    """End all sessions of a login."""
    sessions.delete_of_login(conn, utility_id=utility_id, login_id=login_id)


def forget_ended_sessions(conn: Connection[TupleRow], *, utility_id: int, wall_now: datetime) -> int:
    """Delete sessions that ended and attempts that no limit looks at any more; return how many rows went."""
    ended = sessions.delete_ended(
        conn, utility_id=utility_id, wall_now=wall_now, idle_since=wall_now - rules.SESSION_IDLE
    )
    return ended + sessions.delete_attempts(conn, utility_id=utility_id, before=wall_now - rules.ATTEMPTS_KEPT)


def _start_session(conn: Connection[TupleRow], *, utility_id: int, login_id: int, wall_now: datetime) -> NewSession:
    token, csrf_token = rules.new_token(), rules.new_token()
    expires_at = wall_now + rules.SESSION_LASTS
    sessions.insert(
        conn,
        utility_id=utility_id,
        login_id=login_id,
        token_hash=rules.token_hash(token),
        csrf_token=csrf_token,
        created_at=wall_now,
        expires_at=expires_at,
    )
    signed_in = sessions.signed_in(conn, utility_id=utility_id, login_id=login_id, csrf_token=csrf_token)
    assert signed_in is not None, "the login was active a moment ago, in this transaction"
    return NewSession(token=token, expires_at=expires_at, signed_in=signed_in)


def _wait(
    conn: Connection[TupleRow], *, utility_id: int, login_name: str, remote_address: str, wall_now: datetime
) -> timedelta:
    since = wall_now - rules.ATTEMPT_WINDOW
    return rules.wait_before_next_try(
        by_login=sessions.failures_of_login(
            conn, utility_id=utility_id, login_name=login_name, since=since, limit=rules.FAILURES_PER_LOGIN
        ),
        by_address=sessions.failures_of_address(
            conn, utility_id=utility_id, remote_address=remote_address, since=since, limit=rules.FAILURES_PER_ADDRESS
        ),
        wall_now=wall_now,
    )


def _checked_login(conn: Connection[TupleRow], *, utility_id: int, login_name: str, password: str) -> int | None:
    secret = logins.secret(conn, utility_id=utility_id, login_name=login_name)
    typed = rules.usable_password(password)
    if secret is None or typed is None:
        # The same work as for a real login, so that the time taken does not tell which names exist.
        PASSWORDS.verify("no such login", _hash_of_nobody())
        return None
    is_right, better_hash = PASSWORDS.verify_and_update(typed, secret.password_hash)
    if not is_right:
        return None
    if better_hash is not None:
        logins.set_password_hash(conn, utility_id=utility_id, login_id=secret.login_id, password_hash=better_hash)
    return secret.login_id


def _hash(password: str) -> str:
    usable = rules.usable_password(password)
    if usable is None:
        raise LoginUnusable(f"a password has from 1 to {rules.PASSWORD_LENGTH} whole characters")
    return PASSWORDS.hash(usable)


@cache
def _hash_of_nobody() -> str:
    return PASSWORDS.hash(rules.new_token())
