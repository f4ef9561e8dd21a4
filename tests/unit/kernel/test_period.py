"""Periods and the local calendar."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.period import Period, PeriodEmpty, add_months, local_date, local_day, local_days

BERLIN = ZoneInfo("Europe/Berlin")
TOKYO = ZoneInfo("Asia/Tokyo")
instants = st.integers(946_684_800, 4_102_444_800).map(lambda second: datetime.fromtimestamp(second, UTC))


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-06-01", 24), ("2026-10-25", 25)])
def test_a_local_day_is_as_long_as_the_clock_says(day: str, hours: int) -> None:
    assert local_day(date.fromisoformat(day), zone=BERLIN).length == timedelta(hours=hours)


@given(first=st.dates(date(2000, 1, 1), date(2090, 1, 1)), days=st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_local_periods_side_by_side_leave_no_gap(first: date, days: list[int]) -> None:
    borders = [first]
    for count in days:
        borders.append(borders[-1] + timedelta(days=count))
    parts = [local_days(a, b, zone=BERLIN) for a, b in pairwise(borders)]
    assert all(a.end == b.start for a, b in pairwise(parts))
    assert sum((p.length for p in parts), timedelta()) == local_days(borders[0], borders[-1], zone=BERLIN).length


@given(instant=instants)
def test_an_instant_is_in_the_day_it_falls_on(instant: datetime) -> None:
    assert local_day(local_date(instant, zone=TOKYO), zone=TOKYO).contains(instant)


@given(a=instants, b=instants, c=instants, d=instants)
def test_overlap_is_what_both_contain(a: datetime, b: datetime, c: datetime, d: datetime) -> None:
    if a >= b or c >= d:
        return
    one, other = Period(a, b), Period(c, d)
    both = one.overlap(other)
    assert both == other.overlap(one)
    for instant in (a, b, c, d):
        assert (both is not None and both.contains(instant)) == (one.contains(instant) and other.contains(instant))


def test_a_period_without_length_or_zone_is_refused() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(PeriodEmpty, match="empty"):
        Period(now, now)
    with pytest.raises(PeriodEmpty, match="time zone"):
        Period(datetime(2026, 1, 1), datetime(2026, 1, 2))  # noqa: DTZ001  (a naive time is what is tested)


@pytest.mark.parametrize(
    ("day", "months", "moved"),
    [
        ("2026-01-31", 1, "2026-02-28"),
        ("2024-01-31", 1, "2024-02-29"),
        ("2026-12-15", 1, "2027-01-15"),
        ("2026-03-31", -1, "2026-02-28"),
        ("2026-05-31", -6, "2025-11-30"),
        ("2026-11-30", 1, "2026-12-30"),
        ("2026-01-01", 12, "2027-01-01"),
    ],
)
def test_months_end_where_the_month_ends(day: str, months: int, moved: str) -> None:
    assert add_months(date.fromisoformat(day), months) == date.fromisoformat(moved)
