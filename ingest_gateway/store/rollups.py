"""Rollups: use and extremes of a meter's days and hours, made from its raw readings."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from ingest_gateway.domain.rollup import Span
from ingest_gateway.store.stored_batches import StoredBatch
from kernel.period import Period
from registry.queries import InstalledMeter

ROLL_UP = Path(__file__).with_name("roll_up.sql").read_text(encoding="utf-8").encode()


@dataclass(frozen=True, slots=True)
class DayUse:
    """One local day of one meter; `use_units` in its least digit, `readings` 0 where only the installation tells."""

    meter_id: int
    day: date
    use_units: int
    export_units: int
    opening_register: int | None
    closing_register: int | None
    readings: int
    flow_min: float | None
    flow_max: float | None
    pressure_min_kpa: float | None
    pressure_max_kpa: float | None
    voltage_min_v: float | None
    voltage_max_v: float | None


@dataclass(frozen=True, slots=True)
class HourUse:
    """One hour of one meter, named by its start in UTC; `flow_mean` in L/h or W."""

    meter_id: int
    hour: datetime
    use_units: int
    readings: int
    flow_mean: float | None
    pressure_min_kpa: float | None
    pressure_mean_kpa: float | None
    voltage_min_v: float | None
    voltage_mean_v: float | None
    voltage_max_v: float | None


@dataclass(frozen=True, slots=True)
class MonthUse:
    """One calendar month of one meter, named by its first day; `days` tells how many days have a rollup."""

    meter_id: int
    month: date
    use_units: int
    export_units: int
    days: int


def lock(conn: Connection[TupleRow], *, utility_id: int) -> None:
    """Let one transaction at a time mark or make the utility's rollups.

    So none writes from an older view of the readings, and no mark is dropped by one who did not see what it was for.
    """
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('rollup', %(utility_id)s))", {"utility_id": utility_id})


def mark_due_of_batch(conn: Connection[TupleRow], *, utility_id: int, stored: StoredBatch, time_zone: str) -> None:
    """Note the days in which the batch's readings lie."""
    conn.execute(
        """
        INSERT INTO rollup_due (utility_id, meter_id, day)
        SELECT DISTINCT r.utility_id, r.meter_id,
               ((r.read_at - interval '1 microsecond') AT TIME ZONE %(time_zone)s)::date
        FROM unnest(%(meter_ids)s::bigint[]) AS m (meter_id)
        JOIN reading AS r ON r.utility_id = %(utility_id)s AND r.meter_id = m.meter_id
            AND r.read_at >= %(read_from)s AND r.read_at <= %(read_to)s
        WHERE r.batch_id = %(batch_id)s
        ON CONFLICT DO NOTHING
        """,
        {
            "utility_id": utility_id,
            "batch_id": stored.batch_id,
            "meter_ids": stored.meter_ids,
            "read_from": stored.read_from,
            "read_to": stored.read_to,
            "time_zone": time_zone,
        },
    )


def mark_due(
    conn: Connection[TupleRow], *, utility_id: int, meter_ids: Collection[int], first: date, end: date
) -> None:
    """Note every day from `first` up to, not including, `end` of the meters."""
    conn.execute(
        """
        INSERT INTO rollup_due (utility_id, meter_id, day)
        SELECT %(utility_id)s, meter_id, day::date
        FROM unnest(%(meter_ids)s::bigint[]) AS meter_id,
             generate_series(%(first)s::timestamp, %(end)s::timestamp - interval '1 day', interval '1 day') AS day
        ON CONFLICT DO NOTHING
        """,
        {"utility_id": utility_id, "meter_ids": list(meter_ids), "first": first, "end": end},
    )


def mark_due_from(conn: Connection[TupleRow], *, utility_id: int, meter_id: int, first: date) -> None:
    """Note `first` and every later day of the meter that has a rollup: each day with readings has one, or is due."""
    conn.execute(
        """
        INSERT INTO rollup_due (utility_id, meter_id, day)
        SELECT %(utility_id)s, %(meter_id)s, %(first)s::date
        UNION
        SELECT utility_id, meter_id, day FROM meter_day
        WHERE utility_id = %(utility_id)s AND meter_id = %(meter_id)s AND day > %(first)s
        ON CONFLICT DO NOTHING
        """,
        {"utility_id": utility_id, "meter_id": meter_id, "first": first},
    )


