"""Quoting: from what a person asks (use, size, months, days) to what rating needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from fractions import Fraction

from rating_engine.domain.blocks import BlocksBy
from rating_engine.domain.closing import with_settlement
from rating_engine.domain.estimates import estimate, still_to_bill
from rating_engine.domain.facts import FactMissing
from rating_engine.domain.months import days_of, share_out
from rating_engine.domain.rate import FactNotKnown, Rating, Use, rate
from rating_engine.domain.rounding import to_decimals
from rating_engine.domain.tariff import Shared, Tariff
from rating_engine.domain.values import By, Only, Steps, walk

# How many base units one unit is, exactly. Volumes are in litres.
GALLON = Fraction(3785411784, 10**9)
CUBIC_FOOT = Fraction(28316846592, 10**9)
VOLUMES = {
    "m3": Fraction(1000),
    "L": Fraction(1),
    "gal": GALLON,
    "kgal": 1000 * GALLON,
    "ft3": CUBIC_FOOT,
    "ccf": 100 * CUBIC_FOOT,
    "hcf": 100 * CUBIC_FOOT,
    "kcf": 1000 * CUBIC_FOOT,
}
ENERGIES = {"Wh": Fraction(1), "kWh": Fraction(1000), "MWh": Fraction(10**6), "MJ": Fraction(2500, 9)}
ALIASES = {
    "m³": "m3",
    "㎥": "m3",
    "l": "L",
    "litre": "L",
    "gallon": "gal",
    "gallons": "gal",
    "1000gal": "kgal",
    "tgal": "kgal",
    "ft³": "ft3",
    "cf": "ft3",
    "ccf": "ccf",
    "hcf": "hcf",
    "wh": "Wh",
    "kwh": "kWh",
    "mwh": "MWh",
    "mj": "MJ",
}
# Given with any tariff, whether its prices depend on them or not.
ALWAYS_KNOWN = ("class", "size", "size_before", "amperes", "kva", "demand", "demand_before", "households", "persons")
DAYS_OF_A_MONTH = Fraction(365, 12)
DAYS_OFF_A_MONTH = 5  # meters are read some days early or late: such a bill still is of a whole cycle


class UnitsDiffer(ValueError):
    """A quantity cannot be told in the tariff's unit."""


class UsageBelowZero(ValueError):
    """The use asked for is below zero."""


class PeriodUnusable(ValueError):
    """The days asked for make no period."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked; `usage` is in `unit`, the tariff's own if none is given; `end` is the day after the last."""

    usage: Fraction
    unit: str | None = None
    usage_by_period: Mapping[str, Fraction] = field(default_factory=dict[str, Fraction])
    measures: Mapping[str, Fraction] = field(default_factory=dict[str, Fraction])
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    services: Sequence[str] = ()
    months: int | None = None
    first: date | None = None
    end: date | None = None
    month: str | None = None
    days: int | None = None
    is_partial: bool | None = None
    is_end: bool = False
    size_changed_on: date | None = None
    before: Sequence[Fraction] = ()  # uses of earlier bills, the last one first: this one is estimated
    estimated: Sequence[Fraction] = ()  # uses billed on estimates since the last true reading: this one settles them


def quote(tariff: Tariff, *, question: Question, today: date) -> tuple[Rating, Use]:
    """Rate what is asked.

    :raises UnitsDiffer: if the unit is another kind than the tariff's
    :raises PeriodUnusable: if the days make no period, or the tariff has none of the services
    """
    tariff = _only_services(tariff, question.services)
    if question.before:
        usage = estimate(tariff.estimation, before=question.before, cycle_months=tariff.cycle.months)
        question = replace(question, usage=usage, before=())
    if question.estimated and tariff.estimation.settle == "rebill":
        return _billed_again(tariff, question=question, today=today)
    if question.estimated:
        rest = still_to_bill(used=question.usage, estimated=question.estimated)
        question = replace(question, usage=rest, estimated=())
    use = use_of(tariff, question=question, today=today)
    return rate(tariff, use=use), use


def _billed_again(tariff: Tariff, *, question: Question, today: date) -> tuple[Rating, Use]:
    """Share the use out over all periods since the last true reading, and take off what was billed on estimates."""
    shares = share_out(question.usage, count=len(question.estimated) + 1, odd_to=tariff.cycle.odd_to)
    plain = replace(question, estimated=())
    ratings = [quote(tariff, question=replace(plain, usage=share), today=today) for share in shares]
    billed = [quote(tariff, question=replace(plain, usage=use), today=today)[0] for use in question.estimated]
    last, use = ratings[-1]
    change = sum(rating.total_minor for rating, _ in ratings[:-1]) - sum(one.total_minor for one in billed)
    tax = sum(rating.tax_minor for rating, _ in ratings[:-1]) - sum(one.tax_minor for one in billed)
    return with_settlement(last, change_minor=change, tax_minor=tax), use


