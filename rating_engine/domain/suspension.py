"""How a suspension moves: one table of states and triggers; what is not in it does not happen."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ordered", "commanded", "suspended", "visit_needed", "withdrawn", "restoring", "restored"]
Trigger = Literal[
    "released",  # the guards passed as the command left
    "lapsed",  # the guards did not pass, or the order's reason is gone
    "closed",  # the meter or a visit says that the supply is off
    "lost",  # no answer that helps: failed, refused, expired, unknown; or no valve to command
    "ordered_again",
    "opened",  # the meter or a visit says that the supply is on
]

OPEN_STATES: tuple[State, ...] = ("ordered", "commanded", "suspended", "visit_needed", "restoring")
# Off, or possibly off: only a restoration that is confirmed brings these to an end.
MAYBE_OFF: tuple[State, ...] = ("commanded", "suspended", "restoring")


@dataclass(frozen=True, slots=True)
class Suspension:
    """Where a suspension stands. `may_be_off`: a command has left, so the supply may be off whatever was answered."""

    state: State
    may_be_off: bool


class MoveUnknown(ValueError):
    """The table has no such move; the suspension stays as it is."""


# Unknown is not done: once a command has left, only `opened` leads to an end, whatever else was heard.
_MOVES: dict[tuple[State, Trigger], State] = {
    ("ordered", "released"): "commanded",
    ("ordered", "lapsed"): "withdrawn",
    ("ordered", "lost"): "visit_needed",
    ("ordered", "closed"): "suspended",
    ("ordered", "ordered_again"): "ordered",
    ("commanded", "released"): "commanded",
    ("commanded", "lapsed"): "restoring",
    ("commanded", "lost"): "visit_needed",
    ("commanded", "closed"): "suspended",
    ("commanded", "ordered_again"): "ordered",
    ("visit_needed", "closed"): "suspended",
    ("visit_needed", "lapsed"): "withdrawn",
    ("visit_needed", "lost"): "visit_needed",
    ("suspended", "lapsed"): "restoring",
    ("suspended", "closed"): "suspended",
    ("suspended", "lost"): "suspended",
    ("suspended", "opened"): "restored",
    ("restoring", "opened"): "restored",
    ("restoring", "lapsed"): "restoring",
    ("restoring", "closed"): "restoring",
    ("restoring", "lost"): "restoring",
    ("withdrawn", "closed"): "restoring",
    ("withdrawn", "lapsed"): "withdrawn",
    ("withdrawn", "lost"): "withdrawn",
    ("withdrawn", "opened"): "withdrawn",
    ("restored", "opened"): "restored",
    ("restored", "closed"): "restored",
    ("restored", "lapsed"): "restored",
    ("restored", "lost"): "restored",
}


def move(suspension: Suspension, trigger: Trigger) -> Suspension:
    """Tell where a suspension stands after a trigger.

    :raises MoveUnknown: if the table has no such move
    """
    state = _MOVES.get((suspension.state, trigger))
    if state is None:
        raise MoveUnknown(f"a suspension that is {suspension.state} cannot be {trigger}")
    if state == "withdrawn" and suspension.may_be_off:
        state = "restoring"
    may_be_off = suspension.may_be_off or trigger in ("released", "closed")
    return Suspension(state=state, may_be_off=may_be_off and state not in ("restored", "withdrawn"))
