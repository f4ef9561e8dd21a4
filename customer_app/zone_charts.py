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
VOLTAGE_BANDS_V = ((100.0, Band(95.0, 107.0)), (200.0, Band(182.0, 222.0)))
NEAR = 0.05  # a nominal voltage within this share of 100 or 200 V counts as it
OTHER_SHARE = 0.1
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


@dataclass(frozen=True, slots=True)
class _Measured:
    """What one service's charts show: hours by zone, and what is normal."""

    hours: dict[int, dict[datetime, _Hour]]
    band: Band
    unit: str
    decimals: int
    margin: float


class _Rounded(ScaleText):
    """Writes the axis in whole units: its ends are where the lines happen to be, not a measure."""

    def write(self, amount: float) -> str:
        return f"{amount:.0f}"


def charts(visit: Visit, *, service: str) -> tuple[ZoneChart, ...]:
    """Draw the last day of every zone of a service."""
    end = visit.now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    period = Period(end - timedelta(hours=HOURS), end)
    measured = _pressures(visit, period) if service == "water" else _voltages(visit, period)
    kind = "dma" if service == "water" else "transformer"
    zones = registry_queries.zones(visit.conn, utility_id=visit.utility_id)
    return tuple(_chart(visit, zone, measured, period=period) for zone in zones if zone.kind == kind)


def _pressures(visit: Visit, period: Period) -> _Measured:
    found: dict[int, dict[datetime, _Hour]] = defaultdict(dict)
    rows = visit.shared(
        "zone pressure",
        period,
        read=lambda: ingest_queries.zone_pressure(visit.conn, utility_id=visit.utility_id, period=period),
    )
    for row in rows:
        mean = row.pressure_mean_kpa
        found[row.zone_id][row.hour] = _Hour(row.pressure_min_kpa, mean, mean)
    return _Measured(found, PRESSURE_BAND_KPA, "kPa", decimals=0, margin=40.0)


def _voltages(visit: Visit, period: Period) -> _Measured:
    found: dict[int, dict[datetime, _Hour]] = defaultdict(dict)
    nominal_v, rows = visit.shared(
        "zone voltages",
        period,
        read=lambda: console.zone_voltages(visit.conn, utility_id=visit.utility_id, period=period),
    )
    for row in rows:
        found[row.zone_id][row.hour] = _Hour(row.voltage_min_v, row.voltage_mean_v, row.voltage_max_v)
    return _Measured(found, _voltage_band(nominal_v or 100.0), "V", decimals=1, margin=2.0)


def _voltage_band(nominal_v: float) -> Band:
    for usual_v, band in VOLTAGE_BANDS_V:
        if abs(nominal_v - usual_v) <= usual_v * NEAR:
            return band
    return Band(nominal_v * (1 - OTHER_SHARE), nominal_v * (1 + OTHER_SHARE))


def _chart(visit: Visit, zone: registry_queries.Zone, measured: _Measured, *, period: Period) -> ZoneChart:
    _, hours, band, decimals = visit.translate, measured.hours[zone.zone_id], measured.band, measured.decimals
    instants = [period.start + timedelta(hours=n) for n in range(HOURS)]
    known = [hours.get(at) for at in instants]
    lines = [Line(_("mean"), tuple(h.mean if h else None for h in known))]
    lines.append(Line(_("lowest"), tuple(h.low if h else None for h in known)))
    if any(h.high != h.mean for h in known if h):
        lines.append(Line(_("highest"), tuple(h.high if h else None for h in known)))
    newest = next((h for h in reversed(known) if h is not None), None)
    look, words = _state(visit, newest, band)
    svg = line_chart(
        title=f"{zone.code} {zone.name}",
        description=_("The last %(n)s hours; the band is the normal range.", n=HOURS),
        lines=lines,
        axis=[visit.formats.time(at) if n % AXIS_EVERY_H == 0 else "" for n, at in enumerate(instants)],
        unit=measured.unit,
        band=_shown(band, known, margin=measured.margin),
        height=150,
        scale_text=_Rounded(),
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
        unit=measured.unit,
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
