"""The guards of a suspension: each looks at one thing, all must pass, and what each saw is kept as proof."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from rating_engine.domain.collections import UnpaidBill, is_announced, is_quiet_day
from rating_engine.domain.collections_policy import CollectionPolicy

# When a command may leave. Once it has left in good time, sending it again asks only whether its reason still stands.
TIMING = ("day", "hour", "brake")


@dataclass(frozen=True, slots=True)
class Situation:
    """All that the guards look at. `local_now` in the utility's zone; `bills` are those whose debt is enforced."""

    local_now: datetime
    bills: tuple[UnpaidBill, ...]
    agreement_in_force: bool  # the debtor is still the one supplied at the point
    intents_in_flight: tuple[int, ...]
    holds: tuple[str, ...]
    open_leaks: tuple[int, ...]
    commands_last_hour: int


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard's name, whether it lets the suspension pass, and what it saw."""

    name: str
    passed: bool
    saw: dict[str, Any]


def check(situation: Situation, *, policy: CollectionPolicy) -> tuple[Guard, ...]:
    """Look at every guard; none is left out because another failed."""
    now, today = situation.local_now, situation.local_now.date()
    announced = [bill for bill in situation.bills if bill.open_minor > 0 and is_announced(bill, today=today)]
    debt_minor = sum(bill.open_minor for bill in announced)
    days = max((bill.days_overdue(today) for bill in announced), default=0)
    return (
        Guard(
            "debt",
            debt_minor >= policy.smallest_debt_minor,
            {"open_minor": debt_minor, "smallest_minor": policy.smallest_debt_minor},
        ),
        Guard("notices", bool(announced), {"bills": [_notices(bill) for bill in situation.bills]}),
        Guard("overdue", days >= policy.overdue_days, {"days": days, "needed": policy.overdue_days}),
        Guard("agreement", situation.agreement_in_force, {"in_force": situation.agreement_in_force}),
        Guard("payment_in_flight", not situation.intents_in_flight, {"intents": list(situation.intents_in_flight)}),
        Guard("hold", not situation.holds, {"holds": list(situation.holds)}),
        Guard("leak", not situation.open_leaks, {"anomalies": list(situation.open_leaks)}),
        Guard("day", not is_quiet_day(today, policy=policy), {"day": today.isoformat(), "weekday": today.weekday()}),
        Guard("hour", policy.first_hour <= now.hour < policy.end_hour, {"local_time": now.strftime("%H:%M")}),
        Guard(
            "brake",
            situation.commands_last_hour < policy.commands_per_hour,
            {"last_hour": situation.commands_last_hour, "limit": policy.commands_per_hour},
        ),
        Guard("freeze", not policy.frozen, {"frozen": policy.frozen}),
    )


def all_pass(guards: Sequence[Guard]) -> bool:
    """Tell whether nothing speaks against the suspension."""
    return all(guard.passed for guard in guards)


def reason_stands(guards: Sequence[Guard]) -> bool:
    """Tell whether all guards pass but for those about day, hour and brake."""
    return all(guard.passed for guard in guards if guard.name not in TIMING)


def refusal(guards: Sequence[Guard]) -> str:
    """Name the guards that did not pass."""
    return ", ".join(guard.name for guard in guards if not guard.passed)


def proof(guards: Sequence[Guard], *, at: datetime) -> dict[str, Any]:
    """Write what was checked and seen, to be kept."""
    return {
        "at": at.isoformat(),
        "allowed": all_pass(guards),
        "guards": [{"name": guard.name, "passed": guard.passed, "saw": guard.saw} for guard in guards],
    }


def enforced(bills: Sequence[UnpaidBill], *, today: date) -> list[UnpaidBill]:
    """Give the bills whose notices all ran out: those for which supply may be stopped."""
    return [bill for bill in bills if bill.open_minor > 0 and is_announced(bill, today=today)]


def _notices(bill: UnpaidBill) -> dict[str, Any]:
    return {
        "bill_id": bill.bill_id,
        "open_minor": bill.open_minor,
        "steps": {
            name: {
                "taken_on": step.taken_on.isoformat(),
                "payable_until": step.payable_until.isoformat(),
                "served": step.served,
            }
            for name, step in bill.steps.items()
        },
    }