def due(conn: Connection[TupleRow], *, utility_id: int, limit: int) -> list[tuple[int, date]]:
    """List meters and days that are to be made anew, oldest days first."""
    return [
        (meter_id, day)
        for meter_id, day in conn.execute(
            """
            SELECT meter_id, day FROM rollup_due WHERE utility_id = %(utility_id)s
            ORDER BY day, meter_id LIMIT %(limit)s
            """,
            {"utility_id": utility_id, "limit": limit},
        ).fetchall()
    ]


def drop_made(conn: Connection[TupleRow], *, utility_id: int, made: Sequence[tuple[int, date]]) -> None:
    """Take meters and days off the list.

    As the last statement before the commit: intake that marks the same day waits for a deletion that is not committed.
    """
    conn.execute(
        """
        DELETE FROM rollup_due AS d USING unnest(%(meter_ids)s::bigint[], %(days)s::date[]) AS m (meter_id, day)
        WHERE d.utility_id = %(utility_id)s AND d.meter_id = m.meter_id AND d.day = m.day
        """,
        {
            "utility_id": utility_id,
            "meter_ids": [meter_id for meter_id, _ in made],
            "days": [day for _, day in made],
        },
    )


def drop_due(conn: Connection[TupleRow], *, utility_id: int, first: date, end: date) -> None:
    """Take all days from `first` up to, not including, `end` off the list."""
    conn.execute(
        "DELETE FROM rollup_due WHERE utility_id = %(utility_id)s AND day >= %(first)s AND day < %(end)s",
        {"utility_id": utility_id, "first": first, "end": end},
    )


def utilities_due(conn: Connection[TupleRow]) -> list[int]:
    """List the utilities that have days of meters or hours of zones to be made anew."""
    rows = conn.execute(
        "SELECT utility_id FROM utility AS u "
        "WHERE EXISTS (SELECT FROM rollup_due AS d WHERE d.utility_id = u.utility_id) "
        "OR EXISTS (SELECT FROM zone_due AS d WHERE d.utility_id = u.utility_id) ORDER BY utility_id"
    ).fetchall()
    return [utility_id for (utility_id,) in rows]


def days_after(
    conn: Connection[TupleRow], *, utility_id: int, spans: Sequence[Span], time_zone: str
) -> list[tuple[int, date]]:
    """Tell for each span on which day the next register after it falls: its use is counted from the span's last one."""
    return [
        (meter_id, day)
        for meter_id, day in conn.execute(
            """
            SELECT s.meter_id, ((next.read_at - interval '1 microsecond') AT TIME ZONE %(time_zone)s)::date AS day
            FROM unnest(%(meter_ids)s::bigint[], %(ends)s::date[]) AS s (meter_id, day)
            CROSS JOIN LATERAL (
                (SELECT r.read_at FROM reading AS r
                 WHERE r.utility_id = %(utility_id)s AND r.meter_id = s.meter_id
                     AND r.read_at > s.day::timestamp AT TIME ZONE %(time_zone)s AND r.register IS NOT NULL
                 ORDER BY r.read_at LIMIT 1)
                UNION ALL
                (SELECT v.read_at FROM reading_revision AS v
                 WHERE v.utility_id = %(utility_id)s AND v.meter_id = s.meter_id
                     AND v.read_at > s.day::timestamp AT TIME ZONE %(time_zone)s
                 ORDER BY v.read_at LIMIT 1)
            ) AS next
            ORDER BY 1, 2
            """,
            {
                "utility_id": utility_id,
                "meter_ids": [span.meter_id for span in spans],
                "ends": [span.end for span in spans],
                "time_zone": time_zone,
            },
        ).fetchall()
    ]


