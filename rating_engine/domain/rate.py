"""Rating: from a tariff and what was used to the lines of a bill, exactly."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from functools import lru_cache
from typing import assert_never

from rating_engine.domain import blocks, demand, fees, limits, percents, time_of_use, unit_prices
from rating_engine.domain.charges import Charge, Known, applies, finished, rounded_together
from rating_engine.domain.closing import Line, Rated, Rating, ServiceTotal, close
from rating_engine.domain.facts import Facts, holds, price_of
from rating_engine.domain.months import Span, share_out, take_apart
from rating_engine.domain.parts import Month, Part, UseNotPriced
from rating_engine.domain.rounding import to_decimals
from rating_engine.domain.tariff import AnyCharge, Prorations, Service, Tariff, UseRule
from rating_engine.domain.values import normal

REMEMBERED = 4096  # bills like one before are not reckoned again; some 20 MB


class ClassNotPriced(Exception):
    """No service of the tariff is for this class of customer."""


class FactNotKnown(Exception):
    """A fact has a value that the tariff does not have."""


@dataclass(frozen=True, slots=True)
class Use:
    """All that rating needs to know; `quantity` is in units of the last decimal of the tariff's quantities."""

    quantity: int
    size_mm: int | None
    capacity_a: int | None
    customer_class: str
    days: int
    cycle_days: int
    months: tuple[str, ...]  # calendar months of the whole cycle, such as 2026-02, 2026-03
    facts: tuple[tuple[str, str], ...] = ()
    measures: tuple[tuple[str, Fraction], ...] = ()
    first_day: str | None = None  # local
    is_end: bool = False  # a part of a cycle because supply ended, not because it began
    size_changed_on: str | None = None  # local; the fact size_before says from what


def rate(tariff: Tariff, *, use: Use) -> Rating:
    """Rate one bill.

    :raises ClassNotPriced: if no service of the tariff is for the customer's class
    :raises FactNotKnown: if a fact has a value that the tariff does not have
    :raises SizeNotPriced: if a price by size, or by another fact, does not name it
    :raises UseNotPriced: if the prices are not known for so much use
    :raises MonthNotPriced: if a dated table begins later
    :raises FactMissing: if it is not known what a price depends on
    """
    return _rated(_Same(tariff), use)


@dataclass(frozen=True, slots=True, eq=False)
class _Same:
    """A tariff as itself: two that say the same are two, so that telling them apart costs nothing."""

    tariff: Tariff

    def __hash__(self) -> int:
        return id(self.tariff)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.tariff is self.tariff


@lru_cache(maxsize=REMEMBERED)
def _rated(same: _Same, use: Use) -> Rating:
    # In a bill run most bills are like some other: the same size, months and use, which is all that they depend on.
    tariff = same.tariff
    facts = facts_of(tariff, use=use)
    served = served_by(tariff, use=use, facts=facts)
    return close(tariff, [_rate_service(tariff, service=one, use=use, facts=facts) for one in served])


def served_by(tariff: Tariff, *, use: Use, facts: Facts) -> list[Service]:
    """Find the services that are for this bill.

    :raises ClassNotPriced: if none is
    """
    last = Month(label=use.months[-1], on=f"{use.months[-1]}-01", quantity=_quantity(tariff, use=use))
    wanted = normal(facts.text("class") or use.customer_class)
    served = [
        service
        for service in tariff.services
        if wanted in {normal(one) for one in service.classes or (wanted,)}
        and holds(service.only, facts=facts, month=last)
    ]
    if not served:
        raise ClassNotPriced(f"tariff {tariff.code} has no prices for class {use.customer_class}")
    return served


def services_of(tariff: Tariff, *, use: Use) -> list[Service]:
    """Find the services that are for this bill. Raises as `rate` does."""
    return served_by(tariff, use=use, facts=facts_of(tariff, use=use))


def months_of(tariff: Tariff, *, service: Service, use: Use) -> list[Month]:
    """Take a bill apart into the months that the service is priced by."""
    facts = facts_of(tariff, use=use)
    quantity = _used(tariff, service=service, use=use, facts=facts)
    return take_apart(tariff, service=service, quantity=quantity, span=_span(service, use=use))


