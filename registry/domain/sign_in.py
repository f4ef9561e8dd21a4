"""How often one may try to sign in, how long a session lasts, and what of its token is kept."""

import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from kernel.text import TextUnusable, clean
from registry.domain.rights import RoleName
from registry.domain.search import fold_width

ATTEMPT_WINDOW = timedelta(minutes=15)
ATTEMPTS_KEPT = timedelta(days=90)
FAILURES_PER_LOGIN = 10
FAILURES_PER_ADDRESS = 50
SESSION_IDLE = timedelta(hours=2)
SESSION_LASTS = timedelta(hours=12)
# A session's row is touched at most this often, so that a page does not cost a write.
SEEN_EVERY = timedelta(minutes=1)
LOGIN_NAME_LENGTH = 100
PASSWORD_LENGTH = 1_000


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is at the other end of a request, and what they may do."""

    utility_id: int
    login_id: int
    login_name: str
    display_name: str
    party_id: int | None
    locale: str
    roles: frozenset[RoleName]
    rights: frozenset[str]
    csrf_token: str = field(repr=False)

    def may(self, right: str) -> bool:
        return right in self.rights

    def csrf_matches(self, submitted: str) -> bool:
        """Compare a form's token with the session's, in constant time."""
        return hmac.compare_digest(self.csrf_token.encode(), submitted.encode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class NewSession:
    """A fresh session; `token` goes into the cookie and is kept nowhere here."""

    token: str = field(repr=False)
    expires_at: datetime
    signed_in: SignedIn


@dataclass(frozen=True, slots=True)
class SignInRefused:
    """No session: a wrong name or password, or too many failures; then `retry_after` says how long to wait."""

    reason: Literal["wrong_name_or_password", "too_many_failures"]
    retry_after: timedelta


def wait_before_next_try(
    *, by_login: Sequence[datetime], by_address: Sequence[datetime], wall_now: datetime
) -> timedelta:
    """Tell how long this login name at this address must wait; zero when it may try now.

    Takes the times of failures: of the name since its last success, and of the address.
    """
    return max(
        _wait(by_login, limit=FAILURES_PER_LOGIN, wall_now=wall_now),
        _wait(by_address, limit=FAILURES_PER_ADDRESS, wall_now=wall_now),
    )


def login_key(login_name: str) -> str:
    """Bring a login name to the one form that is stored; what no login can be called becomes the empty name."""
    try:
        return clean(fold_width(login_name)).lower()[:LOGIN_NAME_LENGTH]
    except TextUnusable:
        return ""


def usable_password(password: str) -> str | None:
    """Bring a password to NFC, as keyboards differ in how they compose; None if it can be nobody's."""
    if not 0 < len(password) <= PASSWORD_LENGTH or "\0" in password:
        return None
    try:
        password.encode()
    except UnicodeEncodeError:
        return None
    return unicodedata.normalize("NFC", password)


def new_token() -> str:
    """Make 256 random bits, ready for a cookie or a form."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """Give the only form in which a session's token is stored."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _wait(failed_at: Sequence[datetime], *, limit: int, wall_now: datetime) -> timedelta:
    recent = sorted(at for at in failed_at if at > wall_now - ATTEMPT_WINDOW)
    if len(recent) < limit:
        return timedelta(0)
    # One more try is free when only limit - 1 failures are left in the window.
    return recent[-limit] + ATTEMPT_WINDOW - wall_now
