"""A closed part of a zone is found by the meters that lost their pressure together."""

from dataclasses import replace

import numpy as np
import pytest

from ingest_gateway.domain.checking.quiet import QuietSpan
from ingest_gateway.domain.detectors.part_closure import PartClosure
from tests.unit.ingest_gateway.detectors.water_stream import Layout, Water, begun, ended, found_in

OFTEN = Layout(zones=2, interval_s=1_800, warm_days=2, days=1)
HOURLY = replace(OFTEN, interval_s=3_600)


def test_meters_that_lose_their_pressure_together_are_one_finding_that_lists_them_worst_first() -> None:
    water = Water(OFTEN)
    first, second, *_ = water.gauges_of(2)
    water.pressure_kpa[water.during(6, 5), first] *= 0.3
    water.pressure_kpa[water.during(6, 5), second] *= 0.1
    found = found_in(water, PartClosure)
    assert begun(found) == [("valve_closure", "meter", second + 1)]
    assert found[0].meter_ids == (second + 1, first + 1)
    assert found[0].at_s == water.at_s(6.5) + 300, "when a second sample agreed"
    assert found[0].since_s == water.at_s(6)
    assert ended(found) == [("valve_closure", "meter", second + 1)]
    assert found[1].at_s == water.at_s(11.5) + 300, "after an hour of usual pressure"


def test_a_gauge_that_speaks_without_a_pressure_shows_none() -> None:
    water = Water(OFTEN)
    water.pressure_kpa[water.during(6, 5), water.gauges_of(1)[:2]] = np.nan
    assert len(begun(found_in(water, PartClosure))) == 1


def test_gauges_that_are_not_heard_show_nothing() -> None:
    water = Water(OFTEN)
    water.heard[water.during(6, 5), water.gauges_of(1)[:2]] = False
    assert found_in(water, PartClosure) == []


@pytest.mark.parametrize(("left", "begins"), [(0.7, 0), (0.5, 1)])
def test_so_much_of_the_pressure_must_be_gone(left: float, begins: int) -> None:
    water = Water(OFTEN)
    water.pressure_kpa[water.during(6, 5), water.gauges_of(1)[:2]] *= left
    assert len(begun(found_in(water, PartClosure))) == begins


@pytest.mark.parametrize(("layout", "meters", "samples", "begins"), [
    (OFTEN, 2, 1, 0), (OFTEN, 2, 2, 1), (HOURLY, 2, 1, 0), (HOURLY, 2, 2, 1), (HOURLY, 3, 1, 1),
])  # fmt: skip
def test_one_sample_is_enough_of_three_meters_that_report_seldom(
    layout: Layout, meters: int, samples: int, begins: int
) -> None:
    water = Water(replace(layout, zones=3))
    lost = water.gauges_of(1, 2, 3)[[0, 4, 8][:meters]]  # apart from the middle of their zones
    water.pressure_kpa[water.during(6, samples * layout.interval_s / 3_600), lost] *= 0.1
    assert len(begun(found_in(water, PartClosure))) == begins


def test_one_meter_alone_goes_to_the_watch_list_after_an_hour() -> None:
    water = Water(OFTEN)
    water.pressure_kpa[water.during(6, 5), water.gauges_of(1)[0]] *= 0.1
    found = found_in(water, PartClosure)
    assert begun(found) == []
    assert begun(found, outlet="watch") == [("valve_closure", "meter", water.gauges_of(1)[0] + 1)]
    assert found[0].at_s > water.at_s(7)


def test_what_was_watched_becomes_a_ticket_when_others_lose_their_pressure_too() -> None:
    water = Water(OFTEN)
    water.pressure_kpa[water.during(6, 12), water.gauges_of(1)[0]] *= 0.1
    water.pressure_kpa[water.during(10, 8), water.gauges_of(1)[1]] *= 0.1
    found = found_in(water, PartClosure)
    assert [(one.outlet, one.opened) for one in found] == [
        ("watch", True), ("watch", False), ("ticket", True), ("ticket", False)
    ]  # fmt: skip


def test_a_whole_zone_without_pressure_is_no_closed_part() -> None:
    water = Water(OFTEN)
    water.pressure_kpa[water.during(6, 5), water.gauges_of(1)[:, None]] *= 0.1
    assert found_in(water, PartClosure) == []


def test_planned_work_closes_nothing_by_itself() -> None:
    water = Water(OFTEN)
    water.pressure_kpa[water.during(6, 5), water.gauges_of(1)[:2]] *= 0.1
    quiet = [QuietSpan("zone", 1, water.at_s(5), water.at_s(12))]
    assert found_in(water, PartClosure, quiet=quiet) == []
