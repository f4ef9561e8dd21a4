"""Readings, as they are written: by binary COPY, through a stage, or one by one.

All reads go through the view `own_reading`: it shows the utility of the transaction's scope, to every role.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain.packing import COLUMNS, HEADER, TRAILER, pack
from ingest_gateway.domain.sorting import Key
from ingest_gateway.domain.validation import Row
from ingest_gateway.domain.wire import from_us


def next_batch_ids(conn: Connection[TupleRow], *, count: int) -> list[int]:
    """Give numbers that no other batch has, in their order."""
    rows = conn.execute(
        "SELECT nextval('intake_batch_id') FROM generate_series(1, %(count)s)", {"count": count}
    ).fetchall()
    return [row[0] for row in rows]


def next_batch_id(conn: Connection[TupleRow]) -> int:
    """Give a number that no other batch has."""
    row = conn.execute("SELECT nextval('intake_batch_id')").fetchone()
    assert row is not None, "a sequence always has a next number"
    return row[0]


def copy(conn: Connection[TupleRow], *, utility_id: int, batch_id: int, rows: Iterable[Row]) -> None:
    """Store readings that are new.

    :raises psycopg.errors.UniqueViolation: if one of them is stored already; the transaction is then of no more use
    """
    copy_packed(conn, parts=[pack(rows, utility_id=utility_id, batch_id=batch_id)])


def copy_stream(conn: Connection[TupleRow], *, parts: Iterable[bytes]) -> None:
    """Store readings that are packed already, row by row, without header and trailer."""
    copy_packed(conn, parts=chain([HEADER], parts, [TRAILER]))


def copy_packed(conn: Connection[TupleRow], *, parts: Iterable[bytes]) -> None:
    """Store what is a COPY stream already, straight into the table."""
    with (
        conn.cursor() as cursor,
        cursor.copy(
            """
        COPY reading (utility_id, meter_id, read_at, batch_id, register, export_register, flow, pressure_kpa,
                      voltage_1_v, voltage_2_v, voltage_3_v, battery_pct, flags) FROM STDIN (FORMAT BINARY)
        """
        ) as stream,
    ):
        for part in parts:
            stream.write(part)


def store_through_stage(
    conn: Connection[TupleRow], *, utility_id: int, batch_id: int, rows: Iterable[Row]
) -> tuple[set[Key], set[Key]]:
    """Store those that are new; return them, and those whose instant is stored with other values."""
    _stage(conn, pack(rows, utility_id=utility_id, batch_id=batch_id))
    stored = conn.execute(
        """
        INSERT INTO reading SELECT * FROM reading_stage ORDER BY meter_id, read_at ON CONFLICT DO NOTHING
        RETURNING meter_id, (extract(epoch FROM read_at) * 1000000)::bigint
        """
    ).fetchall()
    return {(row[0], row[1]) for row in stored}, _conflicts(conn)


def store_late(conn: Connection[TupleRow], *, packed: bytes) -> tuple[int, set[Key]]:
    """Store packed readings of which some may be stored already.

    Returns how many were new, and those whose instant is stored with other values.
    """
    _stage(conn, HEADER + packed + TRAILER)
    stored = conn.execute(
        "INSERT INTO reading SELECT * FROM reading_stage ORDER BY meter_id, read_at ON CONFLICT DO NOTHING"
    ).rowcount
    return stored, _conflicts(conn)


def _stage(conn: Connection[TupleRow], stream: bytes) -> None:
    """Copy readings to where they are compared with what is stored, in place of those that were there."""
    conn.execute("CREATE TEMPORARY TABLE IF NOT EXISTS reading_stage (LIKE reading) ON COMMIT DELETE ROWS")
    conn.execute("DELETE FROM reading_stage")
    with conn.cursor() as cursor, cursor.copy("COPY reading_stage FROM STDIN (FORMAT BINARY)") as into:
        into.write(stream)


def _conflicts(conn: Connection[TupleRow]) -> set[Key]:
    """Give those on the stage whose instant is stored with other values."""
    rows = conn.execute(
        """
        SELECT s.meter_id, (extract(epoch FROM s.read_at) * 1000000)::bigint
        FROM reading_stage s JOIN reading r USING (utility_id, meter_id, read_at)
        WHERE (r.register, r.export_register, r.flow, r.pressure_kpa, r.voltage_1_v, r.voltage_2_v, r.voltage_3_v,
               r.battery_pct, r.flags)
              IS DISTINCT FROM
              (s.register, s.export_register, s.flow, s.pressure_kpa, s.voltage_1_v, s.voltage_2_v, s.voltage_3_v,
               s.battery_pct, s.flags)
        ORDER BY s.meter_id, s.read_at
        """
    ).fetchall()
    return {(row[0], row[1]) for row in rows}


def store_one(conn: Connection[TupleRow], *, utility_id: int, batch_id: int, row: Row) -> bool:
    """Store one reading unless its instant is taken; tell whether it was stored. For roles that may not COPY."""
    parameters = _parameters(row, utility_id=utility_id, batch_id=batch_id)
    done = conn.execute(
        """
        INSERT INTO reading (utility_id, meter_id, read_at, batch_id, register, export_register, flow, pressure_kpa,
                             voltage_1_v, voltage_2_v, voltage_3_v, battery_pct, flags)
        VALUES (%(utility_id)s, %(meter_id)s, %(read_at)s, %(batch_id)s, %(register)s, %(export_register)s, %(flow)s,
                %(pressure_kpa)s, %(voltage_1_v)s, %(voltage_2_v)s, %(voltage_3_v)s, %(battery_pct)s, %(flags)s)
        ON CONFLICT DO NOTHING
        """,
        parameters,
    )
    return done.rowcount == 1


def is_stored_alike(conn: Connection[TupleRow], *, utility_id: int, row: Row) -> bool:
    """Tell whether the reading of this meter and instant is stored with the same values."""
    parameters = _parameters(row, utility_id=utility_id, batch_id=0)
    found = conn.execute(
        """
        SELECT (register, export_register, flow, pressure_kpa, voltage_1_v, voltage_2_v, voltage_3_v, battery_pct,
                flags)
               IS NOT DISTINCT FROM
               (%(register)s::bigint, %(export_register)s::bigint, %(flow)s::real, %(pressure_kpa)s::real,
                %(voltage_1_v)s::real, %(voltage_2_v)s::real, %(voltage_3_v)s::real, %(battery_pct)s::smallint,
                %(flags)s::integer)
        FROM own_reading
        WHERE utility_id = %(utility_id)s AND meter_id = %(meter_id)s AND read_at = %(read_at)s
        """,
        parameters,
    ).fetchone()
    return found is not None and found[0]


def is_register_stored(conn: Connection[TupleRow], *, utility_id: int, row: Row) -> bool:
    """Tell whether the reading of this meter and instant is stored with the same register, whatever else it says."""
    found = conn.execute(
        """
        SELECT register IS NOT DISTINCT FROM %(register)s::bigint FROM own_reading
        WHERE utility_id = %(utility_id)s AND meter_id = %(meter_id)s AND read_at = %(read_at)s
        """,
        _parameters(row, utility_id=utility_id, batch_id=0),
    ).fetchone()
    return found is not None and found[0]


def rows_of_batch(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    batch_id: int,
    meter_ids: Sequence[int],
    first: datetime,
    last: datetime,
) -> list[Row]:
    """List the readings of a batch, which are of these meters and between these instants, both included."""
    rows = conn.execute(
        """
        SELECT r.meter_id, (extract(epoch FROM r.read_at) * 1000000)::bigint, r.register, r.export_register, r.flow,
               r.pressure_kpa, r.voltage_1_v, r.voltage_2_v, r.voltage_3_v, r.battery_pct, r.flags
        FROM unnest(%(meter_ids)s::bigint[]) AS m (meter_id)
        JOIN reading AS r ON r.utility_id = %(utility_id)s AND r.meter_id = m.meter_id
            AND r.read_at >= %(first)s AND r.read_at <= %(last)s
        WHERE r.batch_id = %(batch_id)s
        ORDER BY r.meter_id, r.read_at
        """,
        {
            "utility_id": utility_id,
            "batch_id": batch_id,
            "meter_ids": list(meter_ids),
            "first": first,
            "last": last,
        },
    ).fetchall()
    return [Row(*row) for row in rows]


def record_batch(
    conn: Connection[TupleRow], *, utility_id: int, batch_id: int, received_us: int, source: str, rows: Sequence[Row]
) -> None:
    """Write the row that everything after the store follows; `rows` are those that were stored, at least one."""
    instants = [row.read_at_us for row in rows]
    insert_batch(
        conn,
        utility_id=utility_id,
        batch_id=batch_id,
        received_at=from_us(received_us),
        source=source,
        meter_ids=sorted({row.meter_id for row in rows}),
        read_from=from_us(min(instants)),
        read_to=from_us(max(instants)),
        stored=len(rows),
    )


def insert_batch(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    batch_id: int,
    received_at: datetime,
    source: str,
    meter_ids: list[int],
    read_from: datetime,
    read_to: datetime,
    stored: int,
) -> None:
    conn.execute(
        """
        INSERT INTO intake_batch AS b (utility_id, batch_id, received_at, source, meter_ids, read_from, read_to, stored)
        VALUES (%(utility_id)s, %(batch_id)s, %(received_at)s, %(source)s, %(meter_ids)s, %(read_from)s, %(read_to)s,
                %(stored)s)
        ON CONFLICT (utility_id, batch_id) DO UPDATE  -- a part of it was settled before
        SET received_at = excluded.received_at, read_from = least(b.read_from, excluded.read_from),
            read_to = greatest(b.read_to, excluded.read_to), stored = b.stored + excluded.stored,
            meter_ids = ARRAY(SELECT DISTINCT unnest(b.meter_ids || excluded.meter_ids) ORDER BY 1)
        """,
        {
            "utility_id": utility_id,
            "batch_id": batch_id,
            "received_at": received_at,
            "source": source,
            "meter_ids": meter_ids,
            "read_from": read_from,
            "read_to": read_to,
            "stored": stored,
        },
    )


def _parameters(row: Row, *, utility_id: int, batch_id: int) -> dict[str, Any]:
    values = (utility_id, row.meter_id, from_us(row.read_at_us), batch_id, *row[2:])
    return dict[str, Any](zip(COLUMNS, values, strict=True))
