"""Half-open periods of time, and the local calendar where a tariff, a bill or a page needs it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


class PeriodEmpty(ValueError):
    """A period must end after it starts, and both ends must say their zone."""


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """From `start` up to, not including, `end`; both in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise PeriodEmpty(f"{self.start} to {self.end} does not say its time zone")
        if self.end <= self.start:
            raise PeriodEmpty(f"{self.start} to {self.end} is empty")

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    def contains(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    def overlap(self, other: "Period") -> "Period | None":
        """Give the part that both share, or None."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Period(start, end) if start < end else None


def local_day(day: date, *, zone: ZoneInfo) -> Period:
    """Span one calendar day; 23 or 25 hours when the clocks change."""
    return local_days(day, day + timedelta(days=1), zone=zone)


def local_days(first: date, end: date, *, zone: ZoneInfo) -> Period:
    """Span the calendar days from `first` up to, not including, `end`."""
    start_at, end_at = (datetime.combine(day, time(), zone).astimezone(UTC) for day in (first, end))
    return Period(start_at, end_at)


def local_date(instant: datetime, *, zone: ZoneInfo) -> date:
    """Tell on which calendar day an instant falls."""
    return instant.astimezone(zone).date()


def add_months(day: date, months: int) -> date:
    """Move to the same day of another month, or to that month's last day."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    next_first = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    last = (next_first - timedelta(days=1)).day
    return date(year, month + 1, min(day.day, last))
