"""From exact parts to money: rounding, tax, what comes after tax, and the printed lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from rating_engine.domain import fees, limits, percents
from rating_engine.domain.arithmetic import arithmetic_of, exact_text
from rating_engine.domain.charges import Known, applies, finished
from rating_engine.domain.decimals import decimal_text
from rating_engine.domain.facts import Facts, price_of
from rating_engine.domain.parts import Month, Part, merge
from rating_engine.domain.rounding import to_multiple, whole
from rating_engine.domain.tariff import AfterTax, Scope, Service, Tariff

ZERO, HUNDRED = Fraction(0), Fraction(100)


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
class Rated:
    """A service with its parts, month by month; `month` is the whole bill as one."""

    service: Service
    facts: Facts
    groups: list[list[Part]]
    month: Month


@dataclass(frozen=True, slots=True)
class _Amount:
    """An amount before it is money, and where it belongs: by service, month, item and line, and its tax rate."""

    service: int
    month: int
    item: str
    line: tuple[str, int, int]
    rate: Fraction  # percent
    exact: Fraction  # minor units, without tax if tax is added


@dataclass(slots=True)
class _Money:
    """What one service came to: total, and tax by rate, in minor units."""

    total: int
    taxes: dict[Fraction, int]


def close(tariff: Tariff, rated: Sequence[Rated]) -> Rating:
    """Round, tax, and print."""
    amounts = [_amounts(index, one) for index, one in enumerate(rated)]
    money = _money_of_all(rated, amounts, minor=tariff.minor)
    lines: list[Line] = []
    services: list[ServiceTotal] = []
    for one, found in zip(rated, money, strict=True):
        after = _after_tax(tariff, one.service.after_tax, rated=one, total=found.total)
        lines += _printed(tariff, one, money=found)
        lines += [_after_line(part, service=one.service.service, minor=tariff.minor) for part in after]
        total = found.total + sum(int(part.amount) for part in after)
        services.append(ServiceTotal(one.service.service, total, sum(found.taxes.values())))
    _close_bill(tariff, rated[0], lines=lines, services=services)
    total = sum(one.total_minor for one in services)
    assert total == sum(line.amount_minor for line in lines), "a bill is the sum of its printed lines"
    return Rating(tuple(lines), tuple(services), total, sum(one.tax_minor for one in services))


def with_settlement(rating: Rating, *, change_minor: int, tax_minor: int) -> Rating:
    """Add what earlier bills on estimates were too low or too high by, as a line of its own."""
    if not change_minor:
        return rating
    line = _extra("other", "settlement", "settlement", change_minor, rate="", arithmetic="")
    return Rating(
        lines=(*rating.lines, line),
        services=(*rating.services, ServiceTotal("other", change_minor, tax_minor)),
        total_minor=rating.total_minor + change_minor,
        tax_minor=rating.tax_minor + tax_minor,
    )


def _amounts(index: int, one: Rated) -> list[_Amount]:
    default = tax_rate(one)
    return [
        _Amount(
            service=index,
            month=month,
            item=part.item,
            line=(part.label, part.unit_price.numerator, part.unit_price.denominator),
            rate=default if part.tax is None else part.tax,
            exact=part.amount,
        )
        for month, group in enumerate(one.groups)
        for part in group
    ]


def tax_rate(one: Rated) -> Fraction:
    """Tell the service's tax in percent."""
    return price_of(one.service.tax.percent, facts=one.facts, month=one.month, item="tax")


def _money_of_all(rated: Sequence[Rated], amounts: Sequence[list[_Amount]], *, minor: int) -> list[_Money]:
    own = [_money(found, service=one.service, minor=minor) for one, found in zip(rated, amounts, strict=True)]
    first = rated[0].service
    if first.rounding.scope == "bill":
        # Rounded once over the bill: what the rounding of the whole differs by goes to the first service.
        together = _money([amount for found in amounts for amount in found], service=first, minor=minor)
        own[0].total = together.total - sum(one.total for one in own[1:])
        for rate, tax in together.taxes.items():
            own[0].taxes[rate] = tax - sum(one.taxes.get(rate, 0) for one in own[1:])
    elif _adds_tax(first) and first.tax.scope == "bill":
        _tax_together(rated, amounts, own=own, minor=minor)
    return own


