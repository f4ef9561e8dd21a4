"""Rating: from a tariff and what was used to the lines of a bill, in exact integers."""

from collections.abc import Sequence
from dataclasses import dataclass

from rating_engine.domain import base_fee, blocks, dated
from rating_engine.domain.arithmetic import arithmetic_of, exact_text
from rating_engine.domain.decimals import plain
from rating_engine.domain.months import months_counted, take_apart
from rating_engine.domain.parts import Month, Part, merge
from rating_engine.domain.rounding import Rounding, divide, to_multiple
from rating_engine.domain.tariff import Scale, Service, Tariff, Tax


class ClassNotPriced(Exception):
    """No service of the tariff is for this class of customer."""


@dataclass(frozen=True, slots=True)
class Use:
    """All that rating needs to know; `quantity` is scaled as the tariff's quantities are."""

    quantity: int
    size_mm: int | None
    capacity_a: int | None
    customer_class: str
    days: int
    cycle_days: int
    months: tuple[str, ...]  # calendar months of the whole cycle, such as 2026-02, 2026-03


@dataclass(frozen=True, slots=True)
class Line:
    """One printed line; quantity, unit price and tax rate are exact decimals, the amount is in minor units."""

    service: str
    item: str
    label: str
    quantity: str
    unit: str
    unit_price: str
    amount_minor: int
    tax_rate: str
    arithmetic: str


@dataclass(frozen=True, slots=True)
class ServiceTotal:
    """What one service comes to, tax included, and the tax in it."""

    service: str
    total_minor: int
    tax_minor: int


@dataclass(frozen=True, slots=True)
class Rating:
    """A rated bill: the total is the sum of its lines and of its services."""

    lines: tuple[Line, ...]
    services: tuple[ServiceTotal, ...]
    total_minor: int
    tax_minor: int


@dataclass(frozen=True, slots=True)
class _Rated:
    service: Service
    months: list[list[Part]]
    lines: list[Line]
    exact: int


def rate(tariff: Tariff, *, use: Use) -> Rating:
    """Rate one bill.

    :raises ClassNotPriced: if no service of the tariff is for the customer's class
    :raises SizeNotPriced: if a price by size does not name the size
    :raises MonthNotPriced: if a dated table begins later
    """
    served = [service for service in tariff.services if use.customer_class in service.classes]
    if not served:
        raise ClassNotPriced(f"tariff {tariff.code} has no prices for class {use.customer_class}")
    rated = [_rate_service(tariff, service=service, use=use) for service in served]
    totals = _totals(rated, scale=tariff.scale)
    lines: list[Line] = []
    for one, (total, tax) in zip(rated, totals, strict=True):
        lines += _closed(one, total=total, tax=tax, scale=tariff.scale)
    services = tuple(
        ServiceTotal(one.service.service, total, tax) for one, (total, tax) in zip(rated, totals, strict=True)
    )
    total_minor = sum(total.total_minor for total in services)
    assert total_minor == sum(line.amount_minor for line in lines), "a bill is the sum of its printed lines"
    return Rating(tuple(lines), services, total_minor, sum(total.tax_minor for total in services))


def months_of(tariff: Tariff, *, service: Service, use: Use) -> list[Month]:
    """Take a bill apart into the months that the service is priced by."""
    counted = months_counted(
        service.proration, cycle_months=tariff.cycle_months, days=use.days, cycle_days=use.cycle_days
    )
    return take_apart(
        quantity=use.quantity,
        counted=counted,
        split=tariff.split,
        scales_table=service.proration.scales_table,
        labels=use.months,
        step=10**tariff.scale.quantity_digits,
    )


def _rate_service(tariff: Tariff, *, service: Service, use: Use) -> _Rated:
    months = [
        _month_parts(tariff, service=service, use=use, month=month)
        for month in months_of(tariff, service=service, use=use)
    ]
    # Item by item, not month by month, so that lines come in the order of the charges.
    order = {charge.item: index for index, charge in enumerate(service.charges)}
    parts = merge(part for month in months for part in month)
    parts.sort(key=lambda part: order[part.item])
    lines = [_line(part, service=service, tariff=tariff) for part in parts]
    return _Rated(service, months, lines, sum(part.amount for part in parts))


