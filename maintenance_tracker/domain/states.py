"""What may be done with a ticket in which state."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from maintenance_tracker.domain.kinds import RETURN_WINDOW

State = Literal["open", "taken", "started", "finished", "confirmed", "cancelled"]
Step = Literal["take", "release", "start", "promise", "finish", "confirm", "reopen", "cancel"]
Return = Literal["joins", "reopens", "is new"]

AT_WORK: frozenset[State] = frozenset({"open", "taken", "started"})
STEPS: Mapping[Step, tuple[frozenset[State], State | None]] = {
    "take": (frozenset({"open"}), "taken"),
    "release": (frozenset({"taken", "started"}), "open"),
    "start": (frozenset({"taken"}), "started"),
    "promise": (AT_WORK, None),
    "finish": (frozenset({"started"}), "finished"),
    "confirm": (frozenset({"finished"}), "confirmed"),
    "reopen": (frozenset({"finished", "confirmed"}), "open"),
    "cancel": (frozenset({"open", "taken"}), "cancelled"),
}


class StepRefused(Exception):
    """The ticket is not in a state that allows this step."""


class TicketTaken(StepRefused):
    """Another crew has the ticket."""


class CrewMismatch(StepRefused):
    """Only the crew that has the ticket may do this."""


class RepairNotQuiet(StepRefused):
    """Readings still show the trouble."""


class ReopenTooLate(StepRefused):
    """The repair is too long ago; this is a new trouble."""


def after(step: Step, *, state: State, ticket_number: str) -> State:
    """Give the state after a step.

    :raises StepRefused: if the state does not allow it
    """
    allowed, then = STEPS[step]
    if state not in allowed:
        wanted = " or ".join(sorted(allowed))
        raise StepRefused(f"cannot {step} ticket {ticket_number}: it is {state}, and must be {wanted}; load it again")
    return then or state


def on_return(*, state: State, finished_at: datetime | None, began_at: datetime) -> Return:
    """Tell what a new finding is to the newest ticket of its kind and place.

    A finding that began before the crew finished belongs to that repair, whenever it was found.
    """
    if state in AT_WORK:
        return "joins"
    if state == "cancelled" or finished_at is None or began_at > finished_at + RETURN_WINDOW:
        return "is new"
    return "reopens" if began_at > finished_at else "joins"


def check_reopen(*, finished_at: datetime | None, at: datetime, ticket_number: str) -> None:
    """:raises ReopenTooLate: if the repair was finished too long ago"""
    if finished_at is not None and at > finished_at + RETURN_WINDOW:
        raise ReopenTooLate(
            f"ticket {ticket_number} was finished more than {RETURN_WINDOW.days} days ago; report a new trouble"
        )
