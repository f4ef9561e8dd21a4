"""What live pages ask: which meters a batch brought, and what a meter showed last."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row


@dataclass(frozen=True, slots=True)
class NewestRegister:
    """What a meter's register showed last, in its least digit; `register` None where it never said."""

    meter_id: int
    read_at: datetime
    register: int | None


@dataclass(frozen=True, slots=True)
class NewestReading(NewestRegister):
    """What a meter said last; `flow` in L/h of a water meter, W of an electricity meter, None where it did not say."""

    flow: float | None


def meters_of_batches(conn: Connection[TupleRow], *, utility_id: int, batch_ids: Collection[int]) -> list[int]:
    """List the meters whose readings came in these batches."""
    rows = conn.execute(
        """
        SELECT DISTINCT unnest(meter_ids) AS meter_id FROM intake_batch
        WHERE utility_id = %(utility_id)s AND batch_id = ANY(%(batch_ids)s) ORDER BY meter_id
        """,
        {"utility_id": utility_id, "batch_ids": list(batch_ids)},
    ).fetchall()
    return [row[0] for row in rows]


def newest_registers(
    conn: Connection[TupleRow], *, utility_id: int, meter_ids: Collection[int]
) -> list[NewestRegister]:
    """List what these meters showed last; one that was never heard of is left out."""
    with conn.cursor(row_factory=class_row(NewestRegister)) as cursor:
        return cursor.execute(
            """
            SELECT meter_id, read_at, register FROM meter_latest
            WHERE utility_id = %(utility_id)s AND meter_id = ANY(%(meter_ids)s) ORDER BY meter_id
            """,
            {"utility_id": utility_id, "meter_ids": list(meter_ids)},
        ).fetchall()


def newest_readings(conn: Connection[TupleRow], *, utility_id: int, meter_ids: Collection[int]) -> list[NewestReading]:
    """List what these meters said last; one that was never heard of is left out."""
    rows = conn.execute(
        """
        SELECT meter_id, read_at, register, flow FROM meter_latest
        WHERE utility_id = %(utility_id)s AND meter_id = ANY(%(meter_ids)s) ORDER BY meter_id
        """,
        {"utility_id": utility_id, "meter_ids": list(meter_ids)},
    ).fetchall()
    return [NewestReading(*row) for row in rows]
