"""Leaks behind the meter: found within a day; what only looks like one is not."""

from collections.abc import Callable

import numpy as np
import pytest

from ingest_gateway.domain.checking.findings import Finding
from ingest_gateway.domain.checking.meters import APARTMENT_BLOCK, RESIDENTIAL
from ingest_gateway.domain.checking.quiet import QuietSpan
from ingest_gateway.domain.detectors.household_leak import HouseholdLeak
from tests.unit.ingest_gateway.detectors.homes import DAY_S, START, Homes, begun, hours_after

Habit = Callable[[Homes, int], None]
LEAKS_LPH = (12.0, 20.0, 40.0, 120.0)


@pytest.mark.parametrize("resolution", [1.0, 10.0])
def test_a_leak_is_found_the_sooner_the_larger_it_is_with_its_rate(resolution: float) -> None:
    homes = Homes(22, resolution=resolution)
    for meter, lph in enumerate(LEAKS_LPH, start=1):
        homes.use[homes.span(17.4, 22, meter=meter)] += lph
    found = {one.place_id: one for one in begun(homes.found(HouseholdLeak(), meter=None))}
    assert sorted(found) == [1, 2, 3, 4]
    for meter, (lph, within_h) in enumerate(zip(LEAKS_LPH, (72, 48, 26, 24), strict=True), start=1):
        finding = found[meter]
        assert 12 < hours_after(17.4, finding) <= within_h
        assert finding.evidence["rate_lph"] == pytest.approx(lph, abs=0.35 * lph + resolution)


def test_a_cistern_that_refills_now_and_then_is_found() -> None:
    homes = Homes(20)
    homes.use[homes.span(15, 20)] += np.random.default_rng(5).gamma(4, 15, homes.at(5))
    assert len(begun(homes.found(HouseholdLeak()))) == 1


def test_quarter_hours_show_a_leak_as_hours_do() -> None:
    homes = Homes(14, interval_s=900, count=2)
    homes.use[homes.span(12, 14)] += 30 / 4
    (finding,) = begun(homes.found(HouseholdLeak()))
    assert hours_after(12, finding) <= 24


def pool(homes: Homes, meter: int) -> None:
    homes.use[homes.span(17, 18.6, meter=meter)] += 1_500


def guests(homes: Homes, meter: int) -> None:
    homes.use[homes.span(16, 21, meter=meter)] *= 2.4


def away(homes: Homes, meter: int) -> None:
    homes.use[homes.span(8, 20, meter=meter)] = 0


def away_at_first(homes: Homes, meter: int) -> None:
    homes.use[homes.span(0, 9, meter=meter)] = 0


def drip(homes: Homes, meter: int) -> None:
    homes.use[homes.span(15, 24, meter=meter)] += 1


def drip_while_away(homes: Homes, meter: int) -> None:
    homes.use[homes.span(15, 24, meter=meter)] = 1


def irrigation(homes: Homes, meter: int) -> None:
    hour = np.arange(homes.slots) % 24
    homes.use[(hour >= 1) & (hour < 6), meter - 1] += 200


def round_the_clock(homes: Homes, meter: int) -> None:
    homes.use[:, meter - 1] += np.random.default_rng(2).gamma(9, 10, homes.slots)


def busier_round_the_clock(homes: Homes, meter: int) -> None:
    homes.columns["segment"][meter - 1] = APARTMENT_BLOCK
    homes.use[:, meter - 1] = homes.use[:, 30:40].sum(axis=1) + 20
    homes.use[homes.span(18, 24, meter=meter)] *= 2


def gaps(homes: Homes, meter: int) -> None:
    homes.heard[homes.span(16, 17.5, meter=meter)] = False
    homes.heard[homes.at(18) : homes.at(22) : 3, meter - 1] = False


def one_restless_night(homes: Homes, meter: int) -> None:
    homes.use[homes.span(17, 17.4, meter=meter)] += 15


def register_that_jumps(homes: Homes, meter: int) -> None:
    homes.use[homes.at(16), meter - 1] = 2_000_000
    homes.use[homes.at(17), meter - 1] = -2_000_000


HABITS: tuple[Habit, ...] = (
    pool,
    guests,
    away,
    away_at_first,
    drip,
    drip_while_away,
    irrigation,
    round_the_clock,
    busier_round_the_clock,
    gaps,
    one_restless_night,
    register_that_jumps,
)


@pytest.fixture(scope="module")
def of_habits() -> list[Finding]:
    homes = Homes(24, count=40, columns={"segment": np.full(40, RESIDENTIAL)})
    for meter, habit in enumerate(HABITS, start=1):
        habit(homes, meter)
    return begun(homes.found(HouseholdLeak(), meter=None))


@pytest.mark.parametrize("habit", HABITS)
def test_what_only_looks_like_a_leak_is_none(habit: Habit, of_habits: list[Finding]) -> None:
    assert [one for one in of_habits if one.place_id == HABITS.index(habit) + 1] == []


def test_ordinary_homes_have_no_leak(of_habits: list[Finding]) -> None:
    assert [one for one in of_habits if one.place_id > len(HABITS)] == []


def test_as_much_as_a_pool_takes_is_a_leak_after_two_days() -> None:
    homes = Homes(19)
    homes.use[homes.span(15, 19)] += 900
    (finding,) = begun(homes.found(HouseholdLeak()))
    assert 48 <= hours_after(15, finding) <= 60


def test_a_slight_leak_is_watched_and_becomes_a_ticket_when_it_grows() -> None:
    homes = Homes(24)
    homes.use[homes.span(14, 24)] += 8
    homes.use[homes.span(20, 24)] += 40
    findings = homes.found(HouseholdLeak(ticket_lph=15.0))
    assert [(one.opened, one.outlet) for one in findings] == [(True, "watch"), (False, "watch"), (True, "ticket")]
    assert hours_after(20, findings[1]) > 0


def test_it_ends_with_hours_at_rest_and_not_with_one() -> None:
    homes = Homes(22)
    homes.use[homes.span(14, 18)] += 40
    homes.use[homes.at(17), 0] = 0
    opened, ended = homes.found(HouseholdLeak())
    assert (opened.opened, ended.opened) == (True, False)
    assert 2 <= hours_after(18, ended) <= 36


def test_nothing_begins_in_the_days_of_learning_or_while_work_is_planned() -> None:
    homes = Homes(18)
    homes.use[homes.span(3, 6)] += 40
    homes.use[homes.span(14, 16, meter=2)] += 40
    span = QuietSpan("meter", 2, START + 13 * DAY_S, START + 17 * DAY_S)
    assert begun(homes.found(HouseholdLeak(), quiet=[span], meter=None)) == []
