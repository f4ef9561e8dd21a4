"""How the torture of the decoders went, for people and as JSON."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from ingest_gateway.domain.decoders import FORMATS
from suiden.errors import NotPossibleHere
from suiden.torture.decoders import Failure, Outcome

SHOWN_CHARACTERS = 300


def chosen(formats: Sequence[str] | None) -> list[str]:
    """Give the formats that were asked for, or all.

    :raises NotPossibleHere: if one is unknown
    """
    names = [known.name for known in FORMATS]
    unknown = [name for name in formats or () if name not in names]
    if unknown:
        raise NotPossibleHere(f"no such format: {', '.join(unknown)}; there are {', '.join(names)}")
    return list(formats or names)


def conclude(outcomes: Sequence[Outcome], *, seed: int, report: Path | None, console: Console) -> bool:
    """Tell what happened, keep what failed, and say whether all is well."""
    console.print(_table(outcomes))
    failures = [failure for outcome in outcomes for failure in outcome.failures]
    for failure in failures[:5]:
        console.print(f"[bold red]{failure.format}[/]", failure.topic[:SHOWN_CHARACTERS], markup=True, highlight=False)
        console.print(repr(failure.payload)[:SHOWN_CHARACTERS], failure.error, markup=False, highlight=False)
    if report is not None:
        report.write_text(json.dumps([_told(outcome, seed=seed) for outcome in outcomes], indent=1))
        console.print(f"every number is in {report}", highlight=False)
    if failures:
        console.print(f"{len(failures)} failed; they are kept in {_keep(failures)}", highlight=False)
        return False
    inputs = sum(outcome.inputs for outcome in outcomes)
    console.print(f"{inputs:,} messages of seed {seed}: each became a telegram or a reason", highlight=False)
    return True


def _table(outcomes: Sequence[Outcome]) -> Table:
    is_guided = not any(one.outcomes for one in outcomes)
    became = ("inputs", "branches") if is_guided else ("read", "refused")
    numbers = (*became, "a second", "slowest", "memory", "failed")
    table = Table(Column("format", no_wrap=True), *(Column(name, justify="right", no_wrap=True) for name in numbers))
    for one in outcomes:
        read = sum(count for name, count in one.outcomes.items() if name.startswith("read"))
        counts = (one.inputs, one.branches) if is_guided else (read, sum(one.outcomes.values()) - read)
        table.add_row(
            one.format,
            *(f"{count:,}" for count in counts),
            f"{one.inputs / max(one.seconds, 1e-9):,.0f}",
            f"{one.slowest_s * 1000:.0f} ms",
            f"+{one.grown_kib / 1024:.0f} MiB",
            str(len(one.failures)),
        )
    return table


def _told(outcome: Outcome, *, seed: int) -> dict[str, object]:
    return {
        "format": outcome.format,
        "seed": seed,
        "inputs": outcome.inputs,
        "seconds": round(outcome.seconds, 1),
        "slowest_ms": round(outcome.slowest_s * 1000, 1),
        "grown_kib": outcome.grown_kib,
        "failed": len(outcome.failures),
        "branches": outcome.branches,
        "outcomes": dict(sorted(outcome.outcomes.items())),
    }


def _keep(failures: Sequence[Failure]) -> Path:
    """Write what failed as samples are written, so that one can become a test."""
    with tempfile.NamedTemporaryFile("w", prefix="suiden-decoders-", suffix=".jsonl", delete=False) as file:
        for failure in failures:
            line = {"name": failure.error.splitlines()[-1], "topic": failure.topic, "hex": failure.payload.hex()}
            file.write(json.dumps({"format": failure.format, **line}) + "\n")
    return Path(file.name)
