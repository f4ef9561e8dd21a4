"""One price for every unit: fuel adjustment, which may be below zero, levies, surcharges, credit for export."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

from pydantic import Field

from rating_engine.domain.charges import Charge, Known
from rating_engine.domain.facts import FactMissing
from rating_engine.domain.parts import Part
from rating_engine.domain.values import By, Measure, Price

ZERO = Fraction(0)


class UnitPrice(Charge):
    """A price for each unit of a quantity."""

    model: Literal["unit_price"]
    price: Price
    of: Measure = "use"
    above: Price = Field(default=ZERO, description="only units above so many a month count")


def charge(unit_price: UnitPrice, *, known: Known) -> Iterator[Part]:
    """Charge one month's quantity.

    :raises MonthNotPriced: if a dated table begins later
    :raises FactMissing: if the quantity is not known
    """
    quantity = known.quantity(unit_price.of)
    if quantity is None:
        raise FactMissing(f"{unit_price.item} prices {unit_price.of}, which is not given")
    above = known.price(unit_price.above, item=unit_price.item) * known.month.table
    counted = max(ZERO, quantity - above) if above else quantity
    price = known.price(unit_price.price, item=unit_price.item)
    is_dated = isinstance(unit_price.price, By) and unit_price.price.by == "month"
    if counted:
        yield Part(
            item=unit_price.item,
            label=f"{unit_price.item}|{known.month.label}" if is_dated else unit_price.item,
            unit_price=price,
            amount=counted * price * known.minor,
            quantity=counted,
            unit=known.unit,
        )
