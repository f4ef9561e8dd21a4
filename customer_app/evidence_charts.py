"""The readings behind a finding, drawn with what is usual, the limit, and when it began and was found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from customer_app import evidence
from customer_app.charts import Level, Line, Moment, ScaleText, line_chart
from customer_app.visit import Visit
from ingest_gateway import queries as ingest_queries
from ingest_gateway.queries import Anomaly, HourUse, StoredReading
from kernel.i18n import mark
from kernel.period import Period
from registry import queries as registry_queries
from registry.queries import InstalledMeter

MOST_METERS = 3  # the worst of those that show it
BEFORE, AFTER = timedelta(days=3), timedelta(days=4)
BEFORE_FAST, AFTER_FAST = timedelta(hours=8), timedelta(hours=10)
MOST_READINGS = 2000
MOST_HOURS = 24 * 9
PLACES = 240
AXIS_LABELS = 5
TABLE_ROWS = 60
ROUND_FROM = 20
BASE = {"m3": 1000.0, "kWh": 1000.0}

# What is seen within minutes is shown reading by reading; all else by the hour.
FAST = frozenset({"kPa", "V"})
MEASURES: Mapping[str, str] = {
    "pressure_sag": "kPa",
    "valve_closure": "kPa",
    "voltage_sag": "V",
    "voltage_swell": "V",
    "phase_loss": "V",
    "low_battery": "%",
    "silent_meter": "readings",
    "concentrator_lost": "readings",
    "outage": "readings",
}
DRIFTS = {"water": "kPa", "electricity": "V"}  # the sensor that a meter of the service has
NAMES = {
    "kPa": mark("Pressure"),
    "V": mark("Voltage"),
    "%": mark("Battery"),
    "readings": mark("Readings an hour"),
    "L/h": mark("Use by hour"),
    "Wh/h": mark("Use by hour"),
}


@dataclass(frozen=True, slots=True)
class Named:
    """A line of the legend."""

    look: str
    words: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table beside the chart."""

    at: str
    amounts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EvidenceChart:
    """The readings, ready to print."""

    title: str
    svg: Markup
    legend: tuple[Named, ...]
    serials: tuple[str, ...]
    rows: tuple[Row, ...]
    unit: str


@dataclass(frozen=True, slots=True)
class _Series:
    at: tuple[datetime, ...]
    lines: tuple[tuple[float | None, ...], ...]  # one for each meter


