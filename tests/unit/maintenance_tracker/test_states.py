"""What may be done with a ticket, and what a finding is to an older one."""

from datetime import UTC, datetime, timedelta

import pytest

from maintenance_tracker.domain.kinds import POLICIES, RETURN_WINDOW, policy
from maintenance_tracker.domain.states import STEPS, ReopenTooLate, StepRefused, after, check_reopen, on_return

FINISHED = datetime(2026, 4, 1, tzinfo=UTC)
ALLOWED = {
    ("open", "take", "taken"),
    ("taken", "release", "open"),
    ("started", "release", "open"),
    ("taken", "start", "started"),
    ("open", "promise", "open"),
    ("taken", "promise", "taken"),
    ("started", "promise", "started"),
    ("started", "finish", "finished"),
    ("finished", "confirm", "confirmed"),
    ("finished", "reopen", "open"),
    ("confirmed", "reopen", "open"),
    ("open", "cancel", "cancelled"),
    ("taken", "cancel", "cancelled"),
}


@pytest.mark.parametrize("state", ["open", "taken", "started", "finished", "confirmed", "cancelled"])
@pytest.mark.parametrize("step", list(STEPS))
def test_each_step_is_allowed_in_its_states_only(state, step):
    expected = {then for before, allowed, then in ALLOWED if (before, allowed) == (state, step)}
    if expected:
        assert {after(step, state=state, ticket_number="T")} == expected
    else:
        with pytest.raises(StepRefused, match=f"cannot {step} ticket T: it is {state}"):
            after(step, state=state, ticket_number="T")


@pytest.mark.parametrize(
    ("state", "began_after", "expected"),
    [
        ("open", timedelta(days=99), "joins"),
        ("started", timedelta(days=99), "joins"),
        ("finished", -timedelta(hours=1), "joins"),
        ("finished", timedelta(hours=1), "reopens"),
        ("confirmed", RETURN_WINDOW, "reopens"),
        ("confirmed", RETURN_WINDOW + timedelta(seconds=1), "is new"),
        ("cancelled", timedelta(hours=1), "is new"),
    ],
)
def test_a_finding_joins_reopens_or_is_new_by_when_it_began(state, began_after, expected):
    finished_at = None if state in ("open", "started", "cancelled") else FINISHED
    assert on_return(state=state, finished_at=finished_at, began_at=FINISHED + began_after) == expected


def test_a_repair_can_be_called_back_for_three_days():
    check_reopen(finished_at=FINISHED, at=FINISHED + RETURN_WINDOW, ticket_number="T")
    with pytest.raises(ReopenTooLate, match="report a new trouble"):
        check_reopen(finished_at=FINISHED, at=FINISHED + RETURN_WINDOW + timedelta(seconds=1), ticket_number="T")


def test_a_utility_may_promise_otherwise():
    own = policy("pressure_sag", settings={"repairs": {"pressure_sag": {"promise_h": 2, "priority": 2}}})
    assert (own.priority, own.promise) == (2, timedelta(hours=2))
    assert policy("voltage_sag", settings={"repairs": {}}) == POLICIES["voltage_sag"]
