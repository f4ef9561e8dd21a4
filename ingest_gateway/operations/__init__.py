"""What others ask to be written here; each module offers its names through this one."""

from ingest_gateway.commands import Command, GuardVerdict, QueuedCommand, ReleaseGuard
from ingest_gateway.operations.commands import CommandExpired, cancel_commands, queue_command
from ingest_gateway.operations.rollups import make_due_rollups, mark_batch_due, mark_rollups_due, rebuild_rollups

__all__ = [
    "Command",
    "CommandExpired",
    "GuardVerdict",
    "QueuedCommand",
    "ReleaseGuard",
    "cancel_commands",
    "make_due_rollups",
    "mark_batch_due",
    "mark_rollups_due",
    "queue_command",
    "rebuild_rollups",
]
