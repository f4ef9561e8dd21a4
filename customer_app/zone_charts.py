"""Small charts of the control room: pressure of each water zone, voltage of each transformer, over the last day."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from customer_app.charts import Band, Line, ScaleText, line_chart
from customer_app.visit import Visit
from ingest_gateway import queries as ingest_queries
from ingest_gateway.queries import console
from kernel.period import Period
from registry import queries as registry_queries

HOURS = 24
PRESSURE_BAND_KPA = Band(150.0, 740.0)  # as the checker's rules: what Japanese mains may run at
VOLTAGE_BAND_V = Band(95.0, 107.0)
AXIS_EVERY_H = 6


@dataclass(frozen=True, slots=True)
class ZoneRow:
    """One hour in the table under a chart."""

    label: str
    low: str
    mean: str


@dataclass(frozen=True, slots=True)
class ZoneChart:
    """One zone's chart with its numbers."""

    code: str
    name: str
    now: str
    unit: str
    look: str
    words: str
    svg: Markup
    rows: tuple[ZoneRow, ...]
    path: str


@dataclass(frozen=True, slots=True)
class _Hour:
    low: float
    mean: float
    high: float


def charts(visit: Visit, *, service: str) -> tuple[ZoneChart, ...]:
    """Draw the last day of every zone of a service."""
    end = visit.now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    period = Period(end - timedelta(hours=HOURS), end)
    measured = _pressures(visit, period) if service == "water" else _voltages(visit, period)
    kind = "dma" if service == "water" else "transformer"
    zones = registry_queries.zones(visit.conn, utility_id=visit.utility_id)
    return tuple(
        _chart(visit, zone, measured[zone.zone_id], service=service, period=period)
        for zone in zones
        if zone.kind == kind
    )


def _pressures(visit: Visit, period: Period) -> dict[int, dict[datetime, _Hour]]:
    found: dict[int, dict[datetime, _Hour]] = defaultdict(dict)
    for row in ingest_queries.zone_pressure(visit.conn, utility_id=visit.utility_id, period=period):
        mean = row.pressure_mean_kpa
        found[row.zone_id][row.hour] = _Hour(row.pressure_min_kpa, mean, mean)
    return found


def _voltages(visit: Visit, period: Period) -> dict[int, dict[datetime, _Hour]]:
    found: dict[int, dict[datetime, _Hour]] = defaultdict(dict)
    for row in console.zone_voltages(visit.conn, utility_id=visit.utility_id, period=period):
        found[row.zone_id][row.hour] = _Hour(row.voltage_min_v, row.voltage_mean_v, row.voltage_max_v)
    return found


def _chart(
    visit: Visit,
    zone: registry_queries.Zone,
    hours: dict[datetime, _Hour],
    *,
    service: str,
    period: Period,
) -> ZoneChart:
    _ = visit.translate
    band, unit = (PRESSURE_BAND_KPA, "kPa") if service == "water" else (VOLTAGE_BAND_V, "V")
    instants = [period.start + timedelta(hours=n) for n in range(HOURS)]
    known = [hours.get(at) for at in instants]
    lines = [Line(_("mean"), tuple(h.mean if h else None for h in known))]
    lines.append(Line(_("lowest"), tuple(h.low if h else None for h in known)))
    if service == "electricity":
        lines.append(Line(_("highest"), tuple(h.high if h else None for h in known)))
    newest = next((h for h in reversed(known) if h is not None), None)
    look, words = _state(visit, newest, band)
    decimals = 0 if service == "water" else 1
    svg = line_chart(
        title=f"{zone.code} {zone.name}",
        description=_("The last %(n)s hours; the band is the normal range.", n=HOURS),
        lines=lines,
        axis=[visit.formats.time(at) if n % AXIS_EVERY_H == 0 else "" for n, at in enumerate(instants)],
        unit=unit,
        band=_shown(band, known, margin=40.0 if service == "water" else 2.0),
        height=150,
        scale_text=ScaleText(),
    )
    rows = tuple(
        ZoneRow(
            visit.formats.time(at),
            visit.formats.number(h.low, decimals=decimals),
            visit.formats.number(h.mean, decimals=decimals),
        )
        for at, h in zip(instants, known, strict=True)
        if h is not None
    )
    return ZoneChart(
        code=zone.code,
        name=zone.name,
        now=visit.formats.number(newest.mean, decimals=decimals) if newest else "–",
        unit=unit,
        look=look,
        words=words,
        svg=svg,
        rows=rows[::-1],
        path=f"/operator/telemetry?zone={zone.zone_id}",
    )


def _shown(band: Band, known: Sequence[_Hour | None], *, margin: float) -> Band | None:
    """Cut the normal range to what lies near the lines, or they would be flat."""
    there = [hour for hour in known if hour is not None]
    if not there:
        return None
    low = max(band.low, min(hour.low for hour in there) - margin)
    high = min(band.high, max(hour.high for hour in there) + margin)
    return Band(low, high) if low < high else band


def _state(visit: Visit, newest: _Hour | None, band: Band) -> tuple[str, str]:
    _ = visit.translate
    if newest is None:
        return "", _("no readings")
    if newest.low < band.low:
        return "is-bad", _("too low")
    if newest.high > band.high:
        return "is-bad", _("too high")
    return "is-good", _("normal")
