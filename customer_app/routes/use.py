"""How much I use: by day, week, month and year, for each point, live."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, ClassVar

from fastapi import APIRouter
from starlette.responses import Response

from customer_app import customers, gap_pages, labels, reading_lines, usage
from customer_app.dependencies import allowed
from customer_app.reading_lines import ReadingLine, reading_topics
from customer_app.rendering import Page
from customer_app.usage import Chart, Figure, Span, Usage
from customer_app.visit import Visit
from kernel.period import add_months
from registry.queries import PointOfParty

router = APIRouter()

EARLIEST = date(2000, 1, 1)
LEAST_COVERED = 0.9  # of the days of a span, for a comparison with it to be fair


@dataclass(frozen=True, slots=True)
class Choice:
    """A link in a row of links."""

    label: str
    path: str
    active: bool
    icon: str = ""


@dataclass(frozen=True, slots=True)
class UsePage(Page):
    TEMPLATE: ClassVar[str] = "use/show.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {"use": "use/_use.html"}
    ACTIVE: ClassVar[str] = "/use"

    service: str
    heading: str
    address: str
    points: tuple[Choice, ...]
    spans: tuple[Choice, ...]
    span_label: str
    total: Figure
    total_label: str
    compared: str
    compared_class: str
    chart: Chart
    earlier: str
    later: str
    own_path: str
    reading: ReadingLine | None  # None: no meter hangs there
    landed: str
    live: bool

    def topics(self) -> tuple[str, ...]:
        return ("use", *reading_topics(self.reading)) if self.live else ()


@dataclass(frozen=True, slots=True)
class NoPointPage(Page):
    TEMPLATE: ClassVar[str] = "use/none.html"
    ACTIVE: ClassVar[str] = "/use"


@router.get("/use")
def show(
    visit: Annotated[Visit, allowed("use.view_own", action="use.view", object_kind="point")],
    point: int | None = None,
    span: Span = "day",
    day: date | None = None,
) -> Response:
    """Show the use of one of the customer's points over one span of time."""
    points = customers.own_points(visit)
    if point is None:
        if not points:
            return visit.show(NoPointPage())
        chosen = points[0]
    else:
        chosen = visit.found(next((one for one in points if one.point_id == point), None))
    visit.concerns(object_id=chosen.point_id, span=span)
    meter = customers.own_meters(visit, points=[chosen]).get(chosen.point_id)
    use = Usage(visit, point=chosen, meter=meter)
    wanted = min(max(day or use.today, EARLIEST), use.today)
    return visit.show(_page(visit, use, points=points, span=span, first=usage.first_of_span(span, wanted)))


def _page(visit: Visit, use: Usage, *, points: list[PointOfParty], span: Span, first: date) -> UsePage:
    _ = visit.translate
    end = usage.step(span, first, 1)
    total, compared, compared_class = _total(visit, use, span=span, first=first, end=end)
    chosen = use.point

    def path(*, point: int = chosen.point_id, span: Span = span, day: date = first) -> str:
        return f"/use?point={point}&span={span}&day={day}"

    return UsePage(
        service=chosen.service,
        heading=labels.service(_, chosen.service),
        address=f"{chosen.address} {chosen.building}".strip(),
        points=tuple(
            Choice(
                _point_label(visit, one, of=points),
                path(point=one.point_id),
                one.point_id == chosen.point_id,
                "drop" if one.service == "water" else "bolt",
            )
            for one in points
        ),
        spans=tuple(
            # From a day of the past one goes to its week; from the present to the present.
            Choice(_(label), path(span=other, day=min(use.today, end - timedelta(days=1))), other == span)
            for other, label in usage.SPANS.items()
        ),
        span_label=_span_label(visit, span=span, first=first, end=end),
        total=total,
        total_label=_("So far") if first <= use.today < end else _("Total"),
        compared=compared,
        compared_class=compared_class,
        chart=_chart(use, span=span, first=first, end=end, before_head=_before_head(visit, span=span)),
        earlier=path(day=usage.step(span, first, -1)),
        later=path(day=end) if end <= use.today else "",
        own_path=path(),
        reading=reading_lines.line(visit, use.meter) if use.meter else None,
        landed=gap_pages.own_words(visit, meter_id=use.meter.meter_id) if use.meter else "",
        live=first <= use.today < end,
    )


def _point_label(visit: Visit, point: PointOfParty, *, of: list[PointOfParty]) -> str:
    """Name a point by its service, and by its number where the customer has several."""
    service = labels.service(visit.translate, point.service)
    several = sum(other.service == point.service for other in of) > 1
    return f"{service} {point.point_number}" if several else service


def _chart(use: Usage, *, span: Span, first: date, end: date, before_head: str) -> Chart:
    days = [first + timedelta(days=number) for number in range((end - first).days)]
    match span:
        case "day":
            return use.chart_of_hours(first)
        case "week":
            before = {day: day - timedelta(days=7) for day in days}
            return use.chart_of_days(days, before=before, before_head=before_head)
        case "month":
            month_before = add_months(first, -1)
            before = {day: month_before + (day - first) for day in days if month_before + (day - first) < first}
            return use.chart_of_days(days, before=before, before_head=before_head)
        case "year":
            return use.chart_of_months(first.year)


def _before_head(visit: Visit, *, span: Span) -> str:
    _ = visit.translate
    return {"day": "", "week": _("Week before"), "month": _("Month before"), "year": _("Year before")}[span]


def _total(visit: Visit, use: Usage, *, span: Span, first: date, end: date) -> tuple[Figure, str, str]:
    """Add up the span as far as it has come, and compare it with as much of the span before."""
    _ = visit.translate
    covered = min(end, use.today + timedelta(days=1))
    before_first = usage.step(span, first, -1)
    before_end = min(before_first + (covered - first), first)
    used = sum(use.days(first, covered).values(), Decimal(0))
    total = use.small(used) if span in ("day", "week") else use.large(used)
    if span == "day" and covered == end and first == use.today:
        return total, "", ""  # half a day against a whole one says nothing
    before = use.days(before_first, before_end)
    covered_days = (before_end - before_first).days
    if len(before) < covered_days * LEAST_COVERED or not sum(before.values()):
        return total, "", ""  # a span that was not fully read would make this one look larger
    change = float(used / sum(before.values(), Decimal(0))) - 1
    text = visit.formats.signed_percent(change)
    against = {
        "day": _("%(change)s against the day before", change=text),
        "week": _("%(change)s against the same days of the week before", change=text),
        "month": _("%(change)s against the same days of the month before", change=text),
        "year": _("%(change)s against the same days of the year before", change=text),
    }[span]
    return total, against, "up" if change > 0.005 else "down" if change < -0.005 else ""


def _span_label(visit: Visit, *, span: Span, first: date, end: date) -> str:
    formats = visit.formats
    match span:
        case "day":
            return formats.short_date(first)
        case "week":
            return f"{formats.short_date(first)} – {formats.short_date(end - timedelta(days=1))}"
        case "month":
            return formats.month(first)
        case "year":
            return formats.year(first)