def allow_memory(conn: Connection[TupleRow]) -> None:
    """Let the rest of the transaction sort a year of a hundred meters in memory."""
    conn.execute("SET LOCAL work_mem = '64MB'")


def roll_up(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    spans: Sequence[Span],
    installations: Sequence[InstalledMeter],
    time_zone: str,
    bounds: Period,
    hours_from: datetime,
) -> None:
    """Make the rows of the spans anew. `bounds` hold all spans; hours that begin before `hours_from` are left alone."""
    conn.execute(
        ROLL_UP,
        {
            "utility_id": utility_id,
            "time_zone": time_zone,
            "meter_ids": [span.meter_id for span in spans],
            "firsts": [span.first for span in spans],
            "ends": [span.end for span in spans],
            "from_at": bounds.start,
            "to_at": bounds.end,
            "hours_from": hours_from,
            "installation_ids": [meter.installation_id for meter in installations],
            "installed_meter_ids": [meter.meter_id for meter in installations],
            "point_ids": [meter.point_id for meter in installations],
            "rings": [10**meter.digits for meter in installations],
            "opened_at": [meter.valid_from for meter in installations],
            "opening_registers": [meter.opening_register for meter in installations],
            "closed_at": [meter.valid_to for meter in installations],
            "closing_registers": [meter.closing_register for meter in installations],
        },
        prepare=False,  # a plan for spans of any number compares each with every other: six times slower at 2,000
    )


def days(
    conn: Connection[TupleRow], *, utility_id: int, meter_ids: Collection[int], first: date, end: date
) -> list[DayUse]:
    """List the days from `first` up to, not including, `end` that have a rollup."""
    with conn.cursor(row_factory=class_row(DayUse)) as cursor:
        return cursor.execute(
            """
            SELECT meter_id, day, use_units, export_units, opening_register, closing_register, readings,
                   flow_min, flow_max, pressure_min_kpa, pressure_max_kpa, voltage_min_v, voltage_max_v
            FROM meter_day
            WHERE utility_id = %(utility_id)s AND meter_id = ANY (%(meter_ids)s) AND day >= %(first)s AND day < %(end)s
            ORDER BY meter_id, day
            """,
            {"utility_id": utility_id, "meter_ids": list(meter_ids), "first": first, "end": end},
        ).fetchall()


def hours(conn: Connection[TupleRow], *, utility_id: int, meter_ids: Collection[int], period: Period) -> list[HourUse]:
    """List the hours that begin in the period and have a rollup."""
    with conn.cursor(row_factory=class_row(HourUse)) as cursor:
        return cursor.execute(
            """
            SELECT meter_id, hour, use_units, readings, flow_mean, pressure_min_kpa, pressure_mean_kpa,
                   voltage_min_v, voltage_mean_v, voltage_max_v
            FROM meter_hour
            WHERE utility_id = %(utility_id)s AND meter_id = ANY (%(meter_ids)s)
                AND hour >= %(start)s AND hour < %(end)s
            ORDER BY meter_id, hour
            """,
            {"utility_id": utility_id, "meter_ids": list(meter_ids), "start": period.start, "end": period.end},
        ).fetchall()


def months(
    conn: Connection[TupleRow], *, utility_id: int, meter_ids: Collection[int], first: date, end: date
) -> list[MonthUse]:
    """Add up the days from `first` up to, not including, `end` by calendar month."""
    with conn.cursor(row_factory=class_row(MonthUse)) as cursor:
        return cursor.execute(
            """
            SELECT meter_id, date_trunc('month', day::timestamp)::date AS month, sum(use_units)::bigint AS use_units,
                   sum(export_units)::bigint AS export_units, count(*)::integer AS days
            FROM meter_day
            WHERE utility_id = %(utility_id)s AND meter_id = ANY (%(meter_ids)s) AND day >= %(first)s AND day < %(end)s
            GROUP BY 1, 2
            ORDER BY 1, 2
            """,
            {"utility_id": utility_id, "meter_ids": list(meter_ids), "first": first, "end": end},
        ).fetchall()
