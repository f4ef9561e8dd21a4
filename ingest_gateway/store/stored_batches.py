"""Committed batches of intake and their readings, as what follows the store takes them up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row


class BatchUnknown(Exception):
    """No batch of intake has this number."""


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """One commit of intake; `received_at` is utility time."""

    batch_id: int
    received_at: datetime
    source: str
    meter_ids: Sequence[int]
    read_from: datetime
    read_to: datetime


def batch(conn: Connection[TupleRow], *, utility_id: int, batch_id: int) -> StoredBatch:
    """:raises BatchUnknown: if there is no such batch"""
    with conn.cursor(row_factory=class_row(StoredBatch)) as cursor:
        found = cursor.execute(
            """
            SELECT batch_id, received_at, source, meter_ids, read_from, read_to FROM intake_batch
            WHERE utility_id = %(utility_id)s AND batch_id = %(batch_id)s
            """,
            {"utility_id": utility_id, "batch_id": batch_id},
        ).fetchone()
    if found is None:
        raise BatchUnknown(f"utility {utility_id} has no intake batch {batch_id}; it may be past its retention")
    return found


def readings_of_batch(conn: Connection[TupleRow], *, utility_id: int, stored: StoredBatch) -> list[TupleRow]:
    """List meter, instant, register, flow, pressure and the three voltages of each reading, by meter and instant.

    The bounds are given as values, so that a hypertable opens only the chunks in question.
    """
    return conn.execute(
        """
        SELECT r.meter_id, r.read_at, r.register, r.flow, r.pressure_kpa, r.voltage_1_v, r.voltage_2_v, r.voltage_3_v
        FROM unnest(%(meter_ids)s::bigint[]) AS m (meter_id)
        JOIN reading AS r ON r.utility_id = %(utility_id)s AND r.meter_id = m.meter_id
            AND r.read_at >= %(read_from)s AND r.read_at <= %(read_to)s
        WHERE r.batch_id = %(batch_id)s
        ORDER BY r.meter_id, r.read_at
        """,
        {
            "utility_id": utility_id,
            "batch_id": stored.batch_id,
            "meter_ids": stored.meter_ids,
            "read_from": stored.read_from,
            "read_to": stored.read_to,
        },
    ).fetchall()


def forget(conn: Connection[TupleRow], *, received_before: datetime) -> int:
    """Delete the batches of MQTT that came before then, and of which no event is left; return how many."""
    return conn.execute(
        """
        DELETE FROM intake_batch AS b
        WHERE b.source = 'mqtt' AND b.received_at < %(received_before)s
          AND b.batch_id < (SELECT coalesce(min((payload ->> 'batch_id')::bigint), 9223372036854775807)
                            FROM event WHERE topic = 'intake.batch_stored')
        """,
        {"received_before": received_before},
    ).rowcount
