"""Totals of many bills of one tariff in one pass over numpy arrays; equal to rating them one by one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import lcm

import numpy as np
from numpy.typing import NDArray

from rating_engine.domain.blocks import Block, BlockList, Blocks, BlocksBy, BlockTable
from rating_engine.domain.charges import Charge
from rating_engine.domain.facts import Facts, chosen_key, price_of
from rating_engine.domain.fees import Fee
from rating_engine.domain.parts import Month, SizeNotPriced
from rating_engine.domain.rate import Use, facts_of, served_by
from rating_engine.domain.rounding import RoundingMode
from rating_engine.domain.tariff import Rounding, Service, Tariff, UseRule, WholeBill
from rating_engine.domain.unit_prices import UnitPrice
from rating_engine.domain.values import walk

Integers = NDArray[np.int64]
SAFE = 2**62
ZERO, ONE, HUNDRED = Fraction(0), Fraction(1), Fraction(100)
Key = tuple[str, ...]


class NotForArrays(Exception):
    """The tariff has rules that arrays do not know, or amounts might not fit; rate these bills one by one."""


@dataclass(frozen=True, slots=True)
class Uses:
    """Many uses of whole cycles, one row each; quantities count the tariff's last decimal, 0 stands for no size."""

    quantity: Integers
    size_mm: Integers
    capacity_a: Integers
    months: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """For each row, in minor units: the total with tax, and the tax in it."""

    total_minor: Integers
    tax_minor: Integers


@dataclass(frozen=True, slots=True)
class _Charged:
    """Amounts of one printed line in one month, as multiples of 1/scale of the minor unit."""

    key: Key
    month: int
    amount: Integers


@dataclass(frozen=True, slots=True)
class _Rows:
    """One size's rows in one month: what rating them needs."""

    facts: Facts
    month: Month
    number: int
    quantity: Integers
    scale: int
    minor: int
    decimals: int


def totals(tariff: Tariff, *, uses: Uses, customer_class: str) -> Totals:
    """Rate whole cycles of one class.

    :raises SizeNotPriced: if a row has a size without a price
    :raises MonthNotPriced: if a dated table begins later
    :raises NotForArrays: if the tariff has rules that arrays do not know, or an amount might not fit
    """
    check_simple(tariff)
    total, tax = np.zeros_like(uses.quantity), np.zeros_like(uses.quantity)
    sizes = np.stack([uses.size_mm, uses.capacity_a])
    for size_mm, capacity_a in np.unique(sizes, axis=1).T.tolist():
        rows = (uses.size_mm == size_mm) & (uses.capacity_a == capacity_a)
        use = Use(0, size_mm or None, capacity_a or None, customer_class, 1, 1, uses.months)
        total[rows], tax[rows] = _totals_of_size(tariff, use=use, quantity=uses.quantity[rows])
    return Totals(total, tax)


def check_simple(tariff: Tariff) -> None:
    """:raises NotForArrays: if the tariff has rules that arrays do not know"""
    if tariff.bill != WholeBill() or tariff.cycle.changes == "day":
        raise NotForArrays(f"tariff {tariff.code} has rules over the whole bill, or by days")
    for service in tariff.services:
        has_rules = service.only is not None or service.after_tax or service.use != (UseRule(),)
        if has_rules or service.shared is not None or service.known_upto is not None:
            raise NotForArrays(f"{service.service} of {tariff.code} has rules of use, or after tax")
        if service.tax.scope is not None or service.tax.unit is not None or service.tax.mode is not None:
            raise NotForArrays(f"{service.service} of {tariff.code} has rules of its own for tax")
        for charge in service.charges:
            if not _is_simple(charge):
                raise NotForArrays(f"{charge.item} of {tariff.code} is not known to arrays")


def _is_simple(charge: Charge) -> bool:
    has_own = charge.only is not None or charge.factor != ONE or charge.tax_percent is not None
    if has_own or (charge.round is not None and charge.round.each == "bill"):
        return False
    match charge:
        case Fee():
            return charge.per == "month" and charge.times is None and charge.within is None
        case Blocks():
            plain = charge.of == "use" and charge.bounds == "month" and charge.bounds_times is None
            return (
                plain and charge.included == ZERO and charge.after is None and charge.boundary_mode in (None, "half_up")
            )
        case UnitPrice():
            return charge.of == "use" and charge.above == ZERO
        case _:
            return False


