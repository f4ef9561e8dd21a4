"""How an unpaid bill ages: which step comes next, and until when it can be paid."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import jpholiday

from rating_engine.domain.collections_policy import CollectionPolicy

Step = Literal["reminder", "final_demand", "suspension_notice"]
STEPS: tuple[Step, ...] = ("reminder", "final_demand", "suspension_notice")
NOTICE_KIND: dict[Step, str] = {
    "reminder": "arrears.reminder",
    "final_demand": "arrears.final_demand",
    "suspension_notice": "arrears.suspension_notice",
}
# Ages of debt as the office reads them: up to and including so many days after the due date.
AGES: tuple[tuple[str, int | None], ...] = (("1-30", 30), ("31-60", 60), ("61-90", 90), ("over 90", None))


@dataclass(frozen=True, slots=True)
class StepTaken:
    """A step of one bill; `payable_until` is the last local day to pay before the next."""

    step: Step
    taken_on: date
    payable_until: date
    served: bool


@dataclass(frozen=True, slots=True)
class NextStep:
    """What is to be sent now for a bill."""

    step: Step
    payable_until: date


@dataclass(frozen=True, slots=True)
class UnpaidBill:
    """A bill with something open, in minor units, and what was done about it."""

    bill_id: int
    bill_number: str
    point_id: int
    service: str
    due_on: date
    open_minor: int
    steps: Mapping[Step, StepTaken]

    def days_overdue(self, today: date) -> int:
        """Count the days since the due date; 0 or less while it is not over."""
        return (today - self.due_on).days


def next_step(bill: UnpaidBill, *, today: date, policy: CollectionPolicy) -> NextStep | None:
    """Tell which step a bill is due for, or None while none is; each waits until the one before has run out."""
    reminder, demand = bill.steps.get("reminder"), bill.steps.get("final_demand")
    if reminder is None:
        if bill.days_overdue(today) < policy.reminder_after_days:
            return None
        return NextStep("reminder", today + timedelta(days=policy.reminder_payable_days))
    if demand is None:
        if not _ripe(reminder, after_days=policy.final_demand_after_days, today=today):
            return None
        return NextStep("final_demand", today + timedelta(days=policy.final_demand_payable_days))
    if "suspension_notice" in bill.steps:
        return None
    early_enough = bill.days_overdue(today) >= policy.overdue_days - policy.suspension_notice_days
    if not early_enough or not _ripe(demand, after_days=policy.suspension_notice_after_days, today=today):
        return None
    return NextStep("suspension_notice", today + timedelta(days=policy.suspension_notice_days))


def is_announced(bill: UnpaidBill, *, today: date) -> bool:
    """Tell whether every notice of a bill was served and its last day has passed."""
    taken = [bill.steps.get(step) for step in STEPS]
    return all(step is not None and step.served and today > step.payable_until for step in taken)


def age_of(days_overdue: int) -> str | None:
    """Name the age group of a debt, or None while it is not overdue."""
    if days_overdue <= 0:
        return None
    return next(name for name, last in AGES if last is None or days_overdue <= last)


def is_quiet_day(day: date, *, policy: CollectionPolicy) -> bool:
    """Tell whether nothing is suspended on a day: not a weekday allowed, a holiday, or the day before one."""
    if day.weekday() not in policy.weekdays:
        return True
    return policy.holidays == "JP" and any(
        jpholiday.is_holiday(candidate) for candidate in (day, day + timedelta(days=1))
    )


def _ripe(step: StepTaken, *, after_days: int, today: date) -> bool:
    return today > step.payable_until and today >= step.taken_on + timedelta(days=after_days)
