"""What the control room asks: live telemetry, silent meters, the voltage of zones."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain.flags import to_names as flag_names
from ingest_gateway.store import console as store
from ingest_gateway.store import zone_rollups
from ingest_gateway.store.console import MeterCounts, TelemetryRow
from kernel.period import Period

__all__ = [
    "MeterCounts",
    "TelemetryRow",
    "ZoneVoltage",
    "flag_names",
    "meter_counts",
    "telemetry",
    "zone_voltages",
]

ON_THE_WAY_S = 30.0  # of wall time that a reading may take from the meter to the store


@dataclass(frozen=True, slots=True)
class ZoneVoltage:
    """Voltage over the meters of one zone in one hour."""

    zone_id: int
    hour: datetime
    voltage_min_v: float
    voltage_mean_v: float
    voltage_max_v: float


def telemetry(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    at: datetime,
    clock_rate: float,
    kind: str | None = None,
    zone_id: int | None = None,
    serial: str | None = None,
    only_silent: bool = False,
    after: str = "",
    limit: int = 50,
) -> list[TelemetryRow]:
    """List installed meters with their newest readings by serial, from the one after `after` ("": the first).

    In the order of time a live list of a city's meters would have no pages: each reading moves a meter to the front.
    `serial` finds its beginning; `clock_rate` is how fast utility time runs.
    """
    wanted = serial.lower().translate(str.maketrans("", "", "-._ ")) if serial else None
    return store.telemetry(
        conn,
        utility_id=utility_id,
        kind=kind,
        zone_id=zone_id,
        serial=wanted or None,
        only_silent=only_silent,
        after=after,
        slack_s=ON_THE_WAY_S * clock_rate,
        limit=limit,
        at=at,
    )


def meter_counts(conn: Connection[TupleRow], *, utility_id: int, at: datetime, clock_rate: float) -> MeterCounts:
    """Count installed meters, and those of them that should have been heard of and were not."""
    return store.meter_counts(conn, utility_id=utility_id, slack_s=ON_THE_WAY_S * clock_rate, at=at)


def zone_voltages(
    conn: Connection[TupleRow], *, utility_id: int, period: Period
) -> tuple[float | None, list[ZoneVoltage]]:
    """Give each transformer's hours of the period with the lowest, mean and highest voltage at its meters.

    Only meters of the commonest nominal voltage count, for 100 V and 200 V do not mix; it is returned first.
    """
    hours = [
        one
        for one in zone_rollups.hours(conn, utility_id=utility_id, period=period, zone_id=None, telling="voltage")
        if one.nominal_v
    ]
    meters = Counter[float]()
    for one in hours:
        meters[one.nominal_v] += one.meters
    nominal_v = max(meters, key=lambda volts: (meters[volts], -volts), default=None)
    return nominal_v, [
        ZoneVoltage(one.zone_id, one.hour, one.voltage_min_v, one.voltage_mean_v, one.voltage_max_v)
        for one in hours
        if one.nominal_v == nominal_v
        and one.voltage_min_v is not None
        and one.voltage_mean_v is not None
        and one.voltage_max_v is not None
    ]
