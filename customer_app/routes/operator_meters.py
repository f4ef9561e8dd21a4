"""Meters in the control room: the live table, one meter, its readings to dig in, orders to its valve or relay."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form
from starlette.responses import Response

from customer_app import anomaly_texts, checker_sight, meter_pages, telemetry
from customer_app.anomaly_texts import AnomalyText
from customer_app.checker_sight import Sight
from customer_app.dependencies import allowed
from customer_app.meter_pages import CommandLine, Landing, MeterHead, Order
from customer_app.rendering import Page
from customer_app.telemetry import MeterLine
from customer_app.visit import NotFound, Visit
from ingest_gateway import operations as ingest_operations
from ingest_gateway import queries as ingest_queries
from ingest_gateway.operations import Command
from ingest_gateway.queries import console
from registry import queries as registry_queries

router = APIRouter()

PAGE = 50
COMMAND_LASTS = timedelta(hours=24)  # of utility time
COMMAND_LASTS_WALL_S = 60  # where utility time flies, an order still gets this long
ANOMALIES_BACK = timedelta(days=90)
Kind = Literal["", "water", "electricity"]


@dataclass(frozen=True, slots=True)
class ZoneChoice:
    zone_id: int
    label: str


@dataclass(frozen=True, slots=True)
class TelemetryPage(Page):
    TEMPLATE: ClassVar[str] = "operator/telemetry.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {"table": "operator/_telemetry_table.html"}
    ACTIVE: ClassVar[str] = "/operator/telemetry"

    meters: tuple[MeterLine, ...]
    zones: tuple[ZoneChoice, ...]
    kind: str
    zone: int | None
    serial: str
    silent: bool
    own_path: str
    next_path: str
    first_path: str

    def topics(self) -> tuple[str, ...]:
        return ("telemetry",)


@dataclass(frozen=True, slots=True)
class MeterPage(Page):
    TEMPLATE: ClassVar[str] = "operator/meter.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {"now": "operator/_meter_now.html"}
    ACTIVE: ClassVar[str] = "/operator/telemetry"

    meter: MeterHead
    landing: Landing
    commands: tuple[CommandLine, ...]
    orders: tuple[Order, ...]
    anomalies: tuple[AnomalyText, ...]
    sight: Sight

    def topics(self) -> tuple[str, ...]:
        return (f"meter:{self.meter.meter_id}", "commands")


@dataclass(frozen=True, slots=True)
class ConfirmPage(Page):
    TEMPLATE: ClassVar[str] = "operator/confirm.html"
    ACTIVE: ClassVar[str] = "/operator/telemetry"

    meter: MeterHead
    order: Order
    people: str


@router.get("/operator/telemetry")
def index(
    visit: Annotated[Visit, allowed("telemetry.view", action="telemetry.list")],
    kind: Kind = "",
    zone: str = "",
    serial: str = "",
    silent: Literal["", "1"] = "",
    after: str = "",
) -> Response:
    """List all meters by serial with their newest readings."""
    zone_id = int(zone) if zone.isdecimal() else None
    rows = console.telemetry(
        visit.conn,
        utility_id=visit.utility_id,
        at=visit.now,
        clock_rate=visit.services.clock.rate(),
        kind=kind or None,
        zone_id=zone_id,
        serial=serial.strip() or None,
        only_silent=bool(silent),
        after=after,
        limit=PAGE,
    )
    asked = {"kind": kind, "zone": zone_id or "", "serial": serial.strip(), "silent": silent}
    asked = {name: given for name, given in asked.items() if given}
    zones = registry_queries.zones(visit.conn, utility_id=visit.utility_id)
    page = TelemetryPage(
        meters=tuple(telemetry.line(visit, row) for row in rows),
        zones=tuple(ZoneChoice(one.zone_id, f"{one.code} {one.name}") for one in zones),
        kind=kind,
        zone=zone_id,
        serial=serial.strip(),
        silent=bool(silent),
        own_path=f"{_path(asked, after=after)}&",
        next_path=_path(asked, after=rows[-1].serial) if len(rows) == PAGE else "",
        first_path=_path(asked, after="") if after else "",
    )
    return visit.show(page)


@router.get("/operator/meters/{meter_id}")
def show(
    meter_id: int,
    visit: Annotated[
        Visit, allowed("telemetry.view", action="meter.view", object_kind="meter", object_from="meter_id")
    ],
) -> Response:
    """Show one meter: what it said last, whether its data has landed, its orders and anomalies."""
    head = meter_pages.head(visit, meter_id=meter_id)
    found = ingest_queries.anomalies_of_meter(
        visit.conn, utility_id=visit.utility_id, meter_id=meter_id, since=visit.now - ANOMALIES_BACK
    )
    page = MeterPage(
        meter=head,
        landing=meter_pages.landing(visit, meter_id=meter_id),
        commands=meter_pages.commands(visit, meter_id=meter_id),
        orders=meter_pages.orders(visit, head) if visit.may("command.send") else (),
        anomalies=anomaly_texts.described(visit, found),
        sight=checker_sight.sight(visit, head),
    )
    return visit.show(page)


@router.get("/operator/meters/{meter_id}/commands/{command}")
def ask(
    meter_id: int,
    command: Command,
    visit: Annotated[
        Visit, allowed("command.send", action="command.prepare", object_kind="meter", object_from="meter_id")
    ],
) -> Response:
    """Ask once more before an order goes to a valve or relay."""
    head = meter_pages.head(visit, meter_id=meter_id)
    page = ConfirmPage(meter=head, order=_order(visit, head, command), people=meter_pages.people(visit, head))
    return visit.show(page)


@router.post("/operator/meters/{meter_id}/commands")
def send(
    meter_id: int,
    visit: Annotated[
        Visit, allowed("command.send", action="command.send", object_kind="meter", object_from="meter_id")
    ],
    command: Annotated[Command, Form()],
    reason: Annotated[str, Form(min_length=1, max_length=500)],
) -> Response:
    """Queue an order to a valve or relay, once it was confirmed."""
    head = meter_pages.head(visit, meter_id=meter_id)
    _order(visit, head, command)
    lasts = max(COMMAND_LASTS, timedelta(seconds=COMMAND_LASTS_WALL_S * visit.services.clock.rate()))
    command_id = ingest_operations.queue_command(
        visit.conn,
        utility_id=visit.utility_id,
        meter_id=meter_id,
        command=command,
        purpose="operator",
        expires_at=visit.now + lasts,
        arguments={},
        at=visit.now,
    )
    visit.concerns(command=command, command_id=command_id, reason=reason.strip())
    return visit.go(f"/operator/meters/{meter_id}", said="command-queued")


def _order(visit: Visit, head: MeterHead, command: Command) -> Order:
    """:raises NotFound: if the meter does not obey such an order"""
    for order in meter_pages.orders(visit, head):
        if order.command == command:
            return order
    raise NotFound(f"meter {head.serial} does not obey {command}")


def _path(asked: Mapping[str, object], *, after: str) -> str:
    return f"/operator/telemetry?{urlencode({**asked, 'after': after} if after else asked)}"
