"""The report of `suiden bench growth`."""

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from suiden.bench.growth import ALLOWED, Growth
from suiden.bench.sizes import written


def show(growth: Growth, *, console: Console) -> None:
    """Print what was measured."""
    console.print(
        f"{growth.engine}: packed readings by COPY into a store that grows, a commit every 5,000; flat is what "
        f"stays within ± {ALLOWED:.0%} of the smallest store's cost"
    )
    table = Table("meters", "stored", "µs a reading", "lowest … highest", "× smallest", "CPU µs", "× smallest", "flat")
    for name in ("commit p95 ms", "log B", "index B"):
        table.add_column(name, justify="right")
    for cost in growth.costs:
        ratio, cpu_ratio = growth.ratio(cost), growth.cpu_ratio(cost)
        table.add_row(
            written(cost.meters),
            written(cost.stored),
            f"{cost.us:.2f}",
            f"{cost.us_low:.2f} … {cost.us_high:.2f}",
            f"{ratio:.2f}",
            "" if cost.cpu_us is None else f"{cost.cpu_us:.2f}",
            "" if cpu_ratio is None else f"{cpu_ratio:.2f}",
            "yes" if growth.is_flat(cost) else "no",
            f"{cost.commit_p95_ms:.1f}",
            f"{cost.log_bytes:.0f}",
            f"{cost.index_bytes:.0f}",
        )
    console.print(table)


def as_json(growth: Growth) -> list[dict[str, Any]]:
    """Give the figures, one entry a size."""
    return [
        {"engine": growth.engine, **asdict(cost), "ratio": growth.ratio(cost), "cpu_ratio": growth.cpu_ratio(cost)}
        for cost in growth.costs
    ]
