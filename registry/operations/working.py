"""Planned works: closures, flushing, outages, and telling everybody whom one touches how it goes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from psycopg import Connection
from psycopg.rows import TupleRow

from kernel.events import publish
from kernel.period import Period
from registry.operations.noticing import write_notices
from registry.store import points, works
from registry.store.notices import NewNotice
from registry.store.works import PlannedWork, WorkKind

NoticeKind = Literal["work.planned", "work.changed", "work.finished"]
TOLD_ROLES = frozenset({"user", "payer"})


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


def announce_work(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    zone_id: int | None,
    point_id: int | None,
    kind: WorkKind,
    title: str,
    planned: Period,
    at: datetime,
) -> int:
    """Plan work and tell everybody whom it touches.

    :raises WorkWithoutPlace: if neither zone nor point is given
    :raises ZoneUnknown: if the utility has no such zone
    :raises PointUnknown: if the utility has no such point
    """
    planned_work_id = plan_work(
        conn, utility_id=utility_id, zone_id=zone_id, point_id=point_id, kind=kind, title=title, planned=planned
    )
    _tell(conn, utility_id=utility_id, planned_work_id=planned_work_id, notice="work.planned", change="planned", at=at)
    return planned_work_id


def start_work(conn: Connection[TupleRow], *, utility_id: int, planned_work_id: int, at: datetime) -> None:
    """Begin a work, and tell it.

    :raises PlannedWorkUnknown: if it is not waiting to start
    """
    works.start(conn, utility_id=utility_id, planned_work_id=planned_work_id, at=at)
    _tell(conn, utility_id=utility_id, planned_work_id=planned_work_id, notice="work.changed", change="started", at=at)


def finish_work(conn: Connection[TupleRow], *, utility_id: int, planned_work_id: int, at: datetime) -> None:
    """End a work, earlier or later than planned, and tell it.

    :raises PlannedWorkUnknown: if it is not under way
    """
    works.finish(conn, utility_id=utility_id, planned_work_id=planned_work_id, at=at)
    _tell(
        conn, utility_id=utility_id, planned_work_id=planned_work_id, notice="work.finished", change="finished", at=at
    )


def cancel_work(conn: Connection[TupleRow], *, utility_id: int, planned_work_id: int, at: datetime) -> None:
    """Call a work off, and tell it.

    :raises PlannedWorkUnknown: if it is over
    """
    works.cancel(conn, utility_id=utility_id, planned_work_id=planned_work_id, at=at)
    _tell(
        conn, utility_id=utility_id, planned_work_id=planned_work_id, notice="work.changed", change="cancelled", at=at
    )


def _tell(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    planned_work_id: int,
    notice: NoticeKind,
    change: str,
    at: datetime,
) -> None:
    """Write one notice to each user and payer of the points that the work touches, and wake the screens."""
    (work,) = works.by_ids(conn, utility_id=utility_id, planned_work_ids=[planned_work_id])
    touched = works.points_of_works(conn, utility_id=utility_id, planned_work_ids=[planned_work_id])
    people = points.parties_at_points(conn, utility_id=utility_id, point_ids=touched, at=at)
    notices = [
        NewNotice(
            party_id=party_id,
            account_id=None,
            kind=notice,
            subject_key=f"work:{planned_work_id}:{change}",
            parameters=_told(work, change=change),
        )
        for party_id in sorted({one.party_id for one in people if one.role in TOLD_ROLES})
    ]
    write_notices(conn, utility_id=utility_id, notices=notices, at=at)
    publish(
        conn,
        utility_id=utility_id,
        topic="planned_work.changed",
        key=f"work:{planned_work_id}",
        payload={"planned_work_id": planned_work_id, "change": change},
        occurred_at=at,
    )


def _told(work: PlannedWork, *, change: str) -> Mapping[str, Any]:
    return {
        "planned_work_id": work.planned_work_id,
        "work": work.kind,
        "title": work.title,
        "planned_from": work.planned_from.isoformat(),
        "planned_to": work.planned_to.isoformat(),
        "change": change,
        "finished_at": work.finished_at.isoformat() if work.finished_at else None,
    }
