"""A fee for each month, by meter size (mm) or by capacity (A), or one for all."""

from dataclasses import dataclass
from typing import Literal

from rating_engine.domain.parts import Month, Part, SizeNotPriced
from rating_engine.domain.rounding import RoundingMode, divide


@dataclass(frozen=True, slots=True)
class BaseFee:
    """Monthly prices by size; `prices` has the single size 0 where one price holds for all.

    A part of a month, or the share charged when nothing was used, is rounded to `step` (in price digits) by `mode`.
    """

    item: str
    by: Literal["size_mm", "capacity_a", "all"]
    prices: tuple[tuple[int, int], ...]  # size, price
    zero_use: tuple[int, int]
    step: int
    mode: RoundingMode


def charge(
    fee: BaseFee, *, month: Month, size_mm: int | None, capacity_a: int | None, nothing_used: bool, quantity_scale: int
) -> Part:
    """Charge one month's fee.

    :raises SizeNotPriced: if the size is not in the tariff
    """
    size = {"size_mm": size_mm, "capacity_a": capacity_a, "all": 0}[fee.by]
    price = dict(fee.prices).get(-1 if size is None else size)
    if price is None:
        priced = ", ".join(str(known) for known, _ in fee.prices)
        raise SizeNotPriced(f"{fee.by} {size} has no {fee.item} price; priced are {priced}")
    numerator, denominator = month.base_numerator, month.base_denominator
    if nothing_used:
        numerator, denominator = numerator * fee.zero_use[0], denominator * fee.zero_use[1]
    unit = {"size_mm": "mm", "capacity_a": "A", "all": ""}[fee.by]
    return Part(
        item=fee.item,
        label=f"{fee.item}|{size}|{unit}" if unit else fee.item,
        unit_price=price,
        amount=divide(price * numerator, denominator * fee.step, mode=fee.mode) * fee.step * quantity_scale,
        factor=(numerator, denominator),
    )
