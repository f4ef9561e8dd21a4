"""Registers at the ends of a bill, and what they add up to."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rating_engine.domain.cycles import CycleUnusable, cycle_of, days_in, ended_periods, month_labels
from rating_engine.domain.ledger import EntryUnbalanced, JournalEntry, JournalLine
from rating_engine.domain.segments import MeterSpan, RegisterMissing, UseBefore, segment
from rating_engine.domain.tariff import QuantityRule
from rating_engine.domain.use import RegisterPoint, Segment, UnitMismatch, billed_quantity, exact_use

START = datetime(2026, 1, 31, 15, tzinfo=UTC)
END = START + timedelta(days=59)
WHOLE_M3 = QuantityRule(unit="m3", decimals=0, mode="down", of="registers")
TOKYO = ZoneInfo("Asia/Tokyo")


def point(register: int, *, method: str = "read", at: datetime = START) -> RegisterPoint:
    return RegisterPoint(register, at.isoformat(), method)  # type: ignore[arg-type]


def counted(opening: int, closing: int, *, unit: str = "m3") -> Segment:
    return Segment(1, "W-1", unit, -3, 6, point(opening), point(closing))


def span(**changes: object) -> MeterSpan:
    given_: dict[str, object] = {
        "meter_id": 1, "serial": "W-1", "unit": "m3", "scale": -3, "digits": 6, "start": START, "end": END,
        "installed_register": None, "removed_register": None,
    }  # fmt: skip
    return MeterSpan(**(given_ | changes))  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 400_000), min_size=1, max_size=30), st.integers(0, 999_999))
def test_bills_of_years_add_up_to_what_the_dial_shows(uses: list[int], start: int) -> None:
    registers = [start]
    for used in uses:
        registers.append(registers[-1] + used)
    segments = [counted(one % 10**6, other % 10**6) for one, other in pairwise(registers)]
    assert sum(billed_quantity([one], rule=WHOLE_M3) for one in segments) == registers[-1] // 1000 - start // 1000
    assert sum(exact_use([one])[0] for one in segments) == sum(uses)


def test_a_meter_in_another_unit_is_not_billed() -> None:
    with pytest.raises(UnitMismatch):
        billed_quantity([counted(0, 10, unit="gal")], rule=WHOLE_M3)


def test_the_closing_register_of_the_bill_before_opens_the_next() -> None:
    registers = {(1, START): point(5), (1, END): point(900, at=END)}
    found, notes = segment(span(), registers=registers, handed_over=point(7), before=None)
    assert (found.opening.register, found.closing.register, notes) == (7, 900, ())


def test_a_reading_older_than_the_opening_does_not_close_a_bill() -> None:
    registers = {(1, START): point(5), (1, END): point(4, at=START - timedelta(days=1))}
    with pytest.raises(RegisterMissing):
        segment(span(), registers=registers, handed_over=None, before=None)


def test_an_estimate_goes_by_the_use_of_a_day_before() -> None:
    before = UseBefore(unit="m3", units=60_000, scale=-3, days=61, bills=1)
    found, notes = segment(span(), registers={(1, START): point(0)}, handed_over=None, before=before)
    assert found.closing == point(58_033, method="estimated", at=END)
    assert notes == ("estimated|W-1|1|61|59",)


def test_an_estimate_rolls_over_as_the_meter_would() -> None:
    before = UseBefore(unit="m3", units=59_000, scale=-3, days=59, bills=1)
    found, _ = segment(span(), registers={(1, START): point(990_000)}, handed_over=None, before=before)
    assert (found.closing.register, exact_use([found])) == (49_000, (59_000, -3))


def test_cycles_end_in_each_districts_months() -> None:
    settings = {"cycles": {"water": {"months": 2, "offset": {"D1": 0, "D2": 1}}}}
    at = datetime(2026, 6, 30, tzinfo=UTC)
    ends = {}
    for district in ("D1", "D2"):
        cycle = cycle_of(settings, service="water", district_code=district)
        assert cycle is not None
        periods = list(ended_periods(cycle, zone=TOKYO, since=date(2026, 1, 1), at=at))
        ends[district] = [month_labels(one, zone=TOKYO, count=2) for one in periods]
        assert days_in(periods[0], zone=TOKYO) in (59, 61)
    assert ends == {
        "D1": [("2026-02", "2026-03"), ("2026-04", "2026-05")],
        "D2": [("2026-01", "2026-02"), ("2026-03", "2026-04")],
    }
    assert cycle_of(settings, service="electricity", district_code="D1") is None
    with pytest.raises(CycleUnusable):
        cycle_of({"cycles": {"water": {"months": "two"}}}, service="water", district_code="D1")


def test_an_entry_that_does_not_sum_to_zero_cannot_be_made() -> None:
    with pytest.raises(EntryUnbalanced, match="sum to 1"):
        JournalEntry("x", "payment", START, (JournalLine("cash", 100), JournalLine("bank", -99)))
