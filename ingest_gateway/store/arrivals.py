"""Stored readings as the checker takes them: in columns, as binary COPY gives them."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, LiteralString

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.store.registers import require_scope
from ingest_gateway.store.stored_batches import StoredBatch

POSTGRES_EPOCH_S = 946_684_800  # 2000-01-01 in seconds since 1970
_FIELDS = (
    ("meter_id", ">i8"),
    ("read_at", ">i8"),  # microseconds since 2000
    ("received_at", ">i8"),
    ("register", ">i8"),
    ("export_register", ">i8"),
    ("flow", ">f4"),
    ("pressure_kpa", ">f4"),
    ("v1", ">f4"),
    ("v2", ">f4"),
    ("v3", ">f4"),
    ("battery_pct", ">i2"),
    ("flags", ">i4"),
)
# A row of binary COPY: how many fields, then each with its length before it. No field is null, so that all are alike.
_ROW = np.dtype(
    [("fields", ">i2")] + [part for name, kind in _FIELDS for part in ((f"{name}_bytes", ">i4"), (name, kind))]
)
_HEADER_BYTES = 19
_TRAILER_BYTES = 2
ROWS_AT_ONCE = 200_000
NOTHING = np.zeros(0, dtype=_ROW)

_OF_BATCH = """
    COPY (
        SELECT
            r.meter_id, r.read_at, %(received_at)s::timestamptz,
            coalesce(r.register, -1), coalesce(r.export_register, -1),
            coalesce(r.flow, 'NaN'), coalesce(r.pressure_kpa, 'NaN'), coalesce(r.voltage_1_v, 'NaN'),
            coalesce(r.voltage_2_v, 'NaN'), coalesce(r.voltage_3_v, 'NaN'), coalesce(r.battery_pct, -1::smallint),
            r.flags
        FROM unnest(%(meter_ids)s::bigint[]) AS m (meter_id)
        JOIN reading AS r ON r.utility_id = %(utility_id)s AND r.meter_id = m.meter_id
            AND r.read_at >= %(read_from)s AND r.read_at <= %(read_to)s
        WHERE r.batch_id = %(batch_id)s
        ORDER BY r.meter_id, r.read_at
    ) TO STDOUT (FORMAT binary)
"""
# A load of the past came all at once; as if it had come when it was read, it can be learnt from.
_BETWEEN = """
    COPY (
        SELECT
            r.meter_id, r.read_at,
            CASE b.source WHEN 'history' THEN r.read_at ELSE coalesce(b.received_at, r.read_at) END,
            coalesce(r.register, -1), coalesce(r.export_register, -1),
            coalesce(r.flow, 'NaN'), coalesce(r.pressure_kpa, 'NaN'), coalesce(r.voltage_1_v, 'NaN'),
            coalesce(r.voltage_2_v, 'NaN'), coalesce(r.voltage_3_v, 'NaN'), coalesce(r.battery_pct, -1::smallint),
            r.flags
        FROM own_reading AS r
        LEFT JOIN intake_batch AS b ON b.utility_id = r.utility_id AND b.batch_id = r.batch_id
        WHERE r.utility_id = %(utility_id)s AND r.read_at >= %(first)s AND r.read_at < %(end)s
        ORDER BY 3, r.meter_id, r.read_at
    ) TO STDOUT (FORMAT binary)
"""


def of_batch(conn: Connection[TupleRow], *, utility_id: int, stored: StoredBatch) -> NDArray[np.void]:
    """Give the readings of a batch, by meter and instant; see `column` and `seconds` for what is in them.

    The bounds are given as values, so that a hypertable opens only the chunks in question.
    """
    wanted = {
        "utility_id": utility_id,
        "batch_id": stored.batch_id,
        "meter_ids": list(stored.meter_ids),
        "read_from": stored.read_from,
        "read_to": stored.read_to,
        "received_at": stored.received_at,
    }
    return _rows(b"".join(_copied(conn, _OF_BATCH, wanted)))


def between(
    conn: Connection[TupleRow], *, utility_id: int, first: datetime, end: datetime
) -> Iterator[NDArray[np.void]]:
    """Give the readings from `first` until before `end` in the order of their arrival, some at a time.

    :raises ScopeMissing: if the transaction was not entered for this utility
    """
    require_scope(conn, utility_id=utility_id)
    waiting = bytearray()
    begun = False
    for piece in _copied(conn, _BETWEEN, {"utility_id": utility_id, "first": first, "end": end}):
        waiting += piece
        if not begun and len(waiting) >= _HEADER_BYTES:
            del waiting[:_HEADER_BYTES]
            begun = True
        if len(waiting) > ROWS_AT_ONCE * _ROW.itemsize:
            whole = len(waiting) // _ROW.itemsize * _ROW.itemsize
            yield np.frombuffer(bytes(waiting[:whole]), dtype=_ROW)
            del waiting[:whole]
    yield np.frombuffer(bytes(waiting[: len(waiting) - _TRAILER_BYTES]), dtype=_ROW)


def column(rows: NDArray[np.void], name: str, kind: type[Any]) -> NDArray[Any]:
    """Give a column in the machine's own order of bytes; -1 and NaN are what was not sent."""
    return rows[name].astype(kind)


def seconds(rows: NDArray[np.void], name: str) -> NDArray[np.int64]:
    """Give a column of instants in seconds since 1970, the part of a second cut off."""
    return rows[name].astype(np.int64) // 1_000_000 + POSTGRES_EPOCH_S


def _copied(conn: Connection[TupleRow], statement: LiteralString, wanted: Mapping[str, Any]) -> Iterator[bytes]:
    with conn.cursor() as cursor, cursor.copy(statement, wanted) as copy:
        for piece in copy:
            yield bytes(piece)


def _rows(data: bytes) -> NDArray[np.void]:
    return np.frombuffer(data[_HEADER_BYTES:-_TRAILER_BYTES], dtype=_ROW)
