"""What did not come: silent meters, gaps and wrong clocks, and how each was asked."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter
from starlette.responses import Response

from customer_app import gap_pages
from customer_app.dependencies import allowed
from customer_app.gap_pages import ClockLine, WaitingLine
from customer_app.rendering import Page
from customer_app.telemetry import Tile
from customer_app.visit import Visit

router = APIRouter()


@dataclass(frozen=True, slots=True)
class GapsPage(Page):
    TEMPLATE: ClassVar[str] = "operator/gaps.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {"all": "operator/_gaps.html"}
    ACTIVE: ClassVar[str] = "/operator/gaps"

    tiles: tuple[Tile, ...]
    meters: tuple[WaitingLine, ...]
    is_cut: bool
    clocks: tuple[ClockLine, ...]


@router.get("/operator/gaps")
def show(visit: Annotated[Visit, allowed("gateway.view", action="gap.list")]) -> Response:
    """List the meters whose readings are missing, the silent ones first."""
    meters = gap_pages.waiting(visit)
    page = GapsPage(
        tiles=_tiles(visit, silent=sum(one.is_silent for one in meters)),
        meters=meters,
        is_cut=len(meters) == gap_pages.METERS_SHOWN,
        clocks=gap_pages.wrong_clocks(visit),
    )
    return visit.show(page)


def _tiles(visit: Visit, *, silent: int) -> tuple[Tile, ...]:
    _, number, counts = visit.translate, visit.formats.number, gap_pages.all_counts(visit)
    return (
        Tile(
            _("Meters silent"),
            number(silent),
            _("nothing came for three intervals"),
            "is-bad" if silent else "is-good",
            "/operator/telemetry?silent=1",
        ),
        Tile(
            _("Gaps open"),
            number(counts.open),
            _("%(n)s readings missing", n=number(counts.readings_missing)),
            "is-warn" if counts.open else "is-good",
        ),
        Tile(
            _("Gaps filled"),
            number(counts.filled),
            _("%(n)s readings came late", n=number(counts.readings_filled)),
            "is-good",
        ),
        Tile(
            _("Gaps lost"),
            number(counts.lost),
            _("%(n)s readings that no meter keeps any more", n=number(counts.readings_lost)),
            "is-bad" if counts.lost else "is-good",
        ),
    )
