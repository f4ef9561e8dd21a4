"""One request: who asks, for which utility, when, in which language, in which transaction."""

import secrets
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from fastapi import Request
from psycopg import Connection
from psycopg.rows import TupleRow
from starlette.responses import HTMLResponse, RedirectResponse, Response

from customer_app import navigation, sayings
from customer_app.formats import Formats
from customer_app.rendering import Frame, Page
from customer_app.services import Services
from kernel.clock import wall_now
from kernel.database import Scope, enter_scope
from kernel.i18n import LOCALES, STAFF_LOCALES, Translate, choose_locale, translator
from registry import operations as registry_operations
from registry.operations import SignedIn
from registry.queries import Utility

SESSION_COOKIE = "suiden_session"
TOKEN_COOKIE = "suiden_token"
LOCALE_COOKIE = "suiden_locale"
THEME_COOKIE = "suiden_theme"
THEMES = ("auto", "light", "dark")
YEAR_S = 365 * 24 * 3600

Thing = TypeVar("Thing")


class NotSignedIn(Exception):
    """The page needs a session, and there is none or it has ended."""


class NotFound(Exception):
    """There is no such thing, or it is another's; from outside the two look the same."""


@dataclass(slots=True)
class Visit:
    """What a route works with; its transaction commits before the answer leaves."""

    request: Request
    services: Services
    conn: Connection[TupleRow]
    utility: Utility
    now: datetime  # utility time
    who: SignedIn | None
    locale: str
    translate: Translate
    formats: Formats
    token: str
    live_mark: str = ""
    object_id: str = ""
    party_id: int | None = None
    audit_detail: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def utility_id(self) -> int:
        return self.utility.utility_id

    @property
    def signed_in(self) -> SignedIn:
        """:raises NotSignedIn: if nobody is"""
        if self.who is None:
            raise NotSignedIn("sign in first")
        return self.who

    @property
    def own_party_id(self) -> int:
        """:raises NotFound: if the login is not a customer's"""
        party_id = self.signed_in.party_id
        if party_id is None:
            raise NotFound("this login belongs to no customer")
        self.party_id = party_id
        return party_id

    @property
    def actor(self) -> str:
        return self.who.login_name if self.who else "web"

    @property
    def remote_address(self) -> str:
        return self.request.client.host if self.request.client else ""

    @property
    def fragment(self) -> str:
        """Name the part of the page that is asked for; empty: the whole page."""
        return self.request.query_params.get("fragment", "")

    def may(self, right: str) -> bool:
        return self.who is not None and right in self.who.rights

    def concerns(self, *, party_id: int | None = None, object_id: object = "", **detail: Any) -> None:
        """Say for the audit row on whom and on what this operation was."""
        self.party_id = self.party_id if party_id is None else party_id
        self.object_id = self.object_id if object_id == "" else str(object_id)
        self.audit_detail.update(detail)

    def found(self, thing: Thing | None) -> Thing:
        """:raises NotFound: if there is none"""
        if thing is None:
            raise NotFound(f"nothing at {self.request.url.path}")
        return thing

    def shared(self, *question: Hashable, read: Callable[[], Thing]) -> Thing:
        """Read what all who may ask get alike; the refreshes of open pages share one answer for a moment.

        A page that is opened reads anew, so that it shows what its reader has just done.
        """
        return self.services.shared_reads.get((self.utility_id, *question), read, anew=self.fragment == "")

    def show(self, page: Page, *, status: int = 200) -> Response:
        """Answer with a page, or with the one fragment of it that was asked for."""
        if page.PLOTS:
            self.request.scope["suiden.plots"] = True
        html = self.services.renderer.html(page, frame=self._frame(page), fragment=self.fragment)
        response = HTMLResponse(html, status_code=status)
        if self.who is None and self.request.cookies.get(TOKEN_COOKIE) != self.token:
            self.set_cookie(response, TOKEN_COOKIE, self.token)
        return response

    def go(self, path: str, *, said: str = "") -> RedirectResponse:
        """Answer a form: look at another page, with a short message on it."""
        if said:
            assert said in sayings.SAYINGS, said
            path = f"{path}{'&' if '?' in path else '?'}said={said}"
        return RedirectResponse(path, status_code=303)

    def set_cookie(self, response: Response, name: str, content: str, *, max_age_s: int | None = None) -> None:
        response.set_cookie(
            name,
            content,
            max_age=max_age_s,
            path="/",
            httponly=True,
            samesite="lax",
            secure=self.services.settings.https,
        )

    def _frame(self, page: Page) -> Frame:
        said = sayings.SAYINGS.get(self.request.query_params.get("said", ""))
        return Frame(
            utility_name=self.utility.name,
            locale=self.locale,
            theme=theme_of(self.request),
            token=self.token,
            here=own_path(self.request),
            who_name=self.who.display_name if self.who else "",
            entries=navigation.entries(
                self.who, served=self.services.paths, active=page.ACTIVE, translate=self.translate
            ),
            clock_text=self.formats.datetime(self.now),
            said=self.translate(said) if said else "",
            topics=",".join(page.topics()),
            translate=self.translate,
            live_mark=self.live_mark,
            locales=LOCALES if self.who is None or self.who.party_id is not None else STAFF_LOCALES,
        )


def open_visit(request: Request, *, services: Services, conn: Connection[TupleRow], now: datetime) -> Visit:
    """Read the session and enter the utility's scope."""
    live_mark = services.hub.mark()  # first: a change that comes from here on may be missing on the page
    utility = services.utility(conn)
    who = None
    session_token = request.cookies.get(SESSION_COOKIE)
    if session_token:
        who = registry_operations.session(conn, token=session_token, wall_now=wall_now())
        if who is not None and who.utility_id != utility.utility_id:
            who = None
    enter_scope(conn, scope=Scope(utility_id=utility.utility_id, actor=who.login_name if who else "web", now=now))
    locale = who.locale if who else locale_of(request)
    return Visit(
        request=request,
        services=services,
        conn=conn,
        utility=utility,
        now=now,
        who=who,
        locale=locale,
        translate=translator(locale),
        formats=Formats(locale=locale, zone=utility.zone, currency=utility.currency, translate=translator(locale)),
        token=who.csrf_token if who else request.cookies.get(TOKEN_COOKIE) or secrets.token_urlsafe(24),
        live_mark=live_mark,
    )


def locale_of(request: Request) -> str:
    """Choose the language for somebody who is not signed in."""
    return choose_locale(
        wanted=request.cookies.get(LOCALE_COOKIE), accept_language=request.headers.get("Accept-Language", "")
    )


def theme_of(request: Request) -> str:
    theme = request.cookies.get(THEME_COOKIE, "auto")
    return theme if theme in THEMES else "auto"


def own_path(request: Request) -> str:
    """Give path and query of a page, to come back to it; never another site's."""
    query = "&".join(
        part for part in request.url.query.split("&") if part and not part.startswith(("said=", "fragment="))
    )
    return request.url.path + (f"?{query}" if query else "")
