"""Bills that would be others by what is known now."""

from psycopg import Connection
from psycopg.rows import TupleRow

from rating_engine.store import adjustments as store
from rating_engine.store.adjustments import AdjustmentCandidate

__all__ = ["AdjustmentCandidate", "adjustment_candidates", "open_candidates"]


def adjustment_candidates(
    conn: Connection[TupleRow], *, utility_id: int, limit: int = 200
) -> list[AdjustmentCandidate]:
    """List the open candidates for an adjustment, the newest finding first."""
    return store.open_ones(conn, utility_id=utility_id, limit=limit)


def open_candidates(conn: Connection[TupleRow], *, utility_id: int) -> int:
    """Count the open candidates."""
    return store.count_open(conn, utility_id=utility_id)
