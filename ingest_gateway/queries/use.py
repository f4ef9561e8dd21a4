"""How much was used, by meter or by point: today, by hour, by day, by month; and the pressure of zones."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.queries.local_time import zone_of
from ingest_gateway.store import rollups, zone_rollups
from ingest_gateway.store.rollups import DayUse, HourUse, MonthUse
from ingest_gateway.store.zone_rollups import ZoneHour
from kernel.period import Period, local_date
from registry import queries as registry

__all__ = [
    "DayUse",
    "HourUse",
    "MonthUse",
    "PointDay",
    "ZoneHour",
    "ZonePressure",
    "daily_use",
    "daily_use_of_point",
    "hourly_use",
    "monthly_use",
    "use_today",
    "zone_hours",
    "zone_pressure",
]


@dataclass(frozen=True, slots=True)
class PointDay:
    """One local day of a point, whatever meters hung there; `used` in `unit` (m3, kWh …)."""

    day: date
    used: Decimal
    unit: str
    readings: int


@dataclass(frozen=True, slots=True)
class ZonePressure:
    """Pressure over the meters of one zone in one hour, in kPa; `meters` that tell one."""

    zone_id: int
    hour: datetime
    pressure_min_kpa: float
    pressure_mean_kpa: float
    meters: int


def daily_use(
    conn: Connection[TupleRow], *, utility_id: int, meter_ids: Collection[int], first: date, end: date
) -> list[DayUse]:
    """List the local days from `first` up to, not including, `end`; use in the meter's least digit.

    A day without readings has no row: its use falls on the day of the next reading.
    """
    return rollups.days(conn, utility_id=utility_id, meter_ids=meter_ids, first=first, end=end)


def hourly_use(
    conn: Connection[TupleRow], *, utility_id: int, meter_ids: Collection[int], period: Period
) -> list[HourUse]:
    """List the hours that begin in the period; use in the meter's least digit."""
    return rollups.hours(conn, utility_id=utility_id, meter_ids=meter_ids, period=period)


def monthly_use(
    conn: Connection[TupleRow], *, utility_id: int, meter_ids: Collection[int], first: date, end: date
) -> list[MonthUse]:
    """Add up the local days from `first` up to, not including, `end` by calendar month."""
    return rollups.months(conn, utility_id=utility_id, meter_ids=meter_ids, first=first, end=end)


def use_today(
    conn: Connection[TupleRow], *, utility_id: int, meter_ids: Collection[int], now: datetime
) -> list[DayUse]:
    """Give the local day that `now` lies in, as far as readings have come; meters without one are left out."""
    today = local_date(now, zone=zone_of(conn, utility_id=utility_id))
    return rollups.days(conn, utility_id=utility_id, meter_ids=meter_ids, first=today, end=today + timedelta(days=1))


def daily_use_of_point(
    conn: Connection[TupleRow], *, utility_id: int, point_id: int, first: date, end: date
) -> list[PointDay]:
    """Add up the days of the meters that hung at the point, each only while it hung there."""
    zone = zone_of(conn, utility_id=utility_id)
    found: dict[tuple[date, str], PointDay] = {}
    for meter in registry.installations_of_point(conn, utility_id=utility_id, point_id=point_id):
        start = max(first, local_date(meter.valid_from, zone=zone))
        stop = end if meter.valid_to is None else min(end, local_date(meter.valid_to, zone=zone) + timedelta(days=1))
        for day in rollups.days(conn, utility_id=utility_id, meter_ids=[meter.meter_id], first=start, end=stop):
            before = found.get((day.day, meter.unit), PointDay(day.day, Decimal(0), meter.unit, 0))
            used = before.used + Decimal(day.use_units).scaleb(meter.scale)
            found[day.day, meter.unit] = PointDay(day.day, used, meter.unit, before.readings + day.readings)
    return [found[key] for key in sorted(found)]


def zone_hours(
    conn: Connection[TupleRow], *, utility_id: int, period: Period, zone_id: int | None = None
) -> list[ZoneHour]:
    """List the hours that begin in the period with a zone's use, flow, pressure and voltage; all zones without one."""
    return zone_rollups.hours(conn, utility_id=utility_id, period=period, zone_id=zone_id)


def zone_pressure(
    conn: Connection[TupleRow], *, utility_id: int, period: Period, zone_id: int | None = None
) -> list[ZonePressure]:
    """Give each zone's hours of the period with its lowest and mean pressure, in kPa."""
    return [
        ZonePressure(hour.zone_id, hour.hour, hour.pressure_min_kpa, hour.pressure_mean_kpa, hour.pressure_meters)
        for hour in zone_rollups.hours(conn, utility_id=utility_id, period=period, zone_id=zone_id, telling="pressure")
        if hour.pressure_min_kpa is not None and hour.pressure_mean_kpa is not None
    ]