def facts_of(tariff: Tariff, *, use: Use) -> Facts:
    """Gather what is known of a bill, with what the tariff takes for granted.

    :raises FactNotKnown: if a fact has a value that the tariff does not have
    """
    texts = {name: rule.default for name, rule in tariff.facts.items() if rule.default is not None}
    if use.customer_class:
        texts["class"] = use.customer_class
    if use.size_mm is not None:
        texts["size"] = str(use.size_mm)
    if use.capacity_a is not None:
        texts["amperes"] = str(use.capacity_a)
    texts.update(use.facts)
    for name, rule in tariff.facts.items():
        if rule.values is not None and name in texts and normal(texts[name]) not in map(normal, rule.values):
            error = ClassNotPriced if name == "class" else FactNotKnown
            raise error(f"tariff {tariff.code} has no {name} {texts[name]}; it has {', '.join(rule.values)}")
    measures = {"use": _quantity(tariff, use=use), "days": Fraction(use.days), "months": Fraction(len(use.months))}
    return Facts(texts, {**measures, **dict(use.measures)})


def _quantity(tariff: Tariff, *, use: Use) -> Fraction:
    return Fraction(use.quantity, 10**tariff.quantity.decimals)


def _span(service: Service, *, use: Use) -> Span:
    changes = isinstance(service.proration, Prorations) and service.proration.size_change == "day"
    return Span(
        labels=use.months,
        days=use.days,
        cycle_days=use.cycle_days,
        first_day=None if use.first_day is None else date.fromisoformat(use.first_day),
        is_end=use.is_end,
        size_changed_on=date.fromisoformat(use.size_changed_on) if changes and use.size_changed_on else None,
    )


def _used(tariff: Tariff, *, service: Service, use: Use, facts: Facts) -> Fraction:
    """Tell what the service counts as use, by the first of its rules that holds."""
    last = Month(label=use.months[-1], on=f"{use.months[-1]}-01", quantity=_quantity(tariff, use=use))
    for rule in service.use:
        if holds(rule.only, facts=facts, month=last):
            return _by_rule(rule, facts=facts, month=last, months=len(use.months))
    return Fraction(0)


def _by_rule(rule: UseRule, *, facts: Facts, month: Month, months: int) -> Fraction:
    measured = facts.number(rule.measure) or Fraction(0)
    if rule.less is not None:
        measured = max(Fraction(0), measured - (facts.number(rule.less) or Fraction(0)))
    if rule.take == "measured":
        found = measured
    else:
        assumed = price_of(rule.assumed, facts=facts, month=month, item="use") * months
        found = {
            "assumed": assumed,
            "sum": measured + assumed,
            "larger": max(measured, assumed),
            "smaller": min(measured, assumed),
        }[rule.take]
    found *= rule.factor
    if rule.not_above is not None and (cap := facts.number(rule.not_above)) is not None:
        found = min(found, cap)
    return found if rule.decimals is None else to_decimals(found, decimals=rule.decimals, mode=rule.mode)


def _rate_service(tariff: Tariff, *, service: Service, use: Use, facts: Facts) -> Rated:
    quantity = _used(tariff, service=service, use=use, facts=facts)
    if service.known_upto is not None and quantity > service.known_upto:
        most = f"{service.known_upto} {tariff.quantity.unit}"
        raise UseNotPriced(f"the prices of {service.service} in {tariff.code} are known up to {most} a bill only")
    span = _span(service, use=use)
    facts = _with_size(facts, service=service, use=use)
    groups: list[list[Part]] = []
    whole: Month | None = None
    for share, count in _households(service, quantity=quantity, facts=facts):
        one = facts if service.shared is None or service.shared.size is None else _of_size(facts, service.shared.size)
        months = take_apart(tariff, service=service, quantity=share, span=span)
        whole = _as_one(months, quantity=quantity)
        rated = _rate_share(tariff, service=service, months=months, facts=one, use=use, quantity=share)
        groups = _added(groups, [[_times(part, count) for part in group] for group in rated])
    assert whole is not None, "somebody uses it"
    return Rated(service, facts, groups, whole)


def _rate_share(
    tariff: Tariff, *, service: Service, months: Sequence[Month], facts: Facts, use: Use, quantity: Fraction
) -> list[list[Part]]:
    """Charge one household's months; the last group is what is charged once over the bill."""
    groups: list[list[Part]] = []
    for index, month in enumerate(months):
        known = _known(
            tariff, facts=_on(facts, month=month, use=use), month=month, quantity=quantity, is_first=index == 0
        )
        groups.append(_charge_all(_monthly(service.charges), known=known, so_far=[]))
    so_far = [part for group in groups for part in group]
    over_bill = _as_one(months, quantity=quantity)
    known = _known(tariff, facts=facts, month=over_bill, quantity=quantity, is_first=True)
    groups.append(_charge_all(_once(service.charges), known=known, so_far=so_far))
    return _rounded_over_bill(groups, charges=service.charges, minor=tariff.minor)


def _as_one(months: Sequence[Month], *, quantity: Fraction) -> Month:
    """Take the months of a bill as one."""
    return replace(
        months[-1],
        quantity=quantity,
        base=sum((month.base for month in months), Fraction(0)),
        table=sum((month.table for month in months), Fraction(0)),
        days=sum((month.days for month in months), Fraction(0)),
        share=Fraction(1),
    )


