"""Registers that stand still: with flow, with voltage, for longer than a holiday."""

import numpy as np
import pytest

from ingest_gateway.domain.checking.meters import APARTMENT_BLOCK, COMMERCIAL, ELECTRICITY, RESIDENTIAL
from ingest_gateway.domain.checking.quiet import QuietSpan
from ingest_gateway.domain.detectors.stuck_meter import StuckMeter
from tests.unit.ingest_gateway.detectors.homes import DAY_S, START, Homes, begun, hours_after


def test_a_register_that_stands_while_flow_is_reported_is_stuck_after_two_days_and_a_half() -> None:
    homes = Homes(20, count=3)
    homes.flow[:] = homes.use
    homes.still[homes.span(12, 18)] = True
    opened, ended = [one for one in homes.found(StuckMeter()) if one.outlet == "ticket"]
    assert opened.evidence["rule"] == "frozen"
    assert 60 <= hours_after(12, opened) < 75
    assert not ended.opened
    assert 0 <= hours_after(18, ended) < 15


@pytest.mark.parametrize(("flow_lph", "expected"), [(0.0, 0), (0.1, 0), (40.0, 1)])
def test_it_takes_flow_that_would_have_moved_the_register(flow_lph: float, expected: int) -> None:
    homes = Homes(18, count=3)
    homes.still[homes.span(12, 18)] = True
    homes.flow[homes.span(12, 18)] = flow_lph
    assert len(begun(homes.found(StuckMeter()))) == expected


@pytest.mark.parametrize(("days", "expected"), [(15.5, 0), (17.0, 1)])
def test_a_home_is_empty_for_a_holiday_and_stuck_after_it(days: float, expected: int) -> None:
    homes = Homes(32, count=2)
    homes.use[homes.span(12, 12 + days)] = 0
    findings = homes.found(StuckMeter())
    assert len(begun(findings)) == expected
    assert len(begun(findings, outlet="watch")) == 1, "half a holiday is watched"


@pytest.mark.parametrize(("segment", "least_h", "most_h"), [(APARTMENT_BLOCK, 48, 60), (COMMERCIAL, 60, 200)])
def test_where_people_are_many_or_at_work_no_use_is_told_sooner(segment: int, least_h: float, most_h: float) -> None:
    homes = Homes(24, count=8, columns={"segment": np.array([segment, *[RESIDENTIAL] * 7])})
    if segment == APARTMENT_BLOCK:
        homes.use[:, 0] = homes.use[:, 1:].sum(axis=1) + 5
    homes.use[homes.span(14, 24)] = 0
    (finding,) = begun(homes.found(StuckMeter()))
    assert least_h <= hours_after(14, finding) < most_h


def test_a_home_that_is_often_empty_is_not_stuck() -> None:
    homes = Homes(40, count=2)
    for week in range(3):
        homes.use[homes.span(7 * week, 7 * week + 5)] = 0
    homes.use[homes.span(21, 40)] = 0
    assert begun(homes.found(StuckMeter())) == []


def test_gaps_are_no_standstill() -> None:
    homes = Homes(34, count=2)
    homes.heard[homes.span(12, 30)] = False
    homes.heard[homes.at(12) : homes.at(30) : 200, 0] = True
    assert begun(homes.found(StuckMeter())) == []


@pytest.mark.parametrize(
    ("volts", "days", "expected"), [(230.0, 4.5, 0), (230.0, 6.0, 1), (0.0, 6.0, 0), (np.nan, 6.0, 0)]
)
def test_electricity_is_always_drawn_where_there_is_voltage(volts: float, days: float, expected: int) -> None:
    homes = Homes(20, count=2, service=ELECTRICITY)
    homes.use[homes.span(12, 12 + days)] = 0
    homes.volts[homes.span(12, 12 + days)] = volts
    assert len(begun(homes.found(StuckMeter()))) == expected


def test_a_home_that_lives_on_its_own_sun_is_not_stuck() -> None:
    homes = Homes(20, count=2, service=ELECTRICITY)
    homes.use[homes.span(12, 18)] = 0
    homes.export[homes.span(12, 18)] = 40
    assert begun(homes.found(StuckMeter())) == []


def test_nothing_begins_while_the_supply_is_closed() -> None:
    homes = Homes(32, count=2)
    homes.use[homes.span(12, 30)] = 0
    span = QuietSpan("meter", 1, START + 11 * DAY_S, START + 31 * DAY_S)
    assert homes.found(StuckMeter(), quiet=[span]) == []
