"""When bills are due to be made: a utility's cycles on its local calendar."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from kernel.period import Period, add_months, local_date, local_days

DEFAULT_DUE_DAYS = 20
DEFAULT_WAIT_HOURS = 6
DEFAULT_READING_MAX_AGE_DAYS = 5


class CycleUnusable(ValueError):
    """The settings of the utility do not describe a billing cycle."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """Periods end on the first day of each month whose number since year 0 leaves `offset` when divided by `months`.

    A run waits `wait` after the period's end for late readings; bills are due `due_days` local days after issue.
    """

    months: int
    offset: int
    due_days: int
    wait: timedelta
    reading_max_age: timedelta


def cycle_of(settings: dict[str, Any], *, service: str, district_code: str) -> Cycle | None:
    """Read a district's cycle from the utility's settings; None if the service is not billed.

    :raises CycleUnusable: if the settings make no sense
    """
    given: dict[str, Any] | None = settings.get("cycles", {}).get(service)
    if given is None:
        return None
    months: object = given.get("months")
    offsets: dict[str, Any] = given.get("offset", {})
    offset: object = offsets.get(district_code, 0)
    if not isinstance(months, int) or not 1 <= months <= 12 or not isinstance(offset, int):
        raise CycleUnusable(f"cycles.{service} of the utility's settings needs months from 1 to 12 and whole offsets")
    return Cycle(
        months=months,
        offset=offset % months,
        due_days=int(given.get("due_days", DEFAULT_DUE_DAYS)),
        wait=timedelta(hours=float(given.get("wait_hours", DEFAULT_WAIT_HOURS))),
        reading_max_age=timedelta(days=float(given.get("reading_max_age_days", DEFAULT_READING_MAX_AGE_DAYS))),
    )


def ended_periods(cycle: Cycle, *, zone: ZoneInfo, since: date, at: datetime) -> Iterator[Period]:
    """Give the periods that start on or after `since` and had ended, with the wait over, by `at`; oldest first."""
    end = date(since.year, since.month, 1)
    while True:
        end = add_months(end, 1)
        if (end.year * 12 + end.month) % cycle.months != cycle.offset:
            continue
        start = add_months(end, -cycle.months)
        period = local_days(start, end, zone=zone)
        if period.end + cycle.wait > at:
            return
        if start >= since:
            yield period


def month_labels(period: Period, *, zone: ZoneInfo, count: int) -> tuple[str, ...]:
    """Name the `count` calendar months that end with the period's last local day, as 2026-03."""
    last = local_date(period.end, zone=zone) - timedelta(days=1)
    first_of_month = date(last.year, last.month, 1)
    months = [add_months(first_of_month, -back) for back in range(count - 1, -1, -1)]
    return tuple(f"{month:%Y-%m}" for month in months)


def days_in(period: Period, *, zone: ZoneInfo) -> int:
    """Count the local days of a period; a part of a day counts one if it is all there is."""
    return max(1, (local_date(period.end, zone=zone) - local_date(period.start, zone=zone)).days)
