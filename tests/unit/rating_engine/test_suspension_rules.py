"""Steps of collection, guards, and the states of a suspension."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rating_engine.domain import suspension as states
from rating_engine.domain.collections import STEPS, StepTaken, UnpaidBill, age_of, is_quiet_day, next_step
from rating_engine.domain.collections_policy import (
    PolicyUnusable,
    default_policy,
    policy_document,
    read_policy,
)
from rating_engine.domain.suspension import MAYBE_OFF, MoveUnknown, Suspension, move
from rating_engine.domain.suspension_guards import Situation, all_pass, check, reason_stands, refusal

POLICY = default_policy()
DUE = date(2026, 1, 20)
NOW = datetime(2026, 4, 14, 10, 0)  # noqa: DTZ001 - local; a Tuesday that is no holiday
NEW = UnpaidBill(1, "B-1", 5, "water", DUE, 4224, {})


def announced(day: date, *, served: bool = True) -> UnpaidBill:
    """Make a bill whose three notices have run out before `day`."""
    before = day - timedelta(days=1)
    taken = {step: StepTaken(step, day - timedelta(days=15), before, served) for step in STEPS}
    return replace(NEW, steps=taken)


CLEAR = Situation(NOW, (announced(NOW.date()),), True, (), (), (), 0)


def steps_day_by_day(bill: UnpaidBill, *, days: int) -> list[tuple[str, date, date]]:
    told: list[tuple[str, date, date]] = []
    for offset in range(days):
        today = DUE + timedelta(days=offset)
        step = next_step(bill, today=today, policy=POLICY)
        if step is not None:
            taken = StepTaken(step.step, today, step.payable_until, True)
            bill = replace(bill, steps={**bill.steps, step.step: taken})
            told.append((step.step, today, step.payable_until))
    return told


def test_steps_come_in_order_each_after_the_one_before_ran_out() -> None:
    told = steps_day_by_day(NEW, days=200)
    assert [step for step, _, _ in told] == ["reminder", "final_demand", "suspension_notice"]
    reminder, demand, notice = told
    assert (reminder[1] - DUE).days <= 20
    assert demand[1] > reminder[2]
    assert notice[1] > demand[2]
    assert 10 <= (notice[2] - notice[1]).days <= 14
    assert (notice[2] - DUE).days >= POLICY.overdue_days - 1


def test_a_scheduler_that_was_away_still_gives_every_notice_its_time() -> None:
    late = DUE + timedelta(days=300)
    assert next_step(NEW, today=late, policy=POLICY) is not None
    first = next_step(NEW, today=late, policy=POLICY)
    assert first is not None
    assert first.step == "reminder"
    told = replace(NEW, steps={"reminder": StepTaken("reminder", late, first.payable_until, True)})
    assert next_step(told, today=late + timedelta(days=5), policy=POLICY) is None


@pytest.mark.parametrize(("days", "age"), [(0, None), (1, "1-30"), (30, "1-30"), (31, "31-60"), (91, "over 90")])
def test_debt_ages_in_groups(days: int, age: str | None) -> None:
    assert age_of(days) == age


@pytest.mark.parametrize(
    ("day", "quiet"),
    [
        (date(2026, 4, 14), False),  # Tuesday
        (date(2026, 4, 17), True),  # Friday
        (date(2026, 4, 28), True),  # the day before a holiday
        (date(2026, 4, 29), True),  # a holiday
        (date(2026, 12, 31), True),  # the day before New Year
    ],
)
def test_nothing_is_suspended_on_a_holiday_or_the_day_before(day: date, quiet: bool) -> None:
    assert is_quiet_day(day, policy=POLICY) == quiet


def test_a_clear_case_passes_every_guard() -> None:
    assert all_pass(check(CLEAR, policy=POLICY))


@pytest.mark.parametrize(
    ("change", "policy", "guard"),
    [
        ({"bills": (replace(announced(NOW.date()), open_minor=999),)}, POLICY, "debt"),
        ({"bills": (announced(NOW.date(), served=False),)}, POLICY, "debt, notices, overdue"),
        ({"bills": (announced(NOW.date() + timedelta(days=1)),)}, POLICY, "debt, notices, overdue"),
        ({"bills": ()}, POLICY, "debt, notices, overdue"),
        ({"agreement_in_force": False}, POLICY, "agreement"),
        ({"intents_in_flight": (9,)}, POLICY, "payment_in_flight"),
        ({"holds": ("illness",)}, POLICY, "hold"),
        ({"open_leaks": (3,)}, POLICY, "leak"),
        ({"local_now": NOW.replace(day=17)}, POLICY, "day"),
        ({"local_now": NOW.replace(hour=15)}, POLICY, "hour"),
        ({"local_now": NOW.replace(hour=8, minute=59)}, POLICY, "hour"),
        ({"commands_last_hour": 20}, POLICY, "brake"),
        ({}, replace(POLICY, frozen=True), "freeze"),
    ],
)
def test_each_guard_stops_a_suspension_by_itself(change: dict[str, object], policy: object, guard: str) -> None:
    situation = replace(CLEAR, **change)  # type: ignore[arg-type]
    guards = check(situation, policy=policy)  # type: ignore[arg-type]
    assert refusal(guards) == guard
    assert reason_stands(guards) == (guard in ("day", "hour", "brake"))


@pytest.mark.parametrize("days", [9, 15])
def test_a_notice_of_suspension_is_10_to_14_days_ahead(days: int) -> None:
    with pytest.raises(PolicyUnusable, match="suspension_notice_days must be 10 to 14"):
        replace(POLICY, suspension_notice_days=days)


def test_a_policy_is_stored_and_read_back() -> None:
    assert read_policy(policy_document(POLICY)) == POLICY
    assert read_policy({"frozen": True, "weekdays": [0, 1]}) == replace(POLICY, frozen=True, weekdays=(0, 1))
    with pytest.raises(PolicyUnusable, match="no field speed"):
        read_policy({"speed": 1})


triggers = st.sampled_from(["released", "lapsed", "closed", "lost", "ordered_again", "opened"])


@given(told=st.lists(triggers, max_size=30))
def test_what_may_be_off_ends_only_when_it_is_opened(told: list[states.Trigger]) -> None:
    suspension, has_left = Suspension("ordered", may_be_off=False), False
    for trigger in told:
        try:
            after = move(suspension, trigger)
        except MoveUnknown:
            continue
        has_left = has_left or trigger in ("released", "closed")
        if after.state == "restored" and suspension.state != "restored":
            assert trigger == "opened"
        if after.state == "withdrawn":
            assert not suspension.may_be_off
        suspension = after
        has_left = has_left and suspension.state not in ("restored", "withdrawn")
        assert suspension.may_be_off == has_left
        assert suspension.state not in MAYBE_OFF or suspension.may_be_off


@given(told=st.lists(triggers, max_size=20))
def test_once_its_reason_is_gone_a_suspension_ends_or_is_being_restored(told: list[states.Trigger]) -> None:
    suspension = Suspension("ordered", may_be_off=False)
    for trigger in told:
        try:
            suspension = move(suspension, trigger)
        except MoveUnknown:
            continue
    assert move(suspension, "lapsed").state in ("withdrawn", "restoring", "restored")