def _month_parts(tariff: Tariff, *, service: Service, use: Use, month: Month) -> list[Part]:
    parts: list[Part] = []
    for charge in service.charges:
        match charge:
            case base_fee.BaseFee():
                parts.append(
                    base_fee.charge(
                        charge,
                        month=month,
                        size_mm=use.size_mm,
                        capacity_a=use.capacity_a,
                        nothing_used=use.quantity == 0,
                        quantity_scale=10**tariff.scale.quantity_digits,
                    )
                )
            case blocks.Blocks():
                table = blocks.table_for(charge, size_mm=use.size_mm, capacity_a=use.capacity_a)
                parts += blocks.charge(
                    charge, month=month, table=table, unit=tariff.quantity.unit, digits=tariff.quantity.digits
                )
            case dated.UnitAdjustment():
                parts.append(dated.charge_adjustment(charge, month=month))
            case dated.Levy():
                parts.append(dated.charge_levy(charge, month=month, one_minor=tariff.scale.one_minor))
    return [part for part in parts if part.quantity != 0]


def _line(part: Part, *, service: Service, tariff: Tariff) -> Line:
    scale = tariff.scale
    if part.quantity is not None:
        quantity, unit = plain(part.quantity, digits=scale.quantity_digits), tariff.quantity.unit
    else:
        numerator, denominator = part.factor or (1, 1)
        quantity = str(numerator) if denominator == 1 else f"{numerator}/{denominator}"
        unit = "month"
    return Line(
        service=service.service,
        item=part.item,
        label=part.label,
        quantity=quantity,
        unit=unit,
        unit_price=plain(part.unit_price, digits=scale.price_digits + scale.minor_digits),
        amount_minor=divide(part.amount, scale.one_minor, mode="down"),
        tax_rate=service.tax.percent,
        arithmetic=arithmetic_of(part, scale=scale),
    )


def _totals(rated: Sequence[_Rated], *, scale: Scale) -> list[tuple[int, int]]:
    """Give total and tax of each service, in minor units."""
    first = rated[0].service
    if first.rounding.scope != "bill":
        return [_service_total(one, scale=scale) for one in rated]
    # Rounded once over the bill: what the rounding of the whole differs by goes to the first service.
    whole = _round_total(sum(one.exact for one in rated), tax=first.tax, rounding=first.rounding, scale=scale)
    own = [_round_total(one.exact, tax=first.tax, rounding=first.rounding, scale=scale) for one in rated]
    own[0] = (
        whole[0] - sum(total for total, _ in own[1:]),
        whole[1] - sum(tax for _, tax in own[1:]),
    )
    return own


def _service_total(one: _Rated, *, scale: Scale) -> tuple[int, int]:
    service = one.service
    match service.rounding.scope:
        case "line":
            groups = [part.amount for part in merge(part for month in one.months for part in month)]
        case "month":
            groups = [sum(part.amount for part in month) for month in one.months]
        case _:
            groups = [one.exact]
    totals = [_round_total(group, tax=service.tax, rounding=service.rounding, scale=scale) for group in groups]
    return sum(total for total, _ in totals), sum(tax for _, tax in totals)


def _round_total(exact: int, *, tax: Tax, rounding: Rounding, scale: Scale) -> tuple[int, int]:
    """Round one group of charges as the tariff says; give its total with tax, and the tax in it."""
    one, unit, mode = scale.one_minor, rounding.unit_minor, rounding.mode
    if tax.included:
        total = to_multiple(exact, one, unit=unit, mode=mode)
        return total, divide(total * tax.numerator, tax.denominator + tax.numerator, mode="down")
    if rounding.when == "before_tax":
        net = to_multiple(exact, one, unit=unit, mode=mode)
        tax_minor = divide(net * tax.numerator, tax.denominator, mode=mode)
        return net + tax_minor, tax_minor
    total = to_multiple(exact * (tax.denominator + tax.numerator), one * tax.denominator, unit=unit, mode=mode)
    return total, divide(exact * tax.numerator, one * tax.denominator, mode=mode)


def _closed(one: _Rated, *, total: int, tax: int, scale: Scale) -> list[Line]:
    """Add the tax line, and a rounding line where the printed amounts do not add up to the total."""
    service, lines = one.service, list(one.lines)
    if not service.tax.included and tax:
        percent = service.tax.percent
        arithmetic = f"{exact_text(one.exact, scale=scale)} × {percent} %"
        lines.append(_extra(service, item="tax", label=f"tax|{percent}", amount_minor=tax, arithmetic=arithmetic))
    rest = total - sum(line.amount_minor for line in lines)
    if rest:
        arithmetic = f"{total} − {total - rest}"
        lines.append(_extra(service, item="rounding", label="rounding", amount_minor=rest, arithmetic=arithmetic))
    return lines


def _extra(service: Service, *, item: str, label: str, amount_minor: int, arithmetic: str) -> Line:
    return Line(
        service=service.service,
        item=item,
        label=label,
        quantity="",
        unit="",
        unit_price="",
        amount_minor=amount_minor,
        tax_rate=service.tax.percent,
        arithmetic=arithmetic,
    )
