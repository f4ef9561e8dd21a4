"""Sizes as people write them, and when a meter of so many readings sent them."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kernel.period import local_day
from suiden.bench.filling import TIME_ZONE, TODAY, instants
from suiden.bench.sizes import SizeUnreadable, size, written


@pytest.mark.parametrize(
    ("text", "count"), [("5000", 5000), ("100k", 100_000), ("1.5M", 1_500_000), (" 50m ", 50_000_000)]
)
def test_a_size_is_read_as_it_is_written(text: str, count: int) -> None:
    assert size(text) == count
    assert size(written(count)) == count


@pytest.mark.parametrize("text", ["", "0", "-5", "1.5", "ten", "5kk"])
def test_what_is_no_whole_number_above_zero_is_refused(text: str) -> None:
    with pytest.raises(SizeUnreadable):
        size(text)


@settings(deadline=None)
@example(readings=9_197)  # few days are left for what hours do not take
@given(readings=st.integers(1, 60_000))
def test_a_meter_sends_as_many_readings_as_were_asked_for_and_none_twice(readings: int) -> None:
    when = instants(readings)
    assert len(when) == len(set(when)) == readings
    assert when == sorted(when)
    assert when[-1] == local_day(TODAY, zone=TIME_ZONE).start


@pytest.mark.parametrize("readings", [420, 500, 9_504, 50_000])
def test_with_enough_readings_a_meter_has_thirteen_months_of_days_and_the_last_by_hour(readings: int) -> None:
    when = instants(readings)
    days = {at.astimezone(TIME_ZONE).date() for at in when}
    assert len(days) >= 396
    assert len([at for at in when if (when[-1] - at).total_seconds() < 86_400]) >= 24
