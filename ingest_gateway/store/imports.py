"""Files of readings that were taken in, by the hash of their bytes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import Jsonb

from ingest_gateway.domain.sorting import Key
from ingest_gateway.domain.validation import Row
from ingest_gateway.domain.wire import from_us


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """A file that was taken in; counts are in readings, `imported_at` is utility time."""

    file_id: int
    name: str
    format: str
    imported_by: str
    imported_at: datetime
    received: int
    stored: int
    duplicates: int
    rejected: int


def lock(conn: Connection[TupleRow], *, utility_id: int) -> None:
    """Let one file at a time in: the same one, brought twice at once, is found by the second."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('import', %(utility_id)s))", {"utility_id": utility_id})


def by_hash(conn: Connection[TupleRow], *, utility_id: int, file_hash: bytes) -> ImportedFile | None:
    with conn.cursor(row_factory=class_row(ImportedFile)) as cursor:
        return cursor.execute(
            """
            SELECT file_id, name, format, imported_by, imported_at, received, stored, duplicates, rejected
            FROM imported_file WHERE utility_id = %(utility_id)s AND file_hash = %(file_hash)s
            """,
            {"utility_id": utility_id, "file_hash": file_hash},
        ).fetchone()


def newest(conn: Connection[TupleRow], *, utility_id: int, limit: int) -> Sequence[ImportedFile]:
    """List the files that were taken in, the last first."""
    with conn.cursor(row_factory=class_row(ImportedFile)) as cursor:
        return cursor.execute(
            """
            SELECT file_id, name, format, imported_by, imported_at, received, stored, duplicates, rejected
            FROM imported_file WHERE utility_id = %(utility_id)s ORDER BY file_id DESC LIMIT %(limit)s
            """,
            {"utility_id": utility_id, "limit": limit},
        ).fetchall()


def insert(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    file_hash: bytes,
    name: str,
    file_format: str,
    size: int,
    imported_by: str,
    at: datetime,
    received: int,
    stored: int,
    duplicates: int,
    rejected: int,
    reasons: Mapping[str, int],
    left_out: Mapping[str, int],
) -> int:
    row = conn.execute(
        """
        INSERT INTO imported_file (utility_id, file_hash, name, format, bytes, imported_by, imported_at, received,
                                   stored, duplicates, rejected, reasons, left_out)
        VALUES (%(utility_id)s, %(file_hash)s, %(name)s, %(format)s, %(bytes)s, %(imported_by)s, %(at)s, %(received)s,
                %(stored)s, %(duplicates)s, %(rejected)s, %(reasons)s, %(left_out)s)
        RETURNING file_id
        """,
        {
            "utility_id": utility_id,
            "file_hash": file_hash,
            "name": name,
            "format": file_format,
            "bytes": size,
            "imported_by": imported_by,
            "at": at,
            "received": received,
            "stored": stored,
            "duplicates": duplicates,
            "rejected": rejected,
            "reasons": Jsonb(dict(reasons)),
            "left_out": Jsonb(dict(left_out)),
        },
    ).fetchone()
    assert row is not None, "an insert returns its row"
    return row[0]


def stored_otherwise(conn: Connection[TupleRow], *, utility_id: int, rows: Iterable[Row]) -> set[Key]:
    """Tell which of these readings are stored with other values."""
    columns = list(zip(*rows, strict=True))
    if not columns:
        return set()
    meter_ids, instants, *measures = columns
    found = conn.execute(
        """
        SELECT g.meter_id, g.read_us
        FROM unnest(%(meter_ids)s::bigint[], %(instants)s::timestamptz[], %(read_us)s::bigint[],
                    %(registers)s::bigint[], %(export_registers)s::bigint[], %(flows)s::real[],
                    %(pressures)s::real[], %(volts_1)s::real[], %(volts_2)s::real[], %(volts_3)s::real[],
                    %(batteries)s::smallint[], %(flags)s::integer[])
             AS g (meter_id, read_at, read_us, register, export_register, flow, pressure_kpa, voltage_1_v, voltage_2_v,
                   voltage_3_v, battery_pct, flags)
        JOIN own_reading AS r ON r.utility_id = %(utility_id)s AND r.meter_id = g.meter_id AND r.read_at = g.read_at
        WHERE (r.register, r.export_register, r.flow, r.pressure_kpa, r.voltage_1_v, r.voltage_2_v, r.voltage_3_v,
               r.battery_pct, r.flags)
              IS DISTINCT FROM
              (g.register, g.export_register, g.flow, g.pressure_kpa, g.voltage_1_v, g.voltage_2_v, g.voltage_3_v,
               g.battery_pct, g.flags)
        ORDER BY g.meter_id, g.read_us
        """,
        {
            "utility_id": utility_id,
            "meter_ids": list(meter_ids),
            "instants": [from_us(instant) for instant in instants],
            "read_us": list(instants),
            **dict(zip(MEASURES, map(list, measures), strict=True)),
        },
    ).fetchall()
    return {(meter_id, read_us) for meter_id, read_us in found}


MEASURES = (
    "registers", "export_registers", "flows", "pressures", "volts_1", "volts_2", "volts_3", "batteries", "flags",
)  # fmt: skip
