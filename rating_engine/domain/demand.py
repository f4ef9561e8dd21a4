"""Demand: the highest interval of the month, never below a share of what it was in the months before."""

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
from rating_engine.domain.rounding import RoundingMode, to_decimals
from rating_engine.domain.values import Measure, NotNegative, Price

ZERO, HUNDRED = Fraction(0), Fraction(100)


class Ratchet(values.Part):
    """Billed demand is at least `percent` of the highest of the months before (`of`, a number given)."""

    percent: NotNegative = HUNDRED
    of: Measure = "demand_before"


class Demand(Charge):
    """A price for each unit of billed demand, or blocks of it."""

    model: Literal["demand"]
    price: Price | None = None
    blocks: BlockTable | None = None
    of: Measure = "demand"
    unit: Literal["kW", "kVA"] = "kW"
    ratchet: Ratchet | None = None
    least: Price = ZERO
    decimals: Annotated[int, Field(ge=0, le=6)] = 6
    mode: RoundingMode = "half_up"

    @model_validator(mode="after")
    def _one_of(self) -> "Demand":
        if (self.price is None) == (self.blocks is None):
            raise values.refusal("demand-price", "give a price, or blocks")
        return self


def charge(charge_: Demand, *, known: Known) -> Iterator[Part]:
    """Charge one month's billed demand.

    :raises FactMissing: if the demand is not known
    """
    measured = known.measure(charge_.of)
    if measured is None:
        raise FactMissing(f"{charge_.item} prices {charge_.of}, which is not given")
    billed = max(measured, known.price(charge_.least, item=charge_.item))
    if charge_.ratchet is not None:
        before = known.measure(charge_.ratchet.of) or ZERO
        billed = max(billed, before * charge_.ratchet.percent / HUNDRED)
    billed = to_decimals(billed, decimals=charge_.decimals, mode=charge_.mode)
    if charge_.price is not None:
        price = known.price(charge_.price, item=charge_.item)
        amount = billed * price * known.month.base * known.minor
        yield Part(charge_.item, charge_.item, price, amount, quantity=billed, unit=charge_.unit)
    elif charge_.blocks is not None:
        as_blocks = Blocks(item=charge_.item, model="blocks", blocks=charge_.blocks, bounds="bill")
        inner = replace(known, month=replace(known.month, quantity=billed, share=Fraction(1)), unit=charge_.unit)
        for part in blocks.charge(as_blocks, known=inner):
            yield replace(part, amount=part.amount * known.month.base if part.factor is None else part.amount)
