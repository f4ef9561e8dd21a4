"""The meter reader's page, which works without a network, and the worker script that keeps it on the handheld."""

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Annotated, ClassVar

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from customer_app.dependencies import allowed
from customer_app.rendering import Page
from customer_app.statics import FOLDER, Statics
from customer_app.visit import Visit
from kernel.i18n import mark
from registry import queries as registry_queries

router = APIRouter()

SHELL = (
    "suiden.css",
    "suiden.js",
    "logo.svg",
    "handheld/handheld.css",
    "handheld/app.js",
    "handheld/checks.js",
    "handheld/store.js",
    "handheld/sync.js",
    "handheld/manifest.webmanifest",
)
REASONS = (
    ("read_twice", mark("I read it twice")),
    ("exchanged", mark("The meter was exchanged")),
    ("vacant", mark("Nobody lives here")),
    ("leak", mark("A leak is likely")),
    ("much_used", mark("The customer says why (note)")),
    ("stopped", mark("The meter stands still")),
    ("read_wrongly_before", mark("It was read wrongly last time")),
)
WORDS = {
    "water": mark("Water"),
    "electricity": mark("Electricity"),
    "online": mark("Connected"),
    "offline": mark("No network"),
    "route_from": mark("Route loaded {at}"),
    "no_route": mark("No route on this handheld yet. Load one while there is a network."),
    "none_found": mark("Nothing on this route matches."),
    "all_read": mark("All read. Well done."),
    "none_here": mark("Nothing here."),
    "waiting": mark("waits to be sent"),
    "stored": mark("arrived"),
    "duplicate": mark("had arrived before"),
    "rejected": mark("refused"),
    "kept": mark("{serial} kept"),
    "sent": mark("{n} readings arrived"),
    "sent_refused": mark("{n} readings sent, {refused} of them refused: see “Refused”"),
    "route_loaded": mark("{n} meters on this handheld"),
    "store_broken": mark("This handheld could not keep the reading. Write it down and restart the browser."),
    "below_last": mark("Lower than last time"),
    "below_last_text": mark("{typed} is less than the last reading. Look again: right meter, right digits?"),
    "too_high": mark("Unusually high"),
    "too_high_text": mark("{typed} is more than this place is likely to have used."),
    "too_low": mark("Unusually low"),
    "too_low_text": mark("{typed} is less than this place is likely to have used."),
    "stopped": mark("Not moved since last time"),
    "stopped_text": mark("{typed} is the same as last time, yet this place usually uses something."),
    "reject_clock_ahead": mark("the handheld's clock is ahead"),
    "reject_too_old": mark("it is too old"),
    "reject_unknown_meter": mark("the meter is not known"),
    "reject_register_backwards": mark("it is lower than what is stored; tell the office"),
    "reject_conflict": mark("another reading of the same moment is stored"),
    "reject_out_of_range": mark("the meter cannot show this number"),
    "reject_malformed": mark("it could not be read"),
}


@dataclass(frozen=True, slots=True)
class District:
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Reason:
    code: str
    words: str


@dataclass(frozen=True, slots=True)
class HandheldPage(Page):
    TEMPLATE: ClassVar[str] = "handheld/app.html"
    ACTIVE: ClassVar[str] = "/handheld"

    login_name: str
    districts: tuple[District, ...]
    reasons: tuple[Reason, ...]
    words: dict[str, str]


@router.get("/handheld")
def show(visit: Annotated[Visit, allowed("handheld.use", action="handheld.open")]) -> Response:
    """Show the page; from then on the handheld keeps it."""
    _ = visit.translate
    zones = registry_queries.zones(visit.conn, utility_id=visit.utility_id)
    page = HandheldPage(
        login_name=visit.signed_in.login_name,
        districts=tuple(District(zone.code, f"{zone.code} {zone.name}") for zone in zones if zone.kind == "district"),
        reasons=tuple(Reason(code, _(words)) for code, words in REASONS),
        words={name: _(words) for name, words in WORDS.items()},
    )
    return visit.show(page)


@router.get("/handheld/sw.js")
def worker(visit: Annotated[Visit, allowed("handheld.use", action="handheld.open")]) -> Response:
    """Give the script that answers when the network is gone; it changes when any of the page's files does."""
    del visit
    return Response(
        worker_script(),
        media_type="text/javascript; charset=utf-8",
        headers={"Service-Worker-Allowed": "/handheld", "Cache-Control": "no-cache"},
    )


@cache
def worker_script() -> str:
    """Put the list of files and its fingerprint before the script."""
    statics = Statics()
    addresses = [statics.address(name) for name in SHELL]
    script = (FOLDER / "handheld" / "sw.js").read_text()
    fingerprint = hashlib.sha256("\n".join([*addresses, script]).encode()).hexdigest()[:12]
    shell = msgspec.json.encode(addresses).decode()
    return f'const VERSION = "handheld-{fingerprint}";\nconst SHELL = {shell};\n{script}'
