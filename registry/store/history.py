"""Before and after of every change to master data."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import Jsonb


@dataclass(frozen=True, slots=True)
class Change:
    """One change to one row: `before` is None where it was added, `after` where it was deleted."""

    change_id: int
    table_name: str
    row_key: dict[str, Any]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    actor: str
    changed_at: datetime
    recorded_at: datetime

    @property
    def changed_fields(self) -> dict[str, tuple[Any, Any]]:
        """Give the fields that differ, each with what it was and what it became."""
        before, after = self.before or {}, self.after or {}
        names = sorted(before.keys() | after.keys())
        return {n: (before.get(n), after.get(n)) for n in names if before.get(n) != after.get(n)}


def history_of(
    conn: Connection[TupleRow], *, utility_id: int, table: str, key: Mapping[str, Any], limit: int = 200
) -> list[Change]:
    """List what happened to one row of master data, newest first; `key` is the row's id, as {"party_id": 5}."""
    with conn.cursor(row_factory=class_row(Change)) as cursor:
        return cursor.execute(
            """
            SELECT change_id, table_name, row_key, before, after, actor, changed_at, recorded_at FROM master_change
            WHERE utility_id = %(utility_id)s AND table_name = %(table)s AND row_key = %(key)s
            ORDER BY change_id DESC LIMIT %(limit)s
            """,
            {"utility_id": utility_id, "table": table, "key": Jsonb(dict(key)), "limit": limit},
        ).fetchall()
