"""No supply is told apart from lost radio."""

import numpy as np
import pytest

from ingest_gateway.domain.checking.meters import NOWHERE
from ingest_gateway.domain.checking.quiet import QuietSpan
from ingest_gateway.domain.detectors.outage import Outage
from tests.unit.ingest_gateway.detectors.power_stream import START, Table, begun, found_in, told

OUT = 60  # the slot with which an outage begins
LONG = 24
ZONES, WAYS = np.repeat([1, 2], 6), np.tile([1, 2, 3], 4)  # two transformers, three concentrators that serve both


def supply(*, zones: object = ZONES, ways: object = WAYS, slots: int = OUT + LONG + 12, interval_s: int = 900) -> Table:
    columns = {"zone_id": zones, "gateway_id": ways}
    return Table(slots=slots, meters=12, interval_s=interval_s, columns=columns)


def dark(table: Table, rows: slice | int, *, first: int = OUT, slots: int = LONG) -> Table:
    """Take the supply away: nothing is told, nothing used."""
    table.heard[first : first + slots, rows] = False
    table.use[first : first + slots, rows] = 0
    return table


def test_a_zone_that_falls_silent_while_its_concentrators_are_heard_is_without_supply() -> None:
    found = found_in(dark(supply(), slice(0, 6)), Outage())
    assert told(found) == [("outage", "zone", 1, "begins"), ("outage", "zone", 1, "ends")]
    assert found[0].at_s == START + OUT * 900 + 300, "at the first early tick"
    assert len(found[0].meter_ids) == 6
    assert found[1].since_s == START + (OUT + LONG) * 900


def test_a_concentrator_that_falls_silent_is_no_outage() -> None:
    table = supply(ways=np.repeat([1, 2, 1, 2], 3))
    table.heard[OUT : OUT + LONG, WAYS == 1] = False
    table.heard[OUT : OUT + LONG, [0, 1, 2, 6, 7, 8]] = False
    assert found_in(table, Outage()) == []


def test_a_zone_with_a_lost_concentrator_of_its_own_is_no_outage_unless_a_last_gasp_says_so() -> None:
    lost, gasped = supply(ways=ZONES), supply(ways=ZONES)
    for table in (lost, gasped):
        table.heard[OUT : OUT + LONG, :6] = False
    gasped.heard[OUT, :2] = True
    gasped.v1[OUT, :2] = 0
    gasped.use[OUT : OUT + LONG, :6] = 0
    assert found_in(lost, Outage()) == []
    assert begun(found_in(gasped, Outage())) == [("outage", "zone", 1)]


def test_all_meters_silent_at_once_tells_nothing_of_the_supply() -> None:
    table = supply()
    table.heard[OUT : OUT + LONG] = False  # the network behind all concentrators; the registers went on
    assert found_in(table, Outage()) == []


def test_a_meter_that_lost_its_radio_is_no_outage() -> None:
    table = supply()
    table.heard[OUT : OUT + LONG, 2] = False
    assert found_in(table, Outage()) == []


def test_a_meter_that_gasped_and_fell_silent_is_without_supply_while_its_zone_is_not() -> None:
    table = dark(supply(), 2)
    table.heard[OUT, 2] = True
    table.v1[OUT, 2] = 0
    found = found_in(table, Outage())
    assert told(found) == [("outage", "meter", 3, "begins"), ("outage", "meter", 3, "ends")]
    assert found[0].at_s == START + (OUT + 1) * 900 + 300


def test_a_gasp_with_a_reading_after_it_was_a_flicker() -> None:
    table = supply()
    table.v1[OUT, 2] = 0
    assert found_in(table, Outage()) == []


def test_a_voltmeter_that_tells_nothing_while_its_register_moves_is_no_outage() -> None:
    table = supply()
    table.v1[OUT:, 2] = 0
    assert found_in(table, Outage()) == []


def test_a_feeder_of_three_zones_out_of_four_is_found_by_the_fourth() -> None:
    table = supply(zones=np.repeat([1, 2, 3, 4], 3), ways=1)
    found = found_in(dark(table, slice(0, 9)), Outage())
    assert sorted(begun(found)) == [("outage", "zone", zone) for zone in (1, 2, 3)]


def test_a_slot_of_which_half_is_still_on_its_way_is_no_outage_of_those_that_are_missing() -> None:
    table = supply()
    table.heard[OUT, [*range(6), 6, 7, 8]] = False
    assert found_in(table, Outage()) == []


@pytest.mark.parametrize("still_speaking", [0, 2])
def test_a_zone_is_dark_only_when_hardly_any_of_its_meters_speaks(still_speaking: int) -> None:
    found = found_in(dark(supply(), slice(still_speaking, 6)), Outage())
    assert begun(found) == ([("outage", "zone", 1)] if still_speaking == 0 else [])


def test_two_meters_of_a_small_zone_need_two_slots() -> None:
    zones = np.array([1, 1, *[2] * 10])
    found = found_in(dark(supply(zones=zones), slice(0, 2)), Outage())
    assert found[0].at_s == START + (OUT + 1) * 900 + 300
    assert found[0].since_s == START + OUT * 900


def test_meters_without_a_known_concentrator_are_compared_with_the_rest_of_their_network() -> None:
    found = found_in(dark(supply(ways=NOWHERE), slice(0, 6)), Outage())
    assert begun(found) == [("outage", "zone", 1)]


def test_planned_work_on_the_supply_is_no_outage() -> None:
    work = QuietSpan("zone", 1, START + (OUT - 1) * 900, START + (OUT + LONG) * 900)
    assert found_in(dark(supply(), slice(0, 6)), Outage(), quiet=[work]) == []


def test_readings_that_come_late_are_no_outage() -> None:
    table = supply()
    table.delay_s[OUT : OUT + 4] = 700  # a slow moment of the whole network
    assert found_in(table, Outage()) == []


def later(*, rows: slice | int, moved: bool) -> Table:
    """Make three days with ten hours of silence behind a concentrator of the zone's own."""
    table = supply(ways=ZONES, slots=84, interval_s=3600)
    table.heard[OUT : OUT + 10, :6] = False
    if not moved:
        table.use[OUT : OUT + 10, rows] = 0
    return table


def test_registers_that_stood_still_over_the_silence_tell_the_outage_afterwards() -> None:
    found = found_in(later(rows=slice(0, 6), moved=False), Outage())
    assert told(found) == [("outage", "zone", 1, "begins"), ("outage", "zone", 1, "ends")]
    assert found[0].at_s == START + (OUT + 10) * 3600 + 300
    assert found[0].since_s <= START + OUT * 3600
    assert found[0].evidence["moved_wh"] < 0.4 * found[0].evidence["least_wh"]


def test_registers_that_moved_over_the_silence_tell_that_there_was_supply() -> None:
    assert found_in(later(rows=slice(0, 6), moved=True), Outage()) == []


def test_an_outage_that_was_told_is_not_told_again_afterwards() -> None:
    table = dark(supply(slots=84, interval_s=3600), slice(0, 6), slots=10)
    assert begun(found_in(table, Outage())) == [("outage", "zone", 1)]


def test_one_register_that_stood_still_over_its_own_silence_goes_to_the_watch_list() -> None:
    table = dark(supply(slots=84, interval_s=3600), 2, slots=10)
    found = found_in(table, Outage())
    assert begun(found, outlet="watch") == [("outage", "meter", 3)]
    assert begun(found) == []
