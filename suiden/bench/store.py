"""What a benchmark asks the database about itself: plans and sizes."""

import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection, Cursor, sql
from psycopg.rows import TupleRow

from ingest_gateway.domain.packing import COLUMNS, HEADER, TRAILER

TOLD_ROWS = 1_000  # a sequential scan of a smaller table is no fault


@dataclass(slots=True)
class Plans:
    """The plans of the statements that ran, the server's own time for them all, tables read from end to end."""

    server_ms: float = 0.0
    texts: list[str] = field(default_factory=list[str])
    scanned: set[str] = field(default_factory=set[str])


@dataclass(frozen=True, slots=True)
class TableSize:
    """Bytes of one table, with all its parts."""

    table: str
    heap: int
    indexes: int
    rows: int


@contextmanager
def recorded(conn: Connection[TupleRow]) -> Generator[list[tuple[Any, Any]]]:
    """Note every statement that runs on the connection, with its parameters."""
    seen: list[tuple[Any, Any]] = []

    class Recorder(Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **options: Any) -> "Recorder":
            seen.append((query, params))
            return super().execute(query, params, **options)

    before, conn.cursor_factory = conn.cursor_factory, Recorder
    try:
        yield seen
    finally:
        conn.cursor_factory = before


def explain(conn: Connection[TupleRow], statements: list[tuple[Any, Any]], *, large: frozenset[str]) -> Plans:
    """Run the statements again and look at their plans."""
    plans = Plans()
    for query, params in statements:
        text = query.encode() if isinstance(query, str) else query
        if not isinstance(text, bytes) or not text.lstrip().upper().startswith((b"SELECT", b"WITH")):
            continue
        row = conn.execute(b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + text, params).fetchone()
        assert row is not None, "EXPLAIN gives a row"
        plans.server_ms += row[0][0]["Planning Time"] + row[0][0]["Execution Time"]
        plans.scanned |= {relation for relation in _scanned(row[0][0]["Plan"]) if relation in large}
        told = conn.execute(b"EXPLAIN (ANALYZE, BUFFERS) " + text, params).fetchall()
        plans.texts.append("\n".join(line for (line,) in told))
    return plans


def _scanned(node: Mapping[str, Any]) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan":
        yield node["Relation Name"]
    for below in node.get("Plans", ()):
        yield from _scanned(below)


def large_tables(conn: Connection[TupleRow]) -> frozenset[str]:
    """Name the tables, and parts of tables, that are too large to be read from end to end for a page."""
    rows = conn.execute(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND reltuples > %(rows)s", {"rows": TOLD_ROWS}
    ).fetchall()
    return frozenset(name for (name,) in rows)


def table_sizes(conn: Connection[TupleRow], tables: list[str]) -> list[TableSize]:
    """Tell how large tables are, chunks and partitions counted in."""
    sizes: list[TableSize] = []
    for table in tables:
        row = conn.execute(
            """
            WITH RECURSIVE part (oid) AS (
                SELECT %(table)s::regclass::oid
                UNION ALL
                SELECT i.inhrelid FROM part JOIN pg_inherits AS i ON i.inhparent = part.oid
            )
            SELECT sum(pg_table_size(oid))::bigint, sum(pg_indexes_size(oid))::bigint FROM part
            """,
            {"table": table},
        ).fetchone()
        count = conn.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
        assert row is not None, "an aggregate gives a row"
        assert count is not None, "an aggregate gives a row"
        sizes.append(TableSize(table, row[0], row[1], count[0]))
    return sizes


def compress(conn: Connection[TupleRow]) -> int:
    """Compress every chunk of the readings, where the licence allows; return their bytes after it, with indexes."""
    conn.execute("SELECT count(compress_chunk(chunk)) FROM show_chunks('reading') AS chunk")
    row = conn.execute(
        "SELECT sum(after_compression_total_bytes)::bigint FROM hypertable_compression_stats('reading')"
    ).fetchone()
    assert row is not None, "an aggregate gives a row"
    return row[0]


def copy_readings(conn: Connection[TupleRow], rows: bytes) -> None:
    """Store packed readings by binary COPY, as the gateway does."""
    columns = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    statement = sql.SQL("COPY reading ({}) FROM STDIN (FORMAT BINARY)").format(columns)
    with conn.cursor() as cursor, cursor.copy(statement) as stream:
        stream.write(HEADER + rows + TRAILER)


