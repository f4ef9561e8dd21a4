"""Whether a reading can be true, and the exact register of a total."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_gateway.domain.meters import Meter
from ingest_gateway.domain.validation import Baseline, Limits, Row, check, fall_with, is_backwards
from ingest_gateway.domain.wire import Reason, Refused, TotalReading, WireReading, from_us, instant_us

NOW = datetime(2026, 4, 1, 3, tzinfo=UTC)
NOW_US = instant_us(NOW)
LIMITS = Limits.at(NOW_US, rate=1.0)
WATER = Meter(1, "W-0001", "water", "m3", -3, 9, frozenset({"C-1"}))


def row(register: int | None, at_us: int = NOW_US) -> Row:
    return Row(1, at_us, register, None, None, None, None, None, None, None, 0)


@given(
    at=st.integers() | st.datetimes(timezones=st.just(UTC)),
    register=st.none() | st.integers(),
    flow=st.none() | st.floats(),
    pressure=st.none() | st.floats(),
    battery=st.none() | st.integers(),
)
def test_a_reading_is_stored_or_refused_and_what_is_stored_fits_its_columns(
    at: int | datetime, register: int | None, flow: float | None, pressure: float | None, battery: int | None
) -> None:
    reading = WireReading(at=at, register=register, flow=flow, pressure_kpa=pressure, battery_pct=battery)
    try:
        stored = check(reading, meter=WATER, limits=LIMITS)
    except Refused as refused:
        assert refused.reason in get_args(Reason)  # noqa: PT017 - either outcome is right
        return
    assert LIMITS.oldest_us <= stored.read_at_us <= LIMITS.newest_us
    assert stored.register is None or 0 <= stored.register < 10**9
    assert stored.flow is None or abs(stored.flow) <= 1e9
    assert stored.battery_pct is None or 0 <= stored.battery_pct <= 100


@pytest.mark.parametrize(
    ("ahead", "rate", "is_taken"),
    [
        (timedelta(minutes=15), 1.0, True),
        (timedelta(minutes=15, seconds=1), 1.0, False),
        (timedelta(hours=2), 4_320.0, True),  # two seconds of wall time at this rate
        (timedelta(hours=3), 4_320.0, False),
        (timedelta(minutes=15), 0.0, True),  # time stands still
    ],
)
def test_a_clock_may_be_ahead_by_a_little_and_by_what_a_message_takes(
    ahead: timedelta, rate: float, is_taken: bool
) -> None:
    reading = WireReading(at=NOW + ahead, register=1)
    limits = Limits.at(NOW_US, rate=rate)
    if is_taken:
        assert check(reading, meter=WATER, limits=limits).read_at_us == NOW_US + ahead // timedelta(microseconds=1)
        return
    with pytest.raises(Refused, match="clock_ahead"):
        check(reading, meter=WATER, limits=limits)


@given(register=st.integers(0, 10**9 - 1), scale=st.integers(-6, 6))
def test_a_total_is_the_register_exactly(register: int, scale: int) -> None:
    meter = Meter(1, "W-0001", "water", "m3", scale, 9, frozenset())
    reading = TotalReading(at=NOW, unit="m3", total=Decimal(register).scaleb(scale))
    assert check(reading, meter=meter, limits=LIMITS).register == register


@pytest.mark.parametrize(
    ("total", "unit", "reason"),
    [
        ("1.0005", "m3", "unit_mismatch"),  # finer than a litre: nothing is rounded
        ("1", "kWh", "unit_mismatch"),
        ("1000000", "m3", "out_of_range"),
        ("-1", "m3", "out_of_range"),
        ("1e99999", "m3", "out_of_range"),
    ],
)
def test_a_total_that_is_not_on_the_register_is_refused(total: str, unit: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        check(TotalReading(at=NOW, unit=unit, total=Decimal(total)), meter=WATER, limits=LIMITS)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("before", "after", "is_so"),
    [
        (500_000, 500_001, False),
        (500_000, 499_000, False),  # a litre too many, a thousand: it swings back
        (500_000, 498_999, True),
        (999_999_000, 500, False),  # it rolled over
        (500_000_000, 499_000_000, True),
        (950_000_000, 10_000, False),
        (800_000_000, 0, True),  # a fifth of the range is no rollover
    ],
)
def test_a_register_that_falls_is_backwards_unless_it_rolled_over(before: int, after: int, is_so: bool) -> None:
    assert is_backwards(row(after), meter=WATER, baseline=Baseline(NOW_US - 1, before)) is is_so


def test_late_data_and_readings_without_register_are_never_backwards() -> None:
    baseline = Baseline(NOW_US, 900)
    assert not is_backwards(row(0, NOW_US - 1), meter=WATER, baseline=baseline)
    assert not is_backwards(row(None, NOW_US + 1), meter=WATER, baseline=baseline)
    assert not is_backwards(row(0), meter=WATER, baseline=None)


@pytest.mark.parametrize(
    ("registers", "readings"),
    [
        ((10,), 1),
        ((10, 11, 12, 13), 4),
        ((10, 11, 11, 11), 2),  # a meter in error that shows one number for ever is not believed
        ((10, 11, 5, 6), 2),
    ],
)
def test_lower_registers_count_while_each_is_higher_than_the_last(registers: tuple[int, ...], readings: int) -> None:
    fall = None
    for number, register in enumerate(registers):
        fall = fall_with(row(register, NOW_US + number), before=fall)
        assert fall_with(row(register, NOW_US + number), before=fall) == fall  # sent again
    assert fall is not None
    assert fall.readings == readings


@given(st.integers())
def test_any_number_of_microseconds_is_some_instant(number: int) -> None:
    assert from_us(number).tzinfo is UTC
