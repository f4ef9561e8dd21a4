"""Which days' rollups are made anew together; the rules of the sums themselves head store/roll_up.sql."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Local days of one meter, from `first` up to, not including, `end`."""

    meter_id: int
    first: date
    end: date


def join_days(due: Iterable[tuple[int, date]]) -> list[Span]:
    """Join the due days of each meter into as few spans as there are gaps between them."""
    spans: list[Span] = []
    for meter_id, day in sorted(set(due)):
        last = spans[-1] if spans else None
        if last is not None and last.meter_id == meter_id and last.end == day:
            spans[-1] = Span(meter_id, last.first, day + timedelta(days=1))
        else:
            spans.append(Span(meter_id, day, day + timedelta(days=1)))
    return spans
