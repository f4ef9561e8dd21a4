"""What every page and operation passes through: session, right, token, one transaction, an audit row.

A route declares one dependency, `allowed(right, action=…)` or `open_to_all(action=…)`, and gets a `Visit`.
"""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import structlog
from fastapi import Depends, Request
from psycopg import Connection
from psycopg.rows import TupleRow

from customer_app.services import Services, services_of
from customer_app.visit import NotSignedIn, Visit, open_visit
from kernel.database import Scope, enter_scope
from registry import operations as registry_operations

log = structlog.get_logger()

CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
FORM_BYTES = 2 * 2**20  # what a form may bring, with its files


class RightMissing(Exception):
    """The session is good, but its login may not do this."""


class TokenWrong(Exception):
    """A form came without the token that our own page put into it."""


class FormTooLarge(Exception):
    """A form brings more than any of ours needs, or does not say how much."""


async def posted_token(request: Request) -> str:
    """Read the token that came with a form, or in the header that our scripts set.

    :raises FormTooLarge: before a form is read that is longer than any of ours
    """
    if request.method not in CHANGING:
        return ""
    if "form" in request.headers.get("Content-Type", ""):
        length = request.headers.get("Content-Length", "")
        if not length.isdecimal() or len(length) > 12 or int(length) > FORM_BYTES:
            raise FormTooLarge(f"a form of {length[:20] or 'unknown'} bytes; at most {FORM_BYTES} are read")
    from_header = request.headers.get("X-CSRF-Token")
    if from_header is not None:
        return from_header
    if "form" in request.headers.get("Content-Type", ""):
        typed = (await request.form()).get("csrf_token")
        return typed if isinstance(typed, str) else ""
    return ""


@dataclass(frozen=True, slots=True)
class Access:
    """Opens the visit of a route. It also tells whoever reads the routes what each needs and what it records."""

    action: str
    right: str | None
    object_kind: str = ""
    object_from: str = ""
    checks_token: bool = True
    needs_session: bool = True

    def __call__(self, request: Request, typed_token: Annotated[str, Depends(posted_token)]) -> Iterator[Visit]:
        services = services_of(request)
        # Before a connection is taken: the clock takes one of its own at times, and two at once could starve the pool.
        now = services.clock.now()
        visit: Visit | None = None
        try:
            with services.pool.connection() as conn:
                visit = open_visit(request, services=services, conn=conn, now=now)
                visit.object_id = str(request.path_params.get(self.object_from, ""))
                self._admit(visit, typed_token=typed_token)
                yield visit
                if _is_new_view(visit, action=self.action):
                    self._record(conn, visit, detail=visit.audit_detail)
        except NotSignedIn:
            raise
        except Exception as error:
            if visit is not None:
                self._record_refusal(services, visit, error=error)
            raise

    def _admit(self, visit: Visit, *, typed_token: str) -> None:
        if self.needs_session and visit.who is None:
            raise NotSignedIn("sign in first")
        if self.right is not None and not visit.may(self.right):
            raise RightMissing(f"{visit.actor} lacks the right {self.right}")
        if visit.request.method in CHANGING and self.checks_token:
            if visit.request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
                raise TokenWrong("the form was sent from another site")
            if not hmac.compare_digest(typed_token.encode(), visit.token.encode()):
                raise TokenWrong("the form's CSRF token is missing or old; open the page again and send it once more")

    def _record(self, conn: Connection[TupleRow], visit: Visit, *, detail: dict[str, Any]) -> None:
        registry_operations.record_audit(
            conn,
            utility_id=visit.utility_id,
            actor=visit.actor,
            login_id=visit.who.login_id if visit.who else None,
            remote_address=visit.remote_address,
            action=self.action,
            object_kind=self.object_kind,
            object_id=visit.object_id,
            party_id=visit.party_id,
            detail=detail,
            at=visit.now,
        )

    def _record_refusal(self, services: Services, visit: Visit, *, error: Exception) -> None:
        """Record what was tried and not done, in a transaction of its own: the visit's was rolled back."""
        try:
            with services.pool.connection() as conn:
                scope = Scope(utility_id=visit.utility_id, actor=visit.actor, now=visit.now)
                enter_scope(conn, scope=scope)
                self._record(conn, visit, detail={**visit.audit_detail, "refused": type(error).__name__})
        except Exception as second:  # noqa: BLE001  # the visitor is told the first error, not this one
            log.warning("audit.refusal_not_recorded", action=self.action, error=f"{type(second).__name__}: {second}")


class SignedAccess(Access):
    """Opens the visit of a message that carries its own signature: its body is left for the route to read."""

    def __call__(self, request: Request) -> Iterator[Visit]:  # type: ignore[override]
        yield from super().__call__(request, "")


def allowed(right: str, *, action: str, object_kind: str = "", object_from: str = "") -> Any:
    """Let in a signed-in login that has `right`; record `action` on the object named by the path parameter."""
    access = Access(action=action, right=right, object_kind=object_kind, object_from=object_from)
    return Depends(access, scope="function")


def signed_in(*, action: str) -> Any:
    """Let in anybody who has a session, for what is their own whatever they are: their login, their streams."""
    return Depends(Access(action=action, right=None, object_kind="login"), scope="function")


def open_to_all(*, action: str) -> Any:
    """Let anybody in: sign-in and switches."""
    return Depends(Access(action=action, right=None, needs_session=False), scope="function")


def signed_message(*, action: str) -> Any:
    """Let in a message that carries its own signature, which the route checks."""
    access = SignedAccess(action=action, right=None, checks_token=False, needs_session=False)
    return Depends(access, scope="function")


def _is_new_view(visit: Visit, *, action: str) -> bool:
    """Tell whether a visit needs its own audit row; all do but the refreshes of a page that is already open."""
    if visit.who is None or visit.request.method != "GET":
        return True
    key = (visit.who.login_id, action, visit.object_id)
    new = visit.services.recent_views.is_new(key)
    return new or visit.fragment == ""
