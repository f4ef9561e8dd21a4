"""`suiden anomaly`: labelled sets to measure the checker by, and the measuring."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from suiden import anomaly_sets

if TYPE_CHECKING:
    from suiden.evaluation.scorer import Labels

commands = typer.Typer(
    no_args_is_help=True, help="Measure the checker: make labelled sets of readings, evaluate on them."
)
WIDTH = 130  # of tables in a file
out = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else WIDTH)
err = Console(stderr=True)

Set = Annotated[Path, typer.Argument(help="a folder with a labelled set of readings", exists=True, file_okay=False)]
RealHomes = Annotated[bool, typer.Option("--real-homes", help="judge by the goals for sets over real homes")]
Details = Annotated[bool, typer.Option("--details", help="list what was missed and what was raised for nothing")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="write the figures to this file too")]


commands.command()(anomaly_sets.make)


@commands.command()
def evaluate(
    folder: Set,
    tickets_file: Annotated[Path, typer.Option("--out", help="where the tickets go, one JSON object a line")],
    batch: Annotated[int, typer.Option(min=1, help="readings that the checker takes at once")] = 5000,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="a detector by its name; may be given several times")
    ] = None,
    json_file: JsonFile = None,
    real_homes: RealHomes = False,
    details: Details = False,
    judge: Annotated[bool, typer.Option("--score/--no-score", help="judge the tickets by the set's labels")] = True,
) -> None:
    """Run a set through the checker and the grouping as its readings arrived; write the tickets and judge them."""
    from suiden.evaluation import folder as folders
    from suiden.evaluation import goals, report, run, scorer

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task(f"reading {folder}", total=None)
        given = folders.read(folder)
        result = run.evaluate(
            given, batch=batch, only=only, say=lambda share: progress.update(task, description=f"checking {share:.0%}")
        )
    lines = [json.dumps(line, ensure_ascii=False) + "\n" for line in result.tickets]
    tickets_file.write_text("".join(lines), encoding="utf-8")
    if not judge:
        out.print(f"{len(lines)} tickets from {result.readings:,} readings")
        return
    score = scorer.score(_labels(folder), [scorer.ticket_of(line) for line in result.tickets])
    target = goals.REAL_HOMES if real_homes else goals.SIMULATED
    report.show(score, goals=target, result=result, console=out, details=details)
    if json_file is not None:
        json_file.write_text(json.dumps(report.as_json(score, goals=target, result=result), indent=1) + "\n")


@commands.command(name="score")
def score_command(
    folder: Set,
    tickets_file: Annotated[Path, typer.Argument(help="tickets, one JSON object a line")],
    json_file: JsonFile = None,
    real_homes: RealHomes = False,
    details: Details = False,
) -> None:
    """Judge tickets that were written before by a set's labels."""
    from suiden.evaluation import goals, report, scorer

    score = scorer.score(_labels(folder), scorer.read_tickets(tickets_file))
    target = goals.REAL_HOMES if real_homes else goals.SIMULATED
    report.show(score, goals=target, result=None, console=out, details=details)
    if json_file is not None:
        json_file.write_text(json.dumps(report.as_json(score, goals=target, result=None), indent=1) + "\n")


def _labels(folder: Path) -> "Labels":
    from suiden.evaluation import scorer

    return scorer.read_labels(folder)
