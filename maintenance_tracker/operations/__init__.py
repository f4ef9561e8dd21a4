"""What others ask to be written here."""

from maintenance_tracker.domain.by_hand import MergeRefused, SplitRefused
from maintenance_tracker.domain.states import CrewMismatch, ReopenTooLate, RepairNotQuiet, StepRefused, TicketTaken
from maintenance_tracker.operations.crews import add_crew
from maintenance_tracker.operations.opening import TroubleWithoutPlace, open_ticket
from maintenance_tracker.operations.sorting_out import NotOnWatchList, answer_watched, merge_tickets, split_ticket
from maintenance_tracker.operations.steps import (
    add_note,
    cancel_ticket,
    confirm_repair,
    finish_ticket,
    promise,
    release_ticket,
    reopen_ticket,
    start_ticket,
    take_ticket,
)
from maintenance_tracker.operations.tracking import settle, track_closed, track_opened
from maintenance_tracker.store.crews import CrewMissing
from maintenance_tracker.store.incidents import IncidentUnknown
from maintenance_tracker.store.tickets import TicketUnknown

__all__ = [
    "CrewMismatch",
    "CrewMissing",
    "IncidentUnknown",
    "MergeRefused",
    "NotOnWatchList",
    "ReopenTooLate",
    "RepairNotQuiet",
    "SplitRefused",
    "StepRefused",
    "TicketTaken",
    "TicketUnknown",
    "TroubleWithoutPlace",
    "add_crew",
    "add_note",
    "answer_watched",
    "cancel_ticket",
    "confirm_repair",
    "finish_ticket",
    "merge_tickets",
    "open_ticket",
    "promise",
    "release_ticket",
    "reopen_ticket",
    "settle",
    "split_ticket",
    "start_ticket",
    "take_ticket",
    "track_closed",
    "track_opened",
]
