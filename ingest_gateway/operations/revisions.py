"""Edits of readings: a new row that refers to the reading, which stays as it came."""

from datetime import datetime
from typing import Literal

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.operations.rollups import mark_reading_due
from ingest_gateway.store import registers


def revise_reading(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    meter_id: int,
    read_at: datetime,
    register: int,
    method: Literal["edited", "estimated", "customer"],
    reason: str,
    decided_by: str,
    at: datetime,
) -> int:
    """Say what the register was at an instant, in the meter's least digit; the last revision of an instant counts.

    The rollups of its day are made anew.
    """
    revision_id = registers.insert_revision(
        conn,
        utility_id=utility_id,
        meter_id=meter_id,
        read_at=read_at,
        register=register,
        method=method,
        reason=reason,
        decided_by=decided_by,
        at=at,
    )
    mark_reading_due(conn, utility_id=utility_id, meter_id=meter_id, read_at=read_at)
    return revision_id
