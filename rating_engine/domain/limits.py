"""Least and most that charges may come to: a minimum charge, a cap."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

from pydantic import Field

from rating_engine.domain.charges import Charge, Known
from rating_engine.domain.parts import Part
from rating_engine.domain.values import Names, Price

ONE = Fraction(1)


class Limit(Charge):
    """Charges what is missing to the minimum, or takes off what is above the maximum."""

    model: Literal["minimum", "maximum"]
    amount: Price
    of: Names | None = Field(default=None, description="the items it limits; all before it in the service, if left out")
    each: Literal["month", "bill"] = "bill"
    per: Literal["month", "bill", "day"] = Field(default="month", description="what the amount is written for")


def charge(limit: Limit, *, known: Known) -> Iterator[Part]:
    """Charge the difference to the limit, if there is one."""
    times = {"month": known.month.base, "bill": ONE, "day": known.month.days}[limit.per]
    bound = known.price(limit.amount, item=limit.item) * times * known.minor
    found = known.sum_of(limit.of)
    misses = found < bound if limit.model == "minimum" else found > bound
    if misses:
        difference = bound - found
        yield Part(limit.item, limit.item, difference / known.minor, difference, factor=ONE, unit="")
