"""Prices by when it is used: one for each period of the day, week and season, with or without tiers inside."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rating_engine.domain import blocks, values
from rating_engine.domain.blocks import Blocks, BlockTable
from rating_engine.domain.charges import Charge, Known
from rating_engine.domain.facts import FactMissing
from rating_engine.domain.parts import Part
from rating_engine.domain.values import Name, Price

ZERO = Fraction(0)


class TimeOfUse(Charge):
    """Prices by period; the quantities are `use` by period, from intervals or as given."""

    model: Literal["time_of_use"]
    prices: Annotated[dict[Name, Price], Field(min_length=1)] | None = None
    blocks: Annotated[dict[Name, BlockTable], Field(min_length=1)] | None = None
    of: Name = "use"
    tiers: Literal["period", "total"] = Field(
        default="period", description="whether a tier counts the period's own use, or the total, shared in proportion"
    )
    bounds: Literal["month", "day", "bill"] = "month"

    @model_validator(mode="after")
    def _one_of(self) -> "TimeOfUse":
        if (self.prices is None) == (self.blocks is None):
            raise values.refusal("tou-prices", "give prices by period, or blocks by period")
        return self


def charge(charge_: TimeOfUse, *, known: Known) -> Iterator[Part]:
    """Charge one month's use, period by period in the order of the document.

    :raises FactMissing: if the use of a period is not known
    """
    periods = list(charge_.prices or charge_.blocks or {})
    amounts = {period: _quantity(charge_, period=period, known=known) for period in periods}
    total = sum(amounts.values(), ZERO)
    for period, quantity in amounts.items():
        if not quantity:
            continue
        if charge_.prices is not None:
            price = known.price(charge_.prices[period], item=charge_.item)
            yield _part(charge_, period=period, price=price, quantity=quantity, known=known)
        elif charge_.blocks is not None:
            yield from _tiers(
                charge_, charge_.blocks[period], period=period, quantity=quantity, total=total, known=known
            )


def _quantity(charge_: TimeOfUse, *, period: str, known: Known) -> Fraction:
    quantity = known.quantity(f"{charge_.of}.{period}")
    if quantity is None:
        raise FactMissing(f"{charge_.item} prices the use of period {period}, which is not given")
    return quantity


def _part(charge_: TimeOfUse, *, period: str, price: Fraction, quantity: Fraction, known: Known) -> Part:
    return Part(
        item=charge_.item,
        label=f"{charge_.item}|{period}",
        unit_price=price,
        amount=quantity * price * known.minor,
        quantity=quantity,
        unit=known.unit,
    )


def _tiers(
    charge_: TimeOfUse, table: BlockTable, *, period: str, quantity: Fraction, total: Fraction, known: Known
) -> Iterator[Part]:
    counted = quantity if charge_.tiers == "period" else total
    as_blocks = Blocks(item=charge_.item, model="blocks", blocks=table, bounds=charge_.bounds)
    inner = replace(known, month=replace(known.month, quantity=counted))
    for part in blocks.charge(as_blocks, known=inner):
        share = quantity / counted
        bounds = part.label.split("|", 1)[1]
        used = None if part.quantity is None else part.quantity * share
        yield replace(part, label=f"{charge_.item}|{period}|{bounds}", amount=part.amount * share, quantity=used)
