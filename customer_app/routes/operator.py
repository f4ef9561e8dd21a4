"""The control room: figures, zones, open anomalies, one anomaly."""

from dataclasses import dataclass
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from customer_app import anomaly_texts, telemetry, zone_charts
from customer_app.anomaly_texts import AnomalyText, Fact
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


@dataclass(frozen=True, slots=True)
class AnomaliesPage(Page):
    TEMPLATE: ClassVar[str] = "operator/anomalies.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {"list": "operator/_anomaly_table.html"}
    ACTIVE: ClassVar[str] = "/operator/anomalies"

    anomalies: tuple[AnomalyText, ...]
    own_path: str
    is_part: bool

    def topics(self) -> tuple[str, ...]:
        return ("anomalies",)


@dataclass(frozen=True, slots=True)
class AnomalyPage(Page):
    TEMPLATE: ClassVar[str] = "operator/anomaly.html"
    ACTIVE: ClassVar[str] = "/operator/anomalies"

    anomaly: AnomalyText
    facts: tuple[Fact, ...]
    parameters: tuple[Fact, ...]
    meter_path: str


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


@router.get("/operator/anomalies")
def anomalies(
    visit: Annotated[Visit, allowed("anomaly.view", action="anomaly.list")], kind: str = "", zone: int | None = None
) -> Response:
    """List the anomalies that last: all, or those of a kind in a zone."""
    found = [
        one
        for one in ingest_queries.open_anomalies(visit.conn, utility_id=visit.utility_id)
        if kind in ("", one.kind) and zone in (None, one.zone_id)
    ]
    own_path = f"/operator/anomalies?{urlencode({'kind': kind, **({'zone': zone} if zone is not None else {})})}"
    texts = anomaly_texts.described(visit, found)
    return visit.show(AnomaliesPage(anomalies=texts, own_path=own_path, is_part=bool(kind) or zone is not None))


@router.get("/operator/anomalies/{anomaly_id}")
def anomaly(
    anomaly_id: int,
    visit: Annotated[
        Visit, allowed("anomaly.view", action="anomaly.view", object_kind="anomaly", object_from="anomaly_id")
    ],
) -> Response:
    """Show one anomaly with what it rests on."""
    found = ingest_queries.anomaly(visit.conn, utility_id=visit.utility_id, anomaly_id=anomaly_id)
    (text,) = anomaly_texts.described(visit, [found])
    first = visit.formats.local(found.started_at).date().isoformat()
    page = AnomalyPage(
        anomaly=text,
        facts=anomaly_texts.facts(visit, found),
        parameters=anomaly_texts.parameters(found),
        meter_path=f"/operator/meters/{found.meter_id}/dig?day={first}&days=3" if found.meter_id else "",
    )
    return visit.show(page)
