"""What the checker keeps between batches, and what it is told from outside."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow


def position(conn: Connection[TupleRow], *, utility_id: int) -> int:
    """Tell the position of the last event that the saved state has seen; 0 before the first."""
    row = conn.execute(
        "SELECT coalesce(max(position), 0) FROM checker_state WHERE utility_id = %(utility_id)s",
        {"utility_id": utility_id},
    ).fetchone()
    assert row is not None, "an aggregate gives one row"
    return row[0]


def load(conn: Connection[TupleRow], *, utility_id: int) -> list[bytes]:
    """Give the saved state of every block of meters."""
    rows = conn.execute(
        "SELECT state FROM checker_state WHERE utility_id = %(utility_id)s ORDER BY shard", {"utility_id": utility_id}
    ).fetchall()
    return [state for (state,) in rows]


def save(
    conn: Connection[TupleRow], *, utility_id: int, blocks: Mapping[int, bytes], position: int, at: datetime
) -> None:
    """Keep the state of blocks of meters, as it is after the event at `position`."""
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO checker_state (utility_id, shard, position, state, saved_at)
            VALUES (%(utility_id)s, %(shard)s, %(position)s, %(state)s, %(at)s)
            ON CONFLICT (utility_id, shard) DO UPDATE
            SET position = excluded.position, state = excluded.state, saved_at = excluded.saved_at
            """,
            [
                {"utility_id": utility_id, "shard": shard, "position": position, "state": state, "at": at}
                for shard, state in blocks.items()
            ],
        )


def parameters(conn: Connection[TupleRow], *, utility_id: int, at: datetime) -> dict[str, dict[str, Any]]:
    """Give the parameters in force at `at` of the detectors that have some of the utility's own."""
    rows = conn.execute(
        """
        SELECT DISTINCT ON (detector) detector, parameters FROM checker_parameter
        WHERE utility_id = %(utility_id)s AND valid_from <= %(at)s
        ORDER BY detector, valid_from DESC, version DESC
        """,
        {"utility_id": utility_id, "at": at},
    ).fetchall()
    return dict(rows)


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