def _totals_of_size(tariff: Tariff, *, use: Use, quantity: Integers) -> tuple[Integers, Integers]:
    facts = facts_of(tariff, use=use)
    served = served_by(tariff, use=use, facts=facts)
    if int(quantity.min(initial=0)) < 0:
        raise NotForArrays("quantities below zero are rated one by one")
    scale = _scale(served, tariff=tariff)
    charged = [
        _charge_service(tariff, one, facts=facts, months=use.months, quantity=quantity, scale=scale) for one in served
    ]
    rates = [
        price_of(one.tax.percent, facts=facts, month=_months(tariff, use.months, quantity)[-1][0], item="tax")
        for one in served
    ]
    if served[0].rounding.scope == "bill":
        if any(rate != rates[0] for rate in rates):
            raise NotForArrays("several rates of tax in one sum")
        everything = [one for some in charged for one in some]
        return _round(everything, service=served[0], rate=rates[0], scale=scale, minor=tariff.minor, like=quantity)
    found = [
        _round(some, service=one, rate=rate, scale=scale, minor=tariff.minor, like=quantity)
        for some, one, rate in zip(charged, served, rates, strict=True)
    ]
    zero = np.zeros_like(quantity)
    return sum((one[0] for one in found), zero), sum((one[1] for one in found), zero)


def _months(tariff: Tariff, labels: Sequence[str], quantity: Integers) -> list[tuple[Month, Integers]]:
    count = len(labels)
    if tariff.cycle.split == "widen_table" or count == 1:
        width = Fraction(count, tariff.cycle.table_months)
        return [(_month(tariff, labels[-1], width), quantity)]
    step = 10**tariff.quantity.decimals
    steps, loose = np.divmod(quantity, step)
    even, odd = np.divmod(steps, count)
    shares = [(even + (index < odd)) * step for index in range(count)]
    shares[0] = shares[0] + loose
    ordered = shares if tariff.cycle.odd_to == "first" else shares[::-1]
    return [(_month(tariff, label, ONE), share) for label, share in zip(labels, ordered, strict=True)]


def _month(tariff: Tariff, label: str, width: Fraction) -> Month:
    on = f"{label}-01"
    season = tariff.calendar.season_on(date.fromisoformat(on))
    return Month(label, on, ZERO, base=width, table=width, season=season)


def _charge_service(
    tariff: Tariff, service: Service, *, facts: Facts, months: Sequence[str], quantity: Integers, scale: int
) -> list[_Charged]:
    found: list[_Charged] = []
    for number, (month, share) in enumerate(_months(tariff, months, quantity)):
        rows = _Rows(facts, month, number, share, scale, tariff.minor, tariff.quantity.decimals)
        for charge in service.charges:
            some = list(_charge(charge, rows=rows, used=quantity))
            found += _rounded_by_itself(some, charge=charge, scale=scale, minor=tariff.minor)
    return found


def _charge(charge: Charge, *, rows: _Rows, used: Integers) -> Iterable[_Charged]:
    match charge:
        case Fee():
            price = price_of(charge.price, facts=rows.facts, month=rows.month, item=charge.item) * rows.minor
            full = _exact(price * rows.month.base, scale=rows.scale)
            unused = _exact(price * rows.month.base * charge.zero_use, scale=rows.scale)
            yield _Charged((charge.item, str(price)), rows.number, np.where(used == 0, unused, full))
        case Blocks():
            yield from _blocks(charge, rows=rows)
        case UnitPrice():
            price = price_of(charge.price, facts=rows.facts, month=rows.month, item=charge.item) * rows.minor
            each = _exact(price / 10**rows.decimals, scale=rows.scale)
            is_dated = not isinstance(charge.price, Fraction)
            label = rows.month.label if is_dated else ""
            yield _Charged((charge.item, label, str(price)), rows.number, _bounded(rows.quantity, each))
        case _:
            raise NotForArrays(f"{charge.item} is not known to arrays")


def _blocks(charge: Blocks, *, rows: _Rows) -> Iterable[_Charged]:
    quantity, lower, above = rows.quantity, ZERO, 0
    open_ = np.ones_like(quantity, dtype=bool)
    for block in _rows_of(charge.blocks, rows=rows, item=charge.item):
        bound = (
            None if block.upto is None else price_of(block.upto, facts=rows.facts, month=rows.month, item=charge.item)
        )
        price = price_of(block.price, facts=rows.facts, month=rows.month, item=charge.item)
        if price_of(block.fee, facts=rows.facts, month=rows.month, item=charge.item):
            raise NotForArrays(f"{charge.item} has fees in its blocks")
        each = _exact(price * rows.minor / 10**rows.decimals, scale=rows.scale)
        upto = None
        if bound is not None:
            width = (bound - lower) * rows.month.table * 10**rows.decimals
            if width.denominator != 1:
                raise NotForArrays(f"a bound of {charge.item} is finer than the quantity")
            upto, lower = above + width.numerator, bound
        if charge.kind == "whole":
            here = open_ if upto is None else open_ & (quantity <= upto)
            yield _Charged((charge.item, str(price)), rows.number, _bounded(np.where(here, quantity, 0), each))
            open_ = open_ & ~here
        else:
            reached = quantity if upto is None else np.minimum(quantity, upto)
            used = np.maximum(0, reached - above)
            yield _Charged((charge.item, str(above), str(upto), str(price)), rows.number, _bounded(used, each))
        above = above if upto is None else upto


