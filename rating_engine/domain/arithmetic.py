"""How an amount came about, written for people of every language."""

from fractions import Fraction

from rating_engine.domain.decimals import decimal_text, grouped_text
from rating_engine.domain.parts import Part


def arithmetic_of(part: Part, *, minor: int) -> str:
    """Write quantity × price = exact amount, as 120 × 29.80 = 3,576."""
    least = len(str(minor)) - 1
    counted = part.quantity if part.quantity is not None else (part.factor or Fraction(1))
    price = grouped_text(part.unit_price, least_decimals=max(least, _decimals(part.unit_price)))
    product = counted * part.unit_price * minor
    amount = exact_text(part.amount, minor=minor)
    if product == part.amount:
        return f"{decimal_text(counted)} × {price} = {amount}"
    return f"{decimal_text(counted)} × {price} = {exact_text(product, minor=minor)} → {amount}"


def exact_text(amount: Fraction, *, minor: int) -> str:
    """Write an exact amount (in minor units) in the currency's major unit, with thousands apart."""
    return grouped_text(amount / minor)


def _decimals(price: Fraction) -> int:
    # A price with a fraction is written with two decimals at least, as money is: 29.80.
    return 2 if price.denominator != 1 and "/" not in decimal_text(price) else 0
