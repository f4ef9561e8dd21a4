"""Parts of a price before they become lines of a bill."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

ONE = Fraction(1)


class SizeNotPriced(Exception):
    """The tariff has no price for this meter size, capacity or other fact."""


class UseNotPriced(Exception):
    """The tariff's prices are not known for so much use."""


@dataclass(frozen=True, slots=True)
class Month:
    """One month of a bill, or several taken as one, or a stretch of days between two changes of price.

    `label` is the calendar month that dated prices are looked up by, as 2026-03, and `on` the day; `base` is how many
    months of a fee it counts, `table` by how much the bounds of a block table are widened.
    """

    label: str
    on: str
    quantity: Fraction
    base: Fraction = ONE
    table: Fraction = ONE
    days: Fraction = Fraction(30)
    season: str = "other"
    share: Fraction = ONE  # of the bill's time


@dataclass(frozen=True, slots=True)
class Part:
    """One component of a price: `factor` × or `quantity` × `unit_price`; the amount is in minor units, exact.

    `factor` counts months, days or pieces of a fee; `quantity` counts units of use.
    """

    item: str
    label: str
    unit_price: Fraction
    amount: Fraction
    quantity: Fraction | None = None
    factor: Fraction | None = None
    unit: str = ""
    tax: Fraction | None = None  # percent; None: as the service has it


def merge(parts: Iterable[Part]) -> list[Part]:
    """Join the parts of several months that would print as one line; keep the order of first appearance."""
    merged: dict[tuple[str, str, int, int, Fraction | None], Part] = {}
    for part in parts:
        price = part.unit_price
        key = (part.item, part.label, price.numerator, price.denominator, part.tax)
        known = merged.get(key)
        merged[key] = part if known is None else _joined(known, part)
    return list(merged.values())


def _joined(first: Part, second: Part) -> Part:
    return replace(
        first,
        amount=first.amount + second.amount,
        quantity=None if first.quantity is None or second.quantity is None else first.quantity + second.quantity,
        factor=None if first.factor is None or second.factor is None else first.factor + second.factor,
    )
