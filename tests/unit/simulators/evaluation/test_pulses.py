import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from simulators.evaluation.lives import Life
from simulators.evaluation.pulses import Pulses, joined, steady

instants = st.integers(0, 100_000).map(float)
draws = st.lists(st.tuples(instants, st.integers(1, 5_000), st.integers(1, 2_000)), max_size=12)


def pulses_of(drawn: list[tuple[float, int, int]]) -> Pulses:
    start = np.array([d[0] for d in drawn], dtype=np.float64)
    lasts = np.array([d[1] for d in drawn], dtype=np.float64)
    return Pulses(start, start + lasts, np.array([d[2] for d in drawn], dtype=np.float64))


@given(draws, instants)
def test_a_total_is_what_each_draw_has_given_until_then(drawn: list[tuple[float, int, int]], at_s: float) -> None:
    expected = sum(rate * min(max(at_s - start, 0.0), lasts) / 3600.0 for start, lasts, rate in drawn)
    total = pulses_of(drawn).total(np.array([at_s]))[0]
    assert abs(total - expected) < 1e-6


@given(draws, instants)
def test_the_rate_is_that_of_the_open_draws(drawn: list[tuple[float, int, int]], at_s: float) -> None:
    expected = sum(rate for start, lasts, rate in drawn if start <= at_s < start + lasts)
    assert abs(pulses_of(drawn).rate_at(np.array([at_s]))[0] - expected) < 1e-6


@given(draws, instants, instants)
def test_inside_and_outside_of_a_window_are_the_whole(
    drawn: list[tuple[float, int, int]], one: float, other: float
) -> None:
    whole, at_s = pulses_of(drawn), np.array([200_000.0])
    start, end = min(one, other), max(one, other)
    parts = joined([whole.within(start, end), whole.outside(start, end)])
    assert np.allclose(parts.total(at_s), whole.total(at_s))


def test_a_stopped_meter_counts_nothing_and_goes_on_where_it_stopped() -> None:
    at_s = np.arange(0.0, 36_001.0, 3600.0)
    life = Life(steady(0, 36_000, 10.0), frozen=[(7200.0, 18_000.0, False)])
    shown = life.register(at_s, life.drawn().total(at_s))
    assert shown.tolist() == [0, 10, 20, 20, 20, 20, 30, 40, 50, 60, 70]
    assert life.shown_rate(at_s, life.drawn().rate_at(at_s))[3] == 0


def test_a_tampered_meter_counts_a_share() -> None:
    at_s = np.arange(0.0, 14_401.0, 3600.0)
    life = Life(steady(0, 36_000, 10.0), counted=[(3600.0, 10_800.0, 0.5)])
    assert life.register(at_s, life.drawn().total(at_s)).tolist() == [0, 10, 15, 20, 30]


def test_an_exchanged_meter_begins_at_nought() -> None:
    at_s = np.arange(0.0, 14_401.0, 3600.0)
    life = Life(steady(0, 36_000, 10.0), exchanged_s=7200.0)
    assert life.register(at_s, life.drawn().total(at_s)).tolist() == [0, 10, 0, 10, 20]


def test_a_drifting_sensor_is_right_before_and_after() -> None:
    life = Life(joined([]), drift=(0.0, 10 * 86_400.0, 0.02))
    errors = life.sensor_error(np.array([-1.0, 5 * 86_400.0, 10 * 86_400.0]))
    assert np.allclose(errors, [1.0, 1.1, 1.0])
