"""Parts of a price before they become lines of a bill."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import gcd


class SizeNotPriced(Exception):
    """The tariff has no price for this meter size or capacity."""


@dataclass(frozen=True, slots=True)
class Month:
    """One month of a bill, or several taken as one: its share of the use and by how much tables and base fees count.

    `label` is the calendar month that dated prices are looked up by, as 2026-03.
    """

    label: str
    quantity: int
    base_numerator: int = 1
    base_denominator: int = 1
    table_numerator: int = 1
    table_denominator: int = 1


@dataclass(frozen=True, slots=True)
class Part:
    """One component of a price: `factor` × or `quantity` × `unit_price`, as an exact scaled integer.

    `factor` counts months of a base fee as a fraction; `quantity` counts units.
    """

    item: str
    label: str
    unit_price: int
    amount: int
    quantity: int | None = None
    factor: tuple[int, int] | None = None


def merge(parts: Iterable[Part]) -> list[Part]:
    """Join the parts of several months that would print as one line; keep the order of first appearance."""
    merged: dict[tuple[str, str, int], Part] = {}
    for part in parts:
        key = (part.item, part.label, part.unit_price)
        known = merged.get(key)
        merged[key] = part if known is None else _joined(known, part)
    return list(merged.values())


def _joined(first: Part, second: Part) -> Part:
    quantity = None if first.quantity is None or second.quantity is None else first.quantity + second.quantity
    factor = None
    if first.factor is not None and second.factor is not None:
        factor = _add_fractions(first.factor, second.factor)
    return replace(first, amount=first.amount + second.amount, quantity=quantity, factor=factor)


def _add_fractions(first: tuple[int, int], second: tuple[int, int]) -> tuple[int, int]:
    numerator = first[0] * second[1] + second[0] * first[1]
    denominator = first[1] * second[1]
    common = gcd(numerator, denominator) or 1
    return numerator // common, denominator // common
