import numpy as np
import pytest

from simulators.evaluation.mains import Change, Mains
from simulators.evaluation.options import OptionsUnusable

STEP_S = 900
DAY = 96  # steps


@pytest.fixture(scope="module")
def mains() -> Mains:
    town = Mains("Net2", days=4, zones=3, chance=np.random.default_rng(5))
    hour = town.steps_s / 3600.0 % 24
    town.demand(np.repeat((1 + 0.4 * np.sin((hour - 8) / 24 * 2 * np.pi))[:, None], 3, axis=1))
    return town


def test_a_window_without_a_change_is_as_usual(mains: Mains) -> None:
    solved = mains.solve(first=2 * DAY, last=3 * DAY, changes=())
    usual = mains.usual.head_m[2 * DAY : 3 * DAY + 1]
    assert np.abs(solved.head_m[2:] - usual[2:]).max() < 0.5


def test_water_that_runs_out_is_taken_where_and_while_it_runs(mains: Mains) -> None:
    node = int(np.argmax(mains.mean_l_per_s))
    change = Change(2.1 * DAY * STEP_S, 2.5 * DAY * STEP_S, node=mains.junctions[node], draw_l_per_s=3.0)
    solved = mains.solve(first=2 * DAY, last=3 * DAY, changes=(change,))
    more = solved.taken_l_per_s - mains.usual.taken_l_per_s[2 * DAY : 3 * DAY + 1]
    assert more[30, node] == pytest.approx(3.0, abs=0.01)
    assert np.abs(np.delete(more, node, axis=1)).max() < 0.01
    assert abs(more[5, node]) < 0.01
    assert abs(more[60, node]) < 0.01


def test_a_leak_grows_over_its_ramp(mains: Mains) -> None:
    node = int(np.argmax(mains.mean_l_per_s))
    change = Change(
        2.0 * DAY * STEP_S, 3.0 * DAY * STEP_S, node=mains.junctions[node], draw_l_per_s=2.0, ramp_s=40.0 * STEP_S
    )
    solved = mains.solve(first=2 * DAY, last=3 * DAY, changes=(change,))
    more = (solved.taken_l_per_s - mains.usual.taken_l_per_s[2 * DAY : 3 * DAY + 1])[:, node]
    assert more[20] == pytest.approx(1.0, abs=0.1)
    assert more[60] == pytest.approx(2.0, abs=0.05)


def test_some_closed_link_takes_pressure_from_some_and_gives_it_back(mains: Mains) -> None:
    drops: list[float] = []
    for link in mains.links_with_flow:
        change = Change(2.1 * DAY * STEP_S, 2.4 * DAY * STEP_S, link=link)
        solved = mains.solve(first=2 * DAY, last=3 * DAY, changes=(change,))
        lower = mains.usual.head_m[2 * DAY : 3 * DAY + 1] - solved.head_m
        drops.append(float(lower[20].max()))
        assert np.abs(lower[:8]).max() < 0.5, f"{link} is felt before it is closed"
    assert max(drops) > 10.0


def test_zones_are_all_there_and_pressures_bear_the_demand(mains: Mains) -> None:
    used = mains.mean_l_per_s > 0
    assert set(mains.zone_of[used].tolist()) == {0, 1, 2}
    assert np.quantile(mains.usual.head_m[:, used], 0.02) > 8.0


def test_a_network_that_is_not_there_is_named() -> None:
    with pytest.raises(OptionsUnusable, match="Net9"):
        Mains("Net9", days=2, zones=2, chance=np.random.default_rng(1))
