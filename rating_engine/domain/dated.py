"""Prices for each unit that change by month: fuel adjustment, which may be negative, and levies."""

from dataclasses import dataclass

from rating_engine.domain.parts import Month, Part
from rating_engine.domain.rounding import RoundingMode, to_multiple


class MonthNotPriced(Exception):
    """A dated table of the tariff begins after the month that is billed."""


@dataclass(frozen=True, slots=True)
class UnitAdjustment:
    """A price for each unit, added or taken off; each row holds from its month until the next row's."""

    item: str
    table: tuple[tuple[str, int], ...]  # month as 2026-03, price


@dataclass(frozen=True, slots=True)
class Levy:
    """A price for each unit whose amount is rounded by itself, to multiples of `unit_minor`."""

    item: str
    table: tuple[tuple[str, int], ...]
    unit_minor: int
    mode: RoundingMode


def price_in(table: tuple[tuple[str, int], ...], *, month: str, item: str) -> int:
    """Find the price of a month.

    :raises MonthNotPriced: if the table begins later
    """
    price = None
    for begins, row_price in table:
        if begins <= month:
            price = row_price
    if price is None:
        raise MonthNotPriced(f"{item} has no price for {month}; its table begins with {table[0][0]}")
    return price


def charge_adjustment(adjustment: UnitAdjustment, *, month: Month) -> Part:
    """Charge one month's use at the month's price."""
    price = price_in(adjustment.table, month=month.label, item=adjustment.item)
    return Part(
        item=adjustment.item,
        label=f"{adjustment.item}|{month.label}",
        unit_price=price,
        amount=month.quantity * price,
        quantity=month.quantity,
    )


def charge_levy(levy: Levy, *, month: Month, one_minor: int) -> Part:
    """Charge one month's levy, rounded to money by its own rule."""
    price = price_in(levy.table, month=month.label, item=levy.item)
    whole = to_multiple(month.quantity * price, one_minor, unit=levy.unit_minor, mode=levy.mode)
    return Part(
        item=levy.item,
        label=f"{levy.item}|{month.label}",
        unit_price=price,
        amount=whole * one_minor,
        quantity=month.quantity,
    )
