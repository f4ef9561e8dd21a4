"""Use of one point over a day, a week, a month or a year, as bars and figures ready to print."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from markupsafe import Markup

from customer_app import charts
from customer_app.visit import Visit
from ingest_gateway import queries as ingest_queries
from kernel.i18n import mark
from kernel.period import add_months, local_date, local_day
from registry import queries as registry_queries
from registry.queries import InstalledMeter, Point

Span = Literal["day", "week", "month", "year"]
SPANS: dict[Span, str] = {"day": mark("Day"), "week": mark("Week"), "month": mark("Month"), "year": mark("Year")}
LITRES = 1000


@dataclass(frozen=True, slots=True)
class Measure:
    """How amounts of a point are written: small ones of water in litres, all others in the meter's unit."""

    unit: str
    small_unit: str
    small_factor: int
    decimals: int
    small_decimals: int

    @classmethod
    def of(cls, unit: str) -> "Measure":
        if unit == "m3":
            return cls("m3", "L", LITRES, 1, 0)
        return cls(unit, unit, 1, 1, 2)


@dataclass(frozen=True, slots=True)
class Figure:
    """An amount and its unit, apart, because they are set in different sizes."""

    amount: str
    unit: str

    @property
    def text(self) -> str:
        return f"{self.amount} {self.unit}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table beside a chart."""

    label: str
    amount: str
    before: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with its numbers."""

    svg: Markup
    rows: tuple[Row, ...]
    head: str
    before_head: str
    has_now: bool


class Usage:
    """Reads and writes the use of one point for one visit."""

    def __init__(self, visit: Visit, *, point: Point, meter: InstalledMeter | None) -> None:
        self._visit = visit
        self.point = point
        self.meter = meter
        self.measure = Measure.of(meter.unit if meter else {"water": "m3", "electricity": "kWh"}[point.service])
        self.today = local_date(visit.now, zone=visit.utility.zone)

    def small(self, used: Decimal) -> Figure:
        """Write the use of hours and days."""
        measure = self.measure
        amount = self._visit.formats.number(used * measure.small_factor, decimals=measure.small_decimals)
        return Figure(amount, self._visit.formats.unit(measure.small_unit))

    def large(self, used: Decimal) -> Figure:
        """Write the use of months and years."""
        amount = self._visit.formats.number(used, decimals=self.measure.decimals)
        return Figure(amount, self._visit.formats.unit(self.measure.unit))

    def days(self, first: date, end: date) -> dict[date, Decimal]:
        """Give the use of each day that has one, from `first` up to, not including, `end`."""
        days = ingest_queries.daily_use_of_point(
            self._visit.conn, utility_id=self._visit.utility_id, point_id=self.point.point_id, first=first, end=end
        )
        return {day.day: day.used for day in days if day.readings > 0}

    def hours(self, day: date) -> list[Decimal | None]:
        """Give the use of each hour of a local day; None where nothing came."""
        period = local_day(day, zone=self._visit.utility.zone)
        meter = registry_queries.meter_at_point(
            self._visit.conn, utility_id=self._visit.utility_id, point_id=self.point.point_id, at=period.end
        )
        count = round(period.length / timedelta(hours=1))
        found: list[Decimal | None] = [None] * count
        if meter is None:
            return found
        for hour in ingest_queries.hourly_use(
            self._visit.conn, utility_id=self._visit.utility_id, meter_ids=[meter.meter_id], period=period
        ):
            found[int((hour.hour - period.start) / timedelta(hours=1))] = Decimal(hour.use_units).scaleb(meter.scale)
        return found

    def chart_of_hours(self, day: date) -> Chart:
        _ = self._visit.translate
        now_hour = self._visit.formats.local(self._visit.now).hour if day == self.today else None
        bars = [
            charts.Bar(
                label=f"{hour}:00",
                axis=str(hour),
                height=None if used is None else float(used * self.measure.small_factor),
                text=_("no reading yet") if used is None else self.small(used).text,
                is_now=hour == now_hour,
            )
            for hour, used in enumerate(self._upto_now(self.hours(day), now_hour))
        ]
        return self._chart(bars, title=_("Use by hour"), unit=self.measure.small_unit, head=_("Hour"))

    def chart_of_days(self, days: Sequence[date], *, before: Mapping[date, date], before_head: str = "") -> Chart:
        """Draw days, each beside the day that `before` names for it."""
        _ = self._visit.translate
        wanted = sorted({*days, *before.values()})
        known = self.days(wanted[0], wanted[-1] + timedelta(days=1))
        formats = self._visit.formats
        bars: list[charts.Bar] = []
        for day in days:
            used, earlier = known.get(day), known.get(before[day]) if day in before else None
            bars.append(
                charts.Bar(
                    label=formats.short_date(day),
                    axis=formats.weekday(day) if len(days) <= 7 else str(day.day),
                    height=0.0 if used is None and day > self.today else self._small_height(used),
                    text=_("no reading yet") if used is None else self.small(used).text,
                    before=None if day not in before else self._small_height(earlier) or 0.0,
                    before_text="" if earlier is None else self.small(earlier).text,
                    is_now=day == self.today,
                )
            )
        return self._chart(
            bars, title=_("Use by day"), unit=self.measure.small_unit, head=_("Day"), before_head=before_head
        )

    def chart_of_months(self, year: int) -> Chart:
        _ = self._visit.translate
        known = self.days(date(year - 1, 1, 1), date(year + 1, 1, 1))
        bars: list[charts.Bar] = []
        for month in range(1, 13):
            first, first_before = date(year, month, 1), date(year - 1, month, 1)
            used, earlier = total_of_month(known, first), total_of_month(known, first_before)
            bars.append(
                charts.Bar(
                    label=self._visit.formats.month(first),
                    axis=self._visit.formats.short_month(first),
                    height=0.0 if used is None and first > self.today else None if used is None else float(used),
                    text=_("no reading yet") if used is None else self.large(used).text,
                    before=0.0 if earlier is None else float(earlier),
                    before_text="" if earlier is None else self.large(earlier).text,
                    is_now=first == self.today.replace(day=1),
                )
            )
        head, before_head = _("Month"), _("Year before")
        return self._chart(bars, title=_("Use by month"), unit=self.measure.unit, head=head, before_head=before_head)

    def _upto_now(self, hours: list[Decimal | None], now_hour: int | None) -> list[Decimal | None]:
        # What has not happened yet is not missing.
        return [
            Decimal(0) if used is None and now_hour is not None and hour > now_hour else used
            for hour, used in enumerate(hours)
        ]

    def _small_height(self, used: Decimal | None) -> float | None:
        return None if used is None else float(used * self.measure.small_factor)

    def _chart(self, bars: Sequence[charts.Bar], *, title: str, unit: str, head: str, before_head: str = "") -> Chart:
        shown_unit = self._visit.formats.unit(unit)
        description = "; ".join(f"{bar.label}: {bar.text}" for bar in bars if bar.height)
        svg = charts.bar_chart(title=title, description=description, bars=bars, unit=shown_unit)
        rows = tuple(Row(bar.label, bar.text, bar.before_text) for bar in bars)
        return Chart(svg, rows, head, before_head, has_now=any(bar.is_now for bar in bars))


def total_of_month(days: Mapping[date, Decimal], first: date, *, last_day: int = 31) -> Decimal | None:
    """Add up the days of a month up to its `last_day`; None if none of them has a reading."""
    found = [
        used for day, used in days.items() if (day.year, day.month) == (first.year, first.month) and day.day <= last_day
    ]
    return sum(found, Decimal(0)) if found else None


def first_of_span(span: Span, day: date) -> date:
    """Give the first day of the span that holds `day`; weeks begin on Monday."""
    match span:
        case "day":
            return day
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "year":
            return day.replace(month=1, day=1)


def step(span: Span, first: date, count: int) -> date:
    """Go forward or back by whole spans."""
    match span:
        case "day":
            return first + timedelta(days=count)
        case "week":
            return first + timedelta(weeks=count)
        case "month":
            return add_months(first, count)
        case "year":
            return add_months(first, 12 * count)
