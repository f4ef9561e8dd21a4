"""What the run says: a line a cycle, a table at the end, a file with every number."""

import json
import platform
import statistics
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from suiden.torture.ingest import Cycle, Report

MIB = 1 << 20


def tell_cycle(cycle: Cycle, *, of: int, console: Console) -> None:
    """Print one cycle on one line, and what did not hold below it."""
    told = "" if cycle.told_s is None else f"told {cycle.told_s:.1f} s  "
    whole = "" if cycle.whole_s is None else f"whole {cycle.whole_s:.1f} s  "
    mark = "[green]ok[/]" if cycle.is_well else "[bold red]FAILED[/]"
    console.print(
        f"{cycle.number:>{len(str(of))}}/{of} {mark} [bold]{cycle.kind:<22}[/]{told:>13}{whole:>14}"
        f"{cycle.messages:>5} messages {cycle.sent_again:>5} again {cycle.readings:>9,} stored"
        f"  [dim]{escape(cycle.detail)}[/]",
        highlight=False,
        soft_wrap=True,
    )
    for problem in cycle.problems:
        console.print(f"    [red]{escape(problem)}[/]", highlight=False, soft_wrap=True)


def tell_report(report: Report, *, console: Console) -> None:
    """Print the table of faults and the verdict."""
    console.print(_table(report))
    for kind, why in report.left_out.items():
        console.print(f"[yellow]left out: {kind}[/] ({escape(why)})", highlight=False)
    last = report.cycles[-1] if report.cycles else None
    lines = [
        f"messages: {report.messages:,} read, {report.sent:,} sent, {report.dropped:,} lost on the way",
        f"acks: {report.acks_dropped:,} lost on the way",
        f"readings: {report.readings:,} stored, {report.refused:,} refused for a wrong clock and kept",
        f"gaps: {report.gaps_shown:,} numbers forgotten by a sender, and shown",
        f"time: {report.took_s:.0f} s, {report.started_in_s:.0f} s of them to start; {report.gateway_starts} gateways",
    ]
    if last is not None:
        lines.append(
            f"at the end: gateway {last.gateway_bytes / MIB:.0f} MiB, this process {last.own_bytes / MIB:.0f} MiB,"
            f" database {last.database_bytes / MIB:.0f} MiB"
        )
    console.print("\n".join(lines), highlight=False, soft_wrap=True)
    if report.is_well:
        console.print(f"[bold green]{len(report.cycles)} faults: nothing lost, nothing doubled, no gap hidden[/]")
        return
    if report.is_stopped:
        console.print(f"[yellow]stopped in cycle {len(report.cycles)} of {report.options.cycles}[/]", highlight=False)
        return
    if report.diagnosis:
        console.print(report.diagnosis, markup=False, highlight=False, soft_wrap=True)
    console.print(f"[bold red]it did not hold[/]; to see it again:\n  {repeat_command(report)}", soft_wrap=True)


def repeat_command(report: Report) -> str:
    """Give the command that runs the same faults up to the last one again."""
    options = report.options
    only = f" --only {','.join(options.kinds)}" if options.kinds else ""
    trust = " --trust" if options.trusts else ""
    workers = f" --workers {options.workers}" if options.workers > 1 else ""
    return (
        f"suiden torture ingest --cycles {max(1, len(report.cycles))} --seed {options.seed} --broker {options.broker}"
        f" --rate {options.messages_per_s:g}{only}{workers}{trust}"
    )


def write_report(report: Report, path: Path) -> None:
    """Write every number as JSON."""
    told: dict[str, Any] = asdict(report)
    told |= {
        "is_well": report.is_well,
        "repeat": repeat_command(report),
        "machine": {"python": platform.python_version(), "system": platform.platform()},
    }
    path.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n")


def _table(report: Report) -> Table:
    table = Table(title=f"seed {report.options.seed}, {report.options.broker} broker", title_justify="left")
    table.add_column("fault", no_wrap=True)
    for column in ("cycles", "told s", "most", "whole s", "most", "again", "failed"):
        table.add_column(column, justify="right")
    for kind in sorted({cycle.kind for cycle in report.cycles}):
        cycles = [cycle for cycle in report.cycles if cycle.kind == kind]
        told = [cycle.told_s for cycle in cycles if cycle.told_s is not None]
        whole = [cycle.whole_s for cycle in cycles if cycle.whole_s is not None]
        failed = sum(not cycle.is_well for cycle in cycles)
        table.add_row(
            kind,
            str(len(cycles)),
            f"{statistics.median(told):.1f}" if told else "",
            f"{max(told):.1f}" if told else "",
            f"{statistics.median(whole):.1f}" if whole else "",
            f"{max(whole, default=0):.1f}",
            f"{sum(cycle.sent_again for cycle in cycles):,}",
            f"[red]{failed}[/]" if failed else "0",
        )
    return table
