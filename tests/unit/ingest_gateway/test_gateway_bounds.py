"""Bounds on what is remembered of a sender, and the estimate of a clock: right whatever comes late or wrong."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ingest_gateway.domain.clock_offset import ClockState, observe
from ingest_gateway.domain.sequence_bounds import bounded

AT = datetime(2026, 4, 1, tzinfo=UTC)


@st.composite
def ranges(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    edges = sorted(draw(st.sets(st.integers(1, 300), max_size=80)))
    return tuple(zip(edges[::2], edges[1::2], strict=False))


def numbers(parts: tuple[tuple[int, int], ...]) -> set[int]:
    return {number for start, end in parts for number in range(start, end)}


@given(missing=ranges(), kept_from=st.integers(1, 320), most=st.integers(1, 20))
def test_nothing_that_may_still_come_is_dropped_and_every_number_is_accounted_for(
    missing: tuple[tuple[int, int], ...], kept_from: int, most: int
) -> None:
    found = bounded(missing, kept_from=kept_from, most_ranges=most)
    wanted = {number for number in numbers(missing) if number >= kept_from}
    assert len(found.missing) <= most
    assert wanted <= numbers(found.missing), "an ack must not call durable what never came"
    assert found.lost == len(numbers(missing)) - len(wanted)
    assert found.joined == len(numbers(found.missing)) - len(wanted)
    assert all(a[1] < b[0] for a, b in zip(found.missing, found.missing[1:], strict=False)), "in order and apart"


@given(missing=ranges(), kept_from=st.integers(1, 320), most=st.integers(1, 20))
def test_bounding_twice_changes_nothing_more(missing: tuple[tuple[int, int], ...], kept_from: int, most: int) -> None:
    once = bounded(missing, kept_from=kept_from, most_ranges=most)
    twice = bounded(once.missing, kept_from=kept_from, most_ranges=most)
    assert (twice.missing, twice.lost, twice.joined) == (once.missing, 0, 0)


def test_the_newest_ranges_stay_exact() -> None:
    found = bounded(((1, 2), (5, 6), (9, 10), (20, 22)), kept_from=1, most_ranges=2)
    assert found.missing == ((1, 10), (20, 22))
    assert (found.lost, found.joined) == (0, 6)


def heard(delays_s: list[float], *, clock_s: float, every: timedelta = timedelta(hours=1)) -> ClockState:
    """Observe messages that were so long on their way, from a clock that is so far ahead."""
    state = None
    for number, delay_s in enumerate(delays_s):
        state = observe(state, offset_s=clock_s - delay_s, at=AT + every * number)
    assert state is not None
    return state


@given(
    clock_s=st.floats(-600, 600),
    delays_s=st.lists(st.floats(0, 900), min_size=120, max_size=120),
    prompt=st.integers(1, 3),
)
def test_the_estimate_is_the_clock_less_the_shortest_way(clock_s: float, delays_s: list[float], prompt: int) -> None:
    ways_s = [2.0 if number % (prompt + 1) == 0 else 2.0 + delay_s for number, delay_s in enumerate(delays_s)]
    state = heard(ways_s, clock_s=clock_s)
    assert state.is_steady
    assert abs(state.offset_s - (clock_s - 2.0)) < 1e-6


def test_a_backlog_of_old_messages_does_not_move_the_estimate() -> None:
    ways_s = [5.0] * 60 + [86_400.0] * 12 + [5.0] * 6
    assert heard(ways_s, clock_s=120).offset_s == 115.0


def test_one_reading_from_the_future_does_not_move_the_estimate() -> None:
    ways_s = [5.0] * 50 + [-800.0] + [5.0] * 30
    assert heard(ways_s, clock_s=0).offset_s == -5.0


def test_a_clock_that_was_set_is_believed_after_some_blocks() -> None:
    state = heard([5.0] * 80 + [305.0] * 30, clock_s=300)
    assert state.offset_s == -5.0


def test_the_first_impression_is_not_called_steady() -> None:
    state = heard([5.0] * 3, clock_s=0)
    assert (state.offset_s, state.is_steady) == (-5.0, False)


def test_a_meter_that_speaks_once_a_day_gets_an_estimate_too() -> None:
    state = heard([5.0] * 40, clock_s=60, every=timedelta(days=1))
    assert (state.offset_s, state.is_steady) == (55.0, True)