def _known(tariff: Tariff, *, facts: Facts, month: Month, quantity: Fraction, is_first: bool) -> Known:
    return Known(
        facts=facts,
        month=month,
        minor=tariff.minor,
        unit=tariff.quantity.unit,
        decimals=tariff.quantity.decimals,
        is_first_month=is_first,
        bill_use=quantity,
    )


def _charge_all(charges: Iterable[AnyCharge], *, known: Known, so_far: Sequence[Part]) -> list[Part]:
    found: list[Part] = []
    for charge in charges:
        now = replace(known, so_far=[*so_far, *found])
        if applies(charge, known=now):
            found += finished(charge, found=list(charge_one(charge, known=now)), known=now)
    return found


def charge_one(charge: AnyCharge, *, known: Known) -> Iterable[Part]:
    """Charge by the charge's own model."""
    match charge:
        case fees.Fee():
            return fees.charge(charge, known=known)
        case blocks.Blocks():
            return blocks.charge(charge, known=known)
        case unit_prices.UnitPrice():
            return unit_prices.charge(charge, known=known)
        case time_of_use.TimeOfUse():
            return time_of_use.charge(charge, known=known)
        case demand.Demand():
            return demand.charge(charge, known=known)
        case percents.Percent():
            return percents.charge(charge, known=known)
        case limits.Limit():
            return limits.charge(charge, known=known)
        case _:
            assert_never(charge)


def _monthly(charges: Iterable[AnyCharge]) -> list[AnyCharge]:
    return [charge for charge in charges if not _is_once(charge)]


def _once(charges: Iterable[AnyCharge]) -> list[AnyCharge]:
    return [charge for charge in charges if _is_once(charge)]


def _is_once(charge: Charge) -> bool:
    return isinstance(charge, percents.Percent | limits.Limit) and charge.each == "bill"


def _rounded_over_bill(groups: list[list[Part]], *, charges: Iterable[AnyCharge], minor: int) -> list[list[Part]]:
    for charge in charges:
        if charge.round is None or charge.round.each != "bill":
            continue
        places = [
            (number, index)
            for number, group in enumerate(groups)
            for index, part in enumerate(group)
            if part.item == charge.item
        ]
        if places:
            parts = [groups[number][index] for number, index in places]
            rounded = rounded_together(parts, unit=charge.round.unit * minor, rounding=charge.round)
            number, index = places[-1]
            groups[number][index] = rounded[-1]
    return groups


def _households(service: Service, *, quantity: Fraction, facts: Facts) -> list[tuple[Fraction, int]]:
    """Share the use of one meter out over its households: the share, and how many have it."""
    number = None if service.shared is None else facts.number(service.shared.by)
    if number is None or number <= 1:
        return [(quantity, 1)]
    shares = share_out(quantity, count=int(number), odd_to="first")
    counts: dict[Fraction, int] = {}
    for share in shares:
        counts[share] = counts.get(share, 0) + 1
    return list(counts.items())


def _times(part: Part, count: int) -> Part:
    if count == 1:
        return part
    return replace(
        part,
        amount=part.amount * count,
        quantity=None if part.quantity is None else part.quantity * count,
        factor=None if part.factor is None else part.factor * count,
    )


def _added(groups: list[list[Part]], more: list[list[Part]]) -> list[list[Part]]:
    if not groups:
        return more
    return [[*one, *two] for one, two in zip(groups, more, strict=True)]


def _on(facts: Facts, *, month: Month, use: Use) -> Facts:
    before = dict(use.facts).get("size_before")
    if use.size_changed_on is None or before is None or month.on >= use.size_changed_on:
        return facts
    return _of_size(facts, before) if month.share != 1 else facts


def _with_size(facts: Facts, *, service: Service, use: Use) -> Facts:
    """Choose the size that counts where it changed inside the cycle."""
    before, now = dict(use.facts).get("size_before"), facts.texts.get("size")
    rule = service.proration.size_change if isinstance(service.proration, Prorations) else "after"
    if before is None or now is None or rule in ("after", "day"):
        return facts
    ordered = sorted([before, now], key=lambda size: Fraction(normal(size)))
    return _of_size(facts, {"before": before, "larger": ordered[1], "smaller": ordered[0]}[rule])


def _of_size(facts: Facts, size: str) -> Facts:
    return Facts({**facts.texts, "size": size}, facts.measures)


__all__ = [
    "ClassNotPriced",
    "FactNotKnown",
    "Line",
    "Rating",
    "ServiceTotal",
    "Use",
    "months_of",
    "rate",
    "services_of",
]
