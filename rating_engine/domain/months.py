"""Taking a bill's use and time apart into months."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import Literal

from rating_engine.domain.parts import Month


@dataclass(frozen=True, slots=True)
class Split:
    """How several months' use is priced by a monthly table: share it out evenly, or widen the table."""

    method: Literal["share", "widen_table"]
    odd_to: Literal["first", "last"]


@dataclass(frozen=True, slots=True)
class Proration:
    """What a part of a cycle counts: all of it (`none`), by day, or by steps of (days, months as a
    fraction).

    `scales_table` says whether the block table shrinks with the time, or only the base fee does.
    """

    basis: Literal["none", "day", "steps"]
    steps: tuple[tuple[int, int, int], ...]  # days, numerator, denominator
    scales_table: bool


def months_counted(proration: Proration, *, cycle_months: int, days: int, cycle_days: int) -> tuple[int, int]:
    """Tell how many months the days count, as a fraction in lowest terms; a whole cycle counts its months."""
    if days >= cycle_days or proration.basis == "none":
        return cycle_months, 1
    if proration.basis == "steps":
        for upto_days, numerator, denominator in proration.steps:
            if days <= upto_days:
                return numerator, denominator
        return cycle_months, 1
    common = gcd(cycle_months * days, cycle_days)
    return cycle_months * days // common, cycle_days // common


def take_apart(
    *, quantity: int, counted: tuple[int, int], split: Split, scales_table: bool, labels: Sequence[str], step: int
) -> list[Month]:
    """Make the months of a bill; their quantities add up to `quantity` and are multiples of `step` where it is.

    `labels` names the calendar months of the cycle, the last one last.
    """
    numerator, denominator = counted
    if split.method == "widen_table" or (scales_table and denominator != 1):
        return [Month(labels[-1], quantity, numerator, denominator, numerator, denominator)]
    count = -(-numerator // denominator)
    names = ([labels[0]] * count + list(labels))[-count:]
    shares = _shares(quantity, count=count, odd_to=split.odd_to, step=step)
    months = [Month(name, share) for name, share in zip(names, shares, strict=True)]
    rest = numerator - (count - 1) * denominator
    months[-1] = Month(names[-1], shares[-1], rest, denominator)
    return months


def _shares(quantity: int, *, count: int, odd_to: Literal["first", "last"], step: int) -> list[int]:
    steps, loose = divmod(quantity, step)
    even, odd = divmod(steps, count)
    shares = [(even + (index < odd)) * step for index in range(count)]
    shares[0] += loose
    return shares if odd_to == "first" else shares[::-1]
