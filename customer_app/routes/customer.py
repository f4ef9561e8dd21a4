"""The customer's first page: is supply on, what do I owe, what is being repaired, how much did I use."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, ClassVar

from fastapi import APIRouter
from starlette.responses import Response

from customer_app import customers, labels, money, notice_texts, reading_lines, repairs, spoken
from customer_app.dependencies import allowed
from customer_app.money import Owed, Stopped
from customer_app.notice_texts import NoticeText
from customer_app.reading_lines import ReadingLine, reading_topics
from customer_app.rendering import Page
from customer_app.repairs import RepairSummary, WorkRow
from customer_app.usage import Chart, Figure, Usage, total_of_month
from customer_app.visit import Visit
from kernel.period import add_months
from registry.queries import InstalledMeter, PointOfParty

router = APIRouter()

NOTICES_SHOWN = 3
WORKS_TOLD = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Compared:
    """One bar of a comparison."""

    label: str
    figure: Figure
    percent: str  # of the widest bar
    change: str
    look: str
    is_now: bool


@dataclass(frozen=True, slots=True)
class UseCard:
    """Today and this month at one point."""

    service: str
    name: str
    path: str
    today: Figure
    chart: Chart
    months: tuple[Compared, ...]
    reading: ReadingLine | None  # None: no meter hangs there


@dataclass(frozen=True, slots=True)
class HomePage(Page):
    TEMPLATE: ClassVar[str] = "home/show.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {
        "supply": "home/_supply.html",
        "owed": "home/_owed.html",
        "repairs": "home/_repairs.html",
        "use": "home/_use.html",
        "notices": "home/_notices.html",
    }
    ACTIVE: ClassVar[str] = "/home"

    greeting: str
    address: str
    stopped: tuple[Stopped, ...]
    owed: tuple[Owed, ...]
    leaks: tuple[str, ...]
    repairs: tuple[RepairSummary, ...]
    works: tuple[WorkRow, ...]
    use: tuple[UseCard, ...]
    notices: tuple[NoticeText, ...]

    def topics(self) -> tuple[str, ...]:
        return ("use", "money", "repairs", "notices", *reading_topics(*(card.reading for card in self.use)))


@router.get("/home")
def show(visit: Annotated[Visit, allowed("use.view_own", action="home.view", object_kind="party")]) -> Response:
    """Show the customer's first page, or the part of it that has changed."""
    visit.concerns(object_id=visit.own_party_id)
    wanted = visit.fragment
    points = customers.own_points(visit)
    page = HomePage(
        greeting=visit.translate("Hello, %(name)s", name=visit.signed_in.display_name),
        address=f"{points[0].address} {points[0].building}".strip() if points else "",
        stopped=money.stopped(visit) if wanted in ("", "supply") else (),
        owed=money.owed(visit) if wanted in ("", "owed") else (),
        leaks=spoken.at_own_points(visit, point_ids=[point.point_id for point in points])
        if wanted in ("", "repairs")
        else (),
        repairs=repairs.open_near(visit, points=points) if wanted in ("", "repairs") else (),
        works=repairs.planned(visit, over_since=WORKS_TOLD) if wanted in ("", "repairs") else (),
        use=_use_cards(visit, points) if wanted in ("", "use") else (),
        notices=notice_texts.newest(visit, limit=NOTICES_SHOWN) if wanted in ("", "notices") else (),
    )
    return visit.show(page)


def _use_cards(visit: Visit, points: list[PointOfParty]) -> tuple[UseCard, ...]:
    meters = customers.own_meters(visit, points=points)
    return tuple(_use_card(visit, point, meters.get(point.point_id)) for point in points)


def _use_card(visit: Visit, point: PointOfParty, meter: InstalledMeter | None) -> UseCard:
    use = Usage(visit, point=point, meter=meter)
    days = use.days(add_months(use.today.replace(day=1), -12), use.today + timedelta(days=1))
    return UseCard(
        service=point.service,
        name=labels.service(visit.translate, point.service),
        path=f"/use?point={point.point_id}",
        today=use.small(days.get(use.today, Decimal(0))),
        chart=use.chart_of_hours(use.today),
        months=_months(visit, use, days=days),
        reading=reading_lines.line(visit, meter) if meter else None,
    )


def _months(visit: Visit, use: Usage, *, days: Mapping[date, Decimal]) -> tuple[Compared, ...]:
    """Compare this month with last month and the same month last year, each up to the same day."""
    _ = visit.translate
    this = use.today.replace(day=1)
    named = (
        (_("This month"), this),
        (_("Last month"), add_months(this, -1)),
        (visit.formats.month(add_months(this, -12)), add_months(this, -12)),
    )
    totals = [(label, total_of_month(days, first, last_day=use.today.day)) for label, first in named]
    widest = max((used for _label, used in totals if used), default=Decimal(1))
    now = totals[0][1]
    return tuple(
        Compared(
            label=label,
            figure=use.large(used) if used is not None else Figure("–", ""),
            percent=f"{max(1.0, 100 * float((used or Decimal(0)) / widest)):.1f}",
            change=_change(visit, now, used) if index else "",
            look=_look(now, used) if index else "",
            is_now=index == 0,
        )
        for index, (label, used) in enumerate(totals)
    )


def _change(visit: Visit, now: Decimal | None, before: Decimal | None) -> str:
    return visit.formats.signed_percent(float(now / before) - 1) if now is not None and before else ""


def _look(now: Decimal | None, before: Decimal | None) -> str:
    if now is None or not before:
        return ""
    return "up" if now > before * Decimal("1.05") else "down" if now < before * Decimal("0.95") else ""
