"""Rollups of zones: the hours of all their meters together, made from the meters' hours."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from kernel.period import Period


@dataclass(frozen=True, slots=True)
class ZoneHour:
    """One hour of a zone's meters of one unit and nominal voltage (0: none); `flow` in L/h or W, `used` in `unit`."""

    zone_id: int
    hour: datetime
    unit: str
    nominal_v: float
    meters: int
    readings: int
    used: Decimal
    flow: float | None
    pressure_meters: int
    pressure_min_kpa: float | None
    pressure_mean_kpa: float | None
    voltage_min_v: float | None
    voltage_mean_v: float | None
    voltage_max_v: float | None


def make_due(conn: Connection[TupleRow], *, utility_id: int, limit: int) -> int:
    """Make up to `limit` due hours anew, the longest due first; return how many were taken off the list.

    The sums and means of floats are taken in the order of the meters, so that the same hours give the same rows.
    """
    row = conn.execute(
        """
        WITH due AS (
            DELETE FROM zone_due WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM zone_due WHERE utility_id = %(utility_id)s
                ORDER BY turn LIMIT %(limit)s))
            RETURNING zone_id, hour
        ), made AS MATERIALIZED (
            SELECT due.zone_id, due.hour, m.unit, coalesce(m.nominal_v, 0) AS nominal_v, count(*)::integer AS meters,
                   sum(h.readings)::integer AS readings,
                   trim_scale(sum(h.use_units * 10::numeric ^ m.scale)) AS used,
                   sum(h.flow_mean::float8 ORDER BY h.meter_id)::real AS flow,
                   count(h.pressure_mean_kpa)::integer AS pressure_meters, min(h.pressure_min_kpa) AS pressure_min_kpa,
                   avg(h.pressure_mean_kpa ORDER BY h.meter_id)::real AS pressure_mean_kpa,
                   min(h.voltage_min_v) AS voltage_min_v,
                   avg(h.voltage_mean_v ORDER BY h.meter_id)::real AS voltage_mean_v,
                   max(h.voltage_max_v) AS voltage_max_v
            FROM due
            CROSS JOIN LATERAL (
                SELECT * FROM meter_hour AS h
                WHERE h.utility_id = %(utility_id)s AND h.zone_id = due.zone_id AND h.hour = due.hour OFFSET 0
            ) AS h
            JOIN meter AS m ON m.utility_id = %(utility_id)s AND m.meter_id = h.meter_id
            GROUP BY due.zone_id, due.hour, m.unit, coalesce(m.nominal_v, 0)
        ), gone AS (
            DELETE FROM zone_hour WHERE ctid = ANY (ARRAY(
                SELECT z.place FROM due
                CROSS JOIN LATERAL (
                    SELECT *, ctid AS place FROM zone_hour AS z
                    WHERE z.utility_id = %(utility_id)s AND z.zone_id = due.zone_id AND z.hour = due.hour OFFSET 0
                ) AS z
                WHERE (z.zone_id, z.hour, z.unit, z.nominal_v)
                    NOT IN (SELECT zone_id, hour, unit, nominal_v FROM made)))
        ), written AS (
            INSERT INTO zone_hour (utility_id, zone_id, hour, unit, nominal_v, meters, readings, used, flow,
                pressure_meters, pressure_min_kpa, pressure_mean_kpa, voltage_min_v, voltage_mean_v, voltage_max_v)
            SELECT %(utility_id)s, made.* FROM made
            ON CONFLICT (utility_id, zone_id, hour, unit, nominal_v) DO UPDATE SET meters = excluded.meters,
                readings = excluded.readings, used = excluded.used, flow = excluded.flow,
                pressure_meters = excluded.pressure_meters, pressure_min_kpa = excluded.pressure_min_kpa,
                pressure_mean_kpa = excluded.pressure_mean_kpa, voltage_min_v = excluded.voltage_min_v,
                voltage_mean_v = excluded.voltage_mean_v, voltage_max_v = excluded.voltage_max_v
        )
        SELECT count(*) FROM due
        """,
        {"utility_id": utility_id, "limit": limit},
        prepare=False,  # as roll_up.sql
    ).fetchone()
    assert row is not None, "an aggregate gives a row"
    return row[0]


def hours(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    period: Period,
    zone_id: int | None,
    telling: Literal["pressure", "voltage"] | None = None,
) -> list[ZoneHour]:
    """List the hours that begin in the period, of one zone or of all; those alone that tell pressure, or voltage."""
    with conn.cursor(row_factory=class_row(ZoneHour)) as cursor:
        return cursor.execute(
            """
            SELECT zone_id, hour, unit, nominal_v, meters, readings, used, flow, pressure_meters, pressure_min_kpa,
                   pressure_mean_kpa, voltage_min_v, voltage_mean_v, voltage_max_v
            FROM zone_hour
            WHERE utility_id = %(utility_id)s AND hour >= %(start)s AND hour < %(end)s
              AND (%(zone_id)s::bigint IS NULL OR zone_id = %(zone_id)s)
              AND (%(telling)s::text IS NULL
                   OR CASE %(telling)s WHEN 'pressure' THEN pressure_mean_kpa ELSE voltage_mean_v END IS NOT NULL)
            ORDER BY zone_id, hour, unit, nominal_v
            """,
            {
                "utility_id": utility_id,
                "start": period.start,
                "end": period.end,
                "zone_id": zone_id,
                "telling": telling,
            },
            prepare=False,  # one zone and all zones are sought by different keys
        ).fetchall()
