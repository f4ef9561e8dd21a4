"""One table from what can go wrong to what the visitor is told; the domain knows nothing of HTTP."""

import secrets
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg import OperationalError
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from customer_app.card_checkout import SignatureWrong
from customer_app.dependencies import FormTooLarge, RightMissing, TokenWrong
from customer_app.rendering import FragmentUnknown, Frame, Page
from customer_app.services import services_of
from customer_app.visit import NotFound, NotSignedIn, locale_of, own_path, theme_of
from ingest_gateway.operations import CommandExpired, ParameterRefused, RejectUnknown
from ingest_gateway.queries import AnomalyUnknown
from kernel.clock import ClockNotSet
from kernel.i18n import mark, translator
from kernel.text import TextUnusable
from maintenance_tracker.operations import (
    CrewMissing,
    IncidentUnknown,
    MergeRefused,
    NotOnWatchList,
    ReopenTooLate,
    RepairNotQuiet,
    SplitRefused,
    StepRefused,
    TicketUnknown,
)
from rating_engine.operations import (
    AccountMissing,
    HoldUnknown,
    HoldUnusable,
    MoveUnknown,
    PaymentConflict,
    PaymentUnusable,
    SuspensionRefused,
    SuspensionUnknown,
)
from rating_engine.queries import BillUnknown, IntentUnknown
from registry.operations import LoginUnusable
from registry.queries import NotInRegistry, PlannedWorkUnknown

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Told:
    """What a visitor is told: an HTTP status, a heading, and what to do."""

    status: int
    title: str
    cure: str


NOTHING_HERE = Told(404, mark("Nothing here"), mark("The page does not exist, or it is not yours to see."))
BAD_INPUT = Told(
    400, mark("That could not be read"), mark("Something in the form is missing or not in its usual form.")
)
NOT_ALLOWED = Told(
    403, mark("Not allowed"), mark("Your login does not have the right for this. Ask your administrator.")
)
TOO_OLD = Told(403, mark("The form was too old"), mark("Go back, load the page again and send the form once more."))
AWAY = Told(
    503, mark("One moment, please"), mark("The database cannot be reached just now. Nothing was lost; try again.")
)
BROKEN = Told(
    500, mark("Something went wrong"), mark("It was our mistake and it is written down. Nothing half-done was kept.")
)

CONFLICT = Told(
    409,
    mark("That was decided otherwise"),
    mark("Somebody or something was faster. Load the page again to see how it stands."),
)
NOT_QUIET = Told(409, mark("Not yet"), mark("The meters still see the trouble. Please wait a little and confirm then."))
TOO_LATE = Told(409, mark("Too long ago"), mark("The repair was finished days ago. Please report this as a new fault."))
NO_CREW = Told(
    409,
    mark("You belong to no crew yet"),
    mark("Ask the office to put your login into a crew, then take the ticket again."),
)
NOT_SIGNED = Told(400, mark("Not accepted"), mark("The message is not signed as agreed."))

TOO_LARGE = Told(
    413, mark("Too large"), mark("A page takes files of up to 2 MB. Longer ones are for the command suiden import.")
)

