"""What others ask to be written here; each module offers its names through this one."""

from ingest_gateway.operations.rollups import make_due_rollups, mark_batch_due, mark_rollups_due, rebuild_rollups

__all__ = [
    "make_due_rollups",
    "mark_batch_due",
    "mark_rollups_due",
    "rebuild_rollups",
]
