"""Percentages of what was charged before: surcharges, discounts, waivers, taxes of a place."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

from pydantic import Field

from rating_engine.domain.charges import Charge, Known
from rating_engine.domain.parts import Part
from rating_engine.domain.values import Names, Price

ZERO, HUNDRED = Fraction(0), Fraction(100)


class Percent(Charge):
    """A percentage of items charged before it; below zero it is a discount, at -100 a waiver."""

    model: Literal["percent"]
    percent: Price
    of: Names | None = Field(default=None, description="the items it is of; all before it in the service, if left out")
    each: Literal["month", "bill"] = "bill"
    most: Price | None = Field(default=None, description="the amount is no more than this (a cap on a discount too)")
    least: Price | None = Field(default=None, description="the amount is no less than this")


def charge(percent: Percent, *, known: Known) -> Iterator[Part]:
    """Charge the percentage of what came before."""
    rate = known.price(percent.percent, item=percent.item)
    base = known.sum_of(percent.of)
    amount = base * rate / HUNDRED
    sign = -1 if amount < 0 else 1
    size = abs(amount)
    if percent.most is not None:
        size = min(size, known.price(percent.most, item=percent.item) * known.minor)
    if percent.least is not None:
        size = max(size, known.price(percent.least, item=percent.item) * known.minor)
    if size:
        yield Part(percent.item, percent.item, base / known.minor, sign * size, factor=rate / HUNDRED, unit="percent")