def _tax_together(rated: Sequence[Rated], amounts: Sequence[list[_Amount]], *, own: list[_Money], minor: int) -> None:
    """Reckon the tax of each rate once over all services; the difference goes to the first service with the rate."""
    first = rated[0].service
    nets: dict[Fraction, Fraction] = {}
    for one, found in zip(rated, amounts, strict=True):
        for (_, rate), net in _nets(found, service=one.service, minor=minor).items():
            nets[rate] = nets.get(rate, ZERO) + net
    for rate, net in nets.items():
        tax = _tax_of(net, rate=rate, service=first, minor=minor)
        rest = tax - sum(one.taxes.get(rate, 0) for one in own)
        owner = next(one for one in own if rate in one.taxes)
        owner.taxes[rate] += rest
        owner.total += rest


def _adds_tax(service: Service) -> bool:
    return service.tax.prices == "tax_excluded" and service.rounding.when == "before_tax"


def _money(amounts: Sequence[_Amount], *, service: Service, minor: int) -> _Money:
    """Round the amounts of a service (or of the whole bill) as its rules say."""
    if _adds_tax(service):
        return _taxed_after(amounts, service=service, minor=minor)
    rounding, is_included = service.rounding, service.tax.prices == "tax_included"
    total, taxes = ZERO, dict[Fraction, int]()
    for group in _grouped(amounts, scope=rounding.scope).values():
        gross = sum((one.exact * (1 if is_included else 1 + one.rate / HUNDRED) for one in group), ZERO)
        total += to_multiple(gross, unit=rounding.unit * minor, mode=rounding.mode)
        if not is_included:
            for rate, exact in _by_rate(group).items():
                taxes[rate] = taxes.get(rate, 0) + whole(exact * rate / HUNDRED, mode=rounding.mode)
    if is_included:
        sums = _by_rate(amounts)
        for rate, exact in sums.items():
            gross = total if len(sums) == 1 else exact
            taxes[rate] = whole(gross * rate / (HUNDRED + rate), mode="down")
    return _Money(int(total), taxes)


def _taxed_after(amounts: Sequence[_Amount], *, service: Service, minor: int) -> _Money:
    taxes: dict[Fraction, int] = {}
    nets = _nets(amounts, service=service, minor=minor)
    scope = _tax_scope(service)
    groups: dict[tuple[tuple[object, ...], Fraction], Fraction] = {}
    for (one, rate), net in nets.items():
        key = (_key(one, scope=scope), rate)
        groups[key] = groups.get(key, ZERO) + net
    for (_, rate), net in groups.items():
        taxes[rate] = taxes.get(rate, 0) + _tax_of(net, rate=rate, service=service, minor=minor)
    return _Money(int(sum(nets.values(), ZERO)) + sum(taxes.values()), taxes)


def _nets(amounts: Sequence[_Amount], *, service: Service, minor: int) -> dict[tuple[_Amount, Fraction], Fraction]:
    """Round amounts before tax; each group and rate is told by the first amount in it."""
    rounding = service.rounding
    nets: dict[tuple[_Amount, Fraction], Fraction] = {}
    for group in _grouped(amounts, scope=rounding.scope, with_rate=True).values():
        exact = sum((one.exact for one in group), ZERO)
        nets[group[0], group[0].rate] = to_multiple(exact, unit=rounding.unit * minor, mode=rounding.mode)
    return nets


def _tax_scope(service: Service) -> Scope:
    if service.tax.scope is not None:
        return service.tax.scope
    return "service" if service.rounding.scope in ("line", "item") else service.rounding.scope


def _tax_of(net: Fraction, *, rate: Fraction, service: Service, minor: int) -> int:
    tax = service.tax
    unit = Fraction(1) if tax.unit is None else tax.unit * minor
    return int(to_multiple(net * rate / HUNDRED, unit=unit, mode=tax.mode or service.rounding.mode))


def _grouped(
    amounts: Sequence[_Amount], *, scope: Scope, with_rate: bool = False
) -> dict[tuple[object, ...], list[_Amount]]:
    groups: dict[tuple[object, ...], list[_Amount]] = {}
    for one in amounts:
        key = (*_key(one, scope=scope), one.rate) if with_rate else _key(one, scope=scope)
        groups.setdefault(key, []).append(one)
    return groups


def _key(one: _Amount, *, scope: Scope) -> tuple[object, ...]:
    match scope:
        case "line":
            return (one.service, one.line)
        case "item":
            return (one.service, one.item)
        case "month":
            return (one.service, one.month)
        case "service":
            return (one.service,)
        case "bill":
            return ()


def _by_rate(amounts: Sequence[_Amount]) -> dict[Fraction, Fraction]:
    sums: dict[Fraction, Fraction] = {}
    for one in amounts:
        sums[one.rate] = sums.get(one.rate, ZERO) + one.exact
    return sums


