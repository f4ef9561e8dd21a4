"""From a meter's intervals to the quantities that time-of-use prices and demand are charged on."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from io import StringIO
from itertools import pairwise
from zoneinfo import ZoneInfo

from pydantic_core import PydanticCustomError

from rating_engine.domain.calendar import Calendar
from rating_engine.domain.values import to_exact

ZERO = Fraction(0)
START_NAMES = ("start", "time", "timestamp", "from", "datetime")
USE_NAMES = ("use", "usage", "kwh", "import", "m3", "quantity")
EXPORT_NAMES = ("export", "export_kwh", "sent")


class IntervalsUnusable(ValueError):
    """The intervals cannot be read, or the tariff has no period for one of them; the message names the row."""


@dataclass(frozen=True, slots=True)
class Interval:
    """What was used, and sent out, from a local time on."""

    start: datetime
    use: Fraction
    export: Fraction


def read_intervals(text: str, *, zone: ZoneInfo) -> list[Interval]:
    """Read a CSV of intervals: a column `start` (ISO; local if it has no offset), `use` or `kwh`, and perhaps `export`.

    :raises IntervalsUnusable: naming the row
    """
    rows = csv.DictReader(StringIO(text.lstrip("\ufeff")))
    columns = {name.strip().lower(): name for name in rows.fieldnames or ()}
    start, use = _column(columns, START_NAMES), _column(columns, USE_NAMES)
    export = next((columns[name] for name in EXPORT_NAMES if name in columns), None)
    found: list[Interval] = []
    for number, row in enumerate(rows, start=2):
        try:
            at = datetime.fromisoformat(row[start].strip())
            local = at.replace(tzinfo=zone) if at.tzinfo is None else at.astimezone(zone)
            sent = to_exact(row[export].strip() or "0") if export is not None else ZERO
            found.append(Interval(local, to_exact(row[use].strip()), sent))
        except (ValueError, AttributeError, PydanticCustomError) as error:
            raise IntervalsUnusable(f"row {number}: {error}") from error
    if not found:
        raise IntervalsUnusable("there is no row; wanted are columns start and kwh, and a row for each interval")
    return found


def measures_of(intervals: Sequence[Interval], *, calendar: Calendar) -> dict[str, Fraction]:
    """Add up use and export by period, and find the highest demand (in units an hour), in all and by period.

    :raises IntervalsUnusable: if the tariff has no period for an interval
    """
    per_hour = _per_hour(intervals)
    found: dict[str, Fraction] = {"use": ZERO, "export": ZERO, "demand": ZERO}
    for period in calendar.periods:
        found |= {f"use.{period.name}": ZERO, f"export.{period.name}": ZERO, f"demand.{period.name}": ZERO}
    for one in intervals:
        for suffix in _suffixes(one, calendar=calendar):
            found[f"use{suffix}"] += one.use
            found[f"export{suffix}"] += one.export
            found[f"demand{suffix}"] = max(found[f"demand{suffix}"], one.use * per_hour)
    return found


def _suffixes(one: Interval, *, calendar: Calendar) -> Iterator[str]:
    yield ""
    if calendar.periods:
        period = calendar.period_at(one.start)
        if period is None:
            raise IntervalsUnusable(f"the tariff has no period for {one.start.isoformat()}")
        yield f".{period}"


def _per_hour(intervals: Sequence[Interval]) -> Fraction:
    """Tell how many intervals make an hour, from the shortest step between two of them."""
    starts = sorted(one.start.astimezone(UTC) for one in intervals)
    steps = [after - before for before, after in pairwise(starts) if after > before]
    step = min(steps, default=timedelta(hours=1))
    return Fraction(3600, max(1, int(step.total_seconds())))


def _column(columns: dict[str, str], names: Sequence[str]) -> str:
    for name in names:
        if name in columns:
            return columns[name]
    raise IntervalsUnusable(f"no column {names[0]}; there are {', '.join(columns) or 'none'}")
