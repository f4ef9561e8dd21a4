"""`suiden import`: readings out of files, with a trial before and a report after."""

import csv
import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from psycopg.errors import DeadlockDetected
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ingest_gateway import operations as ingest
from ingest_gateway.operations import FileOptions, FileTaken, RefusedLine, Source
from suiden import desk
from suiden.errors import NotPossibleHere

commands = typer.Typer(no_args_is_help=True, help="Take in what comes in files.")
out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True)

ATTEMPTS = 3
SHOWN_LINES = 5
SHOWN_CHARACTERS = 160
EXIT_SOME_REFUSED = 3
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
FORMATS = {"csv": "CSV", "xlsx": "Excel", "cmep": "CMEP"}


@commands.callback()
def group() -> None:
    """Take in what comes in files."""  # without this, the only command would lose its name


@commands.command()
def readings(
    file: Annotated[Path, typer.Argument(help="CSV, Excel (.xlsx) or CMEP; docs/files.md says what may be in it")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show what would happen, and store nothing")] = False,
    report: Annotated[
        Path | None, typer.Option(help="CSV file to write every refused line to, with its number and reason")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="store nothing if any line is refused")] = False,
    unit: Annotated[str, typer.Option(help="unit of totals that name none, such as m3 or kWh")] = "",
    leave_out: Annotated[
        list[str] | None, typer.Option(help="a column to pass over; may be given more than once")
    ] = None,
    meter_field: Annotated[
        int, typer.Option(min=3, max=8, help="field of CMEP records that holds the meter's serial")
    ] = 8,
    utility: Annotated[str, typer.Option(envvar="SUIDEN_UTILITY", help="code of the utility")] = "hinode",
    as_json: Annotated[bool, typer.Option("--json", help="print what happened as JSON")] = False,
) -> None:
    """Store the readings of a file: all of it in one transaction, and the same file only once.

    Each line passes the same checks as a message of a meter. Refused lines do not keep the others out: they are told,
    kept (`suiden rejects`), and written to --report. Exit code 0: all is stored, or was before; 3: some lines were
    refused; 1: nothing was stored.
    """
    options = FileOptions(unit=unit, left_out=frozenset(leave_out or ()), meter_field=meter_field)
    if report is not None and report.exists() and file.exists() and report.samefile(file):
        raise NotPossibleHere(f"--report {report} is the file of readings itself: give it another name")
    try:
        source = ingest.look_at(file)
        done = _try_again(
            lambda: _take_in(source, options=options, utility=utility, report=report, dry_run=dry_run, strict=strict)
        )
    except ingest.AlreadyImported as error:
        _say_earlier(error, as_json=as_json)
        return
    except ingest.FileUnusable as error:
        raise NotPossibleHere(f"{error}. Nothing was stored") from error
    taken = done.taken
    if as_json:
        told = {**_told(source, taken), "stored_now": done.is_kept, "first_refused": [_line(one) for one in done.first]}
        sys.stdout.write(json.dumps(told, ensure_ascii=False, indent=2) + "\n")
    else:
        _print(source, done, report=report)
        out.print(_closing(dry_run=dry_run, is_kept=done.is_kept))
    if not done.is_kept and not dry_run:
        raise typer.Exit(1)
    if taken.rejected:
        raise typer.Exit(EXIT_SOME_REFUSED)


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of the file, whether it was kept, and the first lines that were refused."""

    taken: FileTaken
    is_kept: bool
    first: list[RefusedLine]


def _try_again(work: Callable[[], _Done]) -> _Done:
    """Do it anew where the gateway was writing the same readings, and one of the two had to give way."""
    for _ in range(ATTEMPTS):
        try:
            return work()
        except DeadlockDetected:
            continue
    raise NotPossibleHere("meters are sending the same readings at this moment: try again later. Nothing was stored")


def _take_in(
    source: Source, *, options: FileOptions, utility: str, report: Path | None, dry_run: bool, strict: bool
) -> _Done:
    first: list[RefusedLine] = []
    with desk.work_for(utility, process="import") as at_desk, _report(report) as write, _bar(source.name) as progress:

        def refused(line: RefusedLine) -> None:
            if len(first) < SHOWN_LINES:
                first.append(line)
            write(line)

        taken = ingest.import_readings(
            at_desk.conn,
            utility_id=at_desk.utility.utility_id,
            source=source,
            options=options,
            imported_by=at_desk.actor,
            now=at_desk.now,
            on_refused=refused,
            progress=progress,
        )
        is_kept = not dry_run and not (strict and taken.rejected)
        if is_kept:
            detail = _told(source, taken)
            at_desk.record(action="readings.import", object_kind="file", object_id=str(taken.file_id), detail=detail)
        else:
            at_desk.conn.rollback()
    return _Done(taken, is_kept, first)


def neutral(text: str) -> str:
    """Make text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _told(source: Source, taken: FileTaken) -> dict[str, Any]:
    return {
        "file": source.name,
        "format": source.format,
        "sha256": source.digest.hex(),
        "received": taken.received,
        "stored": taken.stored,
        "duplicates": taken.duplicates,
        "rejected": taken.rejected,
        "reasons": dict(taken.reasons),
        "left_out": dict(taken.left_out),
    }


