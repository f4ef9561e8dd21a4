"""One meter for the control room, ready to print."""

from dataclasses import dataclass
from typing import Any

from customer_app import gap_pages, telemetry
from customer_app.visit import Visit
from ingest_gateway import queries as ingest_queries
from ingest_gateway.operations import Command
from ingest_gateway.queries import MeterCommand
from kernel.i18n import Translate, mark
from registry import queries as registry_queries

COMMANDS: dict[str, str] = {
    "valve.close": mark("Close the valve"),
    "valve.open": mark("Open the valve"),
    "valve.trickle": mark("Let the valve trickle"),
    "relay.open": mark("Switch the power off"),
    "relay.close": mark("Switch the power on"),
    "backfill": mark("Send what is missing"),
}
STATES = {
    "queued": (mark("waits to leave"), "is-info"),
    "sent": (mark("sent, not answered yet"), "is-info"),
    "done": (mark("done: the meter says so"), "is-good"),
    "failed": (mark("failed at the meter"), "is-bad"),
    "refused": (mark("held back: a guard said no"), "is-warn"),
    "expired": (mark("its time was over before it left"), "is-warn"),
    "cancelled": (mark("taken back"), ""),
    "unknown": (mark("nobody knows whether it was obeyed"), "is-bad"),
}
SUPPLY = {
    "on": (mark("supply on"), "is-good"),
    "off": (mark("supply off"), "is-bad"),
    "trickle": (mark("trickle only"), "is-warn"),
    "unknown": (mark("supply unknown"), "is-warn"),
}


@dataclass(frozen=True, slots=True)
class MeterHead:
    """Which meter it is and where it hangs."""

    meter_id: int
    serial: str
    service: str
    unit: str
    scale: int
    point_ids: tuple[int, ...]
    point_number: str
    address: str
    zone: str
    supply: str
    supply_look: str
    has_actuator: bool
    since: str
    interval_s: int


@dataclass(frozen=True, slots=True)
class SenderLine:
    name: str
    kind: str
    seen: str
    through: str
    missing: int


@dataclass(frozen=True, slots=True)
class RefusedLine:
    path: str
    reason: str
    detail: str
    at: str
    times: int


@dataclass(frozen=True, slots=True)
class Landing:
    """Whether its data has landed."""

    at: str
    ago: str
    received: str
    register: str
    flow: str
    measure: str
    battery: str
    flags: tuple[str, ...]
    senders: tuple[SenderLine, ...]
    refused: tuple[RefusedLine, ...]
    missing: int
    verdict: str
    verdict_look: str
    gaps: gap_pages.MeterGaps


@dataclass(frozen=True, slots=True)
class Order:
    """An order that this meter obeys."""

    command: Command
    words: str
    stops_supply: bool
    path: str


@dataclass(frozen=True, slots=True)
class CommandLine:
    """An order that was given."""

    command_id: int
    words: str
    purpose: str
    state: str
    look: str
    detail: str
    queued: str
    answered: str
    age: str
    until: str


def head(visit: Visit, *, meter_id: int) -> MeterHead:
    """:raises NotFound: if the utility has no such meter at a point"""
    scope = {"utility_id": visit.utility_id}
    hung = registry_queries.installations_of_meters(visit.conn, **scope, meter_ids=[meter_id])
    meter = visit.found(hung[-1] if hung else None)
    point = registry_queries.point(visit.conn, **scope, point_id=meter.point_id)
    supply, look = SUPPLY.get(point.supply, (point.supply, ""))
    return MeterHead(
        meter_id=meter_id,
        serial=meter.serial,
        service=meter.kind,
        unit=meter.unit,
        scale=meter.scale,
        point_ids=(point.point_id,),
        point_number=point.point_number,
        address=f"{point.address} {point.building}".strip(),
        zone=f"{point.zone_code} · {point.district_code}",
        supply=visit.translate(supply),
        supply_look=look,
        has_actuator=meter.has_actuator and meter.valid_to is None,
        since=visit.formats.day_of(meter.valid_from),
        interval_s=meter.interval_s,
    )


