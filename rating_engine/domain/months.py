"""Taking a bill's use and time apart into months, or into stretches of days between two changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from math import ceil

from rating_engine.domain.calendar import changes_between
from rating_engine.domain.parts import Month
from rating_engine.domain.tariff import Cycle, Proration, Prorations, Service, Tariff

HALF_MONTH_DAYS = 15


@dataclass(frozen=True, slots=True)
class Span:
    """The time of a bill: its months, its days, the days of a whole cycle, its first day where it is known."""

    labels: tuple[str, ...]
    days: int
    cycle_days: int
    first_day: date | None
    is_end: bool  # supply ended in the cycle, rather than began
    size_changed_on: date | None


def proration_of(service: Service, *, is_end: bool) -> Proration:
    """Find the rule for a part of a cycle."""
    rule = service.proration
    if isinstance(rule, Prorations):
        return rule.end if is_end else rule.start
    return rule


def months_counted(rule: Proration, *, span: Span) -> Fraction:
    """Tell how many months the days count; a whole cycle counts its months."""
    months = len(span.labels)
    if span.days >= span.cycle_days or rule.basis == "none":
        return Fraction(months)
    match rule.basis:
        case "day":
            if rule.days_in_month is not None:
                return min(Fraction(months), span.days / rule.days_in_month)
            return Fraction(months * span.days, span.cycle_days)
        case "half_month":
            return min(Fraction(months), Fraction(ceil(Fraction(span.days, HALF_MONTH_DAYS)), 2))
        case "steps":
            for step in rule.steps:
                if span.days <= step.upto_days:
                    return step.months
            return Fraction(months)


def take_apart(tariff: Tariff, *, service: Service, quantity: Fraction, span: Span) -> list[Month]:
    """Make the months of a bill; their quantities add up to `quantity`."""
    rule = proration_of(service, is_end=span.is_end)
    counted = months_counted(rule, span=span)
    is_scaled = rule.table == "scaled"
    months = len(span.labels)
    if tariff.cycle.split == "widen_table" or (is_scaled and counted.denominator != 1):
        cycle = tariff.cycle
        table = counted if is_scaled or counted.denominator == 1 else Fraction(months)
        found = [
            _month(
                tariff,
                label=span.labels[-1],
                quantity=quantity,
                base=counted,
                table=table,
                span=span,
                share=Fraction(1),
            )
        ]
        found = [_per_table(month, cycle=cycle) for month in found]
    else:
        found = _shared(tariff, quantity=quantity, counted=counted, span=span)
    if len(found) == 1 and span.first_day is not None:
        return _cut_at_changes(tariff, found[0], span=span)
    return found


def share_out(quantity: Fraction, *, count: int, odd_to: str) -> list[Fraction]:
    """Share whole units out evenly; what is less than a unit goes with the first odd one."""
    whole = int(quantity // 1)
    even, odd = divmod(whole, count)
    shares = [Fraction(even + (index < odd)) for index in range(count)]
    shares[0] += quantity - whole
    return shares if odd_to == "first" else shares[::-1]


def _shared(tariff: Tariff, *, quantity: Fraction, counted: Fraction, span: Span) -> list[Month]:
    count = max(1, ceil(counted))
    names = ([span.labels[0]] * count + list(span.labels))[-count:]
    bases = [Fraction(1)] * (count - 1) + [counted - (count - 1)]
    shares = share_out(quantity, count=count, odd_to=tariff.cycle.odd_to)
    return [
        _month(
            tariff,
            label=name,
            quantity=share,
            base=base,
            table=Fraction(1),
            span=span,
            share=base / counted if counted else Fraction(1, count),
        )
        for name, share, base in zip(names, shares, bases, strict=True)
    ]


def _month(
    tariff: Tariff, *, label: str, quantity: Fraction, base: Fraction, table: Fraction, span: Span, share: Fraction
) -> Month:
    on = f"{label}-01"
    return Month(
        label=label,
        on=on,
        quantity=quantity,
        base=base,
        table=table,
        days=span.days * share,
        season=tariff.calendar.season_on(date.fromisoformat(on)),
        share=share,
    )


def _per_table(month: Month, *, cycle: Cycle) -> Month:
    if cycle.table_months == 1:
        return month
    return _scaled(month, base=Fraction(1, cycle.table_months), quantity=Fraction(1), days=Fraction(1))


def _scaled(month: Month, *, base: Fraction, quantity: Fraction, days: Fraction) -> Month:
    return Month(
        label=month.label,
        on=month.on,
        quantity=month.quantity * quantity,
        base=month.base * base,
        table=month.table * base,
        days=month.days * days,
        season=month.season,
        share=month.share * days,
    )


def _cut_at_changes(tariff: Tariff, month: Month, *, span: Span) -> list[Month]:
    assert span.first_day is not None
    first, end = span.first_day, span.first_day + timedelta(days=span.days)
    cuts: set[date] = set()
    if tariff.cycle.changes == "day":
        cuts |= set(changes_between(tariff.calendar, first=first, end=end))
        cuts |= {day for key in tariff.dated_keys if first < (day := _as_day(key)) < end}
    if span.size_changed_on is not None and first < span.size_changed_on < end:
        cuts.add(span.size_changed_on)
    if tariff.cycle.changes != "day" and not cuts:
        return [month]
    starts = [first, *sorted(cuts)]
    return [
        _stretch(tariff, month, start=start, days=(until - start).days, of=span.days)
        for start, until in zip(starts, [*starts[1:], end], strict=True)
    ]


def _stretch(tariff: Tariff, month: Month, *, start: date, days: int, of: int) -> Month:
    part = Fraction(days, of)
    by_day = tariff.cycle.changes == "day"
    found = _scaled(month, base=part, quantity=part, days=part)
    return Month(
        label=f"{start:%Y-%m}" if by_day else month.label,
        on=start.isoformat(),
        quantity=found.quantity,
        base=found.base,
        table=found.table,
        days=found.days,
        season=tariff.calendar.season_on(start) if by_day else month.season,
        share=found.share,
    )


def _as_day(key: str) -> date:
    return date.fromisoformat(key if len(key) > 7 else f"{key}-01")


def days_of(labels: Sequence[str]) -> int:
    """Count the days of calendar months."""
    total = 0
    for label in labels:
        first = date.fromisoformat(f"{label}-01")
        following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
        total += (following - first).days
    return total