def _line(line: RefusedLine) -> dict[str, Any]:
    return {"line": line.number, "reason": line.reason, "detail": line.detail, "text": line.text}


def _print(source: Source, done: _Done, *, report: Path | None) -> None:
    taken = done.taken
    encoding = f" in {source.encoding}" if source.encoding else ""
    out.print(f"[bold]{escape(source.name)}[/] is {FORMATS[source.format]}{encoding}, {taken.received:,} readings")
    out.print(f"  {'stored' if done.is_kept else 'to store':<9}  {taken.stored:>9,}")
    out.print(f"  duplicate  {taken.duplicates:>9,}")
    colour = "yellow" if taken.rejected else "default"
    out.print(f"  refused    {taken.rejected:>9,}  [{colour}]{_listed(taken.reasons)}[/]")
    for what, count in taken.left_out.items():
        out.print(f"  left out   {count:>9,}  {escape(what)}")
    for line in done.first:
        text = line.text if len(line.text) <= SHOWN_CHARACTERS else f"{line.text[:SHOWN_CHARACTERS]}…"
        out.print(f"  line {line.number}: [yellow]{line.reason}[/]: {escape(_printable(line.detail))}")
        out.print(f"      {escape(_printable(text))}")
    if taken.rejected > len(done.first):
        out.print(f"  … {escape(_where_all_are(taken, is_kept=done.is_kept, report=report))}")


def _where_all_are(taken: FileTaken, *, is_kept: bool, report: Path | None) -> str:
    if report:
        return f"all {taken.rejected:,} are in {report}"
    if is_kept:
        return f"suiden rejects list --topic {taken.topic} shows all {taken.rejected:,}"
    return f"--report FILE writes all {taken.rejected:,}"


def _closing(*, dry_run: bool, is_kept: bool) -> str:
    if dry_run:
        return "[bold]Nothing was stored[/]: this was a trial. Without --dry-run it is done."
    if not is_kept:
        return "[bold red]Nothing was stored[/]: with --strict, one refused line keeps the whole file out."
    return "[bold green]Stored.[/] The same file once more changes nothing."


def _say_earlier(error: ingest.AlreadyImported, *, as_json: bool) -> None:
    if as_json:
        earlier = error.earlier
        told = {
            "already_imported_at": earlier.imported_at.isoformat(),
            "as": earlier.name,
            "by": earlier.imported_by,
            "stored_then": earlier.stored,
            "stored_now": False,
        }
        sys.stdout.write(json.dumps(told, ensure_ascii=False, indent=2) + "\n")
    else:
        out.print(f"{escape(str(error))}. Nothing is to be done.")


def _listed(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items(), key=lambda one: -one[1]))


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " if letter in "\t\r\n" else "·" for letter in text)


@contextmanager
def _report(path: Path | None) -> Iterator[Any]:
    """Give what writes a refused line; the file is there whole once all is done, or not at all."""
    if path is None:
        yield lambda _: None
        return
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with beside.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["line", "reason", "detail", "text"])
            yield lambda line: writer.writerow([line.number, line.reason, neutral(line.detail), neutral(line.text)])
        os.replace(beside, path)
    except OSError as error:
        raise NotPossibleHere(f"--report {path} cannot be written: {error.strerror or error}") from error
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def _bar(name: str) -> Iterator[Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task(escape(name), total=1.0)
        yield lambda done: progress.update(task, completed=done)