def chart(visit: Visit, found: Anomaly) -> EvidenceChart | None:
    """Draw the worst meters' readings around the finding; None where none are kept."""
    meters = _meters(visit, found)
    if not meters:
        return None
    unit = _unit(found)
    fast = unit in FAST and found.kind != "sensor_drift"
    period = _period(found, fast=fast, now=visit.now)
    series = _readings(visit, meters, unit, period) if fast or unit == "%" else _hours(visit, meters, unit, period)
    if not any(amount is not None for line in series.lines for amount in line):
        return None
    _ = visit.translate
    levels = _levels(found, unit=unit)
    moments = [Moment(_share(found.started_at, series), "began"), Moment(_share(found.found_at, series), "found")]
    every = max(1, -(-len(series.at) // AXIS_LABELS))
    svg = line_chart(
        title=_(NAMES[unit]),
        description=_("The readings around the finding; the lines across are what is usual and the limit."),
        lines=[Line(meter.serial, amounts) for meter, amounts in zip(meters, series.lines, strict=True)],
        axis=[visit.formats.time(at) if fast else _day(visit, at) for at in series.at[::every]],
        unit="" if unit == "readings" else unit,
        levels=levels,
        moments=moments,
        from_zero=unit in ("L/h", "Wh/h", "readings"),
        height=240,
        scale_text=_Rounded(),
    )
    return EvidenceChart(
        title=_(NAMES[unit]),
        svg=svg,
        legend=_legend(visit, meters, levels),
        serials=tuple(meter.serial for meter in meters),
        rows=_rows(visit, series),
        unit="" if unit == "readings" else unit,
    )


class _Rounded(ScaleText):
    """Writes the ends of the axis in few digits: they are where the lines happen to be, not a measure."""

    def write(self, amount: float) -> str:
        return f"{amount:,.0f}" if abs(amount) >= ROUND_FROM else f"{amount:.1f}".removesuffix(".0")


def _day(visit: Visit, at: datetime) -> str:
    day = visit.formats.local(at).date()
    return f"{day.month}/{day.day}"


def _unit(found: Anomaly) -> str:
    if found.kind == "sensor_drift":
        return DRIFTS[found.service]
    if found.kind == "pipe_burst" and evidence.amount(found.evidence, "fall_kpa"):
        return "kPa"  # the meters are those whose pressure fell
    return MEASURES.get(found.kind, "L/h" if found.service == "water" else "Wh/h")


def _meters(visit: Visit, found: Anomaly) -> list[InstalledMeter]:
    wanted = list(found.meter_ids[:MOST_METERS]) or ([found.meter_id] if found.meter_id is not None else [])
    known = registry_queries.installations_of_meters(visit.conn, utility_id=visit.utility_id, meter_ids=wanted)
    by_id = {one.meter_id: one for one in known}
    return [by_id[meter_id] for meter_id in wanted if meter_id in by_id]


def _period(found: Anomaly, *, fast: bool, now: datetime) -> Period:
    before, after = (BEFORE_FAST, AFTER_FAST) if fast else (BEFORE, AFTER)
    start = found.started_at - before
    until = max(found.started_at + after, found.found_at + before / 4)
    if found.ended_at is not None:
        until = min(until, found.ended_at + before / 2)
    until = min(until, now, start + timedelta(hours=MOST_HOURS))
    start = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return Period(start, max(until, start + timedelta(hours=1)))


def _readings(visit: Visit, meters: Sequence[InstalledMeter], unit: str, period: Period) -> _Series:
    measured: list[dict[datetime, float | None]] = []
    for meter in meters:
        stored = ingest_queries.readings(
            visit.conn, utility_id=visit.utility_id, meter_id=meter.meter_id, period=period, limit=MOST_READINGS
        )
        measured.append({one.read_at.replace(second=0, microsecond=0): _of_reading(one, unit) for one in stored})
    return _joined(measured)


def _of_reading(one: StoredReading, unit: str) -> float | None:
    if unit == "kPa":
        return one.pressure_kpa
    if unit == "%":
        return None if one.battery_pct is None else float(one.battery_pct)
    return min((v for v in (one.voltage_1_v, one.voltage_2_v, one.voltage_3_v) if v is not None), default=None)


def _hours(visit: Visit, meters: Sequence[InstalledMeter], unit: str, period: Period) -> _Series:
    stored = ingest_queries.hourly_use(
        visit.conn, utility_id=visit.utility_id, meter_ids=[one.meter_id for one in meters], period=period
    )
    hours = [period.start + timedelta(hours=n) for n in range(int(period.length / timedelta(hours=1)))]
    nothing = 0.0 if unit == "readings" else None
    lines: list[tuple[float | None, ...]] = []
    for meter in meters:
        amount = _of_hour(unit, base=BASE.get(meter.unit, 1.0) * 10.0**meter.scale)
        known = {one.hour: amount(one) for one in stored if one.meter_id == meter.meter_id}
        lines.append(tuple(known.get(hour, nothing) for hour in hours))
    return _Series(tuple(hours), tuple(lines))


def _of_hour(unit: str, *, base: float) -> Callable[[HourUse], float | None]:
    if unit == "kPa":
        return lambda one: one.pressure_mean_kpa
    if unit == "V":
        return lambda one: one.voltage_mean_v
    if unit == "readings":
        return lambda one: float(one.readings)
    return lambda one: one.use_units * base


def _joined(measured: Sequence[Mapping[datetime, float | None]]) -> _Series:
    at = sorted({instant for one in measured for instant in one})
    at = at[:: max(1, -(-len(at) // PLACES))]
    return _Series(tuple(at), tuple(tuple(one.get(instant) for instant in at) for one in measured))


def _levels(found: Anomaly, *, unit: str) -> list[Level]:
    """Give what is usual and the limit as heights among the readings; that of an excess lies above the usual."""
    if found.kind == "sensor_drift":  # its limit is one of the distance from the neighbours
        return []
    usual, limit = (evidence.main(found.evidence, role=role, unit=unit) for role in ("usual", "limit"))
    levels = [Level(usual.amount, "usual")] if usual else []
    if limit is not None:
        above = usual.amount if usual is not None and "excess_lph" in found.evidence else 0.0
        levels.append(Level(above + limit.amount, "limit"))
    return levels


def _share(at: datetime, series: _Series) -> float:
    first, last = series.at[0], series.at[-1]
    return 0.0 if last == first else (at - first) / (last - first)


def _legend(visit: Visit, meters: Sequence[InstalledMeter], levels: Sequence[Level]) -> tuple[Named, ...]:
    _ = visit.translate
    words = {"usual": _("usual"), "limit": _("limit")}
    return (
        *(Named(f"line-{number}", meter.serial) for number, meter in enumerate(meters, start=1)),
        *(Named(level.look, words[level.look]) for level in levels),
        Named("began", _("began")),
        Named("found", _("found")),
    )


def _rows(visit: Visit, series: _Series) -> tuple[Row, ...]:
    step = max(1, -(-len(series.at) // TABLE_ROWS))
    return tuple(
        Row(
            visit.formats.datetime(at),
            tuple(
                "" if line[n] is None else evidence.number(visit.formats, float(line[n] or 0)) for line in series.lines
            ),
        )
        for n, at in enumerate(series.at)
        if n % step == 0
    )[::-1]
