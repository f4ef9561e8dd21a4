"""What others and the pages read from here; each module offers its names through this one."""

from ingest_gateway.queries.local_time import UtilityMissing, zone_of
from ingest_gateway.queries.use import (
    DayUse,
    HourUse,
    MonthUse,
    PointDay,
    ZonePressure,
    daily_use,
    daily_use_of_point,
    hourly_use,
    monthly_use,
    use_today,
    zone_pressure,
)

__all__ = [
    "DayUse",
    "HourUse",
    "MonthUse",
    "PointDay",
    "UtilityMissing",
    "ZonePressure",
    "daily_use",
    "daily_use_of_point",
    "hourly_use",
    "monthly_use",
    "use_today",
    "zone_of",
    "zone_pressure",
]
