"""What `suiden tariff` does: reading documents, quoting, printing bills and quick tables."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic_core import PydanticCustomError
from rich.console import Console

from rating_engine import tariffs
from rating_engine.domain.decimals import decimal_text, grouped_text
from rating_engine.domain.document import DocumentInvalid, parse
from rating_engine.domain.estimates import EstimateImpossible
from rating_engine.domain.facts import FactMissing, MonthNotPriced
from rating_engine.domain.intervals import IntervalsUnusable, measures_of, read_intervals
from rating_engine.domain.late_fee import charge as late_fee
from rating_engine.domain.parts import SizeNotPriced, UseNotPriced
from rating_engine.domain.quick_table import QuickTable, sizes_of, table_of, uses_of
from rating_engine.domain.quoting import PeriodUnusable, Question, UnitsDiffer, UsageBelowZero, quote
from rating_engine.domain.rate import ClassNotPriced, FactNotKnown, Rating, Use
from rating_engine.domain.tariff import Tariff
from rating_engine.domain.values import to_exact
from suiden.errors import NotPossibleHere

out = Console(soft_wrap=True, highlight=False, markup=False)
REFUSALS = (
    ClassNotPriced,
    EstimateImpossible,
    FactMissing,
    FactNotKnown,
    IntervalsUnusable,
    MonthNotPriced,
    PeriodUnusable,
    SizeNotPriced,
    UnitsDiffer,
    UsageBelowZero,
    UseNotPriced,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked, as it was typed."""

    usage: Sequence[str] = ()
    facts: Sequence[str] = ()
    options: tuple[tuple[str, str | None], ...] = ()
    unit: str | None = None
    months: int | None = None
    services: Sequence[str] = ()
    first: str | None = None
    end: str | None = None
    month: str | None = None
    days: int | None = None
    is_partial: bool | None = None
    is_end: bool = False
    size_changed_on: str | None = None
    before: Sequence[str] = ()
    estimated: Sequence[str] = ()
    intervals: Path | None = None


def list_tariffs() -> None:
    """Print the tariffs that come along."""
    for name in tariffs.names():
        tariff = parse(tariffs.document(name))
        services = ", ".join(dict.fromkeys(one.service for one in tariff.services))
        out.print(f"{name:28} {tariff.effective_from}  {tariff.currency}  {tariff.status:9}  {services}")
        out.print(f"{'':28} {' / '.join(tariff.name.values())}")


def check(names: Sequence[str]) -> bool:
    """Print what is wrong with documents; tell whether all are good."""
    is_good = True
    for name in names:
        try:
            tariff = parse(text_of(name))
        except DocumentInvalid as error:
            is_good = False
            for problem in error.problems:
                out.print(f"{name}: {problem}")
            continue
        items = sum(len(one.charges) for one in tariff.services)
        told = f"{len(tariff.services)} service(s), {items} charges"
        out.print(f"{name}: good: {tariff.code} from {tariff.effective_from}; {told}")
    return is_good


def quoted(name: str, *, asked: Asked, today: date, days_late: int = 0) -> tuple[Tariff, dict[str, Any]]:
    """Quote what was asked, as plain JSON values.

    :raises NotPossibleHere: if it cannot be quoted; the message says why
    """
    tariff = load(name)
    try:
        rating, use = quote(tariff, question=question_of(tariff, asked), today=today)
    except REFUSALS as error:
        raise NotPossibleHere(str(error)) from error
    return tariff, as_plain(tariff, rating=rating, use=use, days_late=days_late)


def question_of(tariff: Tariff, asked: Asked) -> Question:
    """Read what was asked."""
    total, by_period = _usage(asked.usage)
    measures = _measures(tariff, asked.intervals)
    return Question(
        usage=measures.pop("use", Fraction(0)) + total,
        unit=asked.unit,
        usage_by_period=by_period,
        measures=measures,
        facts=_facts(dict(asked.options), asked.facts),
        services=asked.services,
        months=asked.months,
        first=_day(asked.first),
        end=_day(asked.end),
        month=_month(asked.month),
        days=asked.days,
        is_partial=asked.is_partial,
        is_end=asked.is_end,
        size_changed_on=_day(asked.size_changed_on),
        before=tuple(_number(one, what="--before") for one in asked.before),
        estimated=tuple(_number(one, what="--estimated") for one in asked.estimated),
    )


def print_table(
    name: str,
    *,
    asked: Asked,
    sizes: Sequence[str],
    least: int,
    most: int | None,
    step: int | None,
    today: date,
) -> None:
    """Print a quick table.

    :raises NotPossibleHere: if a row cannot be rated; the message says why
    """
    tariff = load(name)
    fact, known = sizes_of(tariff)
    uses = uses_of(tariff, months=asked.months or tariff.cycle.months, least=least, most=most, step=step)
    try:
        question = question_of(tariff, asked)
        found = table_of(tariff, question=question, fact=fact, sizes=sizes or known, uses=uses, today=today)
    except REFUSALS as error:
        raise NotPossibleHere(str(error)) from error
    _print_table(tariff, found, fact=fact, unit=tariff.quantity.unit)


def load(name: str) -> Tariff:
    """Read a tariff from a file, or one that comes with Suiden."""
    try:
        return parse(text_of(name))
    except DocumentInvalid as error:
        raise NotPossibleHere(f"{name}: {error}") from error


