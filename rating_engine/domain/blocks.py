"""Prices by how much is used: block by block, or one band's price for the whole quantity."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from rating_engine.domain import parts, values
from rating_engine.domain.charges import Charge, Known
from rating_engine.domain.decimals import decimal_text
from rating_engine.domain.facts import FactMissing, chosen_key
from rating_engine.domain.parts import SizeNotPriced
from rating_engine.domain.rounding import RoundingMode, to_decimals
from rating_engine.domain.values import Key, Measure, Name, Price, check_keys, check_rise

ZERO, ONE = Fraction(0), Fraction(1)


class Block(values.Part):
    """Up to and including `upto` (none: no end), each unit costs `price`; who reaches the block owes `fee` once."""

    upto: Price | None = None
    price: Price = ZERO
    fee: Price = ZERO


class BlocksBy(values.Part):
    """Blocks that a fact chooses: the size, the class, the season, the month, or any named fact."""

    by: Name
    of: Annotated[dict[Key, "BlockTable"], Field(min_length=1)]
    otherwise: "BlockTable | None" = None

    @model_validator(mode="after")
    def _keys(self) -> "BlocksBy":
        check_keys(self.by, tuple(self.of))
        return self


class BlockList(values.Part):
    """Blocks in rising order; the last one has no end."""

    rows: Annotated[tuple[Block, ...], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, given: object) -> object:
        return {"rows": given} if isinstance(given, list | tuple) else given  # pyright: ignore[reportUnknownVariableType]

    @model_validator(mode="after")
    def _check(self) -> "BlockList":
        check_blocks(self.rows)
        return self


def _kind(given: Any) -> str:
    return "=by" if isinstance(given, BlocksBy) or (isinstance(given, dict) and "rows" not in given) else "=blocks"


BlockTable = Annotated[
    Annotated[BlockList, Tag("=blocks")] | Annotated[BlocksBy, Tag("=by")],
    Discriminator(_kind),
]


class Blocks(Charge):
    """Prices by how much is used. `graduated`: each unit at its block's price; `whole`: all at the block reached."""

    model: Literal["blocks"]
    blocks: BlockTable
    kind: Literal["graduated", "whole"] = "graduated"
    of: Measure = "use"
    bounds: Literal["month", "day", "bill"] = Field(default="month", description="what the bounds are written for")
    bounds_times: Measure | None = Field(default=None, description="a number that widens the bounds: households, kw …")
    boundary_mode: RoundingMode | None = Field(
        default=None,
        description="how a widened or shrunk bound is rounded to the decimals of the quantity; left exact if not given",
    )
    included: Price = Field(default=ZERO, description="units that the base fee pays for; they cost nothing here")
    bounds_from: Literal["zero", "included"] = Field(default="zero", description="where the bounds count from")
    after: Measure | None = Field(default=None, description="a number of units used before, such as since new year")


@dataclass(frozen=True, slots=True)
class Span:
    """One block with its bounds as they count in this month."""

    above: Fraction
    upto: Fraction | None
    block: Block


def charge(charge_: Blocks, *, known: Known) -> Iterator[parts.Part]:
    """Charge one month's use; blocks without use give no part.

    :raises SizeNotPriced: if no table names the size or another fact
    :raises FactMissing: if it is not known how much was used
    """
    quantity = known.quantity(charge_.of)
    if quantity is None:
        raise FactMissing(f"{charge_.item} prices {charge_.of}, which is not given")
    before = ZERO if charge_.after is None else (known.measure(charge_.after) or ZERO)
    included = known.price(charge_.included, item=charge_.item) * _width(charge_, known=known)
    rows = rows_of(charge_.blocks, known=known, item=charge_.item)
    shift = included if charge_.bounds_from == "included" else ZERO
    spans = list(spans_of(rows, known=known, charge_=charge_, shift=shift))
    if charge_.kind == "whole":
        yield from _whole(charge_, spans=spans, quantity=quantity, included=included, known=known)
        return
    low, high = max(before, included), before + quantity
    for index, span in enumerate(spans):
        if index and span.above > high:
            break
        yield from _graduated(charge_, span=span, low=low, high=high, known=known)
        if (index == 0 or high > span.above) and before <= span.above:
            yield from _block_fee(charge_, span=span, known=known)


