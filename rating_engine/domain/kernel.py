"""Totals of millions of uses at once: rated exactly for every use there may be, then looked up.

A use is a whole number of units (of the last decimal that is billed), and few enough of them are ever used in a cycle:
so each is rated once, by the same rules as a bill, and a million bills are a million look-ups, for any tariff.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from rating_engine.domain.rate import Use, rate
from rating_engine.domain.tariff import Tariff
from rating_engine.domain.totals import NotForArrays, Uses, totals

Integers = NDArray[np.int64]
Amounts = NDArray[np.int32] | NDArray[np.int64]
INT32_MOST = 2**31 - 1


class UseOffTable(Exception):
    """A use is above what the table was made for, or a key is not in it; rate it one by one, or make a larger table."""


@dataclass(frozen=True, slots=True)
class Rated:
    """What is rated: a tariff, for one size, class and months. One row of tables."""

    tariff: Tariff
    customer_class: str
    size_mm: int | None
    capacity_a: int | None
    months: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TotalTable:
    """Totals with tax in minor units, one row for each of what was rated, one column for each use from 0."""

    amounts: Amounts  # flat, row after row
    most: int

    @property
    def width(self) -> int:
        return self.most + 1

    def totals(self, quantity: Integers) -> Amounts:
        """Look up the first row's totals.

        :raises UseOffTable: if a use is above the table's
        """
        self._check(quantity)
        return self.amounts[: self.width].take(quantity, mode="clip")

    def totals_of(self, row: Integers, quantity: Integers) -> Amounts:
        """Look up totals, each in the row it belongs to: mixed tariffs, sizes, classes and months.

        :raises UseOffTable: if a use is above the table's, or a row is none of it
        """
        self._check(quantity)
        if row.size and (int(row.min()) < 0 or int(row.max()) * self.width >= self.amounts.size):
            raise UseOffTable(f"the table has {self.amounts.size // self.width} rows")
        place = row * self.width
        place += quantity
        return self.amounts.take(place, mode="clip")

    def _check(self, quantity: Integers) -> None:
        if quantity.size and (int(quantity.min()) < 0 or int(quantity.max()) > self.most):
            raise UseOffTable(f"the table is for uses from 0 to {self.most}")


def table_of(rated: Sequence[Rated], *, most: int) -> TotalTable:
    """Rate every use from 0 to `most` (units of the last decimal billed) for each of `rated`. Raises as `rate` does."""
    rows = [_row(one, most=most) for one in rated]
    flat = np.concatenate(rows)
    fits = int(np.abs(flat).max(initial=0)) <= INT32_MOST
    return TotalTable(flat.astype(np.int32) if fits else flat, most)


def _row(one: Rated, *, most: int) -> Integers:
    quantity = np.arange(most + 1, dtype=np.int64)
    sizes = [np.full_like(quantity, size or 0) for size in (one.size_mm, one.capacity_a)]
    uses = Uses(quantity, sizes[0], sizes[1], one.months)
    try:
        return totals(one.tariff, uses=uses, customer_class=one.customer_class).total_minor
    except NotForArrays:
        return np.array([_total(one, quantity=use) for use in range(most + 1)], dtype=np.int64)


def _total(one: Rated, *, quantity: int) -> int:
    days = 30 * len(one.months)
    use = Use(quantity, one.size_mm, one.capacity_a, one.customer_class, days, days, one.months)
    return rate(one.tariff, use=use).total_minor


@dataclass(frozen=True, slots=True)
class HourlyPrices:
    """The energy charge of a time-of-use tariff over hours; prices are integers of 10^-scale of the major unit."""

    periods: tuple[str, ...]
    member: NDArray[np.float64]  # hours by periods: 1 where the hour is in it
    prices: Integers  # by period
    scale: int


def hourly_prices(tariff: Tariff, *, prices: dict[str, Fraction], first: datetime, hours: int) -> HourlyPrices:
    """Lay the periods of a tariff over hours from a local time on.

    :raises UseOffTable: if the tariff has no period for an hour, or no price for a period
    """
    zone = ZoneInfo(tariff.calendar.zone)
    # In UTC, where hours are as long as hours; on the local clock a day of 23 hours would count 24.
    start = (first if first.tzinfo is not None else first.replace(tzinfo=zone)).astimezone(UTC)
    names = tuple(dict.fromkeys(period.name for period in tariff.calendar.periods))
    member = np.zeros((hours, len(names)))
    for hour in range(hours):
        at = (start + timedelta(hours=hour)).astimezone(zone)
        name = tariff.calendar.period_at(at)
        if name is None or name not in prices:
            raise UseOffTable(f"the tariff has no period with a price at {at.isoformat()}")
        member[hour, names.index(name)] = 1
    scale = 0
    while any((price * 10**scale).denominator != 1 for price in prices.values()):
        scale += 1
    return HourlyPrices(names, member, np.array([int(prices[name] * 10**scale) for name in names]), scale)


def energy_amounts(hourly: HourlyPrices, use: NDArray[np.float64]) -> Integers:
    """Charge many customers' hours (rows of whole Wh, say): exact integers of 10^-scale.

    Sums of whole numbers below 2^53 are exact in doubles, which is why the product of matrices may be taken in them.
    """
    sums = use @ hourly.member
    assert sums.max(initial=0) < 2**53, "sums of whole numbers must stay whole"
    return sums.astype(np.int64) @ hourly.prices
