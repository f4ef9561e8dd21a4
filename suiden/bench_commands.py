"""`suiden bench`: how fast the product is on this machine, measured against what the machine can do."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from suiden.bench.sizes import BUFFERS, SizeUnreadable, size

WIDTH = 130  # of tables in a file
commands = typer.Typer(
    no_args_is_help=True, help="Measure the product on this machine, beside what the machine can do."
)
out = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else WIDTH)
SAID_EVERY_S = 5.0


def one_size(text: str) -> int:
    """Read an option that is a size."""
    try:
        return size(text)
    except SizeUnreadable as error:
        raise typer.BadParameter(str(error)) from error


def many_sizes(text: str) -> list[int]:
    """Read an option that is a list of sizes."""
    return [one_size(part) for part in text.split(",")]


DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        envvar="SUIDEN_BENCH_DATABASE_URL",
        help="a server whose login may make databases; without it one is started for the run",
    ),
]


Buffers = Annotated[str, typer.Option(help="memory for pages of the server that is started for the run")]


@commands.command()
def reading(
    rows: Annotated[str, typer.Option(help="readings in the store")] = "50M",
    meters: Annotated[str, typer.Option(help="meters that sent them")] = "100k",
    reads: Annotated[int, typer.Option(help="how often each read is measured")] = 500,
    by_day: Annotated[
        bool,
        typer.Option(help="lay the days of all meters in the order of time, as daily work does; needs disk for it"),
    ] = True,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the figures to this file too")] = None,
    buffers: Buffers = BUFFERS,
    database_url: DatabaseUrl = None,
) -> None:
    """Read back from a full store: a customer's 13 months, an operator's list, a zone's last day; size on the disk."""
    from suiden.bench import reading_report

    with _progress() as say:
        report = reading_report.run(
            database_url,
            readings=one_size(rows),
            meters=one_size(meters),
            reads=reads,
            by_day=by_day,
            buffers=buffers,
            say=say,
        )
    reading_report.show(report, console=out)
    if json_file is not None:
        json_file.write_text(json.dumps(reading_report.as_json(report), indent=2) + "\n")


