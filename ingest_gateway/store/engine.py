"""What the database can do with readings."""

from psycopg import Connection
from psycopg.rows import TupleRow


def reading_engine(conn: Connection[TupleRow]) -> str:
    """Tell how readings are kept: plain, apache (hypertable) or timescale (compression too)."""
    row = conn.execute("SELECT reading_engine()").fetchone()
    assert row is not None, "the function returns a value"
    return str(row[0])
