"""Planned works: closures, flushing, outages."""

from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from kernel.period import Period
from registry.store import works
from registry.store.works import WorkKind


class WorkWithoutPlace(ValueError):
    """Planned work is somewhere: in a zone or at a point."""


def plan_work(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    zone_id: int | None,
    point_id: int | None,
    kind: WorkKind,
    title: str,
    planned: Period,
) -> int:
    """Plan work in a zone or at a point.

    :raises WorkWithoutPlace: if neither zone nor point is given
    :raises ZoneUnknown: if the utility has no such zone
    :raises PointUnknown: if the utility has no such point
    """
    if zone_id is None and point_id is None:
        raise WorkWithoutPlace(f"planned work {title!r} needs a zone or a point")
    return works.insert(
        conn, utility_id=utility_id, zone_id=zone_id, point_id=point_id, kind=kind, title=title, planned=planned
    )


def start_work(conn: Connection[TupleRow], *, utility_id: int, planned_work_id: int, at: datetime) -> None:
    """:raises PlannedWorkUnknown: if it is not waiting to start"""
    works.start(conn, utility_id=utility_id, planned_work_id=planned_work_id, at=at)


def finish_work(conn: Connection[TupleRow], *, utility_id: int, planned_work_id: int, at: datetime) -> None:
    """:raises PlannedWorkUnknown: if it is not under way"""
    works.finish(conn, utility_id=utility_id, planned_work_id=planned_work_id, at=at)


def cancel_work(conn: Connection[TupleRow], *, utility_id: int, planned_work_id: int, at: datetime) -> None:
    """:raises PlannedWorkUnknown: if it is over"""
    works.cancel(conn, utility_id=utility_id, planned_work_id=planned_work_id, at=at)
