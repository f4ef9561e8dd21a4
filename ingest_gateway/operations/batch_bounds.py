"""Forgetting batches of intake that nothing follows any more; their readings stay."""

from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.store import stored_batches


def forget_batches(conn: Connection[TupleRow], *, received_before: datetime) -> int:
    """Delete what says of readings that came over MQTT before then when they came; return of how many batches.

    What some consumer may still have to take up stays, and so do batches of other sources: they tell how a reading was
    taken.
    """
    return stored_batches.forget(conn, received_before=received_before)
