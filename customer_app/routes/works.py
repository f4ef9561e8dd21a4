"""Planned works for crews, operators and the office: what is to come, and how it goes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, get_args

from fastapi import APIRouter, Form
from starlette.responses import Response

from customer_app import labels, repairs
from customer_app.dependencies import allowed
from customer_app.rendering import Page
from customer_app.repairs import WorkRow
from customer_app.visit import Visit
from kernel.i18n import mark
from kernel.period import Period
from kernel.text import clean
from registry import operations as registry_operations
from registry import queries as registry_queries
from registry.operations import WorkKind
from registry.queries import PlannedWork, PointUnknown

router = APIRouter()

LONGEST_TITLE = 120
PROBLEMS = {
    "place": mark("Choose a zone, or give the number of a point that exists."),
    "title": mark("Say in a few words what will be done."),
    "times": mark("The work must end after it begins."),
}


@dataclass(frozen=True, slots=True)
class WorkLine:
    planned_work_id: int
    row: WorkRow
    place: str
    may_start: bool
    may_finish: bool
    may_cancel: bool


@dataclass(frozen=True, slots=True)
class WorksPage(Page):
    TEMPLATE: ClassVar[str] = "works/list.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {"list": "works/_list.html"}
    ACTIVE: ClassVar[str] = "/works"

    works: tuple[WorkLine, ...]
    may_plan: bool
    zones: tuple[tuple[str, str], ...]
    kinds: tuple[tuple[str, str], ...]
    starts: str
    ends: str
    title: str
    problem: str

    def topics(self) -> tuple[str, ...]:
        return ("works",)


@router.get("/works")
def index(visit: Annotated[Visit, allowed("ticket.view", action="work.list")]) -> Response:
    """List planned works, live."""
    return visit.show(_page(visit))


@router.post("/works")
def announce(
    visit: Annotated[Visit, allowed("work.plan", action="work.announce", object_kind="planned_work")],
    zone: Annotated[str, Form(max_length=20)] = "",
    point: Annotated[str, Form(max_length=40)] = "",
    kind: Annotated[str, Form(max_length=20)] = "other",
    title: Annotated[str, Form(max_length=LONGEST_TITLE)] = "",
    starts: Annotated[str, Form(max_length=40)] = "",
    ends: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Announce a work in a zone or at a point; everybody whom it touches is told."""
    zone_id, point_id = _place(visit, zone=clean(zone), point=clean(point))
    name, start, end = clean(title), _local(visit, starts), _local(visit, ends)
    problem = ""
    if zone_id is None and point_id is None:
        problem = "place"
    elif not name:
        problem = "title"
    elif start is None or end is None or end <= start:
        problem = "times"
    if problem or start is None or end is None:
        return visit.show(_page(visit, title=name, starts=starts, ends=ends, problem=problem), status=400)
    planned_work_id = registry_operations.announce_work(
        visit.conn,
        utility_id=visit.utility_id,
        zone_id=None if point_id is not None else zone_id,
        point_id=point_id,
        kind=next((one for one in get_args(WorkKind) if one == kind), "other"),
        title=name,
        planned=Period(start, end),
        at=visit.now,
    )
    visit.concerns(object_id=planned_work_id)
    return visit.go("/works", said="work-announced")


def _to(step: str) -> Any:
    return allowed("work.plan", action=f"work.{step}", object_kind="planned_work", object_from="planned_work_id")


@router.post("/works/{planned_work_id}/start")
def start(planned_work_id: int, visit: Annotated[Visit, _to("start")]) -> Response:
    """Note that a work has begun."""
    return _change(visit, registry_operations.start_work, planned_work_id)


@router.post("/works/{planned_work_id}/finish")
def finish(planned_work_id: int, visit: Annotated[Visit, _to("finish")]) -> Response:
    """Note that a work is done, be it earlier or later than planned."""
    return _change(visit, registry_operations.finish_work, planned_work_id)


@router.post("/works/{planned_work_id}/cancel")
def cancel(planned_work_id: int, visit: Annotated[Visit, _to("cancel")]) -> Response:
    """Call a work off."""
    return _change(visit, registry_operations.cancel_work, planned_work_id)


def _change(visit: Visit, change: Callable[..., None], planned_work_id: int) -> Response:
    change(visit.conn, utility_id=visit.utility_id, planned_work_id=planned_work_id, at=visit.now)
    return visit.go("/works", said="work-changed")


def _page(visit: Visit, *, title: str = "", starts: str = "", ends: str = "", problem: str = "") -> WorksPage:
    _, scope = visit.translate, {"utility_id": visit.utility_id}
    works = registry_queries.planned_works(visit.conn, **scope, at=visit.now)
    zones = registry_queries.zones(visit.conn, **scope)
    names = {zone.zone_id: f"{zone.code} {zone.name}" for zone in zones}
    at_points = registry_queries.points(
        visit.conn, **scope, point_ids=[one.point_id for one in works if one.point_id is not None]
    )
    addresses = {point.point_id: f"{point.point_number} {point.address}" for point in at_points}
    tomorrow = visit.formats.local(visit.now + timedelta(days=1))
    return WorksPage(
        works=tuple(_line(visit, work, names=names, addresses=addresses) for work in works),
        may_plan=visit.may("work.plan"),
        zones=tuple((zone.code, f"{zone.code} {zone.name}") for zone in zones),
        kinds=tuple((kind, labels.work(_, kind)) for kind in get_args(WorkKind)),
        starts=starts or tomorrow.strftime("%Y-%m-%dT09:00"),
        ends=ends or tomorrow.strftime("%Y-%m-%dT12:00"),
        title=title,
        problem=_(PROBLEMS[problem]) if problem else "",
    )


def _line(visit: Visit, work: PlannedWork, *, names: dict[int, str], addresses: dict[int, str]) -> WorkLine:
    is_over = work.finished_at is not None or work.cancelled_at is not None
    may_plan = visit.may("work.plan")
    is_under_way = work.started_at is not None and not is_over
    place = addresses.get(work.point_id or 0) or names.get(work.zone_id or 0, "")
    return WorkLine(
        planned_work_id=work.planned_work_id,
        row=repairs.work_row(visit, work),
        place=place,
        may_start=may_plan and not is_over and not is_under_way,
        may_finish=may_plan and is_under_way,
        may_cancel=may_plan and not is_over,
    )


def _place(visit: Visit, *, zone: str, point: str) -> tuple[int | None, int | None]:
    """Find zone and point that a form names; None for what is empty or unknown. A point that is named must exist."""
    if point:
        try:
            found = registry_queries.point_by_number(visit.conn, utility_id=visit.utility_id, point_number=point)
        except PointUnknown:
            return None, None
        return None, found.point_id
    zones = registry_queries.zones(visit.conn, utility_id=visit.utility_id)
    return next((one.zone_id for one in zones if one.code == zone), None), None


def _local(visit: Visit, text: str) -> datetime | None:
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        return None
    if given.tzinfo is not None:
        return None
    return given.replace(tzinfo=visit.utility.zone).astimezone(UTC)
