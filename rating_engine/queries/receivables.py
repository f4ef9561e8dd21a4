"""What is owed by everyone."""

from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from rating_engine.store import receivables as store
from rating_engine.store.receivables import Receivable


def open_bills_of_all(
    conn: Connection[TupleRow], *, utility_id: int, issued_from: datetime | None = None, limit: int | None = None
) -> list[Receivable]:
    """List every bill that is not settled, the oldest due first."""
    return store.open_bills_of_all(conn, utility_id=utility_id, issued_from=issued_from, limit=limit)
