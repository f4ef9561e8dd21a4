"""Meters and their newest readings, ready to print; the gateway's health in plain words."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from customer_app.formats import Formats
from customer_app.visit import Visit
from ingest_gateway import queries as ingest_queries
from ingest_gateway.queries import console
from ingest_gateway.queries.console import TelemetryRow
from kernel.clock import wall_now
from kernel.i18n import mark

GATEWAY_LATE = timedelta(seconds=15)  # of wall time
FLAGS = {
    "tamper": mark("tampered with"),
    "leak": mark("leak"),
    "burst": mark("burst"),
    "backflow": mark("backflow"),
    "dry": mark("dry pipe"),
    "battery_low": mark("battery low"),
    "magnetic": mark("magnet"),
    "valve_closed": mark("valve closed"),
    "relay_open": mark("relay open"),
    "power_lost": mark("power lost"),
    "clock_set": mark("clock was set"),
    "fault": mark("fault"),
    "other": mark("other flag"),
}


@dataclass(frozen=True, slots=True)
class MeterLine:
    """One meter in the live table."""

    path: str
    serial: str
    service: str
    zone: str
    point_number: str
    address: str
    instant: str  # for machines
    at: str
    ago: str
    register: str
    flow: str
    measure: str  # pressure or voltage
    battery: str
    flags: tuple[str, ...]
    is_silent: bool


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure of the control room."""

    label: str
    figure: str
    note: str
    look: str = ""
    path: str = ""


def line(visit: Visit, row: TelemetryRow) -> MeterLine:
    _, formats = visit.translate, visit.formats
    return MeterLine(
        path=f"/operator/meters/{row.meter_id}",
        serial=row.serial,
        service=row.kind,
        zone=row.zone_code,
        point_number=row.point_number,
        address=row.address,
        instant=row.read_at.isoformat() if row.read_at else "",
        at=formats.datetime(row.read_at) if row.read_at else _("never"),
        ago=formats.ago(row.read_at, now=visit.now) if row.read_at else "",
        register="" if row.register is None else formats.quantity(row.register, scale=row.scale, unit=row.unit),
        flow=flow(formats, row.flow, service=row.kind),
        measure=measure(formats, pressure_kpa=row.pressure_kpa, voltage_v=row.voltage_v),
        battery="" if row.battery_pct is None else f"{row.battery_pct} %",
        flags=flag_words(visit, row.flags),
        is_silent=row.is_silent,
    )


def flow(formats: Formats, amount: float | None, *, service: str) -> str:
    if amount is None:
        return ""
    return f"{formats.number(amount, decimals=0)} {'L/h' if service == 'water' else 'W'}"


def measure(formats: Formats, *, pressure_kpa: float | None, voltage_v: float | None) -> str:
    if pressure_kpa is not None:
        return f"{formats.number(pressure_kpa, decimals=0)} kPa"
    return "" if voltage_v is None else f"{formats.number(voltage_v, decimals=1)} V"


def flag_words(visit: Visit, bits: int) -> tuple[str, ...]:
    return tuple(visit.translate(FLAGS.get(name, name)) for name in console.flag_names(bits))


def tiles(visit: Visit, *, open_anomalies: int) -> tuple[Tile, ...]:
    """Make the figures at the top of the control room."""
    _, formats = visit.translate, visit.formats
    gateway = ingest_queries.gateway_health(visit.conn, utility_id=visit.utility_id)
    clock_rate = visit.services.clock.rate()
    counts = visit.shared(
        "meter counts",
        read=lambda: console.meter_counts(visit.conn, utility_id=visit.utility_id, at=visit.now, clock_rate=clock_rate),
    )
    told = gateway.health
    received = _count(told, "received")
    parts = tuple(_count(told, name) for name in ("stored", "duplicates", "rejected"))
    words, look = gateway_words(visit, told, seen_s=_seen_s(gateway))
    gaps = sum(gap.missing_count for gap in gateway.gaps)
    return (
        Tile(
            _("Readings a second"), formats.number(float(told.get("readings_per_s", 0)), decimals=1), _("coming in now")
        ),
        Tile(
            _("Received since the gateway's start"),
            formats.number(received),
            _(
                "= %(stored)s stored + %(duplicates)s duplicate + %(rejected)s rejected",
                stored=formats.number(parts[0]),
                duplicates=formats.number(parts[1]),
                rejected=formats.number(parts[2]),
            ),
            "is-good" if received == sum(parts) else "is-bad",
            "/operator/rejected",
        ),
        Tile(
            _("Meters silent"),
            formats.number(counts.silent),
            _("of %(n)s installed", n=formats.number(counts.installed)),
            "is-good" if counts.silent == 0 else "is-warn",
            "/operator/gaps",
        ),
        Tile(
            _("Open anomalies"),
            formats.number(open_anomalies),
            _("found by the checker"),
            "is-good" if open_anomalies == 0 else "is-warn",
            "/operator/anomalies",
        ),
        Tile(_("Gateway"), words, _("%(n)s messages missing", n=formats.number(gaps)), look, "/operator/processes"),
        Tile(_("Time at the utility"), formats.time(visit.now), formats.short_date(formats.local(visit.now).date())),
    )


def gateway_words(visit: Visit, told: Any, *, seen_s: float | None) -> tuple[str, str]:
    """Say how the gateway fares, and the look of it."""
    _ = visit.translate
    if seen_s is None:
        return _("never seen"), "is-bad"
    if seen_s > GATEWAY_LATE.total_seconds():
        return _("silent for %(n)s s", n=int(seen_s)), "is-bad"
    if not told.get("database_ok", True):
        return _("waits for the database"), "is-bad"
    if not told.get("broker_connected", told.get("connected", True)):
        return _("no broker"), "is-bad"
    return _("well"), "is-good"


def _seen_s(gateway: ingest_queries.GatewayHealth) -> float | None:
    return None if gateway.seen_at is None else (wall_now() - gateway.seen_at).total_seconds()


def _count(told: Any, name: str) -> int:
    return int(told.get(name, 0) or 0)


def _rate(told: Any) -> float:
    return float(told.get("readings_per_s", 0) or 0)
