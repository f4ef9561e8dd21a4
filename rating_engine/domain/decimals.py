"""Exact decimals as scaled integers, and how they are written for people."""

from decimal import Decimal
from fractions import Fraction


class NotExact(ValueError):
    """A number has more decimals than the scale it is to be held in."""


def digits_after_point(number: Decimal) -> int:
    """Count the decimals that matter: 2 for 29.80, 0 for 404."""
    exponent = number.normalize().as_tuple().exponent
    assert isinstance(exponent, int), "finite decimals only"
    return max(0, -exponent)


def to_scaled(number: Decimal, *, digits: int) -> int:
    """Hold a decimal as an integer of 10^-digits.

    :raises NotExact: if that would lose a digit
    """
    scaled = number.scaleb(digits)
    if scaled != scaled.to_integral_value():
        raise NotExact(f"{number} has more than {digits} decimals")
    return int(scaled)


def plain(scaled: int, *, digits: int) -> str:
    """Write a scaled integer as a plain decimal with no needless zeros: 2980 at 2 digits is 29.8."""
    sign = "-" if scaled < 0 else ""
    whole, rest = divmod(abs(scaled), 10**digits)
    decimals = f"{rest:0{digits}d}".rstrip("0") if digits else ""
    return f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}"


def grouped(scaled: int, *, digits: int, least_decimals: int = 0) -> str:
    """Write a scaled integer for people, with thousands apart: 3,576 or 29.80."""
    sign = "-" if scaled < 0 else ""
    whole, _, decimals = plain(abs(scaled), digits=digits).partition(".")
    decimals = decimals.ljust(least_decimals, "0")
    return f"{sign}{int(whole):,}.{decimals}" if decimals else f"{sign}{int(whole):,}"


def decimal_text(number: Fraction) -> str:
    """Write an exact number as a plain decimal if it is one with up to twelve decimals, else as a ratio."""
    digits = 0
    scaled = number
    while scaled.denominator != 1 and digits < 12:
        scaled *= 10
        digits += 1
    return plain(scaled.numerator, digits=digits) if scaled.denominator == 1 else str(number)


def grouped_text(number: Fraction, *, least_decimals: int = 0) -> str:
    """Write an exact number for people, with thousands apart; one that is no decimal is cut after six and marked."""
    text = decimal_text(number)
    if "/" in text:
        return "≈" + grouped(round(number * 10**6), digits=6, least_decimals=least_decimals)
    decimals = len(text.partition(".")[2])
    return grouped(int(number * 10**decimals), digits=decimals, least_decimals=least_decimals)