def landing(visit: Visit, *, meter_id: int) -> Landing:
    """Tell whether the meter's data has landed, and what of it was lost or refused."""
    _, formats = visit.translate, visit.formats
    found = ingest_queries.landed(visit.conn, utility_id=visit.utility_id, meter_id=meter_id)
    meter = head(visit, meter_id=meter_id)
    newest = found.latest
    voltages = [] if newest is None else [newest.voltage_1_v, newest.voltage_2_v, newest.voltage_3_v]
    voltage_v = min((v for v in voltages if v is not None), default=None)
    register = newest.register if newest else None
    verdict, look = gap_pages.verdict(visit, found)
    return Landing(
        at=formats.datetime(newest.read_at) if newest else _("never"),
        ago=formats.ago(newest.read_at, now=visit.now) if newest else "",
        received=formats.datetime(newest.received_at) if newest else "",
        register="" if register is None else formats.quantity(register, scale=meter.scale, unit=meter.unit),
        flow=telemetry.flow(formats, newest.flow if newest else None, service=meter.service),
        measure=telemetry.measure(formats, pressure_kpa=newest.pressure_kpa if newest else None, voltage_v=voltage_v),
        battery="" if newest is None or newest.battery_pct is None else f"{newest.battery_pct} %",
        flags=telemetry.flag_words(visit, newest.flags) if newest else (),
        senders=tuple(
            SenderLine(
                name=one.name,
                kind=_("by itself") if one.kind == "meter" else _("through a concentrator"),
                seen=formats.datetime(one.seen_at) if one.seen_at else _("never"),
                through=formats.number(one.through),
                missing=one.missing_count,
            )
            for one in found.senders
        ),
        refused=tuple(
            RefusedLine(
                f"/operator/rejected?reason={one.reason}",
                one.reason,
                one.detail,
                formats.datetime(one.last_at),
                one.times,
            )
            for one in found.refused
        ),
        missing=sum(one.missing_count for one in found.senders),
        verdict=verdict,
        verdict_look=look,
        gaps=gap_pages.of_meter(visit, found, interval_s=meter.interval_s),
    )


def orders(visit: Visit, meter: MeterHead) -> tuple[Order, ...]:
    """List the orders that the meter obeys."""
    _ = visit.translate
    given: tuple[Command, ...] = ("backfill",)
    if meter.has_actuator:
        given = (
            ("valve.open", "valve.trickle", "valve.close", "backfill")
            if meter.service == "water"
            else ("relay.close", "relay.open", "backfill")
        )
    return tuple(
        Order(
            command=command,
            words=_(COMMANDS[command]),
            stops_supply=command in ("valve.close", "valve.trickle", "relay.open"),
            path=f"/operator/meters/{meter.meter_id}/commands/{command}",
        )
        for command in given
    )


def commands(visit: Visit, *, meter_id: int) -> tuple[CommandLine, ...]:
    """List the orders that were given to the meter, newest first."""
    found = ingest_queries.commands_of_meter(visit.conn, utility_id=visit.utility_id, meter_id=meter_id, limit=20)
    return tuple(_command(visit, one) for one in found)


def people(visit: Visit, meter: MeterHead) -> str:
    """Name who uses the point, for the one who is about to stop its supply."""
    there = registry_queries.parties_at_points(
        visit.conn, utility_id=visit.utility_id, point_ids=meter.point_ids, at=visit.now
    )
    party_ids = sorted({one.party_id for one in there if one.role == "user"})
    found = registry_queries.parties(visit.conn, utility_id=visit.utility_id, party_ids=party_ids)
    return ", ".join(party.name for party in found)


def _command(visit: Visit, one: MeterCommand) -> CommandLine:
    _ = visit.translate
    words, look = STATES.get(one.state, (one.state, ""))
    return CommandLine(
        command_id=one.command_id,
        words=_(COMMANDS.get(one.command, one.command)),
        purpose=purpose(_, one.purpose),
        state=_(words),
        look=look,
        detail=gap_pages.command_detail(visit, one),
        queued=visit.formats.datetime(one.queued_at),
        answered=visit.formats.datetime(one.answered_at) if one.answered_at else "",
        age=_age(visit, one),
        until=visit.formats.datetime(one.expires_at) if one.state in ("queued", "sent") else "",
    )


def _age(visit: Visit, one: MeterCommand) -> str:
    """Say how long an order has been in its state, and how often it has left."""
    _, formats = visit.translate, visit.formats
    since = one.answered_at
    if one.state == "queued":
        since = one.queued_at
    elif one.state == "sent":
        since = one.sent_at
    elif since is None and one.state in ("unknown", "expired"):
        since = min(one.expires_at, visit.now)
    ago = formats.ago(since, now=visit.now) if since else ""
    if one.sends < 2 or one.answered_at is not None:
        return ago
    return _("%(ago)s, sent %(n)s times", ago=ago, n=formats.number(one.sends)) if ago else ""


def purpose(_: Translate, code: str) -> str:
    """Say for what an order was given: `suspension:12` becomes “suspension 12”."""
    kind, _sep, number = code.partition(":")
    words: dict[str, Any] = {
        "operator": _("by the control room"),
        "gap": _("to fill a gap"),
        "suspension": _("suspension %(n)s", n=number),
        "restoration": _("restoration %(n)s", n=number),
    }
    return str(words.get(kind, code))
