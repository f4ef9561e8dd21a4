"""The quick table of a tariff: what each use comes to, by size."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction

from rating_engine.domain.blocks import BlocksBy
from rating_engine.domain.quoting import Question, quote
from rating_engine.domain.tariff import Tariff
from rating_engine.domain.values import By, split_key, walk

SHOWN_SIZES = 3
ROWS = 60
STEPS = {"kWh": 10, "gal": 1000, "ft3": 100, "L": 1000}


@dataclass(frozen=True, slots=True)
class QuickTable:
    """For each use, and each size in it, what each service comes to in minor units."""

    services: tuple[str, ...]
    sizes: tuple[str, ...]
    rows: tuple[tuple[Fraction, tuple[tuple[int, ...], ...]], ...]


def sizes_of(tariff: Tariff) -> tuple[str | None, tuple[str, ...]]:
    """Find what prices are chosen by, size or amperes, and its first values."""
    for fact in ("size", "amperes"):
        for part in walk(tariff.services):
            if isinstance(part, By | BlocksBy) and part.by == fact:
                names = [name for key in part.of for name in split_key(key)]
                return fact, tuple(names[:SHOWN_SIZES])
    return None, ("",)


def uses_of(
    tariff: Tariff, *, months: int, least: int = 0, most: int | None = None, step: int | None = None
) -> list[Fraction]:
    """Choose the rows: some for each month of the bill, or as asked."""
    by = step or STEPS.get(tariff.quantity.unit, 1)
    last = most or ROWS * by * (1 if months == 1 else 2)
    known = [service.known_upto for service in tariff.services if service.known_upto is not None]
    if most is None and known:
        last = min(last, int(min(known)))
    return [Fraction(use) for use in range(least, last + 1, by)]


def table_of(
    tariff: Tariff,
    *,
    question: Question,
    fact: str | None,
    sizes: Sequence[str],
    uses: Sequence[Fraction],
    today: date,
) -> QuickTable:
    """Rate every use for every size. Raises as quoting does."""
    services: dict[str, None] = {}
    rows: list[tuple[Fraction, list[dict[str, int]]]] = []
    for use in uses:
        cells: list[dict[str, int]] = []
        for size in sizes:
            facts = {**question.facts, **({} if fact is None else {fact: size})}
            rating, _ = quote(tariff, question=replace(question, usage=use, facts=facts), today=today)
            totals: dict[str, int] = {}
            for one in rating.services:
                totals[one.service] = totals.get(one.service, 0) + one.total_minor
            services |= dict.fromkeys(totals)
            cells.append(totals)
        rows.append((use, cells))
    names = tuple(services)
    return QuickTable(
        services=names,
        sizes=tuple(sizes),
        rows=tuple((use, tuple(tuple(one.get(name, 0) for name in names) for one in cells)) for use, cells in rows),
    )
