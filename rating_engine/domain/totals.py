"""Totals of many bills of one tariff in one pass over numpy arrays; equal to rating them one by one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rating_engine.domain.base_fee import BaseFee
from rating_engine.domain.blocks import Blocks
from rating_engine.domain.dated import Levy, UnitAdjustment, price_in
from rating_engine.domain.parts import SizeNotPriced
from rating_engine.domain.rounding import Rounding, RoundingMode
from rating_engine.domain.tariff import Charge, Scale, Service, Tariff, Tax

Integers = NDArray[np.int64]
SAFE = 2**62


class TooLargeForArrays(Exception):
    """An amount might not fit into 64 bits; rate these bills one by one."""


@dataclass(frozen=True, slots=True)
class Uses:
    """Many uses of whole cycles, one row each; quantities are scaled as the tariff's are, 0 stands for no size."""

    quantity: Integers
    size_mm: Integers
    capacity_a: Integers
    months: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """For each row, in minor units: the total with tax, and the tax in it."""

    total_minor: Integers
    tax_minor: Integers


def totals(tariff: Tariff, *, uses: Uses, customer_class: str) -> Totals:
    """Rate whole cycles of one class.

    :raises SizeNotPriced: if a row has a size without a price
    :raises MonthNotPriced: if a dated table begins later
    :raises TooLargeForArrays: if an amount might not fit
    """
    served = [service for service in tariff.services if customer_class in service.classes]
    _check_bounds(served, uses=uses, scale=tariff.scale)
    months = _months(tariff, uses=uses)
    if served and served[0].rounding.scope == "bill":
        exact = sum((_sum(_lines(tariff, one, uses, months)) for one in served), np.zeros_like(uses.quantity))
        parts = [_round_total(exact, tax=served[0].tax, rounding=served[0].rounding, scale=tariff.scale)]
    else:
        parts = [_service(tariff, one, uses, months) for one in served]
    zero = np.zeros_like(uses.quantity)
    return Totals(sum((part[0] for part in parts), zero), sum((part[1] for part in parts), zero))


@dataclass(frozen=True, slots=True)
class _MonthRows:
    label: str
    quantity: Integers
    count: int  # how many months this one stands for


def _months(tariff: Tariff, *, uses: Uses) -> list[_MonthRows]:
    count = tariff.cycle_months
    if tariff.split.method == "widen_table":
        return [_MonthRows(uses.months[-1], uses.quantity, count)]
    step = 10**tariff.scale.quantity_digits
    steps, loose = np.divmod(uses.quantity, step)
    even, odd = np.divmod(steps, count)
    shares = [(even + (index < odd)) * step for index in range(count)]
    shares[0] = shares[0] + loose
    ordered = shares if tariff.split.odd_to == "first" else shares[::-1]
    return [_MonthRows(label, share, 1) for label, share in zip(uses.months[-count:], ordered, strict=True)]


def _service(tariff: Tariff, service: Service, uses: Uses, months: Sequence[_MonthRows]) -> tuple[Integers, Integers]:
    match service.rounding.scope:
        case "month":
            groups = [_sum(_lines(tariff, service, uses, [month])) for month in months]
        case "line":
            groups = list(_lines(tariff, service, uses, months).values())
        case _:
            groups = [_sum(_lines(tariff, service, uses, months))]
    rounded = [_round_total(one, tax=service.tax, rounding=service.rounding, scale=tariff.scale) for one in groups]
    zero = np.zeros_like(uses.quantity)
    return sum((one[0] for one in rounded), zero), sum((one[1] for one in rounded), zero)


def _lines(
    tariff: Tariff, service: Service, uses: Uses, months: Sequence[_MonthRows]
) -> dict[tuple[str, ...], Integers]:
    """Sum each printed line's exact amounts over the months, as they merge on a bill."""
    lines: dict[tuple[str, ...], Integers] = {}
    for month in months:
        for charge in service.charges:
            for key, amount in _charge(tariff, charge, uses, month).items():
                lines[key] = lines[key] + amount if key in lines else amount
    return lines


def _charge(tariff: Tariff, charge: Charge, uses: Uses, month: _MonthRows) -> dict[tuple[str, ...], Integers]:
    match charge:
        case BaseFee():
            return {(charge.item,): _base_fee(charge, uses, month, scale=tariff.scale)}
        case Blocks():
            return _blocks(charge, uses, month)
        case UnitAdjustment():
            price = price_in(charge.table, month=month.label, item=charge.item)
            return {(charge.item, month.label): month.quantity * price}
        case Levy():
            price = price_in(charge.table, month=month.label, item=charge.item)
            one = tariff.scale.one_minor
            unit = one * charge.unit_minor
            return {(charge.item, month.label): _divide(month.quantity * price, unit, mode=charge.mode) * unit}


