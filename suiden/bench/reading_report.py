"""The report of `suiden bench reading`: the run from an empty server to a table of figures."""

from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from ingest_gateway.queries import reading_engine
from suiden.bench import reading, store
from suiden.bench.databases import own_database
from suiden.bench.filling import Say
from suiden.bench.reading import GOAL_MS, Measured, Report

SEED = 20_270_201
LOG = "2GB"
NOT_COMPRESSED = {
    "plain": "PostgreSQL without TimescaleDB has no compression of tables",
    "apache": "this TimescaleDB is the Apache edition, whose licence leaves compression out",
}


def run(
    database_url: str | None, *, readings: int, meters: int, reads: int, by_day: bool, buffers: str, say: Say
) -> Report:
    """Fill a database of its own and measure it; the database is gone at the end."""
    with own_database(database_url, buffers=buffers, log=LOG) as database:
        town, fill_s, roll_up_s = reading.fill(database.url, readings=readings, meters=meters, by_day=by_day, say=say)
        measured = reading.measure(database.url, town=town, reads=reads, seed=SEED, say=say)
        with psycopg.connect(database.url) as conn:
            tables = store.table_sizes(conn, reading.TABLES)
            not_compressed = NOT_COMPRESSED.get(reading_engine(conn), "")
            compressed = None if not_compressed else store.compress(conn)
        return Report(
            engine=database.engine,
            readings=town.readings,
            meters=len(town.meter_ids),
            fill_s=fill_s,
            roll_up_s=roll_up_s,
            reads=measured,
            tables=tuple(tables),
            compressed_bytes=compressed,
            not_compressed=not_compressed,
        )


def show(report: Report, *, console: Console) -> None:
    """Print the report."""
    console.print(
        f"{report.engine}: {report.readings:,} readings of {report.meters:,} meters; stored in {report.fill_s:.0f} s "
        f"({report.readings / report.fill_s:,.0f}/s), rolled up in {report.roll_up_s:.0f} s "
        f"({report.readings / report.roll_up_s:,.0f}/s)"
    )
    table = Table(
        "read", "rows", "p50 ms", "p95 ms", "p99 ms", "server ms", f"goal p95 ≤ {GOAL_MS:.0f} ms", "whole tables read"
    )
    for one in report.reads:
        times = [f"{ms:.1f}" for ms in (one.p50_ms, one.p95_ms, one.p99_ms, one.server_ms)]
        met = "met" if one.p95_ms <= GOAL_MS else "missed"
        table.add_row(one.name, f"{one.rows:,.0f}", *times, met, ", ".join(one.scanned) or "none")
    console.print(table)
    for one in report.reads:
        if not one.is_well:
            for plan in one.plans:
                console.print(f"\n{one.name}:\n{plan}", markup=False)
    sizes = Table("table", "rows", "heap MB", "indexes MB", "bytes a reading")
    for size in report.tables:
        total = size.heap + size.indexes
        megabytes = [f"{part / 1e6:,.1f}" for part in (size.heap, size.indexes)]
        sizes.add_row(size.table, f"{size.rows:,}", *megabytes, f"{total / report.readings:.1f}")
    console.print(sizes)
    if report.compressed_bytes is None:
        console.print(f"readings were not compressed: {report.not_compressed}")
    else:
        console.print(f"reading, compressed: {report.compressed_bytes / report.readings:.1f} bytes a reading")


def as_json(report: Report) -> list[dict[str, Any]]:
    """Give the figures of the report, one entry a read and one a table."""
    head = {"engine": report.engine, "readings": report.readings, "meters": report.meters}
    entries: list[dict[str, Any]] = [{**head, **_of_read(one)} for one in report.reads]
    entries += [
        {**head, "table": size.table, "rows": size.rows, "heap_bytes": size.heap, "index_bytes": size.indexes}
        for size in report.tables
    ]
    if report.compressed_bytes is not None:
        entries.append({**head, "table": "reading, compressed", "bytes": report.compressed_bytes})
    return entries


def _of_read(one: Measured) -> dict[str, Any]:
    return {
        "read": one.name,
        "reads": one.reads,
        "rows": one.rows,
        "p50_ms": one.p50_ms,
        "p95_ms": one.p95_ms,
        "p99_ms": one.p99_ms,
        "server_ms": one.server_ms,
        "goal_ms": GOAL_MS,
        "whole_tables_read": list(one.scanned),
    }
