"""Bursts, leaks, low pressure and closed valves are told apart, and from what a network does by itself."""

from dataclasses import replace

import numpy as np
import pytest

from ingest_gateway.domain.checking.quiet import QuietSpan
from ingest_gateway.domain.detectors.water_network import WaterNetwork
from tests.unit.ingest_gateway.detectors.water_stream import Layout, Water, begun, ended, found_in

HOURLY = Layout()
HALF_HOURLY = Layout(interval_s=1_800, zones=2, days=1, warm_days=11)
NO_INLETS = replace(HOURLY, inlets=False)
ONE_ZONE = replace(HOURLY, zones=1)


def test_a_network_as_usual_raises_nothing() -> None:
    assert found_in(Water(HOURLY), WaterNetwork) == []


@pytest.mark.parametrize("layout", [HOURLY, ONE_ZONE], ids=["three zones", "one zone"])
def test_a_zone_that_takes_much_more_at_once_has_a_burst_until_it_is_mended(layout: Layout) -> None:
    water = Water(layout)
    water.inflow_lph[water.during(10, 30), 0] += 20_000
    found = found_in(water, WaterNetwork)
    first = found[0]
    assert (first.kind, first.scope, first.place_id, first.opened) == ("pipe_burst", "zone", 1, True)
    assert first.at_s <= water.at_s(14) + 300
    assert first.meter_ids == (1,), "the zone's inlet"
    assert first.evidence["excess_lph"] > 5_000
    kinds = [one.kind for one in found if one.opened]
    assert set(kinds) <= {"pipe_burst", "slow_leak"}
    assert kinds.count("pipe_burst") == 1
    assert len(ended(found)) == len(kinds), "all is over once it is mended"


def test_a_burst_that_lasts_goes_on_as_a_leak_and_another_one_shows_on_top_of_it() -> None:
    water = Water(HOURLY)
    water.inflow_lph[water.during(10, 86), 1] += 25_000
    water.inflow_lph[water.during(50, 46), 1] += 25_000
    found = found_in(water, WaterNetwork)
    assert [one.kind for one in found if one.opened] == ["pipe_burst", "slow_leak", "pipe_burst"]
    assert (found[1].kind, found[1].opened) == ("pipe_burst", False)
    assert found[2].at_s == found[1].at_s, "handed over at one instant"


def test_a_zone_that_takes_ever_more_for_days_leaks_slowly() -> None:
    water = Water(replace(HOURLY, days=8))
    hours = np.arange(8 * 24)
    water.inflow_lph[water.during(0, 8 * 24), 2] += 12_000 * np.minimum(hours / 96, 1)
    found = found_in(water, WaterNetwork)
    assert begun(found)[0] == ("slow_leak", "zone", 3)
    assert {one.place_id for one in found} == {3}
    assert found[0].at_s < water.at_s(96)


def test_a_hot_week_of_all_zones_is_no_leak() -> None:
    water = Water(HOURLY)
    water.inflow_lph[water.during(8, 80)] *= 1.3
    assert found_in(water, WaterNetwork) == []


def test_a_public_holiday_is_no_burst() -> None:
    water = Water(HOURLY)
    day = water.during(48, 24)  # a Wednesday
    hour = np.arange(24.0)
    plain = np.zeros(24, dtype=np.bool_)
    water.inflow_lph[day] *= (water.shape(hour, off=~plain) / water.shape(hour, off=plain))[:, None]
    assert found_in(water, WaterNetwork) == []


@pytest.mark.parametrize(("fall_kpa", "found"), [(8, []), (45, [("pressure_sag", "zone", 2)])])
def test_a_zone_whose_pressure_falls_alone_has_low_pressure_from_a_limit_on(
    fall_kpa: float, found: list[tuple[str, str, int]]
) -> None:
    water = Water(HOURLY)
    water.pressure_kpa[water.during(30, 5), water.gauges_of(2)[:, None]] -= fall_kpa
    assert begun(found_in(water, WaterNetwork)) == found


@pytest.mark.parametrize("layout", [HOURLY, NO_INLETS], ids=["with inlets", "without"])
def test_low_pressure_of_several_zones_is_one_finding_that_names_the_worst(layout: Layout) -> None:
    water = Water(layout)
    when = water.during(30, 5)
    water.pressure_kpa[when, water.gauges_of(1)[:, None]] -= 60
    water.pressure_kpa[when, water.gauges_of(2)[:, None]] -= 140
    found = found_in(water, WaterNetwork)
    assert begun(found) == [("pressure_sag", "zone", 2)]
    assert ended(found) == [("pressure_sag", "zone", 2)]
    assert found[0].at_s == water.at_s(30) + 300, "at the first early tick of meters that report hourly"
    assert set(found[0].meter_ids) == set((water.gauges_of(1, 2) + 1).tolist())
    assert found[0].evidence["zone_ids"] == [1, 2]


def test_pressure_that_is_almost_gone_is_a_closed_valve_even_if_other_inlets_take_more() -> None:
    water = Water(HOURLY)
    when = water.during(30, 5)
    water.pressure_kpa[when, water.gauges_of(3)[:, None]] *= 0.1
    water.inflow_lph[when, 2] = 0
    water.inflow_lph[when, 0] *= 1.5
    assert begun(found_in(water, WaterNetwork))[0] == ("valve_closure", "zone", 3)


def test_pressure_that_falls_while_an_inlet_takes_much_more_is_a_burst_there() -> None:
    water = Water(HOURLY)
    water.pressure_kpa[water.during(31, 20), water.gauges_of(1, 2)[:, None]] -= 50
    water.inflow_lph[water.during(31, 20), 1] += 40_000
    found = found_in(water, WaterNetwork)
    assert begun(found)[0] == ("pipe_burst", "zone", 2)
    assert not [one for one in found if one.kind in ("pressure_sag", "valve_closure")]


@pytest.mark.parametrize(("samples", "begins"), [(1, 0), (2, 1)])
def test_pressure_that_is_told_often_must_be_low_in_two_samples(samples: int, begins: int) -> None:
    water = Water(HALF_HOURLY)
    water.pressure_kpa[water.during(12, samples / 2), water.gauges_of(1)[:, None]] -= 120
    assert len(begun(found_in(water, WaterNetwork))) == begins


def test_planned_work_in_a_zone_is_no_trouble_there() -> None:
    water = Water(HOURLY)
    when = water.during(30, 4)
    water.pressure_kpa[when, water.gauges_of(2)[:, None]] *= 0.1
    water.inflow_lph[when, 1] *= 3
    quiet = [QuietSpan("zone", 2, water.at_s(29), water.at_s(34))]
    assert found_in(water, WaterNetwork, quiet=quiet) == []
    assert found_in(water, WaterNetwork) != []


def test_meters_that_are_not_heard_raise_nothing() -> None:
    water = Water(HOURLY)
    water.heard[water.during(20, 9)][:, water.zone == 2] = False
    water.heard[water.during(40, 2)] = False
    assert found_in(water, WaterNetwork) == []


def test_one_gauge_that_shows_nonsense_is_no_trouble_of_the_zone() -> None:
    water = Water(HOURLY)
    water.pressure_kpa[water.during(20, 30), water.gauges_of(2)[0]] = 3.0
    assert found_in(water, WaterNetwork) == []


def test_a_network_without_gauges_or_inlets_raises_nothing() -> None:
    water = Water(NO_INLETS)
    water.pressure_kpa[water.during(0, 96)] = np.nan
    assert found_in(water, WaterNetwork) == []
