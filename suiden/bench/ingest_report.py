"""The benchmark of intake: every load beside its goal, as a table and as JSON."""

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from suiden.bench import ingest, shared
from suiden.bench import rig as rigs
from suiden.bench.ingest import Measured, Sizes
from suiden.bench.live import LiveFigures, run_live
from suiden.bench.live import report as live_report
from suiden.bench.live.run import LOAD as LIVE
from suiden.bench.shared import SharedFigures

__all__ = ["LOADS", "Report", "Sizes", "as_json", "run", "show"]

SHARED = "share2"
LOADS = (*ingest.names(), SHARED, LIVE)
# By load: the least part of raw COPY, of bare paho, and (malformed) of the same load's good readings when it is clean.
GOALS: dict[str, dict[str, float]] = {
    "batch100": {"ratio_copy": 0.80},
    "single": {"ratio_copy": 0.25, "ratio_paho": 3.0},
    "plain_paho": {"ratio_paho": 0.8},
    "duplicates2pct": {"ratio_copy": 0.45},
}
CLEAN = {"malformed50pct": "batch100", "malformed50pct_single": "single"}
CLEAN_GOAL = 0.5
SHARED_GOAL = 1.3


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured, where, and how busy the machine was before."""

    engine: str
    broker: str
    load_before: float
    measured: Measured
    shared: SharedFigures | None
    live: LiveFigures | None


def run(
    database_url: str | None,
    *,
    sizes: Sizes,
    runs: int,
    only: Sequence[str],
    live_s: float,
    say: Callable[[str], None],
) -> Report:
    """Start the servers, measure, and stop them; the live load has servers of its own, run for `live_s` seconds."""
    load_before = os.getloadavg()[0]
    say("starting the servers")
    with rigs.servers(database_url=database_url) as rig:
        measured = ingest.measure(rig, sizes=sizes, runs=runs, only=only, say=say)
        two = None
        if not only or SHARED in only:
            two = shared.measure(rig, messages=sizes.single, meters=sizes.meters, runs=runs, say=say)
        engine, broker = rig.engine, rig.broker
    live = None
    if not only or LIVE in only:
        say(f"{LIVE}: starting servers of its own")
        with rigs.servers(database_url=database_url) as rig:
            live = run_live(rig, duration_s=live_s, say=say)
    return Report(engine, broker, load_before, measured, two, live)


def as_json(report: Report) -> list[dict[str, Any]]:
    """List the figures by load."""
    told = [one.as_json() for one in report.measured.figures]
    if report.shared is not None:
        told.append({"load": SHARED, **report.shared.as_json(), **_ratios(report.shared.two_per_s, report.measured)})
    if report.live is not None:
        told.append({**report.live.as_json(), **_ratios(report.live.readings_per_s, report.measured)})
    return [{**one, "engine": report.engine, "broker": report.broker} for one in told]


def _ratios(readings_per_s: float, measured: Measured) -> dict[str, float]:
    return {
        "ratio_copy": round(readings_per_s / measured.copy_per_s, 3),
        "ratio_paho": round(readings_per_s / measured.paho_per_s, 2),
    }


def show(report: Report, *, console: Console) -> None:
    """Print the figures beside their goals."""
    console.print(
        f"{report.engine}, {report.broker}; {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}; load of the machine before: {report.load_before:.2f}"
    )
    table = Table("load", "readings/s", "runs", "of raw COPY", "of bare paho", "goal")
    by_name = {one.load: one for one in report.measured.figures}
    for one in report.measured.figures:
        runs = " ".join(f"{rate / 1000:,.0f}k" for rate in one.gateway)
        table.add_row(
            one.load,
            f"{one.readings_per_s:,.0f}",
            runs,
            f"{one.ratio_copy:.2f}",
            f"{one.ratio_paho:.2f}",
            _goal(one, by_name),
        )
    if report.measured.figures:
        console.print(table)
    if report.shared is not None:
        two = report.shared
        console.print(
            f"two workers in one share group: {two.two_per_s:,.0f} readings/s, {two.ratio:.2f} times one worker's "
            f"{two.one_per_s:,.0f} ({_verdict(two.ratio, SHARED_GOAL)}); one was killed under load: "
            f"{two.lost} readings lost, {two.doubled} stored twice"
        )
    if report.live is not None:
        console.print(f"{LIVE}:")
        live_report.show(report.live, console=console)


def _goal(one: ingest.Figures, by_name: dict[str, ingest.Figures]) -> str:
    told: list[str] = []
    for name, goal in GOALS.get(one.load, {}).items():
        found = getattr(one, name)
        told.append(f"{name.removeprefix('ratio_')} {_verdict(found, goal)}")
    clean = by_name.get(CLEAN.get(one.load, ""))
    if clean is not None:
        share = one.readings_per_s / clean.readings_per_s
        told.append(f"{share:.2f} of {clean.load} {_verdict(share, CLEAN_GOAL)}")
    return "; ".join(told)


def _verdict(found: float, goal: float) -> str:
    return f"≥ {goal:.2f}: {'met' if found >= goal else 'missed'}"
