"""Digging in one meter's readings: register, flow, pressure or voltage over a chosen time, as charts and as a table."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from fastapi import APIRouter, Query
from markupsafe import Markup
from starlette.responses import Response

from customer_app import meter_pages, telemetry
from customer_app.charts import Line, line_chart
from customer_app.dependencies import allowed
from customer_app.meter_pages import MeterHead
from customer_app.rendering import Page
from customer_app.visit import Visit
from ingest_gateway import queries as ingest_queries
from ingest_gateway.queries import StoredReading
from kernel.period import local_date, local_days

router = APIRouter()

MOST_READINGS = 3000
TABLE_ROWS = 300
SVG_PLACES = 240
SPANS = (1, 3, 7, 31)


@dataclass(frozen=True, slots=True)
class SpanChoice:
    label: str
    path: str
    active: bool


@dataclass(frozen=True, slots=True)
class ReadingLine:
    at: str
    register: str
    flow: str
    measure: str
    flags: str


@dataclass(frozen=True, slots=True)
class DigPage(Page):
    TEMPLATE: ClassVar[str] = "operator/dig.html"
    ACTIVE: ClassVar[str] = "/operator/telemetry"
    PLOTS: ClassVar[bool] = True

    meter: MeterHead
    span_label: str
    spans: tuple[SpanChoice, ...]
    earlier: str
    later: str
    day: str
    days: int
    svg: Markup
    plot: dict[str, Any]
    readings: tuple[ReadingLine, ...]
    count: str
    cut: bool


@router.get("/operator/meters/{meter_id}/dig")
def show(
    meter_id: int,
    visit: Annotated[Visit, allowed("telemetry.view", action="meter.dig", object_kind="meter", object_from="meter_id")],
    day: date | None = None,
    days: Annotated[int, Query(ge=1, le=92)] = 3,
) -> Response:
    """Show all readings of one meter over some days."""
    _, meter = visit.translate, meter_pages.head(visit, meter_id=meter_id)
    today = local_date(visit.now, zone=visit.utility.zone)
    first = min(day or today - timedelta(days=days - 1), today)
    end = first + timedelta(days=days)
    period = local_days(first, end, zone=visit.utility.zone)
    found = ingest_queries.readings(
        visit.conn, utility_id=visit.utility_id, meter_id=meter_id, period=period, limit=MOST_READINGS
    )

    def path(first: date, days: int) -> str:
        return f"/operator/meters/{meter_id}/dig?day={first.isoformat()}&days={days}"

    page = DigPage(
        meter=meter,
        span_label=visit.formats.days(first, end - timedelta(days=1)),
        spans=tuple(
            SpanChoice(
                visit.translate("%(n)s days", n=n), path(min(first, today - timedelta(days=n - 1)), n), n == days
            )
            for n in SPANS
        ),
        earlier=path(first - timedelta(days=days), days),
        later=path(first + timedelta(days=days), days) if end <= today else "",
        day=first.isoformat(),
        days=days,
        svg=_svg(visit, meter, found),
        plot=_plot(visit, meter, found),
        readings=tuple(_line(visit, meter, one) for one in found[:TABLE_ROWS]),
        count=visit.formats.number(len(found)),
        cut=len(found) > TABLE_ROWS,
    )
    return visit.show(page)


def _line(visit: Visit, meter: MeterHead, one: StoredReading) -> ReadingLine:
    formats = visit.formats
    return ReadingLine(
        at=formats.datetime(one.read_at),
        register="" if one.register is None else formats.quantity(one.register, scale=meter.scale, unit=meter.unit),
        flow=telemetry.flow(formats, one.flow, service=meter.service),
        measure=telemetry.measure(formats, pressure_kpa=one.pressure_kpa, voltage_v=_voltage(one)),
        flags=", ".join(telemetry.flag_words(visit, one.flags)),
    )


def _voltage(one: StoredReading) -> float | None:
    return min((v for v in (one.voltage_1_v, one.voltage_2_v, one.voltage_3_v) if v is not None), default=None)


def _svg(visit: Visit, meter: MeterHead, found: list[StoredReading]) -> Markup:
    """Draw the flow at once; the browser's own charts come when their script is there."""
    _ = visit.translate
    ordered = found[::-1]
    step = max(1, -(-len(ordered) // SVG_PLACES))
    shown = ordered[::step]
    every = max(1, -(-len(shown) // 6))
    return line_chart(
        title=_("Flow"),
        description=_("Flow of meter %(serial)s", serial=meter.serial),
        lines=[Line(_("Flow"), tuple(one.flow for one in shown))],
        axis=[visit.formats.datetime(one.read_at) for one in shown[::every]],
        unit="L/h" if meter.service == "water" else "W",
        from_zero=True,
        height=240,
    )


def _plot(visit: Visit, meter: MeterHead, found: list[StoredReading]) -> dict[str, Any]:
    """Give the browser's charts their numbers, on the utility's clock."""
    _ = visit.translate
    ordered = found[::-1]
    water = meter.service == "water"
    scale = Decimal(1).scaleb(meter.scale)
    registers = [None if one.register is None else float(one.register * scale) for one in ordered]
    measures = [one.pressure_kpa if water else _voltage(one) for one in ordered]
    return {
        "at": [visit.formats.local(one.read_at).strftime("%Y-%m-%d %H:%M:%S") for one in ordered],
        "locale": visit.locale,
        "charts": [
            {"name": _("Register"), "unit": visit.formats.unit(meter.unit), "values": registers, "shape": "hv"},
            {
                "name": _("Flow") if water else _("Power"),
                "unit": "L/h" if water else "W",
                "values": [one.flow for one in ordered],
                "shape": "linear",
            },
            {
                "name": _("Pressure") if water else _("Voltage"),
                "unit": "kPa" if water else "V",
                "values": measures,
                "shape": "linear",
                "band": [150, 740] if water else [95, 107],
            },
        ],
    }
