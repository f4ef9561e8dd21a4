"""The one timeline of a ticket that customer, crew and office see."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import Jsonb

EntryKind = Literal[
    "opened",
    "affected",
    "taken",
    "started",
    "promised",
    "note",
    "finished",
    "confirmed",
    "reopened",
    "cancelled",
    "released",
]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened to a ticket, in utility time; `detail` is for programs, `note` was typed by a person."""

    ticket_entry_id: int
    kind: EntryKind
    happened_at: datetime
    actor: str
    note: str
    public: bool
    detail: Mapping[str, Any]


def add(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    ticket_id: int,
    kind: EntryKind,
    at: datetime,
    actor: str,
    note: str,
    public: bool,
    detail: Mapping[str, Any],
    client_id: UUID | None,
) -> bool:
    """Write an entry; False if one with this `client_id` was written before."""
    added = conn.execute(
        """
        INSERT INTO ticket_entry (utility_id, ticket_id, client_id, kind, happened_at, actor, note, public, detail)
        VALUES (%(utility_id)s, %(ticket_id)s, %(client_id)s, %(kind)s, %(at)s, %(actor)s, %(note)s, %(public)s,
            %(detail)s)
        ON CONFLICT (utility_id, client_id) DO NOTHING
        """,
        {
            "utility_id": utility_id,
            "ticket_id": ticket_id,
            "client_id": client_id,
            "kind": kind,
            "at": at,
            "actor": actor,
            "note": note,
            "public": public,
            "detail": Jsonb(dict(detail)),
        },
    )
    return added.rowcount == 1


def is_known(conn: Connection[TupleRow], *, utility_id: int, client_id: UUID) -> bool:
    """Tell whether an entry with this `client_id` was written."""
    row = conn.execute(
        "SELECT 1 FROM ticket_entry WHERE utility_id = %(utility_id)s AND client_id = %(client_id)s",
        {"utility_id": utility_id, "client_id": client_id},
    ).fetchone()
    return row is not None


def entries(conn: Connection[TupleRow], *, utility_id: int, ticket_id: int, private: bool) -> list[Entry]:
    """List the ticket's entries, oldest first; those that are not public only where `private` is true."""
    with conn.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(
            """
            SELECT ticket_entry_id, kind, happened_at, actor, note, public, detail FROM ticket_entry
            WHERE utility_id = %(utility_id)s AND ticket_id = %(ticket_id)s AND (public OR %(private)s)
            ORDER BY happened_at, ticket_entry_id
            """,
            {"utility_id": utility_id, "ticket_id": ticket_id, "private": private},
        ).fetchall()


def times(conn: Connection[TupleRow], *, utility_id: int, ticket_id: int, kind: EntryKind) -> int:
    """Count the ticket's entries of a kind."""
    row = conn.execute(
        """
        SELECT count(*) FROM ticket_entry
        WHERE utility_id = %(utility_id)s AND ticket_id = %(ticket_id)s AND kind = %(kind)s
        """,
        {"utility_id": utility_id, "ticket_id": ticket_id, "kind": kind},
    ).fetchone()
    assert row is not None, "an aggregate gives one row"
    return row[0]
