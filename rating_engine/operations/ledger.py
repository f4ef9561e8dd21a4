"""Posting to the journal."""

from collections.abc import Sequence

from psycopg import Connection
from psycopg.rows import TupleRow

from rating_engine.domain.ledger import JournalEntry
from rating_engine.store import ledger as store


def post(conn: Connection[TupleRow], *, utility_id: int, entry: JournalEntry) -> int:
    """Post one entry and return its id.

    :raises EntryAlreadyPosted: if its key was posted before
    """
    return store.insert_entries(conn, utility_id=utility_id, entries=[entry])[entry.entry_key]


def post_all(conn: Connection[TupleRow], *, utility_id: int, entries: Sequence[JournalEntry]) -> dict[str, int]:
    """Post many entries at once and return their ids by key.

    :raises EntryAlreadyPosted: if one of the keys was posted before; the transaction must then be rolled back
    """
    return store.insert_entries(conn, utility_id=utility_id, entries=entries) if entries else {}
