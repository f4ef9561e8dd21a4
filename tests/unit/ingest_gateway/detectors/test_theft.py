"""Power past the meter: base load and the rest fall alike; away from home the base load stays."""

from collections.abc import Callable

import numpy as np
import pytest

from ingest_gateway.domain.checking.findings import Finding
from ingest_gateway.domain.checking.meters import ELECTRICITY
from ingest_gateway.domain.checking.quiet import QuietSpan
from ingest_gateway.domain.detectors.theft import Theft
from tests.unit.ingest_gateway.detectors.homes import DAY_S, START, Homes, begun, hours_after

Habit = Callable[[Homes, int], None]
FACTORS = (0.1, 0.25, 0.42)


def homes_of(days: int, count: int = 24) -> Homes:
    return Homes(days, count=count, service=ELECTRICITY, columns={"may_export": np.zeros(count, dtype=np.bool_)})


def test_power_scaled_down_is_found_on_the_second_or_third_morning_and_ends_when_it_is_back() -> None:
    homes = homes_of(24)
    for meter, factor in enumerate(FACTORS, start=1):
        homes.use[homes.span(15.5, 20, meter=meter)] *= factor
    findings = homes.found(Theft(), meter=None)
    assert sorted(one.place_id for one in begun(findings)) == [1, 2, 3]
    assert all(24 < hours_after(15.5, one) <= 72 for one in begun(findings))
    assert sorted(one.place_id for one in findings if not one.opened) == [1, 2, 3]


@pytest.mark.parametrize(("share", "expected"), [(0.50, 1), (0.62, 0)])
def test_it_opens_below_the_share_that_is_set(share: float, expected: int) -> None:
    homes = homes_of(20, count=4)
    homes.use[homes.span(15, 20)] *= share
    assert len(begun(homes.found(Theft()))) == expected


def on_holiday(homes: Homes, meter: int) -> None:
    homes.use[homes.span(15, 24, meter=meter)] = np.random.default_rng(4).normal(130, 5, homes.at(9))


def main_switch_off(homes: Homes, meter: int) -> None:
    homes.use[homes.span(15, 24, meter=meter)] = 0


def standby_switched_off(homes: Homes, meter: int) -> None:
    homes.use[homes.span(15, 24, meter=meter)] = np.random.default_rng(4).normal(30, 2, homes.at(9))


def charges_a_car_at_night(homes: Homes, meter: int) -> None:
    hour, day = np.arange(homes.slots) % 24, np.arange(homes.slots) // 24
    homes.use[(hour < 6) & (day % 3 > 0) & (day < 18), meter - 1] += 5_000


def sun_on_the_roof(homes: Homes, meter: int) -> None:
    homes.columns["may_export"][meter - 1] = True
    hour = np.arange(homes.slots) % 24
    sunny = (hour >= 8) & (hour < 17) & (np.arange(homes.slots) >= homes.at(14))
    homes.use[sunny, meter - 1], homes.export[sunny, meter - 1] = 0, 900


def gaps(homes: Homes, meter: int) -> None:
    homes.heard[homes.at(14) : homes.at(22), meter - 1] = False
    homes.heard[homes.at(14) : homes.at(22) : 5, meter - 1] = True


HABITS: tuple[Habit, ...] = (
    on_holiday,
    main_switch_off,
    standby_switched_off,
    charges_a_car_at_night,
    sun_on_the_roof,
    gaps,
)


@pytest.fixture(scope="module")
def of_habits() -> list[Finding]:
    homes = homes_of(24, count=30)
    for meter, habit in enumerate(HABITS, start=1):
        habit(homes, meter)
    return begun(homes.found(Theft(), meter=None))


@pytest.mark.parametrize("habit", HABITS)
def test_what_people_do_is_no_theft(habit: Habit, of_habits: list[Finding]) -> None:
    assert [one for one in of_habits if one.place_id == HABITS.index(habit) + 1] == []


def test_ordinary_homes_are_not_told(of_habits: list[Finding]) -> None:
    assert [one for one in of_habits if one.place_id > len(HABITS)] == []


def test_nothing_begins_in_the_days_of_learning_or_while_work_is_planned() -> None:
    homes = homes_of(20, count=4)
    homes.use[homes.span(2, 5)] *= 0.2
    homes.use[homes.span(14, 17, meter=2)] *= 0.2
    span = QuietSpan("meter", 2, START + 13 * DAY_S, START + 18 * DAY_S)
    assert begun(homes.found(Theft(), quiet=[span], meter=None)) == []
