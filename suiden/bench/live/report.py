"""The live benchmark's figures beside their goals, as a table."""

from rich.console import Console
from rich.table import Table

from suiden.bench.live.figures import LiveFigures

GOALS_MS = {"commit_ms_p50": 15.0, "commit_ms_p95": 30.0, "screen_ms_p99": 1000.0}
WORDS = {
    "commit_ms_p50": "read from the socket to committed, p50",
    "commit_ms_p95": "read from the socket to committed, p95",
    "commit_ms_p99": "read from the socket to committed, p99",
    "screen_ms_p50": "published to the customer's screen, p50",
    "screen_ms_p95": "published to the customer's screen, p95",
    "screen_ms_p99": "published to the customer's screen, p99",
    "console_ms_p50": "age of the newest reading on a console, p50",
    "console_ms_p99": "age of the newest reading on a console, p99",
}


def show(figures: LiveFigures, *, console: Console) -> None:
    """Print the figures, what was asked of the machine, and how busy it was."""
    console.print(
        f"{figures.readings_per_s:,.0f} readings/s of {figures.meters:,} meters for {figures.measured_s:.0f} s; "
        f"{figures.viewers:,} customers and {figures.consoles} consoles look on; "
        f"published {figures.published:,}, stored {figures.stored:,}, never shown {figures.never_shown:,}"
    )
    table = Table("what", "ms", "goal")
    found = figures.as_json()
    for name, words in WORDS.items():
        goal = GOALS_MS.get(name)
        ms = found[name]
        met = "" if goal is None else f"≤ {goal:,.0f}: {'met' if ms is not None and ms <= goal else 'missed'}"
        table.add_row(words, "–" if ms is None else f"{ms:,.1f}", met)
    console.print(table)
    if figures.stored < figures.published:
        console.print(f"[bold]the gateway was {figures.published - figures.stored:,} readings behind at the end[/]")
    shares = ", ".join(f"{name} {share:.2f}" for name, share in figures.processor_share.items())
    console.print(f"processors used: {shares}; load of the machine before: {figures.load_before:.2f}")
    asked = ", ".join(f"{count:,} × {part}" for part, count in sorted(figures.asked.items()))
    console.print(f"screens asked again, each of {figures.consoles} consoles once a second: {asked}")