def as_plain(tariff: Tariff, *, rating: Rating, use: Use, days_late: int = 0) -> dict[str, Any]:
    """Give a quote as plain JSON values; amounts are in minor units."""
    lines: list[dict[str, Any]] = [
        {
            "service": line.service,
            "item": line.item,
            "label": line.label,
            "quantity": line.quantity,
            "unit": line.unit,
            "unit_price": line.unit_price,
            "amount": line.amount_minor,
            "tax_rate": line.tax_rate,
            "arithmetic": line.arithmetic,
        }
        for line in rating.lines
    ]
    total = rating.total_minor
    if days_late and tariff.late_fee is not None:
        fee = late_fee(tariff.late_fee, overdue_minor=total, days_late=days_late, minor=tariff.minor)
        lines.append(_late_line(fee, days_late=days_late))
        total += fee
    return {
        "tariff": tariff.code,
        "currency": tariff.currency,
        "minor_per_major": tariff.minor,
        "months": list(use.months),
        "days": use.days,
        "total": total,
        "tax": rating.tax_minor,
        "services": [
            {"service": one.service, "total": one.total_minor, "tax": one.tax_minor} for one in rating.services
        ],
        "lines": lines,
    }


def _late_line(fee: int, *, days_late: int) -> dict[str, Any]:
    return {
        "service": "other",
        "item": "late_fee",
        "label": "late_fee",
        "quantity": str(days_late),
        "unit": "day",
        "unit_price": "",
        "amount": fee,
        "tax_rate": "0",
        "arithmetic": "",
    }


def print_bill(tariff: Tariff, shown: Mapping[str, Any]) -> None:
    name = tariff.name.get("en") or next(iter(tariff.name.values()))
    out.print(f"{name}, from {tariff.effective_from}; {', '.join(shown['months'])}, {shown['days']} days")
    for line in shown["lines"]:
        label = _label(line["label"])
        amount = _money(line["amount"], tariff=tariff)
        out.print(f"  {line['service']:12} {label:34} {amount:>14}   {line['arithmetic']}")
    for one in shown["services"]:
        tax = _money(one["tax"], tariff=tariff)
        out.print(f"  {one['service']:12} {'total, tax in it ' + tax:34} {_money(one['total'], tariff=tariff):>14}")
    out.print(f"  {'TOTAL':12} {'':34} {_money(shown['total'], tariff=tariff):>14}  {tariff.currency}")


def _print_table(tariff: Tariff, found: QuickTable, *, fact: str | None, unit: str) -> None:
    names = list(found.services) + (["total"] if len(found.services) > 1 else [])
    heads = [f"{size} {name}".strip() for size in found.sizes for name in names]
    out.print(f"{tariff.name.get('en') or tariff.code}: {tariff.currency}" + (f", by {fact}" if fact else ""))
    out.print(f"{unit:>8}" + "".join(f"{head:>16}" for head in heads))
    for use, row in found.rows:
        cells: list[str] = []
        for amounts in row:
            shown = [*amounts, sum(amounts)] if len(found.services) > 1 else list(amounts)
            cells += [_money(amount, tariff=tariff) for amount in shown]
        out.print(f"{decimal_text(use):>8}" + "".join(f"{cell:>16}" for cell in cells))


def _label(label: str) -> str:
    item, *rest = label.split("|")
    if len(rest) >= 3 and item:
        *names, above, upto, unit = rest
        span = f"{above}–{upto} {unit}" if upto else (f"over {above} {unit}" if above != "0" else unit)
        return " ".join([item.replace("_", " "), *names, span])
    return " ".join([item.replace("_", " "), *rest])


def _money(minor: int, *, tariff: Tariff) -> str:
    return grouped_text(Fraction(minor, tariff.minor), least_decimals=len(str(tariff.minor)) - 1)


def text_of(name: str) -> str:
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.exists():
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise NotPossibleHere(f"{name} cannot be read: {error}") from error
    try:
        return tariffs.document(name)
    except tariffs.PresetUnknown as error:
        raise NotPossibleHere(str(error)) from error


def _usage(given: Sequence[str]) -> tuple[Fraction, dict[str, Fraction]]:
    total, by_period = Fraction(0), dict[str, Fraction]()
    for one in given:
        for part in one.split(",") if "=" in one else [one]:
            name, is_named, amount = part.rpartition("=")
            if is_named:
                by_period[name.strip()] = _number(amount, what="--usage")
            else:
                total += _number(amount, what="--usage")
    return total, by_period


def _facts(options: Mapping[str, str | None], given: Sequence[str]) -> dict[str, str]:
    facts = {name: value for name, value in options.items() if value is not None}
    for one in given:
        name, is_set, value = one.partition("=")
        if not is_set or not name.strip() or not value.strip():
            raise NotPossibleHere(f"--set {one}: write name=value")
        facts[name.strip()] = value.strip()
    return facts


def _measures(tariff: Tariff, path: Path | None) -> dict[str, Fraction]:
    if path is None:
        return {}
    intervals = read_intervals(path.read_text(encoding="utf-8"), zone=ZoneInfo(tariff.calendar.zone))
    return measures_of(intervals, calendar=tariff.calendar)


def _number(text: str, *, what: str) -> Fraction:
    try:
        return to_exact(text.strip())
    except PydanticCustomError as error:
        raise NotPossibleHere(f"{what} {text}: an exact number is wanted, such as 59 or 59.5") from error


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise NotPossibleHere(f"{text} is no day such as 2026-04-01") from error


def _month(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", text):
        raise NotPossibleHere(f"{text} is no month such as 2026-04")
    return text
