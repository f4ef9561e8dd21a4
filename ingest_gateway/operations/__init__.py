"""What others ask to be written here; each module offers its names through this one."""

from ingest_gateway.bridges import BridgeSetting
from ingest_gateway.commands import Command, GuardVerdict, QueuedCommand, ReleaseGuard
from ingest_gateway.domain.decoders import DEFAULT_BRIDGES
from ingest_gateway.operations.batch_bounds import forget_batches
from ingest_gateway.operations.checker_settings import (
    ParameterRefused,
    Proposal,
    WouldHaveRaised,
    change_parameter,
    refuse_unfit,
    would_have_raised,
)
from ingest_gateway.operations.commands import CommandExpired, cancel_commands, queue_command
from ingest_gateway.operations.files import (
    AlreadyImported,
    FileOptions,
    FileTaken,
    FileUnusable,
    RefusedLine,
    Source,
    import_readings,
    look_at,
)
from ingest_gateway.operations.handheld import EntryOutcome, HandheldEntry, take_in_entries
from ingest_gateway.operations.history import HistoryUnusable, ReadingBlock, load_history
from ingest_gateway.operations.reject_bounds import forget_rejected
from ingest_gateway.operations.rejects import NotReplayable, Replayed, replay_reject
from ingest_gateway.operations.revisions import revise_reading
from ingest_gateway.operations.rollups import (
    make_due_rollups,
    make_due_zones,
    mark_batch_due,
    mark_rollups_due,
    rebuild_rollups,
)
from ingest_gateway.store.rejects import RejectUnknown

__all__ = [
    "DEFAULT_BRIDGES",
    "AlreadyImported",
    "BridgeSetting",
    "Command",
    "CommandExpired",
    "EntryOutcome",
    "FileOptions",
    "FileTaken",
    "FileUnusable",
    "GuardVerdict",
    "HandheldEntry",
    "HistoryUnusable",
    "NotReplayable",
    "ParameterRefused",
    "Proposal",
    "QueuedCommand",
    "ReadingBlock",
    "RefusedLine",
    "RejectUnknown",
    "ReleaseGuard",
    "Replayed",
    "Source",
    "WouldHaveRaised",
    "cancel_commands",
    "change_parameter",
    "forget_batches",
    "forget_rejected",
    "import_readings",
    "load_history",
    "look_at",
    "make_due_rollups",
    "make_due_zones",
    "mark_batch_due",
    "mark_rollups_due",
    "queue_command",
    "rebuild_rollups",
    "refuse_unfit",
    "replay_reject",
    "revise_reading",
    "take_in_entries",
    "would_have_raised",
]
