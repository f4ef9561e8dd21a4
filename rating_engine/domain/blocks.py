"""Prices by how much is used: block by block, or one band's price for the whole quantity."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rating_engine.domain.decimals import plain
from rating_engine.domain.parts import Month, Part, SizeNotPriced
from rating_engine.domain.rounding import RoundingMode, divide


@dataclass(frozen=True, slots=True)
class Block:
    """Up to and including `upto` (scaled quantity; None: no end), each unit costs `price`."""

    upto: int | None
    price: int


@dataclass(frozen=True, slots=True)
class BlockTable:
    """The blocks of some sizes; `sizes` is empty where the table holds for all."""

    sizes: frozenset[int]
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Blocks:
    """Tables by size. `graduated`: each unit at its own block's price; `whole`: all units at the last block reached."""

    item: str
    by: Literal["size_mm", "capacity_a", "all"]
    kind: Literal["graduated", "whole"]
    tables: tuple[BlockTable, ...]
    boundary_mode: RoundingMode


def table_for(charge_: Blocks, *, size_mm: int | None, capacity_a: int | None) -> BlockTable:
    """Find the table of a size.

    :raises SizeNotPriced: if no table names the size
    """
    size = {"size_mm": size_mm, "capacity_a": capacity_a, "all": None}[charge_.by]
    for table in charge_.tables:
        if not table.sizes or size in table.sizes:
            return table
    raise SizeNotPriced(f"{charge_.by} {size} has no {charge_.item} price")


def charge(charge_: Blocks, *, month: Month, table: BlockTable, unit: str, digits: int) -> Iterator[Part]:
    """Charge one month's use; blocks without use give no part."""
    spans = list(_spans(charge_, month=month, table=table))
    if charge_.kind == "whole":
        reached = next(span for span in spans if span[1] is None or month.quantity <= span[1])
        spans = [(0, None, reached[2])]
    for above, upto, price in spans:
        used = max(0, (month.quantity if upto is None else min(month.quantity, upto)) - above)
        if used:
            yield Part(
                item=charge_.item,
                label=f"{charge_.item}|{_bound(above, digits)}|{_bound(upto, digits)}|{unit}",
                unit_price=price,
                amount=used * price,
                quantity=used,
            )


def _spans(charge_: Blocks, *, month: Month, table: BlockTable) -> Iterator[tuple[int, int | None, int]]:
    # Widths are scaled, not boundaries: so the ordinances and supply terms that scale tables say it.
    lower = above = 0
    for block in table.blocks:
        if block.upto is None:
            yield above, None, block.price
            return
        width = (block.upto - lower) * month.table_numerator
        upto = above + divide(width, month.table_denominator, mode=charge_.boundary_mode)
        yield above, upto, block.price
        lower, above = block.upto, upto


def _bound(scaled: int | None, digits: int) -> str:
    return "" if scaled is None else plain(scaled, digits=digits)