@commands.command()
def ingest(
    batched: Annotated[str, typer.Option(help="readings in one run of messages of a hundred")] = "1M",
    single: Annotated[str, typer.Option(help="messages of one reading in one run")] = "200k",
    meters: Annotated[str, typer.Option(help="meters that send them")] = "10k",
    runs: Annotated[int, typer.Option(help="alternating runs of each load; medians are told")] = 3,
    load: Annotated[list[str] | None, typer.Option(help="only this load; may be repeated")] = None,
    live_seconds: Annotated[float, typer.Option(help="how long the load live5000 is measured, after 5 s")] = 20.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the figures to this file too")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Take readings in as fast as they come, beside raw COPY and beside paho that only receives."""
    from suiden.bench import ingest_report
    from suiden.bench.live import LiveImpossible
    from suiden.errors import NotPossibleHere

    unknown = sorted({*(load or [])} - {*ingest_report.LOADS})
    if unknown:
        raise typer.BadParameter(f"there is no load {', '.join(unknown)}; choose of {', '.join(ingest_report.LOADS)}")
    sizes = ingest_report.Sizes(batched=one_size(batched), single=one_size(single), meters=one_size(meters))
    try:
        with _progress() as say:
            report = ingest_report.run(
                database_url, sizes=sizes, runs=runs, only=load or [], live_s=live_seconds, say=say
            )
    except LiveImpossible as error:
        raise NotPossibleHere(str(error)) from error
    ingest_report.show(report, console=out)
    if json_file is not None:
        json_file.write_text(json.dumps(ingest_report.as_json(report), indent=2) + "\n")


@commands.command()
def live(
    rate: Annotated[str, typer.Option(help="messages a second, of one reading each")] = "5000",
    seconds: Annotated[float, typer.Option(help="how long it is measured, after 5 s that are not")] = 20.0,
    viewers: Annotated[int, typer.Option(help="customers who look on, of one meter each")] = 995,
    consoles: Annotated[int, typer.Option(help="operators who look on, once a second")] = 5,
    meters: Annotated[str | None, typer.Option(help="meters in all; by default each sends once a second")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the figures to this file too")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Publish readings one by one: how long until they are committed, and until they are on people's screens."""
    from suiden.bench import rig as rigs
    from suiden.bench.live import LiveImpossible, report, run_live
    from suiden.errors import NotPossibleHere

    try:
        with _progress() as say, rigs.servers(database_url=database_url) as rig:
            figures = run_live(
                rig,
                rate_per_s=one_size(rate),
                duration_s=seconds,
                viewers=viewers,
                consoles=consoles,
                meters=one_size(meters) if meters else None,
                say=say,
            )
    except LiveImpossible as error:
        raise NotPossibleHere(str(error)) from error
    report.show(figures, console=out)
    if json_file is not None:
        json_file.write_text(json.dumps([figures.as_json()], indent=2) + "\n")


@commands.command()
def growth(
    stored: Annotated[str, typer.Option(help="readings in the store at which to measure")] = "1M,10M,50M",
    meters: Annotated[str, typer.Option(help="meters that sent them, each number by itself")] = "1k,100k",
    take: Annotated[str, typer.Option(help="readings that are stored and measured at each size")] = "1M",
    json_file: Annotated[Path | None, typer.Option("--json", help="write the figures to this file too")] = None,
    buffers: Buffers = BUFFERS,
    database_url: DatabaseUrl = None,
) -> None:
    """Store more readings in stores of growing size: what does one cost? A small run: --stored 200k,1M --take 200k."""
    from suiden.bench import growth as bench
    from suiden.bench import growth_report

    with _progress() as say:
        found = bench.run(
            database_url,
            stored=many_sizes(stored),
            meters=many_sizes(meters),
            take=one_size(take),
            buffers=buffers,
            say=say,
        )
    growth_report.show(found, console=out)
    if json_file is not None:
        json_file.write_text(json.dumps(growth_report.as_json(found), indent=2) + "\n")


@commands.command()
def checker(
    meters: Annotated[str, typer.Option(help="meters that report every 15 minutes")] = "100k",
    batch: Annotated[int, typer.Option(min=1, help="readings that are handed in at once")] = 1_000,
    slots: Annotated[int, typer.Option(min=1, help="readings of each meter in a run")] = 48,
    runs: Annotated[int, typer.Option(min=1)] = 3,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the figures to this file too")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Feed the checker decoded readings, all detectors on, its state saved as it goes: how many a second on a core?"""
    from suiden.bench import checker as bench

    with _progress() as say:
        figures = bench.run(database_url, meters=one_size(meters), batch=batch, slots=slots, runs=runs, say=say)
    out.print(
        f"{figures.readings_per_core_s:,} readings a second on a core, {figures.readings_per_s:,} by the wall "
        f"({figures.meters:,} meters, batches of {figures.batch:,}, {figures.detectors} detectors; saving "
        f"{figures.saved_mb:g} MB takes {figures.saving_share:.0%} of the time; {figures.findings} findings)"
    )
    if json_file is not None:
        json_file.write_text(json.dumps([figures.as_json()], indent=2) + "\n")


@commands.command()
def tickets(
    zones: Annotated[int, typer.Option(min=1, help="zones whose voltage sags, one after another")] = 16,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the figures to this file too")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Let voltage sag in the running system: how long from the reading that decides to the ticket?"""
    from suiden.bench import tickets as bench
    from suiden.bench.live import LiveImpossible
    from suiden.bench.rig import servers
    from suiden.errors import NotPossibleHere

    try:
        with _progress() as say, servers(database_url=database_url) as rig:
            figures = bench.run(rig, zones=zones, say=say)
    except LiveImpossible as error:
        raise NotPossibleHere(str(error)) from error
    out.print(
        f"{figures.tickets} of {figures.zones} zones got their ticket; from the deciding reading "
        f"{figures.deciding_to_ticket_p50_s:g} s (median), {figures.deciding_to_ticket_p95_s:g} s (p95), from the "
        f"first low one {figures.first_low_to_ticket_p50_s:g} s (median), with a reading every {figures.slot_s:g} s"
    )
    if json_file is not None:
        json_file.write_text(json.dumps([figures.as_json()], indent=2) + "\n")


@commands.command()
def rating(
    points: Annotated[str, typer.Option(help="bills that are rated at once")] = "1M",
    runs: Annotated[int, typer.Option(help="runs of each kind of work; medians are told")] = 7,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the figures to this file too")] = None,
) -> None:
    """Rate a million bills in the kernel, on one core; compared with bills rated one by one before."""
    from suiden.bench import rating as rating_bench

    with _progress() as say:
        report = rating_bench.run(points=one_size(points), runs=runs, say=say)
    rating_bench.show(report, console=out)
    if json_file is not None:
        json_file.write_text(json.dumps(rating_bench.as_json(report), indent=2) + "\n")


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show what is being done: one line that changes on a terminal, elsewhere a line now and then."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    if not console.is_terminal:
        yield _said_now_and_then(console)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=None)
        yield lambda text: progress.update(task, description=text)


def _said_now_and_then(console: Console) -> Callable[[str], None]:
    started_s = time.monotonic()
    said_s = float("-inf")

    def say(text: str) -> None:
        nonlocal said_s
        if time.monotonic() >= said_s + SAID_EVERY_S:
            said_s = time.monotonic()
            console.print(f"{said_s - started_s:7.1f} s  {text}")

    return say
