"""Utility time."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kernel.clock import Anchor

WALL = datetime(2026, 4, 1, tzinfo=UTC)


@given(rate=st.floats(0.1, 10_000), seconds=st.floats(0, 100_000))
def test_utility_time_runs_at_its_rate(rate: float, seconds: float) -> None:
    anchor = Anchor(wall_anchor=WALL, utility_anchor=WALL, rate=rate, running=True)
    passed = (anchor.at(WALL + timedelta(seconds=seconds)) - WALL).total_seconds()
    assert abs(passed - seconds * rate) < 1


def test_a_paused_clock_stands_still() -> None:
    anchor = Anchor(wall_anchor=WALL, utility_anchor=WALL, rate=60, running=False)
    assert anchor.at(WALL + timedelta(days=9)) == WALL
