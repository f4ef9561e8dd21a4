"""A drifting gauge is told apart from a zone whose pressure changes."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from ingest_gateway.domain.detectors.pressure_drift import PressureDrift
from tests.unit.ingest_gateway.detectors.water_stream import Layout, Water, begun, ended, found_in

LAYOUT = Layout(zones=2, warm_days=14, days=8, inlets=False)
GAUGE = 2


def ramp(layout: Layout, *, kpa_per_day: float) -> NDArray[np.float64]:
    return kpa_per_day * np.arange(layout.days * layout.per_day) / layout.per_day


@pytest.mark.parametrize("share_per_day", [0.02, -0.015])
def test_a_gauge_that_drifts_is_found_within_four_days(share_per_day: float) -> None:
    water = Water(LAYOUT)
    usual = water.pressure_kpa[:, GAUGE].mean()
    water.pressure_kpa[water.during(0, 8 * 24), GAUGE] += ramp(LAYOUT, kpa_per_day=share_per_day * usual)
    found = found_in(water, PressureDrift)
    assert begun(found) == [("sensor_drift", "meter", GAUGE + 1)]
    assert found[0].at_s <= water.at_s(96)
    assert np.sign(found[0].evidence["away_kpa"]) == np.sign(share_per_day)


def test_a_drift_of_less_than_the_limit_is_none() -> None:
    water = Water(LAYOUT)
    water.pressure_kpa[water.during(0, 8 * 24), GAUGE] += np.minimum(ramp(LAYOUT, kpa_per_day=4), 8)
    assert found_in(water, PressureDrift) == []


def test_a_zone_that_changes_as_a_whole_has_no_drift() -> None:
    water = Water(LAYOUT)
    water.pressure_kpa[water.during(0, 8 * 24), water.gauges_of(1)] += ramp(LAYOUT, kpa_per_day=8)[:, None]
    assert found_in(water, PressureDrift) == []


def test_a_gauge_that_goes_apart_at_once_goes_to_the_watch_list() -> None:
    water = Water(LAYOUT)
    water.pressure_kpa[water.during(30, 120), GAUGE] += 60
    found = found_in(water, PressureDrift)
    assert begun(found) == []
    assert begun(found, outlet="watch") == [("sensor_drift", "meter", GAUGE + 1)]


def test_half_a_day_apart_is_no_drift() -> None:
    water = Water(LAYOUT)
    water.pressure_kpa[water.during(30, 12), GAUGE] -= 150
    assert found_in(water, PressureDrift) == []


def test_a_drift_ends_when_the_gauge_shows_what_the_others_do() -> None:
    layout = replace(LAYOUT, days=11)
    water = Water(layout)
    water.pressure_kpa[water.during(0, 7 * 24), GAUGE] += ramp(replace(layout, days=7), kpa_per_day=9)
    found = found_in(water, PressureDrift)
    assert len(begun(found)) == 1
    assert ended(found) == begun(found)


def test_gaps_are_no_drift() -> None:
    water = Water(LAYOUT)
    water.heard[water.during(20, 30), GAUGE] = False
    water.heard[water.during(60, 20)] = False
    assert found_in(water, PressureDrift) == []
