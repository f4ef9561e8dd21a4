"""What the control room asks: live telemetry, silent meters, the voltage of zones."""

from collections import Counter
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain.flags import to_names as flag_names
from ingest_gateway.store import console as store
from ingest_gateway.store.console import MeterCounts, TelemetryRow, ZoneVoltage
from kernel.period import Period
from registry import queries as registry

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
    meters = [one for one in registry.known_meters(conn, utility_id=utility_id) if one.point_id is not None]
    nominal_v, _count = next(iter(Counter(one.nominal_v for one in meters if one.nominal_v).most_common(1)), (None, 0))
    meter_ids = [one.meter_id for one in meters if nominal_v is not None and one.nominal_v == nominal_v]
    return nominal_v, store.zone_voltages(
        conn, utility_id=utility_id, meter_ids=meter_ids, first=period.start, end=period.end
    )