TABLE: dict[type[Exception], Told] = {
    NotFound: NOTHING_HERE,
    FragmentUnknown: NOTHING_HERE,
    RightMissing: NOT_ALLOWED,
    TokenWrong: TOO_OLD,
    FormTooLarge: TOO_LARGE,
    NotInRegistry: NOTHING_HERE,
    PlannedWorkUnknown: CONFLICT,  # it is over, or somebody else began it
    BillUnknown: NOTHING_HERE,
    IntentUnknown: NOTHING_HERE,
    TicketUnknown: NOTHING_HERE,
    RepairNotQuiet: NOT_QUIET,
    ReopenTooLate: TOO_LATE,
    StepRefused: CONFLICT,
    IncidentUnknown: CONFLICT,  # it is long over, or was merged
    MergeRefused: CONFLICT,
    SplitRefused: CONFLICT,
    NotOnWatchList: CONFLICT,
    PaymentConflict: CONFLICT,
    PaymentUnusable: BAD_INPUT,
    SignatureWrong: NOT_SIGNED,
    AccountMissing: NOTHING_HERE,
    AnomalyUnknown: NOTHING_HERE,
    ParameterRefused: BAD_INPUT,
    RejectUnknown: NOTHING_HERE,
    HoldUnknown: NOTHING_HERE,
    HoldUnusable: BAD_INPUT,
    SuspensionUnknown: NOTHING_HERE,
    SuspensionRefused: CONFLICT,
    MoveUnknown: CONFLICT,
    CommandExpired: CONFLICT,
    CrewMissing: NO_CREW,
    TextUnusable: BAD_INPUT,
    LoginUnusable: BAD_INPUT,
    ClockNotSet: AWAY,
    OperationalError: AWAY,
    PoolTimeout: AWAY,
}


@dataclass(frozen=True, slots=True)
class ErrorPage(Page):
    TEMPLATE: ClassVar[str] = "error.html"
    title: str
    cure: str
    status: int
    reference: str


def add_handlers(app: FastAPI) -> None:
    """Answer every error with a page that says what to do."""
    for kind, told in TABLE.items():
        app.add_exception_handler(kind, _handler(told))
    app.add_exception_handler(NotSignedIn, _to_sign_in)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def _handler(told: Told):
    def handle(request: Request, error: Exception) -> Response:
        log.info("web.refused", path=request.url.path, status=told.status, error=f"{type(error).__name__}: {error}")
        return answer(request, told, detail=str(error))

    return handle


def answer(request: Request, told: Told, *, reference: str = "", detail: str = "") -> Response:
    """Make the page, or the JSON where a script asked; needs no database."""
    if request.url.path.startswith(("/api/", "/webhooks/")):
        problem = {"error": told.title, "detail": detail or told.cure, "reference": reference}
        return JSONResponse(problem, status_code=told.status)
    services = services_of(request)
    utility = services.known_utility()
    translate = translator(locale_of(request))
    page = ErrorPage(title=translate(told.title), cure=translate(told.cure), status=told.status, reference=reference)
    frame = Frame(
        utility_name=utility.name if utility else "Suiden",
        locale=locale_of(request),
        theme=theme_of(request),
        token="",
        here="/",
        who_name="",
        entries=(),
        clock_text="",
        said="",
        topics="",
        translate=translate,
    )
    return HTMLResponse(services.renderer.html(page, frame=frame), status_code=told.status)


def _to_sign_in(request: Request, error: Exception) -> Response:
    del error
    if request.url.path.startswith("/api/") or request.url.path == "/events":
        return JSONResponse({"error": "sign in first"}, status_code=401)
    if request.method != "GET":
        return RedirectResponse("/login", status_code=303)
    address = f"/login?next={quote(own_path(request), safe='/')}"
    if request.headers.get("HX-Request") == "true":
        return Response(status_code=200, headers={"HX-Redirect": address})
    return RedirectResponse(address, status_code=303)


def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    in_path = any(part["loc"][:1] == ("path",) for part in error.errors())
    if in_path:
        return answer(request, NOTHING_HERE)
    names = ", ".join(str(part["loc"][-1]) for part in error.errors())
    return answer(request, BAD_INPUT, detail=f"not usable: {names}")


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return answer(request, NOTHING_HERE)
    response = answer(request, Told(error.status_code, BAD_INPUT.title, BAD_INPUT.cure), detail=str(error.detail))
    response.headers.update(error.headers or {})
    return response


def _unexpected(request: Request, error: Exception) -> Response:
    reference = secrets.token_hex(4)
    log.error("web.failed", path=request.url.path, reference=reference, exc_info=error)
    return answer(request, BROKEN, reference=reference)
