"""How many bills a second come out of the rating engine's kernel, on one core."""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from rich.console import Console
from rich.table import Table

from rating_engine import tariffs
from rating_engine.domain.document import parse
from rating_engine.domain.kernel import Rated, TotalTable, energy_amounts, hourly_prices, table_of
from rating_engine.domain.rate import Use, rate
from rating_engine.domain.tariff import Tariff
from rating_engine.domain.time_of_use import TimeOfUse
from rating_engine.domain.totals import Uses, totals

MOST = 2000  # m³ in two months: far above what any home uses
SIZES = (13, 20, 25, 30, 40, 50, 75)
PERIODS = (("2026-02", "2026-03"), ("2026-04", "2026-05"))
ONE_BY_ONE = 300
ANNUAL_BILLS = 512
HOURS = 8760
SEED = 20260401

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Figure:
    """One kind of work: how much of it, and the median of its runs."""

    work: str
    rows: int
    seconds: float
    runs: int

    @property
    def rows_per_s(self) -> float:
        return self.rows / self.seconds


@dataclass(frozen=True, slots=True)
class Report:
    """All figures of a run; all were compared with bills rated one by one before they were measured."""

    figures: tuple[Figure, ...]
    compared: int


def run(*, points: int, runs: int, say: Say) -> Report:
    """Measure the kernel.

    :raises AssertionError: if a figure would be of wrong totals
    """
    tokyo = parse(tariffs.document("jp-tokyo"))
    random = np.random.default_rng(SEED)
    uses = np.minimum(random.gamma(3.0, 14.0, size=points).astype(np.int64), MOST)
    say("making the table")
    rated = [Rated(tokyo, "general", size, None, months) for months in PERIODS for size in SIZES]
    started = time.perf_counter()
    table = table_of(rated, most=MOST)
    made = Figure("make the table (uses of a row)", table.amounts.size, time.perf_counter() - started, 1)
    rows = random.integers(0, len(rated), size=points)
    say("comparing with bills rated one by one")
    compared = _compare(table, rated=rated, rows=rows, uses=uses)
    figures = [
        _measured("look up, one tariff and size", points, runs, say, lambda: table.totals(uses)),
        _measured("look up, mixed sizes and months", points, runs, say, lambda: table.totals_of(rows, uses)),
        _measured(
            "blocks in int64 arrays, one tariff and size", points, min(runs, 3), say, lambda: _in_arrays(tokyo, uses)
        ),
        _measured("one by one, line by line", ONE_BY_ONE, 1, say, lambda: _one_by_one(rated[1])),
        _time_of_use(runs, say, random=random),
        made,
    ]
    return Report(tuple(figures), compared)


def show(report: Report, *, console: Console) -> None:
    """Print the figures."""
    table = Table(title=f"Rating on one core; {report.compared} totals compared with bills rated one by one: all equal")
    for name in ("work", "rows", "rows a second", "seconds, median", "runs"):
        table.add_column(name, justify="left" if name == "work" else "right")
    for one in report.figures:
        table.add_row(one.work, f"{one.rows:,}", f"{one.rows_per_s:,.0f}", f"{one.seconds:.4f}", str(one.runs))
    console.print(table)


def as_json(report: Report) -> dict[str, Any]:
    """Give the figures as plain JSON values."""
    rows = [{**asdict(one), "rows_per_s": round(one.rows_per_s)} for one in report.figures]
    return {"compared": report.compared, "figures": rows}


def _measured(work: str, rows: int, runs: int, say: Say, do: Callable[[], object]) -> Figure:
    say(work)
    seconds: list[float] = []
    for _ in range(runs):
        started = time.perf_counter()
        do()
        seconds.append(time.perf_counter() - started)
    return Figure(work, rows, statistics.median(seconds), runs)


def _compare(table: TotalTable, *, rated: list[Rated], rows: Any, uses: Any) -> int:
    found = table.totals_of(rows[:ONE_BY_ONE], uses[:ONE_BY_ONE]).tolist()
    for row, use, total in zip(rows.tolist(), uses.tolist(), found, strict=False):
        assert total == _total(rated[row], use), f"{rated[row].size_mm} mm, {use} m³"
    return len(found)


def _one_by_one(one: Rated) -> None:
    for use in range(MOST - ONE_BY_ONE, MOST):  # each another one: none was rated before
        _total(one, use)


def _total(one: Rated, use: int) -> int:
    given = Use(use, one.size_mm, one.capacity_a, one.customer_class, 60, 60, one.months)
    return rate(one.tariff, use=given).total_minor


def _in_arrays(tariff: Tariff, uses: Any) -> object:
    sizes = np.full_like(uses, 20)
    many = Uses(uses, sizes, np.zeros_like(uses), PERIODS[0])
    return totals(tariff, uses=many, customer_class="general")


def _time_of_use(runs: int, say: Say, *, random: np.random.Generator) -> Figure:
    tariff = parse(tariffs.document("us-river-falls-tod"))
    charge = next(one for one in tariff.services[0].charges if isinstance(one, TimeOfUse))
    prices = {name: price for name, price in (charge.prices or {}).items() if not hasattr(price, "by")}
    first = datetime(2025, 1, 1, tzinfo=ZoneInfo(tariff.calendar.zone))
    hourly = hourly_prices(tariff, prices=prices, first=first, hours=HOURS)  # type: ignore[arg-type]
    use = random.integers(0, 4000, size=(ANNUAL_BILLS, HOURS)).astype(np.float64)
    work = "time of use, hourly, a year (annual bills)"
    return _measured(work, ANNUAL_BILLS, runs, say, lambda: energy_amounts(hourly, use))
