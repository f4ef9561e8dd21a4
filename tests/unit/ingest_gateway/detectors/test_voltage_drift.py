"""A voltage sensor that drifts is told apart from steps, loads, and what its whole zone does."""

import numpy as np
import pytest

from ingest_gateway.domain.checking.quiet import QuietSpan
from ingest_gateway.domain.detectors.order import median_of_known
from ingest_gateway.domain.detectors.voltage_drift import VoltageDrift
from tests.unit.ingest_gateway.detectors.power_stream import START, Table, begun, found_in

HOURS = 24
LEARNT, DRIFTING = 12, 8  # days


def days(count: int = LEARNT + DRIFTING, *, meters: int = 8) -> Table:
    return Table(slots=count * HOURS, meters=meters, interval_s=3600)


def ramp(share_a_day: float) -> np.ndarray:
    drift = np.arange(DRIFTING * HOURS) / HOURS * share_a_day
    return np.concatenate([np.ones(LEARNT * HOURS), 1 + drift])


@pytest.mark.parametrize("share_a_day", [0.003, 0.005, -0.003])
def test_a_drift_of_some_tenths_of_a_percent_a_day_is_found_within_four_days(share_a_day: float) -> None:
    table = days()
    table.v1[:, 3] *= ramp(share_a_day)
    found = found_in(table, VoltageDrift())
    assert begun(found) == [("sensor_drift", "meter", 4)]
    assert found[0].at_s <= START + (LEARNT + 4) * 86_400
    assert np.sign(found[0].evidence["off_share"]) == np.sign(share_a_day)
    assert abs(found[0].evidence["off_share"]) > found[0].evidence["limit_share"]


@pytest.mark.parametrize("share_a_day", [0.0, 0.0003])
def test_what_a_good_sensor_does_in_a_year_is_no_drift(share_a_day: float) -> None:
    table = days()
    table.v1[:, 3] *= ramp(share_a_day)
    assert found_in(table, VoltageDrift()) == []


@pytest.mark.parametrize("hour", [0, 8, 12, 20])
def test_a_step_is_no_drift(hour: int) -> None:
    table = days()
    table.v1[LEARNT * HOURS + hour :, 3] *= 0.985  # a load that came for good
    assert found_in(table, VoltageDrift()) == []


def test_what_the_whole_zone_does_is_no_drift_of_its_meters() -> None:
    table = days()
    table.v1 *= ramp(0.004)[:, None]
    assert found_in(table, VoltageDrift()) == []


def test_a_load_of_some_hours_a_day_is_no_drift() -> None:
    table = days()
    charging = np.tile(np.arange(HOURS) < 8, LEARNT + DRIFTING) & (np.arange(table.slots) > LEARNT * HOURS)
    table.v1[:, 3] *= np.where(charging, 0.97, 1.0)
    assert found_in(table, VoltageDrift()) == []


def test_a_drifting_sensor_in_a_small_zone_does_not_accuse_its_neighbours() -> None:
    table = days(meters=4)
    table.v1[:, 3] *= ramp(-0.005)
    assert begun(found_in(table, VoltageDrift())) == [("sensor_drift", "meter", 4)]


def test_of_two_meters_nobody_can_say_which_drifts() -> None:
    table = days(meters=2)
    table.v1[:, 1] *= ramp(0.005)
    found = found_in(table, VoltageDrift())
    assert begun(found) == []
    assert {kind for kind, _, _ in begun(found, outlet="watch")} <= {"sensor_drift"}


def test_meters_that_do_not_move_together_raise_no_ticket() -> None:
    table = days(30)
    random = np.random.default_rng(5)
    table.v1 *= 1 + np.cumsum(random.normal(0, 0.002, table.v1.shape), axis=0)
    assert begun(found_in(table, VoltageDrift())) == []


def test_a_lost_phase_is_no_drift() -> None:
    table = days()
    table.three_phases()
    table.v2[LEARNT * HOURS : LEARNT * HOURS + 30, 3] *= 0.2
    assert found_in(table, VoltageDrift()) == []


def test_gaps_of_days_are_no_drift_and_do_not_hide_one() -> None:
    table = days()
    table.v1[:, 3] *= ramp(0.005)
    table.heard[4 * HOURS : 6 * HOURS, 3] = table.heard[(LEARNT + 1) * HOURS : LEARNT * HOURS + 30, 3] = False
    assert begun(found_in(table, VoltageDrift())) == [("sensor_drift", "meter", 4)]


def test_it_ends_three_days_after_the_sensor_was_mended() -> None:
    table = days(LEARNT + DRIFTING + 6)
    table.v1[: (LEARNT + DRIFTING) * HOURS, 3] *= ramp(0.004)
    found = found_in(table, VoltageDrift())
    assert [one.opened for one in found] == [True, False]
    assert found[1].at_s >= START + (LEARNT + DRIFTING + 3) * 86_400


def test_nothing_begins_at_a_meter_that_is_exchanged() -> None:
    table = days()
    table.v1[:, 3] *= ramp(0.004)
    work = QuietSpan("meter", 4, START + LEARNT * 86_400, START + (LEARNT + DRIFTING) * 86_400)
    assert found_in(table, VoltageDrift(), quiet=[work]) == []


def test_the_median_counts_only_what_is_known() -> None:
    nan = np.nan
    table = np.array([[3.0, 1.0, 2.0], [nan, 4.0, 2.0], [nan, 7.0, nan], [nan, nan, nan]])
    assert median_of_known(table).tolist()[:3] == [2.0, 3.0, 7.0]
    assert np.isnan(median_of_known(table)[3])
