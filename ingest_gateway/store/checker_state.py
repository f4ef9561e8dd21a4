"""What the checker keeps between processes, and which batches it was fed since."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row


@dataclass(frozen=True, slots=True)
class Fed:
    """A batch, or None where only time passed; `clock_at` is utility time."""

    batch_id: int | None
    clock_at: datetime


def saved(conn: Connection[TupleRow], *, utility_id: int) -> dict[str, bytes]:
    """Give the saved state in its parts; none before the first time."""
    rows = conn.execute(
        "SELECT part, state FROM checker_state WHERE utility_id = %(utility_id)s ORDER BY part",
        {"utility_id": utility_id},
    ).fetchall()
    return dict(rows)


def fed_since(conn: Connection[TupleRow], *, utility_id: int) -> list[Fed]:
    """List what was fed since the state was saved, in the order in which it was fed."""
    with conn.cursor(row_factory=class_row(Fed)) as cursor:
        return cursor.execute(
            "SELECT batch_id, clock_at FROM checker_fed WHERE utility_id = %(utility_id)s ORDER BY fed_id",
            {"utility_id": utility_id},
        ).fetchall()


def position(conn: Connection[TupleRow], *, utility_id: int) -> int:
    """Tell the position of the last event whose batches were fed; 0 before the first."""
    row = conn.execute(
        """
        SELECT greatest(
            (SELECT coalesce(max(position), 0) FROM checker_state WHERE utility_id = %(utility_id)s),
            (SELECT coalesce(max(position), 0) FROM checker_fed WHERE utility_id = %(utility_id)s)
        )
        """,
        {"utility_id": utility_id},
    ).fetchone()
    assert row is not None, "an expression gives one row"
    return row[0]


def add_fed(conn: Connection[TupleRow], *, utility_id: int, position: int, fed: Fed) -> None:
    """Note what was fed, the event at `position` being the last until then."""
    conn.execute(
        """
        INSERT INTO checker_fed (utility_id, position, batch_id, clock_at)
        VALUES (%(utility_id)s, %(position)s, %(batch_id)s, %(clock_at)s)
        """,
        {"utility_id": utility_id, "position": position, "batch_id": fed.batch_id, "clock_at": fed.clock_at},
    )


def save(
    conn: Connection[TupleRow], *, utility_id: int, parts: Mapping[str, bytes], position: int, at: datetime
) -> None:
    """Keep the state as it is after the event at `position`; what was fed until then is forgotten."""
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO checker_state (utility_id, part, position, state, saved_at)
            VALUES (%(utility_id)s, %(part)s, %(position)s, %(state)s, %(at)s)
            ON CONFLICT (utility_id, part) DO UPDATE
            SET position = excluded.position, state = excluded.state, saved_at = excluded.saved_at
            """,
            [
                {"utility_id": utility_id, "part": part, "position": position, "state": state, "at": at}
                for part, state in parts.items()
            ],
        )
    conn.execute(
        "DELETE FROM checker_state WHERE utility_id = %(utility_id)s AND part <> ALL (%(parts)s)",
        {"utility_id": utility_id, "parts": list(parts)},
    )
    conn.execute(
        "DELETE FROM checker_fed WHERE utility_id = %(utility_id)s AND position <= %(position)s",
        {"utility_id": utility_id, "position": position},
    )


def closed_by_command(conn: Connection[TupleRow], *, utility_id: int, meter_ids: Collection[int]) -> set[int]:
    """Tell whose valve or relay was last told to close supply, whether or not the meter has said that it did."""
    rows = conn.execute(
        """
        SELECT meter_id FROM (
            SELECT DISTINCT ON (meter_id) meter_id, command FROM meter_command
            WHERE utility_id = %(utility_id)s AND meter_id = ANY (%(meter_ids)s)
                AND command <> 'backfill' AND state IN ('sent', 'done', 'unknown')
            ORDER BY meter_id, command_id DESC
        ) AS last
        WHERE command IN ('valve.close', 'valve.trickle', 'relay.open')
        ORDER BY meter_id
        """,
        {"utility_id": utility_id, "meter_ids": list(meter_ids)},
    ).fetchall()
    return {meter_id for (meter_id,) in rows}
