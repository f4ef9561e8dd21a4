"""Backflow: what is told at once, and what is only a register that stepped back."""

import numpy as np
import pytest

from ingest_gateway.domain.checking.quiet import QuietSpan
from ingest_gateway.domain.detectors.backflow import Backflow
from tests.unit.ingest_gateway.detectors.homes import DAY_S, START, Homes, begun, hours_after

QUARTER = 900


def quarter_hours(days: int = 2, **columns: object) -> Homes:
    homes = Homes(days, count=3, interval_s=QUARTER, columns=dict(columns))
    homes.flow[:] = homes.use * 4
    return homes


def backwards(homes: Homes, *, slots: int, lph: float, first: int = 20, flow: bool = True) -> None:
    homes.use[first : first + slots, 0] = -lph / 4
    homes.flow[first : first + slots, 0] = -lph if flow else 0


def test_water_that_runs_back_is_told_minutes_after_the_first_reading_that_shows_it() -> None:
    homes = quarter_hours()
    backwards(homes, slots=6, lph=120)
    (finding,) = begun(homes.found(Backflow()))
    assert finding.at_s == START + 21 * QUARTER + 300
    assert finding.since_s == START + 20 * QUARTER
    assert finding.evidence["rate_lph"] == pytest.approx(120, rel=0.05)


@pytest.mark.parametrize(
    ("lph", "slots", "resolution", "pulse", "expected"),
    [
        (120.0, 1, 1.0, False, 1),  # two witnesses
        (120.0, 1, 10.0, True, 0),  # three digits, once
        (120.0, 2, 10.0, True, 1),  # twice
        (400.0, 1, 10.0, True, 1),  # ten digits, once
        (8.0, 4, 1.0, False, 0),  # below the least flow
    ],
)
def test_how_often_it_must_be_seen_depends_on_the_witnesses(
    lph: float, slots: int, resolution: float, pulse: bool, expected: int
) -> None:
    homes = quarter_hours(mean_flow=pulse)
    homes.resolution = resolution
    homes.use[:, 0], homes.flow[:, 0] = 0, 0
    backwards(homes, slots=slots, lph=lph)
    assert len(begun(homes.found(Backflow()))) == expected


@pytest.mark.parametrize("litres", [1, 3, 60])
def test_a_register_that_steps_back_while_no_flow_is_reported_backwards_is_no_backflow(litres: int) -> None:
    homes = quarter_hours()
    homes.use[20, 0] = -litres
    homes.flow[20, 0] = 0
    assert homes.found(Backflow()) == []


def test_a_reading_of_another_meter_is_no_backflow() -> None:
    homes = quarter_hours(mean_flow=True)
    homes.use[20, 0], homes.use[21, 0] = 800_000, -800_000
    homes.flow[20, 0], homes.flow[21, 0] = 3_200_000, -3_200_000
    assert homes.found(Backflow()) == []


def test_episodes_within_two_days_are_one_and_it_ends_two_days_after_the_last() -> None:
    homes = quarter_hours(days=5)
    backwards(homes, slots=6, lph=120)
    backwards(homes, slots=6, lph=120, first=120)
    opened, ended = homes.found(Backflow())
    assert (opened.opened, ended.opened) == (True, False)
    assert hours_after(0, ended) == pytest.approx((126 * QUARTER + 2 * DAY_S) / 3600, abs=0.5)
    assert ended.evidence["back_l"] == pytest.approx(360, rel=0.05)


def test_nothing_begins_while_work_is_planned_there() -> None:
    homes = quarter_hours()
    backwards(homes, slots=6, lph=120)
    assert homes.found(Backflow(), quiet=[QuietSpan("meter", 1, START, START + DAY_S)]) == []


def test_inlets_of_zones_may_run_backwards() -> None:
    homes = quarter_hours(role=np.array([1, 0, 0]))
    backwards(homes, slots=6, lph=5_000)
    assert homes.found(Backflow()) == []
