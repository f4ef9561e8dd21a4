"""Silent meters and lost concentrators."""

import numpy as np
import pytest

from ingest_gateway.domain.checking.meters import NOWHERE
from ingest_gateway.domain.checking.quiet import QuietSpan
from ingest_gateway.domain.detectors.concentrator_lost import ConcentratorLost
from ingest_gateway.domain.detectors.silent_meter import SilentMeter
from tests.unit.ingest_gateway.detectors.power_stream import START, Table, begun, found_in, told

HOUR = 3600
GONE = 30  # the hour with which the silence begins


def hourly(slots: int = 140, **columns: object) -> Table:
    return Table(slots=slots, meters=12, interval_s=HOUR, columns=dict(columns))


@pytest.mark.parametrize(("hours", "expected"), [(30, []), (34, []), (40, [("silent_meter", "meter", 4)])])
def test_a_meter_is_silent_after_a_day_and_a_half(hours: int, expected: list[tuple[str, str, int]]) -> None:
    table = hourly()
    table.heard[GONE : GONE + hours, 3] = False
    assert begun(found_in(table, SilentMeter())) == expected


def test_it_ends_when_the_meter_is_heard_again_and_one_stray_reading_does_not_end_it() -> None:
    table = hourly()
    table.heard[GONE : GONE + 60, 3] = False
    table.heard[GONE + 50, 3] = True
    found = found_in(table, SilentMeter())
    assert told(found) == [("silent_meter", "meter", 4, "begins"), ("silent_meter", "meter", 4, "ends")]
    assert found[1].at_s > START + (GONE + 60) * HOUR
    assert found[0].evidence["silent_h"] == pytest.approx(36)


def test_a_meter_that_is_often_silent_for_long_is_given_longer() -> None:
    table = hourly(slots=200)
    table.heard[20:50, 3] = False  # 30 hours, so 60 are nothing new
    table.heard[80:135, 3] = False
    assert found_in(table, SilentMeter()) == []


def test_meters_behind_a_silent_concentrator_are_not_silent_meters() -> None:
    table = hourly(gateway_id=np.repeat([1, 2], 6))
    table.heard[GONE : GONE + 60, :6] = False
    assert found_in(table, SilentMeter()) == []


def test_a_meter_that_was_never_heard_is_not_silent() -> None:
    table = hourly()
    table.heard[:, 3] = False
    assert found_in(table, SilentMeter()) == []


def test_without_a_known_concentrator_the_zone_tells_whether_the_way_is_open() -> None:
    alone, together = hourly(gateway_id=NOWHERE), hourly(gateway_id=NOWHERE)
    alone.heard[GONE : GONE + 60, 3] = False
    together.heard[GONE : GONE + 60] = False
    assert begun(found_in(alone, SilentMeter())) == [("silent_meter", "meter", 4)]
    assert found_in(together, SilentMeter()) == []


def test_a_meter_that_is_exchanged_is_not_silent() -> None:
    table = hourly()
    table.heard[GONE : GONE + 60, 3] = False
    assert found_in(table, SilentMeter(), quiet=[QuietSpan("meter", 4, START, START + 140 * HOUR)]) == []


def behind_two(zones: object) -> Table:
    return Table(slots=120, meters=12, columns={"zone_id": zones, "gateway_id": np.repeat([1, 2], 6)})


def test_a_concentrator_is_lost_when_its_meters_are_silent_for_an_hour_and_their_neighbours_are_not() -> None:
    table = behind_two(np.tile([1, 2], 6))
    table.heard[60:80, :6] = False
    found = found_in(table, ConcentratorLost())
    assert told(found) == [("concentrator_lost", "gateway", 1, "begins"), ("concentrator_lost", "gateway", 1, "ends")]
    assert found[0].at_s == START + 63 * 900 + 300
    assert found[0].since_s == START + 60 * 900
    assert found[0].evidence["silent_meters"] == 6


@pytest.mark.parametrize(("slots", "lost"), [(3, False), (4, True)])
def test_a_short_silence_is_none(slots: int, lost: bool) -> None:
    table = behind_two(np.tile([1, 2], 6))
    table.heard[60 : 60 + slots, :6] = False
    assert bool(found_in(table, ConcentratorLost())) is lost


def test_a_zone_without_supply_is_no_lost_concentrator() -> None:
    table = behind_two(np.array([1, 1, 1, 1, 1, 2, 1, 1, 1, 2, 2, 2]))
    table.heard[60:80, np.array([1, 1, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0], dtype=bool)] = False
    assert found_in(table, ConcentratorLost()) == []


def test_meters_that_gasped_do_not_count_against_the_concentrator() -> None:
    table = behind_two(np.repeat([1, 2], 6))
    table.v1[60, :6] = 0
    table.heard[61:80, :6] = False
    assert found_in(table, ConcentratorLost()) == []


def test_two_meters_are_too_few_to_tell_of_a_concentrator() -> None:
    table = Table(slots=120, meters=12, columns={"gateway_id": np.array([1, 1, *[2] * 10])})
    table.heard[60:80, :2] = False
    assert found_in(table, ConcentratorLost()) == []
