"""What the checker saw of one meter: how many of its readings came, day by day."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from markupsafe import Markup

from customer_app.charts import Bar, bar_chart
from customer_app.meter_pages import MeterHead
from customer_app.visit import Visit
from ingest_gateway import queries as ingest_queries
from kernel.period import local_date, local_days

DAYS = 14
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class DayLine:
    """One day in the table beside the chart."""

    day: str
    came: str
    missed: str


@dataclass(frozen=True, slots=True)
class Sight:
    """The readings of the last days, ready to print."""

    svg: Markup
    rows: tuple[DayLine, ...]
    share: str
    look: str


def sight(visit: Visit, meter: MeterHead) -> Sight:
    """Count the readings of the last whole days against what the meter's interval promises."""
    _, formats = visit.translate, visit.formats
    today = local_date(visit.now, zone=visit.utility.zone)
    days = [today - timedelta(days=back) for back in range(DAYS, 0, -1)]
    hours = ingest_queries.hourly_use(
        visit.conn,
        utility_id=visit.utility_id,
        meter_ids=[meter.meter_id],
        period=local_days(days[0], today, zone=visit.utility.zone),
    )
    came = Counter[object]()
    for one in hours:
        came[formats.local(one.hour).date()] += one.readings
    wanted = DAY_S // meter.interval_s
    missed = {day: max(0, wanted - came[day]) for day in days}
    bars = [
        Bar(
            label=formats.short_date(day),
            axis=f"{day.month}/{day.day}",
            height=float(came[day]),
            text=_("%(came)s came, %(missed)s missed", came=came[day], missed=missed[day]),
        )
        for day in days
    ]
    share = 1 - sum(missed.values()) / (wanted * DAYS) if wanted else 0.0
    return Sight(
        svg=bar_chart(
            title=_("Readings a day"),
            description=_("How many readings of each day came."),
            bars=bars,
            unit="",
            height=160,
        ),
        rows=tuple(
            DayLine(formats.short_date(day), formats.number(came[day]), formats.number(missed[day]))
            for day in days[::-1]
        ),
        share=formats.percent(share),
        look="is-good" if share > 0.95 else "is-warn",
    )
