"""Water past the meter: all is scaled by one factor, and nothing else that people do looks like that."""

from collections.abc import Callable

import numpy as np
import pytest

from ingest_gateway.domain.checking.findings import Finding
from ingest_gateway.domain.checking.meters import COMMERCIAL, RESIDENTIAL
from ingest_gateway.domain.checking.quiet import QuietSpan
from ingest_gateway.domain.detectors.tamper import Tamper
from tests.unit.ingest_gateway.detectors.homes import DAY_S, START, Homes, begun, hours_after

Habit = Callable[[Homes, int], None]
FACTORS = (0.03, 0.1, 0.2, 0.3)


def test_use_scaled_down_is_found_within_a_week_the_deeper_the_sooner() -> None:
    homes = Homes(30)
    for meter, factor in enumerate(FACTORS, start=1):
        homes.use[homes.span(20.3, 30, meter=meter)] *= factor
    found = {one.place_id: one for one in begun(homes.found(Tamper(), meter=None))}
    assert sorted(found) == [1, 2, 3, 4]
    for meter, factor in enumerate(FACTORS, start=1):
        assert 60 <= hours_after(20.3, found[meter]) <= 170
        assert found[meter].evidence["counted_share"] == pytest.approx(factor, abs=0.1)
        assert 20 * DAY_S <= found[meter].since_s - START <= 24 * DAY_S


def test_it_ends_when_all_is_counted_again() -> None:
    homes = Homes(32)
    homes.use[homes.span(18, 26)] *= 0.15
    opened, ended = homes.found(Tamper())
    assert (opened.opened, ended.opened) == (True, False)
    assert 0 < hours_after(26, ended) <= 98


def away(homes: Homes, meter: int) -> None:
    homes.use[homes.span(16, 30, meter=meter)] = 0


def away_with_a_drip(homes: Homes, meter: int) -> None:
    homes.use[homes.span(16, 30, meter=meter)] = 0.6


def fewer_at_home(homes: Homes, meter: int) -> None:
    gone = np.random.default_rng(3).random(homes.slots) < 0.6
    homes.use[gone & (np.arange(homes.slots) > homes.at(16)), meter - 1] = 0


def somewhat_less(homes: Homes, meter: int) -> None:
    homes.use[homes.span(16, 30, meter=meter)] *= 0.6


def irrigation_that_stops(homes: Homes, meter: int) -> None:
    hour = np.arange(homes.slots) % 24
    homes.use[(hour < 2) & (np.arange(homes.slots) < homes.at(18)), meter - 1] += 300


def works_on_weekdays(homes: Homes, meter: int) -> None:
    homes.columns["segment"][meter - 1] = COMMERCIAL
    weekend = (np.arange(homes.slots) // 24) % 7 >= 5
    homes.use[weekend, meter - 1] *= 0.15


def gaps(homes: Homes, meter: int) -> None:
    homes.heard[homes.span(16, 23, meter=meter)] = False


def register_that_jumps(homes: Homes, meter: int) -> None:
    homes.use[homes.at(17), meter - 1] = 500_000


HABITS: tuple[Habit, ...] = (
    away,
    away_with_a_drip,
    fewer_at_home,
    somewhat_less,
    irrigation_that_stops,
    works_on_weekdays,
    gaps,
    register_that_jumps,
)


@pytest.fixture(scope="module")
def of_habits() -> list[Finding]:
    homes = Homes(30, count=40, columns={"segment": np.full(40, RESIDENTIAL)})
    for meter, habit in enumerate(HABITS, start=1):
        habit(homes, meter)
    return begun(homes.found(Tamper(), meter=None))


@pytest.mark.parametrize("habit", HABITS)
def test_what_people_do_is_no_bypass(habit: Habit, of_habits: list[Finding]) -> None:
    assert [one for one in of_habits if one.place_id == HABITS.index(habit) + 1] == []


def test_ordinary_homes_are_not_told(of_habits: list[Finding]) -> None:
    assert [one for one in of_habits if one.place_id > len(HABITS)] == []


def test_less_use_of_all_is_no_bypass_of_each() -> None:
    homes = Homes(26, count=12)
    homes.use[homes.at(18) :] *= 0.3
    assert begun(homes.found(Tamper(), meter=None)) == []


def test_nothing_begins_before_it_knows_the_meter_or_while_work_is_planned() -> None:
    homes = Homes(26)
    homes.use[homes.span(4, 9)] *= 0.1
    homes.use[homes.span(18, 24, meter=2)] *= 0.1
    span = QuietSpan("meter", 2, START + 17 * DAY_S, START + 25 * DAY_S)
    assert begun(homes.found(Tamper(), quiet=[span], meter=None)) == []