def checkpoint(conn: Connection[TupleRow]) -> None:
    """Write all that is in memory to the disk, so that each measurement begins alike."""
    conn.execute("CHECKPOINT")


def lay_by_day(conn: Connection[TupleRow]) -> None:
    """Put the rows of meter_day in the order in which the days passed: a customer's days are then far apart."""
    conn.execute("CREATE INDEX meter_day_laid ON meter_day (utility_id, day, meter_id)")
    conn.execute("CLUSTER meter_day USING meter_day_laid")
    conn.execute("DROP INDEX meter_day_laid")


def vacuum(conn: Connection[TupleRow]) -> None:
    """Let the planner know the tables, and index-only scans their visible pages, as autovacuum would by and by."""
    conn.execute("VACUUM (ANALYZE)")


def written_ahead(conn: Connection[TupleRow]) -> int:
    """Tell how many bytes of write-ahead log there ever were."""
    row = conn.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint").fetchone()
    assert row is not None, "the function returns a value"
    return row[0]


def cpu_us(conn: Connection[TupleRow]) -> float | None:
    """Tell how much of a processor the connection's server process has used; None where it is not of this machine."""
    server = conn.info.backend_pid
    try:
        told = Path(f"/proc/{server}/stat").read_text()
    except OSError:
        return None
    if "postgres" not in told[: told.rindex(")")]:
        return None
    user, system = told[told.rindex(")") + 2 :].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK") * 1e6


def make_database(server_url: str, name: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def drop_database(server_url: str, name: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as conn:
        conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def engine(database_url: str) -> tuple[str, str]:
    """Say what runs the database, with its version, and how large its shared buffers are."""
    with psycopg.connect(database_url) as conn:
        major = conn.info.server_version // 10_000
        row = conn.execute(
            "SELECT extversion, reading_engine() FROM pg_extension WHERE extname = 'timescaledb'"
        ).fetchone()
        buffers = conn.execute("SHOW shared_buffers").fetchone()
    assert buffers is not None, "SHOW gives a row"
    named = f"PostgreSQL {major}" if row is None else f"TimescaleDB {row[0]} ({row[1]}) on PostgreSQL {major}"
    return named, buffers[0]


def empty_intake(conn: Connection[TupleRow]) -> None:
    """Forget all that was ever taken in; meters and senders stay."""
    conn.execute(
        """
        TRUNCATE reading, intake_batch, intake_pending, intake_count, meter_latest, sender_sequence,
                 rejected_message, rejected_dropped, event, rollup_due CASCADE
        """
    )


def meter_ids(conn: Connection[TupleRow]) -> list[int]:
    """List the ids of meters by serial."""
    return [meter_id for (meter_id,) in conn.execute("SELECT meter_id FROM meter ORDER BY serial").fetchall()]


def taken_in(conn: Connection[TupleRow]) -> tuple[int, int, int]:
    """Tell how many readings were stored, found twice and refused, settled or not."""
    row = conn.execute(
        """
        SELECT coalesce(sum(stored), 0)::bigint, coalesce(sum(duplicates), 0)::bigint,
               coalesce(sum(rejected), 0)::bigint
        FROM (SELECT stored, duplicates, rejected FROM intake_count
              UNION ALL SELECT stored, duplicates, rejected FROM intake_pending) AS counted
        """
    ).fetchone()
    assert row is not None, "sums are always there"
    return row[0], row[1], row[2]


def readings_stored(conn: Connection[TupleRow]) -> tuple[int, int]:
    """Count the rows of readings, and the meters and instants that they are of."""
    row = conn.execute("SELECT count(*), count(DISTINCT (meter_id, read_at)) FROM reading").fetchone()
    assert row is not None, "counts are always there"
    return row[0], row[1]


def tickets_written(conn: Connection[TupleRow]) -> list[tuple[str, datetime]]:
    """List the zones of tickets, each with the moment of the wall when the first of them was written."""
    return conn.execute(
        """
        SELECT z.code, min(c.recorded_at)
        FROM master_change AS c
        JOIN zone AS z ON z.utility_id = c.utility_id AND z.zone_id = (c.after ->> 'zone_id')::bigint
        WHERE c.table_name = 'ticket' AND c.before IS NULL
        GROUP BY z.code ORDER BY z.code
        """
    ).fetchall()