def rows_of(table: BlockTable, *, known: Known, item: str) -> tuple[Block, ...]:
    """Find the blocks that hold for these facts.

    :raises SizeNotPriced: if no table names the size or another fact
    """
    while isinstance(table, BlocksBy):
        try:
            key = chosen_key(table.by, list(table.of), facts=known.facts, month=known.month, item=item)
        except FactMissing:
            if table.otherwise is None:
                raise
            key = None
        found = table.otherwise if key is None else table.of[key]
        if found is None:
            value = known.month.season if table.by == "season" else known.facts.text(table.by)
            raise SizeNotPriced(f"{table.by} {value} has no {item} price; priced are {', '.join(table.of)}")
        table = found
    return table.rows


def spans_of(rows: tuple[Block, ...], *, known: Known, charge_: Blocks, shift: Fraction = ZERO) -> Iterator[Span]:
    """Give the blocks with their bounds; widths are scaled, as ordinances and supply terms say it."""
    width = _width(charge_, known=known)
    lower, above = ZERO, shift if charge_.bounds_from == "included" else ZERO
    is_plain = width == 1 and above == 0
    for block in rows:
        if block.upto is None:
            yield Span(above, None, block)
            return
        bound = known.price(block.upto, item=charge_.item)
        upto = bound if is_plain else above + (bound - lower) * width
        if charge_.boundary_mode is not None:
            upto = to_decimals(upto, decimals=known.decimals, mode=charge_.boundary_mode)
        yield Span(above, upto, block)
        lower, above = bound, upto


def check_blocks(rows: tuple[Block, ...]) -> None:
    """Check that the bounds rise where they are plain numbers, and that only the last block is open."""
    for index, block in enumerate(rows):
        if (block.upto is None) != (index == len(rows) - 1):
            raise values.refusal("last-block-open", "the last block has no upto, every other one has")
    bounds = [block.upto for block in rows if isinstance(block.upto, Fraction)]
    check_rise([*bounds, None], rule="blocks-rise")
    if bounds and bounds[0] <= 0:
        raise values.refusal("blocks-rise", "upto must be above zero")


def _width(charge_: Blocks, *, known: Known) -> Fraction:
    width = {"month": known.month.table, "day": known.month.days, "bill": known.month.share}[charge_.bounds]
    if charge_.bounds_times is None:
        return width
    number = known.measure(charge_.bounds_times)
    if number is None:
        raise FactMissing(f"the bounds of {charge_.item} are widened by {charge_.bounds_times}, which is not given")
    return width * number


def _graduated(charge_: Blocks, *, span: Span, low: Fraction, high: Fraction, known: Known) -> Iterator[parts.Part]:
    used = max(ZERO, (high if span.upto is None or high < span.upto else span.upto) - span.above)
    if low > span.above:
        used -= min(used, low - span.above)
    if used:
        yield _part(charge_, span=span, quantity=used, known=known)


def _whole(
    charge_: Blocks, *, spans: list[Span], quantity: Fraction, included: Fraction, known: Known
) -> Iterator[parts.Part]:
    reached = next(span for span in spans if span.upto is None or quantity <= span.upto)
    if quantity > included:
        yield _part(charge_, span=Span(ZERO, None, reached.block), quantity=quantity - included, known=known)
    yield from _block_fee(charge_, span=reached, known=known)


def _part(charge_: Blocks, *, span: Span, quantity: Fraction, known: Known) -> parts.Part:
    price = known.price(span.block.price, item=charge_.item)
    return parts.Part(
        item=charge_.item,
        label=f"{charge_.item}|{_bound(span.above)}|{_bound(span.upto)}|{known.unit}",
        unit_price=price,
        amount=quantity * price * known.minor,
        quantity=quantity,
        unit=known.unit,
    )


def _block_fee(charge_: Blocks, *, span: Span, known: Known) -> Iterator[parts.Part]:
    fee = known.price(span.block.fee, item=charge_.item)
    if fee:
        base = known.month.base
        label = f"{charge_.item}_fee|{_bound(span.above)}|{_bound(span.upto)}|{known.unit}"
        yield parts.Part(charge_.item, label, fee, fee * base * known.minor, factor=base, unit="month")


def _bound(bound: Fraction | None) -> str:
    return "" if bound is None else decimal_text(bound)


BlocksBy.model_rebuild()
Blocks.model_rebuild()