def _base_fee(fee: BaseFee, uses: Uses, month: _MonthRows, *, scale: Scale) -> Integers:
    sizes = _sizes(fee.by, uses)
    prices = np.full_like(uses.quantity, -1)
    for size, price in fee.prices:
        prices[sizes == size] = price
    if (prices < 0).any():
        raise SizeNotPriced(f"{fee.by} {int(sizes[prices < 0][0])} has no {fee.item} price")
    zero = uses.quantity == 0
    numerator = np.where(zero, fee.zero_use[0], 1) * month.count
    denominator = np.where(zero, fee.zero_use[1], 1) * fee.step
    return _divide(prices * numerator, denominator, mode=fee.mode) * (fee.step * 10**scale.quantity_digits)


def _blocks(charge: Blocks, uses: Uses, month: _MonthRows) -> dict[tuple[str, ...], Integers]:
    sizes = _sizes(charge.by, uses)
    lines: dict[tuple[str, ...], Integers] = {}
    priced = np.zeros(len(sizes), dtype=bool)
    for number, table in enumerate(charge.tables):
        rows = np.isin(sizes, list(table.sizes)) if table.sizes else np.ones(len(sizes), dtype=bool)
        priced |= rows
        above, open_ = 0, np.ones(len(sizes), dtype=bool)
        for block in table.blocks:
            upto = None if block.upto is None else block.upto * month.count
            reached = month.quantity if upto is None else np.minimum(month.quantity, upto)
            if charge.kind == "whole":
                here = open_ & (month.quantity <= reached)
                amount = np.where(here & rows, month.quantity * block.price, 0)
                # One price's uses print as one line, whichever band of it they fell into.
                key = (charge.item, str(number), str(block.price))
                open_ = open_ & ~here
            else:
                amount = np.where(rows, np.maximum(0, reached - above) * block.price, 0)
                key = (charge.item, str(number), str(above))
            lines[key] = lines[key] + amount if key in lines else amount
            above = above if upto is None else upto
    if not priced.all():
        raise SizeNotPriced(f"{charge.by} {int(sizes[~priced][0])} has no {charge.item} price")
    return lines


def _sizes(by: str, uses: Uses) -> Integers:
    return {"size_mm": uses.size_mm, "capacity_a": uses.capacity_a, "all": np.zeros_like(uses.quantity)}[by]


def _round_total(exact: Integers, *, tax: Tax, rounding: Rounding, scale: Scale) -> tuple[Integers, Integers]:
    one, unit, mode = scale.one_minor, rounding.unit_minor, rounding.mode
    if tax.included:
        total = _divide(exact, one * unit, mode=mode) * unit
        return total, _divide(total * tax.numerator, tax.denominator + tax.numerator, mode="down")
    if rounding.when == "before_tax":
        net = _divide(exact, one * unit, mode=mode) * unit
        tax_minor = _divide(net * tax.numerator, tax.denominator, mode=mode)
        return net + tax_minor, tax_minor
    total = _divide(exact * (tax.denominator + tax.numerator), one * tax.denominator * unit, mode=mode) * unit
    return total, _divide(exact * tax.numerator, one * tax.denominator, mode=mode)


def _divide(numerator: Integers, denominator: Integers | int, *, mode: RoundingMode) -> Integers:
    if mode == "floor":
        return numerator // denominator
    if mode == "ceiling":
        return -(-numerator // denominator)
    whole, rest = np.divmod(np.abs(numerator), denominator)
    match mode:
        case "down":
            carry = np.zeros_like(rest)
        case "up":
            carry = (rest > 0).astype(np.int64)
        case "half_up":
            carry = (2 * rest >= denominator).astype(np.int64)
        case "half_even":
            carry = ((2 * rest > denominator) | ((2 * rest == denominator) & (whole % 2 == 1))).astype(np.int64)
    return np.sign(numerator) * (whole + carry)


def _sum(lines: dict[tuple[str, ...], Integers]) -> Integers:
    amounts = list(lines.values())
    return sum(amounts[1:], amounts[0])


def _check_bounds(services: Sequence[Service], *, uses: Uses, scale: Scale) -> None:
    """Bound every intermediate value with Python's integers, before numpy could wrap around in silence."""
    most = int(uses.quantity.max(initial=0))
    if int(uses.quantity.min(initial=0)) < 0:
        raise TooLargeForArrays("quantities below zero are rated one by one")
    for service in services:
        exact = sum(_bound(charge, most=most, scale=scale) for charge in service.charges)
        tax = service.tax
        if exact * 24 * (tax.numerator + tax.denominator) * scale.one_minor >= SAFE:
            raise TooLargeForArrays(f"quantities up to {most} of {service.service} might not fit into 64 bits")


def _bound(charge: Charge, *, most: int, scale: Scale) -> int:
    match charge:
        case BaseFee():
            top = max(abs(price) for _, price in charge.prices)
            return top * (charge.zero_use[0] + 1) * 10**scale.quantity_digits
        case Blocks():
            return most * max(abs(block.price) for table in charge.tables for block in table.blocks)
        case UnitAdjustment() | Levy():
            return most * max(abs(price) for _, price in charge.table)
