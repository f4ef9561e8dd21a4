"""What zones are compared with: the middle of the others, and how high a statistic rises on usual days."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_gateway.domain.checking.meters import NOWHERE
from ingest_gateway.domain.checking.state import Arrays, fresh
from ingest_gateway.domain.checking.view import cohort_of
from ingest_gateway.domain.detectors import daily_peaks
from ingest_gateway.domain.detectors.zone_layout import GAUGES, SMALL_NETWORK, Layout, layout_of
from tests.unit.ingest_gateway.checking.fleet import meters

values = st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=16)


def layout_with(zones: int, *, network: object = 1) -> Layout:
    fleet = meters(zones, zone_id=np.arange(1, zones + 1), network_id=network)
    return layout_of(cohort_of(fleet, interval_s=900))


@settings(deadline=None, max_examples=40)
@given(values)
def test_the_middle_of_the_others_is_their_median(told: list[float]) -> None:
    value = np.array(told)
    middle, count = layout_with(len(told)).middle_of_others(value, np.ones(len(told)))
    for zone in range(len(told)):
        kept = value if len(told) > SMALL_NETWORK else np.delete(value, zone)
        others = kept[~np.isnan(kept)]
        assert count[zone] == len(others)
        assert np.isnan(middle[zone]) if len(others) == 0 else middle[zone] == pytest.approx(np.median(others))


def test_zones_of_other_networks_are_no_others() -> None:
    layout = layout_with(4, network=[1, 1, 2, NOWHERE])
    middle, count = layout.middle_of_others(np.array([1.0, 2.0, 3.0, 4.0]), np.ones(4))
    assert middle[:2].tolist() == [2.0, 1.0]
    assert count.tolist() == [1, 1, 0, 0]
    assert layout.in_network(np.array([True, False, False, False])).tolist() == [True, True, False, False]


def test_a_heavy_zone_weighs_more() -> None:
    middle, _ = layout_with(4).middle_of_others(np.array([0.0, 1.0, 2.0, 9.0]), np.array([1.0, 1.0, 1.0, 5.0]))
    assert middle[0] == 9.0


def test_inflow_is_known_when_all_inlets_are() -> None:
    fleet = meters(5, zone_id=[1, 1, 1, 2, 2], role=[1, 1, 0, 0, 0])
    layout = layout_of(cohort_of(fleet, interval_s=900))
    assert layout.has_inlet.tolist() == [True, False]
    assert layout.inflow(np.array([5.0, 6.0, 7.0, 8.0, 9.0]))[0] == 11.0
    assert np.isnan(layout.inflow(np.array([5.0, np.nan, 7.0, 8.0, 9.0]))).all()


def test_so_many_gauges_speak_for_a_zone() -> None:
    layout = layout_of(cohort_of(meters(100), interval_s=900))
    assert layout.gauges.shape == (1, GAUGES)
    assert layout.middle_gauge(np.arange(100.0))[0] == (GAUGES - 1) / 2


def peaks_of(days: list[float], *, leave_out: int = 0) -> Arrays:
    state = fresh(daily_peaks.fields("x"), places={"zone": np.array([1])})
    for day in days:
        daily_peaks.see(state, "x", values=np.array([day / 2]), where=np.array([True]))
        daily_peaks.see(state, "x", values=np.array([day]), where=np.array([True]))
        daily_peaks.see(state, "x", values=np.array([1e9]), where=np.array([False]))
        daily_peaks.end_day(state, "x", zones=np.array([0]), leave_out=leave_out)
    return state


@pytest.mark.parametrize(("days", "known"), [(daily_peaks.ENOUGH_DAYS - 1, False), (daily_peaks.ENOUGH_DAYS, True)])
def test_there_is_no_limit_until_enough_days_are_known(days: int, known: bool) -> None:
    assert np.isfinite(daily_peaks.limit(peaks_of([5.0] * days), "x", spreads=4.0))[0] == known


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0, 1e6), min_size=7, max_size=40), st.floats(1, 10))
def test_the_limit_is_above_all_usual_days_but_one(days: list[float], spreads: float) -> None:
    limit = daily_peaks.limit(peaks_of(days), "x", spreads=spreads)[0]
    kept = sorted(days[-daily_peaks.DAYS :])
    assert limit >= kept[-2]
    assert limit >= np.median(kept)


def test_one_day_of_trouble_that_was_not_found_does_not_hide_the_next() -> None:
    usual = [5.0, 6.0, 4.0, 5.5, 5.0, 4.5, 6.0, 5.0]
    calm, troubled = (daily_peaks.limit(peaks_of(days), "x", spreads=4.0)[0] for days in (usual, [*usual, 80.0]))
    assert troubled < 2 * calm


def test_days_left_out_do_not_move_the_limit() -> None:
    usual = [5.0, 6.0, 4.0, 5.5, 5.0, 4.5, 6.0, 5.0]
    state = peaks_of([*usual, 5.0, 5.0, 5.0, 5.0, 7.0], leave_out=5)
    assert state["x_usual"][0, 0] == np.median(usual)


def test_a_day_without_a_value_is_no_day() -> None:
    state = fresh(daily_peaks.fields("x"), places={"zone": np.array([1])})
    daily_peaks.end_day(state, "x", zones=np.array([0]))
    assert state["x_known"][0] == 0
