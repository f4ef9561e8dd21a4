"""Forgetting refused messages: what is old, and what is too much."""

from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.store import reject_bounds

KEPT_BYTES = 64 * 2**20


def forget_rejected(
    conn: Connection[TupleRow], *, last_before: datetime, keep: int, keep_bytes: int = KEPT_BYTES
) -> int:
    """Delete refused messages that last came before, and what is beyond `keep` messages or `keep_bytes` of a utility.

    Those that were sent again go first, then those that last came longest ago; they stay counted. Return how many went.
    Those that name no utility of ours are bounded alike: anybody on the broker's line can send them.
    """
    return reject_bounds.drop(conn, last_before=last_before, keep=keep, keep_bytes=keep_bytes)
