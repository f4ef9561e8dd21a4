"""The control room: figures, zones, open anomalies."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter
from starlette.responses import Response

from customer_app import anomaly_texts, telemetry, zone_charts
from customer_app.anomaly_texts import AnomalyText
from customer_app.dependencies import allowed
from customer_app.rendering import Page
from customer_app.telemetry import Tile
from customer_app.visit import Visit
from customer_app.zone_charts import ZoneChart
from ingest_gateway import queries as ingest_queries
from ingest_gateway.queries import Anomaly

router = APIRouter()

SHOWN_FIRST = 8


@dataclass(frozen=True, slots=True)
class ConsolePage(Page):
    TEMPLATE: ClassVar[str] = "operator/console.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {
        "tiles": "operator/_tiles.html",
        "water": "operator/_water.html",
        "power": "operator/_power.html",
        "anomalies": "operator/_anomalies.html",
    }
    ACTIVE: ClassVar[str] = "/operator"

    tiles: tuple[Tile, ...]
    water: tuple[ZoneChart, ...]
    power: tuple[ZoneChart, ...]
    anomalies: tuple[AnomalyText, ...]

    def topics(self) -> tuple[str, ...]:
        return ("telemetry", "anomalies")


@router.get("/operator")
def show(visit: Annotated[Visit, allowed("telemetry.view", action="console.view")]) -> Response:
    """Show the control room, or the part of it that has changed."""
    wanted = visit.fragment
    found: list[Anomaly] = []
    if wanted in ("", "tiles", "anomalies"):
        found = ingest_queries.open_anomalies(visit.conn, utility_id=visit.utility_id)
    page = ConsolePage(
        tiles=telemetry.tiles(visit, open_anomalies=len(found)) if wanted in ("", "tiles") else (),
        water=zone_charts.charts(visit, service="water") if wanted in ("", "water") else (),
        power=zone_charts.charts(visit, service="electricity") if wanted in ("", "power") else (),
        anomalies=anomaly_texts.grouped(visit, found, limit=SHOWN_FIRST) if wanted in ("", "anomalies") else (),
    )
    return visit.show(page)
