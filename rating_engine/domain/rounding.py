"""Rounding of exact amounts: integers in, integers out."""

from dataclasses import dataclass
from typing import Literal

RoundingMode = Literal["down", "up", "half_up", "half_even", "floor", "ceiling"]
RoundingScope = Literal["line", "month", "service", "bill"]
RoundingTime = Literal["before_tax", "after_tax"]


@dataclass(frozen=True, slots=True)
class Rounding:
    """Where and how an amount becomes money: to multiples of `unit_minor`, over each `scope`, before or after tax."""

    unit_minor: int
    mode: RoundingMode
    scope: RoundingScope
    when: RoundingTime


def divide(numerator: int, denominator: int, *, mode: RoundingMode) -> int:
    """Divide and round to a whole number; down and up are towards and away from zero, halves go away from zero."""
    assert denominator > 0, "denominators are positive"
    match mode:
        case "floor":
            return numerator // denominator
        case "ceiling":
            return -(-numerator // denominator)
        case "down" | "up" | "half_up" | "half_even":
            sign = -1 if numerator < 0 else 1
            whole, rest = divmod(abs(numerator), denominator)
            return sign * (whole + _carries(whole, rest, denominator, mode=mode))


def to_multiple(numerator: int, denominator: int, *, unit: int, mode: RoundingMode) -> int:
    """Round numerator / denominator to a multiple of `unit`."""
    return divide(numerator, denominator * unit, mode=mode) * unit


def _carries(whole: int, rest: int, denominator: int, *, mode: RoundingMode) -> bool:
    if rest == 0 or mode == "down":
        return False
    if mode == "up":
        return True
    if 2 * rest == denominator:
        return mode == "half_up" or whole % 2 == 1
    return 2 * rest > denominator
