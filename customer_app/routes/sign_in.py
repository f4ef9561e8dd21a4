"""Signing in and out, the way home, and the switches for language and colours."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Form, Query
from starlette.responses import Response

from customer_app import navigation
from customer_app.dependencies import RightMissing, open_to_all
from customer_app.rendering import Page
from customer_app.visit import LOCALE_COOKIE, SESSION_COOKIE, THEME_COOKIE, THEMES, YEAR_S, Visit
from kernel.clock import wall_now
from kernel.i18n import LOCALES, mark
from registry import operations as registry_operations

router = APIRouter()

DEMO_PASSWORD = "suiden"  # the demo's only; shown on its sign-in page
DEMO_LOGINS = (
    ("customer", mark("Customer"), mark("your use, bills and repairs")),
    ("customer2", mark("Customer in arrears"), mark("reminders, suspension, payment")),
    ("crew", mark("Crew"), mark("tickets in the field")),
    ("operator", mark("Operator"), mark("live telemetry and findings")),
    ("office", mark("Office"), mark("customers, bills, collection")),
    ("reader", mark("Meter reader"), mark("the handheld, also offline")),
    ("admin", mark("Administrator"), mark("everything")),
)


@dataclass(frozen=True, slots=True)
class DemoLogin:
    name: str
    role: str
    what: str


@dataclass(frozen=True, slots=True)
class SignInPage(Page):
    TEMPLATE: ClassVar[str] = "sign_in.html"
    login_name: str
    next_path: str
    problem: str
    demo_logins: tuple[DemoLogin, ...]
    demo_password: str


@router.get("/")
def home(visit: Annotated[Visit, open_to_all(action="home.open")]) -> Response:
    """Lead everybody to their first page."""
    if visit.who is None:
        return visit.go("/login")
    path = navigation.home(visit.who, served=visit.services.paths)
    if path is None:
        raise RightMissing("none of this login's pages is served here")
    return visit.go(path)


@router.get("/login")
def show(
    visit: Annotated[Visit, open_to_all(action="session.ask")],
    next_path: Annotated[str, Query(alias="next", max_length=2000)] = "",
    name: str = "",
) -> Response:
    """Show the sign-in page."""
    return visit.show(_page(visit, login_name=name, next_path=safe_path(next_path)))


@router.post("/login")
def sign_in(
    visit: Annotated[Visit, open_to_all(action="session.start")],
    login_name: Annotated[str, Form(max_length=200)],
    password: Annotated[str, Form(max_length=1000)],
    next_path: Annotated[str, Form(alias="next", max_length=2000)] = "",
) -> Response:
    """Begin a session with a new token; an old one of the same browser ends."""
    name = login_name.strip().lower()
    visit.concerns(object_id=name)
    session = registry_operations.sign_in(
        visit.conn,
        utility_id=visit.utility_id,
        login_name=name,
        password=password,
        remote_address=visit.remote_address,
        wall_now=wall_now(),
    )
    if isinstance(session, registry_operations.SignInRefused):
        visit.concerns(refused=session.reason)
        page = _page(visit, login_name=name, next_path=safe_path(next_path), problem=_problem(visit, session))
        return visit.show(page, status=403)
    response = visit.go(safe_path(next_path) or "/")
    visit.set_cookie(response, SESSION_COOKIE, session.token)
    return response


@router.post("/logout")
def sign_out(visit: Annotated[Visit, open_to_all(action="session.end")]) -> Response:
    """End the session, here and in the database."""
    token = visit.request.cookies.get(SESSION_COOKIE)
    if token:
        registry_operations.sign_out(visit.conn, token=token)
    response = visit.go("/login", said="signed-out")
    response.delete_cookie(SESSION_COOKIE, path="/")
    return response


@router.post("/preferences")
def prefer(
    visit: Annotated[Visit, open_to_all(action="preference.change")],
    locale: Annotated[str, Form()] = "",
    theme: Annotated[str, Form()] = "",
    next_path: Annotated[str, Form(alias="next", max_length=2000)] = "",
) -> Response:
    """Keep language and colours: on this device, and the language with the login too."""
    response = visit.go(safe_path(next_path) or "/")
    if locale in LOCALES:
        visit.set_cookie(response, LOCALE_COOKIE, locale, max_age_s=YEAR_S)
        if visit.who is not None:
            registry_operations.set_login_locale(
                visit.conn, utility_id=visit.utility_id, login_id=visit.who.login_id, locale=locale
            )
    if theme in THEMES:
        visit.set_cookie(response, THEME_COOKIE, theme, max_age_s=YEAR_S)
    return response


def safe_path(wanted: str) -> str:
    """Keep a path of our own to go on to; anything that could lead elsewhere becomes empty."""
    ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and "\n" not in wanted and "\r" not in wanted
    return wanted if ours else ""


def _problem(visit: Visit, refused: registry_operations.SignInRefused) -> str:
    _ = visit.translate
    if refused.reason == "too_many_failures":
        minutes = 1 + int(refused.retry_after.total_seconds() // 60)
        return _("Too many attempts. Please wait %(n)s min and try again.", n=minutes)
    return _("That name and password do not belong together. Please try again.")


def _page(visit: Visit, *, login_name: str, next_path: str, problem: str = "") -> SignInPage:
    demo = visit.services.settings.demo
    _ = visit.translate
    return SignInPage(
        login_name=login_name,
        next_path=next_path,
        problem=problem,
        demo_logins=tuple(DemoLogin(name, _(role), _(what)) for name, role, what in DEMO_LOGINS) if demo else (),
        demo_password=DEMO_PASSWORD if demo else "",
    )
