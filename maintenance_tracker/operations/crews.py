"""Making crews."""

from collections.abc import Collection

from psycopg import Connection
from psycopg.rows import TupleRow

from maintenance_tracker.store import crews


def add_crew(conn: Connection[TupleRow], *, utility_id: int, name: str, login_ids: Collection[int]) -> int:
    """Make a crew of logins and return its id."""
    return crews.insert(conn, utility_id=utility_id, name=name, login_ids=login_ids)
