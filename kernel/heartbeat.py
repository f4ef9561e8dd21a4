"""Each process says that it lives, and how it fares."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import Jsonb


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """When a process was last seen (wall time), and what it said of itself."""

    process: str
    seen_at: datetime
    health: dict[str, Any]


def beat(conn: Connection[TupleRow], *, process: str, health: Mapping[str, Any], wall_now: datetime) -> None:
    """Record that a process lives."""
    conn.execute(
        """
        INSERT INTO heartbeat (process, seen_at, health) VALUES (%(process)s, %(seen_at)s, %(health)s)
        ON CONFLICT (process) DO UPDATE SET seen_at = excluded.seen_at, health = excluded.health
        """,
        {"process": process, "seen_at": wall_now, "health": Jsonb(dict(health))},
    )


def heartbeats(conn: Connection[TupleRow]) -> list[Heartbeat]:
    """List the processes that were ever seen."""
    with conn.cursor(row_factory=class_row(Heartbeat)) as cursor:
        return cursor.execute("SELECT process, seen_at, health FROM heartbeat ORDER BY process").fetchall()


def forget(conn: Connection[TupleRow], *, process: str) -> None:
    """Forget a process that was taken out of service, so that nobody waits for it."""
    conn.execute("DELETE FROM heartbeat WHERE process = %(process)s", {"process": process})