def _rows_of(table: BlockTable, *, rows: _Rows, item: str) -> tuple[Block, ...]:
    while isinstance(table, BlocksBy):
        key = chosen_key(table.by, list(table.of), facts=rows.facts, month=rows.month, item=item)
        found = table.otherwise if key is None else table.of[key]
        if found is None:
            raise SizeNotPriced(f"{table.by} {rows.facts.text(table.by)} has no {item} price")
        table = found
    assert isinstance(table, BlockList)
    return table.rows


def _rounded_by_itself(found: list[_Charged], *, charge: Charge, scale: int, minor: int) -> list[_Charged]:
    rule = charge.round
    if rule is None:
        return found
    unit = _exact(rule.unit * minor, scale=scale)
    if rule.each == "line":
        return [_Charged(one.key, one.month, _multiple(one.amount, unit, mode=rule.mode)) for one in found]
    if len(found) > 1:
        raise NotForArrays(f"the lines of {charge.item} are rounded together")
    return [_Charged(one.key, one.month, _multiple(one.amount, unit, mode=rule.mode)) for one in found]


def _round(
    charged: Sequence[_Charged], *, service: Service, rate: Fraction, scale: int, minor: int, like: Integers
) -> tuple[Integers, Integers]:
    """Round one service's amounts (or the bill's) to money; give totals with tax, and the tax in them."""
    rounding = service.rounding
    groups = _groups(charged, rounding=rounding)
    unit = _exact(rounding.unit * minor, scale=scale)
    gross, net = (HUNDRED + rate).as_integer_ratio(), rate.as_integer_ratio()
    total, tax = np.zeros_like(like), np.zeros_like(like)
    if service.tax.prices == "tax_included":
        for amount in groups:
            total = total + _multiple(amount, unit, mode=rounding.mode) // scale
        inside = (rate / (HUNDRED + rate)).as_integer_ratio()
        return total, _divide(_bounded(total, inside[0]), inside[1], mode="down")
    if rounding.when == "after_tax":
        for amount in groups:
            with_tax = _bounded(amount, gross[0])
            part = unit * 100 * gross[1]
            total = total + _divide(with_tax, part, mode=rounding.mode) * (unit // scale)
            tax = tax + _divide(_bounded(amount, net[0]), scale * 100 * net[1], mode=rounding.mode)
        return total, tax
    nets = [_multiple(amount, unit, mode=rounding.mode) // scale for amount in groups]
    if rounding.scope in ("line", "item"):
        nets = [sum(nets, np.zeros_like(like))]
    for one in nets:
        own = _divide(_bounded(one, net[0]), 100 * net[1], mode=rounding.mode)
        total, tax = total + one + own, tax + own
    return total, tax


def _groups(charged: Sequence[_Charged], *, rounding: Rounding) -> list[Integers]:
    groups: dict[Key, Integers] = {}
    for one in charged:
        match rounding.scope:
            case "line":
                key = one.key
            case "item":
                key = one.key[:1]
            case "month":
                key = (str(one.month),)
            case "service" | "bill":
                key = ()
        groups[key] = groups[key] + one.amount if key in groups else one.amount
    return list(groups.values())


def _scale(services: Sequence[Service], *, tariff: Tariff) -> int:
    """Find a denominator that every amount is a whole multiple of."""
    found = 1
    for service in services:
        for one in walk(service.charges):
            if isinstance(one, Fraction):
                found = lcm(found, one.denominator)
        for charge in service.charges:
            if isinstance(charge, Fee):
                found *= charge.zero_use.denominator
    return found * 10**tariff.quantity.decimals * tariff.cycle.table_months


def _exact(number: Fraction, *, scale: int) -> int:
    scaled = number * scale
    if scaled.denominator != 1 or abs(scaled.numerator) >= SAFE:
        raise NotForArrays(f"{number} is too fine or too large for arrays")
    return scaled.numerator


def _bounded(amount: Integers, factor: int) -> Integers:
    """Multiply, unless numpy might wrap around in silence."""
    top = max(abs(int(amount.max(initial=0))), abs(int(amount.min(initial=0))))
    if top * abs(factor) >= SAFE // 64:
        raise NotForArrays("an amount might not fit into 64 bits")
    return amount * factor


def _multiple(amount: Integers, unit: int, *, mode: RoundingMode) -> Integers:
    return _divide(amount, unit, mode=mode) * unit


def _divide(numerator: Integers, denominator: int, *, mode: RoundingMode) -> Integers:
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
        case "half_down":
            carry = (2 * rest > denominator).astype(np.int64)
        case "half_even":
            carry = ((2 * rest > denominator) | ((2 * rest == denominator) & (whole % 2 == 1))).astype(np.int64)
    return np.sign(numerator) * (whole + carry)
