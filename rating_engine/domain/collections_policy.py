"""What a utility decides about unpaid bills: days, hours, limits. All of it is data."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

HoldKind = Literal["dispute", "illness", "welfare", "instalments", "arrangement", "leak", "freeze"]
HOLD_KINDS: tuple[HoldKind, ...] = (
    "dispute",
    "illness",
    "welfare",
    "instalments",
    "arrangement",
    "leak",
    "freeze",
)


class PolicyUnusable(ValueError):
    """The policy breaks a limit that protects customers, or cannot be read; the message names the field."""


@dataclass(frozen=True, slots=True)
class CollectionPolicy:
    """Days count local calendar days; hours are local, the last one not included.

    :raises PolicyUnusable: if a limit that protects customers is broken
    """

    reminder_after_days: int  # from the due date
    reminder_payable_days: int
    final_demand_after_days: int  # from the reminder
    final_demand_payable_days: int
    suspension_notice_after_days: int  # from the final demand
    suspension_notice_days: int  # how long ahead a suspension is announced
    overdue_days: int  # from the due date to the earliest suspension
    smallest_debt_minor: int
    weekdays: tuple[int, ...]  # 0 is Monday
    first_hour: int
    end_hour: int
    holidays: Literal["JP", ""]  # none on a holiday, nor on the day before one
    commands_per_hour: int
    frozen: bool  # stops all suspensions
    suspends: Literal["point_of_debt", "water_of_account", "all_of_account"]
    restore_when: Literal["order_paid", "overdue_paid"]
    restoring_holds: tuple[HoldKind, ...]  # set while the supply is off, these bring it back
    command_hours: int  # how long a command to a meter stays good
    attempts: int  # commands without an answer before somebody is sent
    retry_minutes: int
    card_intent_hours: int  # how long a card page that was opened holds back a suspension
    card_pages: int  # opened in 30 days and not paid, at most, for the newest to hold one back
    debit_intent_days: int

    def __post_init__(self) -> None:
        for name, low, high in _LIMITS:
            if not low <= getattr(self, name) <= high:
                raise PolicyUnusable(f"{name} must be {low} to {high}, not {getattr(self, name)}")
        if not self.weekdays or not set(self.weekdays) <= set(range(7)):
            raise PolicyUnusable("weekdays must name days from 0 (Monday) to 6, one at least")
        if self.first_hour >= self.end_hour:
            raise PolicyUnusable("end_hour must be later than first_hour")
        if not set(self.restoring_holds) <= set(HOLD_KINDS):
            raise PolicyUnusable(f"restoring_holds must be of {', '.join(HOLD_KINDS)}")


_LIMITS = (
    ("reminder_after_days", 1, 20),
    ("reminder_payable_days", 1, 60),
    ("final_demand_after_days", 1, 90),
    ("final_demand_payable_days", 1, 60),
    ("suspension_notice_after_days", 1, 180),
    ("suspension_notice_days", 10, 14),
    ("overdue_days", 30, 1000),
    ("smallest_debt_minor", 1, 10**12),
    ("first_hour", 0, 23),
    ("end_hour", 1, 24),
    ("commands_per_hour", 0, 100_000),
    ("command_hours", 1, 48),
    ("attempts", 1, 20),
    ("retry_minutes", 1, 24 * 60),
    ("card_intent_hours", 1, 240),
    ("card_pages", 1, 30),
    ("debit_intent_days", 1, 60),
)


def default_policy() -> CollectionPolicy:
    """Give the preset: the days of DOMAIN's example for Japan, working hours from Monday to Thursday."""
    return CollectionPolicy(
        reminder_after_days=15,
        reminder_payable_days=10,
        final_demand_after_days=15,
        final_demand_payable_days=10,
        suspension_notice_after_days=15,
        suspension_notice_days=12,
        overdue_days=60,
        smallest_debt_minor=1_000,
        weekdays=(0, 1, 2, 3),
        first_hour=9,
        end_hour=15,
        holidays="JP",
        commands_per_hour=20,
        frozen=False,
        suspends="point_of_debt",
        restore_when="order_paid",
        restoring_holds=("dispute", "illness", "welfare", "instalments", "arrangement"),
        command_hours=6,
        attempts=3,
        retry_minutes=60,
        card_intent_hours=24,
        card_pages=3,
        debit_intent_days=14,
    )


def policy_document(policy: CollectionPolicy) -> dict[str, Any]:
    """Write a policy as it is stored."""
    return dataclasses.asdict(policy)


def read_policy(document: Mapping[str, Any]) -> CollectionPolicy:
    """Read a stored policy; what it does not name is as in the preset.

    :raises PolicyUnusable: if it names what we do not know, or breaks a limit
    """
    known = {field.name for field in dataclasses.fields(CollectionPolicy)}
    if strange := sorted(document.keys() - known):
        raise PolicyUnusable(f"a policy has no field {', '.join(strange)}")
    given: dict[str, Any] = {
        name: tuple(document[name]) if isinstance(document[name], list) else document[name] for name in document
    }
    return dataclasses.replace(default_policy(), **given)
