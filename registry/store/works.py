"""Planned works."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from psycopg import Connection, errors
from psycopg.rows import TupleRow, class_row

from kernel.database import range_of
from kernel.period import Period
from registry.domain.unknown import PlannedWorkUnknown, PointUnknown, ZoneUnknown

WorkKind = Literal["closure", "flushing", "outage", "meter_exchange", "other"]


@dataclass(frozen=True, slots=True)
class PlannedWork:
    """Work on a zone or a point, as planned and as it went."""

    planned_work_id: int
    zone_id: int | None
    point_id: int | None
    kind: WorkKind
    title: str
    planned_from: datetime
    planned_to: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancelled_at: datetime | None


def insert(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    zone_id: int | None,
    point_id: int | None,
    kind: WorkKind,
    title: str,
    planned: Period,
) -> int:
    """:raises ZoneUnknown: if the utility has no such zone
    :raises PointUnknown: if the utility has no such point
    """
    try:
        row = conn.execute(
            """
            INSERT INTO planned_work (utility_id, zone_id, point_id, kind, title, planned)
            VALUES (%(utility_id)s, %(zone_id)s, %(point_id)s, %(kind)s, %(title)s, %(planned)s)
            RETURNING planned_work_id
            """,
            {
                "utility_id": utility_id,
                "zone_id": zone_id,
                "point_id": point_id,
                "kind": kind,
                "title": title,
                "planned": range_of(planned),
            },
        ).fetchone()
    except errors.ForeignKeyViolation as error:
        match error.diag.constraint_name:
            case "planned_work_utility_id_zone_id_fkey":
                raise ZoneUnknown(f"zone {zone_id} of the planned work is not in the registry") from error
            case "planned_work_utility_id_point_id_fkey":
                raise PointUnknown(f"point {point_id} of the planned work is not in the registry") from error
            case _:
                raise
    assert row is not None, "an insert returns its row"
    return row[0]


def start(conn: Connection[TupleRow], *, utility_id: int, planned_work_id: int, at: datetime) -> None:
    """:raises PlannedWorkUnknown: if there is no such work, or it was started, finished or cancelled"""
    row = conn.execute(
        """
        UPDATE planned_work SET started_at = %(at)s
        WHERE utility_id = %(utility_id)s AND planned_work_id = %(planned_work_id)s
          AND started_at IS NULL AND finished_at IS NULL AND cancelled_at IS NULL
        RETURNING planned_work_id
        """,
        {"utility_id": utility_id, "planned_work_id": planned_work_id, "at": at},
    ).fetchone()
    if row is None:
        raise PlannedWorkUnknown(f"planned work {planned_work_id} cannot be started: it is not waiting to start")


def finish(conn: Connection[TupleRow], *, utility_id: int, planned_work_id: int, at: datetime) -> None:
    """:raises PlannedWorkUnknown: if there is no such work, or it is not under way"""
    row = conn.execute(
        """
        UPDATE planned_work SET finished_at = %(at)s
        WHERE utility_id = %(utility_id)s AND planned_work_id = %(planned_work_id)s
          AND started_at <= %(at)s AND finished_at IS NULL AND cancelled_at IS NULL
        RETURNING planned_work_id
        """,
        {"utility_id": utility_id, "planned_work_id": planned_work_id, "at": at},
    ).fetchone()
    if row is None:
        raise PlannedWorkUnknown(f"planned work {planned_work_id} cannot be finished: it is not under way")


def cancel(conn: Connection[TupleRow], *, utility_id: int, planned_work_id: int, at: datetime) -> None:
    """:raises PlannedWorkUnknown: if there is no such work, or it was finished or cancelled"""
    row = conn.execute(
        """
        UPDATE planned_work SET cancelled_at = %(at)s
        WHERE utility_id = %(utility_id)s AND planned_work_id = %(planned_work_id)s
          AND finished_at IS NULL AND cancelled_at IS NULL
        RETURNING planned_work_id
        """,
        {"utility_id": utility_id, "planned_work_id": planned_work_id, "at": at},
    ).fetchone()
    if row is None:
        raise PlannedWorkUnknown(f"planned work {planned_work_id} cannot be cancelled: it is over")


def planned_works(conn: Connection[TupleRow], *, utility_id: int, at: datetime) -> list[PlannedWork]:
    """List works that are to come, under way, or were finished or cancelled in the seven days before `at`."""
    with conn.cursor(row_factory=class_row(PlannedWork)) as cursor:
        return cursor.execute(
            """
            SELECT planned_work_id, zone_id, point_id, kind, title, lower(planned) AS planned_from,
                   upper(planned) AS planned_to, started_at, finished_at, cancelled_at
            FROM planned_work
            WHERE utility_id = %(utility_id)s
              AND coalesce(finished_at, cancelled_at, 'infinity') > %(at)s::timestamptz - interval '7 days'
            ORDER BY lower(planned), planned_work_id
            """,
            {"utility_id": utility_id, "at": at},
        ).fetchall()


def works_at_points(
    conn: Connection[TupleRow], *, utility_id: int, point_ids: Collection[int], at: datetime
) -> list[PlannedWork]:
    """List those of `planned_works` that touch any of the points, by themselves or by a zone they lie in."""
    with conn.cursor(row_factory=class_row(PlannedWork)) as cursor:
        return cursor.execute(
            """
            WITH RECURSIVE around AS (
                SELECT zone_id FROM point WHERE utility_id = %(utility_id)s AND point_id = ANY(%(point_ids)s)
                UNION
                SELECT district_id FROM point WHERE utility_id = %(utility_id)s AND point_id = ANY(%(point_ids)s)
            ), zones AS (
                SELECT zone_id FROM around
                UNION
                SELECT z.parent_zone_id FROM zone z JOIN zones ON zones.zone_id = z.zone_id
                WHERE z.utility_id = %(utility_id)s AND z.parent_zone_id IS NOT NULL
            )
            SELECT planned_work_id, zone_id, point_id, kind, title, lower(planned) AS planned_from,
                   upper(planned) AS planned_to, started_at, finished_at, cancelled_at
            FROM planned_work
            WHERE utility_id = %(utility_id)s
              AND (point_id = ANY(%(point_ids)s) OR point_id IS NULL AND zone_id IN (SELECT zone_id FROM zones))
              AND coalesce(finished_at, cancelled_at, 'infinity') > %(at)s::timestamptz - interval '7 days'
            ORDER BY lower(planned), planned_work_id
            """,
            {"utility_id": utility_id, "point_ids": list(point_ids), "at": at},
        ).fetchall()


def by_ids(conn: Connection[TupleRow], *, utility_id: int, planned_work_ids: Collection[int]) -> list[PlannedWork]:
    """Give these works."""
    with conn.cursor(row_factory=class_row(PlannedWork)) as cursor:
        return cursor.execute(
            """
            SELECT planned_work_id, zone_id, point_id, kind, title, lower(planned) AS planned_from,
                   upper(planned) AS planned_to, started_at, finished_at, cancelled_at
            FROM planned_work
            WHERE utility_id = %(utility_id)s AND planned_work_id = ANY(%(planned_work_ids)s)
            ORDER BY planned_work_id
            """,
            {"utility_id": utility_id, "planned_work_ids": list(planned_work_ids)},
        ).fetchall()


def points_of_works(conn: Connection[TupleRow], *, utility_id: int, planned_work_ids: Collection[int]) -> list[int]:
    """List the points that any of these works touches: its own, or all of its zone and of the zones under it."""
    rows = conn.execute(
        """
        WITH RECURSIVE work AS (
            SELECT zone_id, point_id FROM planned_work
            WHERE utility_id = %(utility_id)s AND planned_work_id = ANY(%(planned_work_ids)s)
        ), wanted AS (
            SELECT zone_id FROM work WHERE point_id IS NULL
            UNION
            SELECT below.zone_id FROM zone below JOIN wanted ON below.parent_zone_id = wanted.zone_id
            WHERE below.utility_id = %(utility_id)s
        )
        SELECT point_id FROM point
        WHERE utility_id = %(utility_id)s
          AND (point_id IN (SELECT point_id FROM work) OR zone_id IN (SELECT zone_id FROM wanted)
               OR district_id IN (SELECT zone_id FROM wanted))
        ORDER BY point_id
        """,
        {"utility_id": utility_id, "planned_work_ids": list(planned_work_ids)},
    ).fetchall()
    return [row[0] for row in rows]