def _printed(tariff: Tariff, one: Rated, *, money: _Money) -> list[Line]:
    """Print the parts, the tax, and a rounding line where the printed amounts do not add up to the total."""
    service = one.service
    order = {charge.item: index for index, charge in enumerate(service.charges)}
    parts = merge(part for group in one.groups for part in group)
    parts.sort(key=lambda part: order[part.item])
    lines = [_line(part, rated=one, tariff=tariff) for part in parts if part.quantity != 0]
    if service.tax.prices == "tax_excluded":
        sums = _by_rate(_amounts(0, one))
        for rate, tax in money.taxes.items():
            if tax:
                percent = decimal_text(rate)
                arithmetic = f"{exact_text(sums.get(rate, ZERO), minor=tariff.minor)} × {percent} %"
                lines.append(_extra(service.service, "tax", f"tax|{percent}", tax, rate=percent, arithmetic=arithmetic))
    rest = money.total - sum(line.amount_minor for line in lines)
    if rest:
        arithmetic = f"{money.total} − {money.total - rest}"
        rate = decimal_text(tax_rate(one))
        lines.append(_extra(service.service, "rounding", "rounding", rest, rate=rate, arithmetic=arithmetic))
    return lines


def _line(part: Part, *, rated: Rated, tariff: Tariff) -> Line:
    rounding = rated.service.rounding
    counted = part.quantity if part.quantity is not None else (part.factor or Fraction(1))
    if rounding.scope == "line" and (_adds_tax(rated.service) or rated.service.tax.prices == "tax_included"):
        amount = int(to_multiple(part.amount, unit=rounding.unit * tariff.minor, mode=rounding.mode))
    else:
        amount = whole(part.amount, mode="down" if rounding.mode in ("down", "floor") else "half_up")
    return Line(
        service=rated.service.service,
        item=part.item,
        label=part.label,
        quantity=decimal_text(counted),
        unit=part.unit,
        unit_price=decimal_text(part.unit_price),
        amount_minor=amount,
        tax_rate=decimal_text(tax_rate(rated) if part.tax is None else part.tax),
        arithmetic=arithmetic_of(part, minor=tariff.minor),
    )


def _extra(service: str, item: str, label: str, amount: int, *, rate: str, arithmetic: str) -> Line:
    return Line(service, item, label, "", "", "", amount, rate, arithmetic)


def _after_tax(tariff: Tariff, charges: Sequence[AfterTax], *, rated: Rated, total: int) -> list[Part]:
    """Charge what comes after tax; the item `total` is what was charged before."""
    so_far = [Part("total", "total", Fraction(total), Fraction(total))]
    for charge in charges:
        known = Known(
            facts=rated.facts,
            month=rated.month,
            minor=tariff.minor,
            unit=tariff.quantity.unit,
            decimals=tariff.quantity.decimals,
            is_first_month=True,
            bill_use=rated.month.quantity,
            so_far=tuple(so_far),
        )
        if applies(charge, known=known):
            mode = rated.service.rounding.mode
            found = finished(charge, found=list(_after(charge, known=known)), known=known)
            so_far += [replace(part, amount=Fraction(whole(part.amount, mode=mode))) for part in found]
    return so_far[1:]


def _after(charge: AfterTax, *, known: Known) -> Iterator[Part]:
    match charge:
        case fees.Fee():
            yield from fees.charge(charge, known=known)
        case percents.Percent():
            yield from percents.charge(charge, known=known)
        case limits.Limit():
            yield from limits.charge(charge, known=known)


def _after_line(part: Part, *, service: str, minor: int) -> Line:
    counted = decimal_text(part.factor or Fraction(1))
    return Line(
        service=service,
        item=part.item,
        label=part.label,
        quantity=counted,
        unit=part.unit,
        unit_price=decimal_text(part.unit_price),
        amount_minor=int(part.amount),
        tax_rate="0",
        arithmetic=arithmetic_of(part, minor=minor),
    )


def _close_bill(tariff: Tariff, first: Rated, *, lines: list[Line], services: list[ServiceTotal]) -> None:
    """Add what concerns the sum of all services, and the last rounding, as a service of its own."""
    before = sum(one.total_minor for one in services)
    after = _after_tax(tariff, tariff.bill.charges, rated=first, total=before)
    lines += [_after_line(part, service="other", minor=tariff.minor) for part in after]
    total = before + sum(int(part.amount) for part in after)
    if tariff.bill.unit is not None:
        rounded = int(to_multiple(Fraction(total), unit=tariff.bill.unit * tariff.minor, mode=tariff.bill.mode))
        if rounded != total:
            arithmetic = f"{rounded} − {total}"
            lines.append(_extra("other", "rounding", "rounding", rounded - total, rate="0", arithmetic=arithmetic))
            total = rounded
    if total != before:
        services.append(ServiceTotal("other", total - before, 0))
