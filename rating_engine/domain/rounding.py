"""Rounding of exact amounts to whole units."""

from fractions import Fraction
from typing import Literal

RoundingMode = Literal["down", "up", "half_up", "half_even", "half_down", "floor", "ceiling"]


def divide(numerator: int, denominator: int, *, mode: RoundingMode) -> int:
    """Divide and round to a whole number; down and up are towards and away from zero, halves go away from zero."""
    assert denominator > 0, "denominators are positive"
    if mode == "floor":
        return numerator // denominator
    if mode == "ceiling":
        return -(-numerator // denominator)
    sign = -1 if numerator < 0 else 1
    whole, rest = divmod(abs(numerator), denominator)
    return sign * (whole + _carries(whole, rest, denominator, mode=mode))


def whole(exact: Fraction, *, mode: RoundingMode) -> int:
    """Round to a whole number."""
    return divide(exact.numerator, exact.denominator, mode=mode)


def to_multiple(exact: Fraction, *, unit: Fraction, mode: RoundingMode) -> Fraction:
    """Round to a multiple of `unit`."""
    ratio = exact / unit
    return divide(ratio.numerator, ratio.denominator, mode=mode) * unit


def to_decimals(exact: Fraction, *, decimals: int, mode: RoundingMode) -> Fraction:
    """Round to so many decimals."""
    return to_multiple(exact, unit=Fraction(1, 10**decimals), mode=mode)


def _carries(whole_: int, rest: int, denominator: int, *, mode: RoundingMode) -> bool:
    if rest == 0 or mode == "down":
        return False
    if mode == "up":
        return True
    if 2 * rest == denominator:
        return mode == "half_up" or (mode == "half_even" and whole_ % 2 == 1)
    return 2 * rest > denominator