def use_of(tariff: Tariff, *, question: Question, today: date) -> Use:
    """Put a question in the form that rating needs; without any day, the months end with today's."""
    _check_names(tariff, question.facts)
    months = question.months or _months_between(question, cycle_months=tariff.cycle.months)
    labels = _labels(question, months=months, today=today)
    days, cycle_days = _days(question, labels=labels, months=months)
    if question.usage < 0 or any(amount < 0 for amount in question.usage_by_period.values()):
        raise UsageBelowZero("use is not below zero; what was sent out is given as export")
    usage = question.usage + sum(question.usage_by_period.values(), Fraction(0))
    by_period = {f"use.{name}": amount for name, amount in question.usage_by_period.items()}
    return Use(
        quantity=_billed(tariff, usage, unit=question.unit),
        size_mm=None,
        capacity_a=None,
        customer_class="" if _has_default_class(tariff, question.facts) else "general",
        days=days,
        cycle_days=cycle_days,
        months=labels,
        facts=tuple(question.facts.items()),
        measures=tuple({**question.measures, **by_period}.items()),
        first_day=None if question.first is None else question.first.isoformat(),
        is_end=question.is_end,
        size_changed_on=None if question.size_changed_on is None else question.size_changed_on.isoformat(),
    )


def names_known(tariff: Tariff) -> set[str]:
    """Name the facts and numbers that the tariff's prices depend on, and those that are always understood."""
    found = {*tariff.facts, *ALWAYS_KNOWN}
    for part in walk(tariff.services):
        match part:
            case By() | Steps() | BlocksBy():
                found.add(part.by)
            case Only():
                found.update(part.facts)
            case _:
                found.update(_measures_named(part))
    return found


def _measures_named(part: object) -> set[str]:
    names = ("of", "times", "after", "bounds_times", "measure", "less", "not_above")
    named = (getattr(part, name, None) for name in names)
    return {name for name in named if isinstance(name, str)} | ({part.by} if isinstance(part, Shared) else set())


def _check_names(tariff: Tariff, facts: Mapping[str, str]) -> None:
    known = names_known(tariff)
    for name in facts:
        if name not in known and name.partition(".")[0] not in known:
            raise FactNotKnown(f"nothing in {tariff.code} depends on {name}; known are {', '.join(sorted(known))}")


def in_unit(amount: Fraction, *, given: str, wanted: str) -> Fraction:
    """Tell an amount in another unit.

    :raises UnitsDiffer: if the units are of different kinds
    """
    given = ALIASES.get(given.lower(), given)
    if given == wanted:
        return amount
    for kind in (VOLUMES, ENERGIES):
        if given in kind and wanted in kind:
            return amount * kind[given] / kind[wanted]
    raise UnitsDiffer(f"{given} cannot be told in {wanted}, the unit of the tariff")


def _billed(tariff: Tariff, usage: Fraction, *, unit: str | None) -> int:
    rule = tariff.quantity
    exact = in_unit(usage, given=unit or rule.unit, wanted=rule.unit)
    return int(to_decimals(exact, decimals=rule.decimals, mode=rule.mode) * 10**rule.decimals)


def _has_default_class(tariff: Tariff, facts: Mapping[str, str]) -> bool:
    rule = tariff.facts.get("class")
    return "class" in facts or (rule is not None and rule.default is not None)


def _labels(question: Question, *, months: int, today: date) -> tuple[str, ...]:
    if question.month is not None:
        last = date.fromisoformat(f"{question.month}-01")
    elif question.end is not None:
        last = question.end - timedelta(days=1)
    elif question.first is not None:
        last = _months_on(question.first.replace(day=1), months - 1)
    else:
        last = today
    last = last.replace(day=1)
    return tuple(f"{_months_on(last, -back):%Y-%m}" for back in range(months - 1, -1, -1))


def _months_between(question: Question, *, cycle_months: int) -> int:
    """Tell how many months two days span; the tariff's cycle, unless they are clearly more."""
    if question.first is None or question.end is None:
        return cycle_months
    days = (question.end - question.first).days
    if days <= DAYS_OF_A_MONTH * cycle_months + DAYS_OFF_A_MONTH:
        return cycle_months
    return max(cycle_months, round(days / DAYS_OF_A_MONTH))


def _days(question: Question, *, labels: tuple[str, ...], months: int) -> tuple[int, int]:
    """Tell the days of the bill, and those of a whole cycle."""
    cycle_days = days_of(labels)
    if question.first is not None:
        cycle_days = (_months_on(question.first, months) - question.first).days
    if question.first is not None and question.end is not None:
        days = (question.end - question.first).days
        if days < 1:
            raise PeriodUnusable(f"{question.first} to {question.end} is no period; the end is the day after the last")
    else:
        days = cycle_days
    days = question.days or days
    is_partial = question.is_partial
    if is_partial is None:
        is_partial = question.months is None and days < cycle_days - DAYS_OFF_A_MONTH * months
    return days, cycle_days if is_partial else days


def _months_on(day: date, months: int) -> date:
    number = day.year * 12 + day.month - 1 + months
    year, month = divmod(number, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month + 1, min(day.day, last))
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


def _only_services(tariff: Tariff, services: Sequence[str]) -> Tariff:
    if not services:
        return tariff
    kept = tuple(one for one in tariff.services if one.service in services)
    if not kept:
        known = ", ".join(dict.fromkeys(one.service for one in tariff.services))
        raise PeriodUnusable(f"tariff {tariff.code} has no {', '.join(services)}; it has {known}")
    return tariff.model_copy(update={"services": kept})


__all__ = ["FactMissing", "PeriodUnusable", "Question", "UnitsDiffer", "UsageBelowZero", "in_unit", "quote", "use_of"]
