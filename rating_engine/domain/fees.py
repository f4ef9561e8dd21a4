"""A fee for time or for pieces: each month, bill, day or year, once or times a capacity."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

from pydantic import Field

from rating_engine.domain.charges import Charge, Known
from rating_engine.domain.facts import FactMissing
from rating_engine.domain.parts import Part
from rating_engine.domain.values import By, Measure, Names, NotNegative, Positive, Price

ONE = Fraction(1)
DAYS_IN_YEAR = 365


class Fee(Charge):
    """A fixed amount; below zero it is a discount."""

    model: Literal["fee"]
    price: Price
    per: Literal["month", "bill", "day", "year"] = "month"
    times: Measure | None = Field(default=None, description="a number that multiplies it: kva, kw, households, lamps …")
    each: Positive = Field(default=ONE, description="with times: one price for so many of them, such as 10 (amperes)")
    zero_use: NotNegative = Field(default=ONE, description="the share charged where nothing was used in the bill")
    within: Names | None = Field(default=None, description="a discount takes off no more than these items came to")


def charge(fee: Fee, *, known: Known) -> Iterator[Part]:
    """Charge the fee of one month.

    :raises SizeNotPriced: if the price does not name the size or another fact
    :raises FactMissing: if what multiplies it is not known
    """
    factor = _time(fee, known=known) * _pieces(fee, known=known)
    if known.bill_use == 0:
        factor *= fee.zero_use
    price = known.price(fee.price, item=fee.item)
    amount = price * factor * known.minor
    if fee.within is not None:
        amount = max(amount, -max(Fraction(0), known.sum_of(fee.within)))
    if factor:
        yield Part(
            item=fee.item, label=_label(fee, known=known), unit_price=price, amount=amount, factor=factor, unit=fee.per
        )


def _time(fee: Fee, *, known: Known) -> Fraction:
    match fee.per:
        case "month":
            return known.month.base
        case "bill":
            return ONE if known.is_first_month else Fraction(0)
        case "day":
            return known.month.days
        case "year":
            return known.month.days / DAYS_IN_YEAR


def _pieces(fee: Fee, *, known: Known) -> Fraction:
    if fee.times is None:
        return ONE
    number = known.measure(fee.times)
    if number is None:
        raise FactMissing(f"{fee.item} is charged by {fee.times}, which is not given")
    return number / fee.each


def _label(fee: Fee, *, known: Known) -> str:
    if not isinstance(fee.price, By) or fee.price.by not in ("size", "amperes"):
        return fee.item
    value = known.facts.texts.get(fee.price.by, "")
    # Sizes in millimetres are two digits or more; others, such as 5/8 or 1-1/2, are inches.
    is_mm = value.isdecimal() and len(value) > 1
    unit = "A" if fee.price.by == "amperes" else "mm" if is_mm else "in"
    return f"{fee.item}|{value}|{unit}"
