"""What the control room looks at: the newest readings of all meters, silent meters."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

SILENT_INTERVALS = 3  # a meter is silent when so many of its readings did not come


@dataclass(frozen=True, slots=True)
class TelemetryRow:
    """The newest reading of an installed meter, with where it hangs; `read_at` None: never heard of."""

    meter_id: int
    serial: str
    kind: str
    unit: str
    scale: int
    point_number: str
    address: str
    zone_code: str
    read_at: datetime | None
    register: int | None
    flow: float | None
    pressure_kpa: float | None
    voltage_v: float | None  # the lowest phase
    battery_pct: int | None
    flags: int
    is_silent: bool


@dataclass(frozen=True, slots=True)
class MeterCounts:
    """Installed meters, and how many of them are silent."""

    installed: int
    silent: int


def telemetry(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    kind: str | None,
    zone_id: int | None,
    serial: str | None,
    only_silent: bool,
    after: str,
    slack_s: float,
    limit: int,
    at: datetime,
) -> list[TelemetryRow]:
    """List meters by serial, from the one after `after`."""
    with conn.cursor(row_factory=class_row(TelemetryRow)) as cursor:
        return cursor.execute(
            """
            SELECT * FROM (
                SELECT m.meter_id, m.serial, m.kind, m.unit, m.scale, p.point_number, p.address, z.code AS zone_code,
                       l.read_at, l.register, l.flow, l.pressure_kpa,
                       least(l.voltage_1_v, l.voltage_2_v, l.voltage_3_v) AS voltage_v, l.battery_pct,
                       coalesce(l.flags, 0) AS flags,
                       coalesce(l.read_at, '-infinity') < %(at)s::timestamptz
                           - make_interval(secs => %(intervals)s * m.interval_s + %(slack_s)s) AS is_silent
                FROM installation i
                JOIN meter m ON m.utility_id = i.utility_id AND m.meter_id = i.meter_id
                JOIN point p ON p.utility_id = i.utility_id AND p.point_id = i.point_id
                JOIN zone z ON z.utility_id = p.utility_id AND z.zone_id = p.zone_id
                LEFT JOIN meter_latest l ON l.utility_id = i.utility_id AND l.meter_id = i.meter_id
                WHERE i.utility_id = %(utility_id)s AND upper_inf(i.valid)
                  AND (%(kind)s::text IS NULL OR m.kind = %(kind)s)
                  AND (%(zone_id)s::bigint IS NULL OR p.zone_id = %(zone_id)s OR p.district_id = %(zone_id)s)
                  AND (%(serial)s::text IS NULL OR m.search_serial ^@ %(serial)s)
                  AND m.serial > %(after)s
            ) AS row
            WHERE is_silent OR NOT %(only_silent)s
            -- Silent meters are few: not sought along the index of serials.
            ORDER BY CASE WHEN %(only_silent)s THEN serial || '' ELSE serial END LIMIT %(limit)s
            """,
            {
                "utility_id": utility_id,
                "kind": kind,
                "zone_id": zone_id,
                "serial": serial,
                "only_silent": only_silent,
                "after": after,
                "intervals": SILENT_INTERVALS,
                "slack_s": slack_s,
                "limit": limit,
                "at": at,
            },
            prepare=False,  # one plan for all filters would walk every meter to find those of one zone
        ).fetchall()


def meter_counts(conn: Connection[TupleRow], *, utility_id: int, slack_s: float, at: datetime) -> MeterCounts:
    """Count installed meters and the silent ones among them."""
    with conn.cursor(row_factory=class_row(MeterCounts)) as cursor:
        found = cursor.execute(
            """
            SELECT count(*) AS installed,
                   count(*) FILTER (WHERE coalesce(l.read_at, '-infinity') < %(at)s::timestamptz
                       - make_interval(secs => %(intervals)s * m.interval_s + %(slack_s)s)) AS silent
            FROM installation i
            JOIN meter m ON m.utility_id = i.utility_id AND m.meter_id = i.meter_id
            LEFT JOIN meter_latest l ON l.utility_id = i.utility_id AND l.meter_id = i.meter_id
            WHERE i.utility_id = %(utility_id)s AND upper_inf(i.valid)
            """,
            {"utility_id": utility_id, "intervals": SILENT_INTERVALS, "slack_s": slack_s, "at": at},
        ).fetchone()
    assert found is not None, "an aggregate gives one row"
    return found
