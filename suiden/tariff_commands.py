"""`suiden tariff`: look at tariffs, check documents, quote bills; no database is needed."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from pydantic_core import PydanticCustomError
from rich.console import Console

from kernel import clock
from rating_engine import tariffs
from rating_engine.domain.decimals import decimal_text, grouped_text
from rating_engine.domain.document import DocumentInvalid, parse, schema
from rating_engine.domain.facts import FactMissing, MonthNotPriced
from rating_engine.domain.intervals import IntervalsUnusable, measures_of, read_intervals
from rating_engine.domain.late_fee import charge as late_fee
from rating_engine.domain.parts import SizeNotPriced, UseNotPriced
from rating_engine.domain.quick_table import QuickTable, sizes_of, table_of, uses_of
from rating_engine.domain.quoting import PeriodUnusable, Question, UnitsDiffer, quote
from rating_engine.domain.rate import ClassNotPriced, FactNotKnown, Rating, Use
from rating_engine.domain.tariff import Tariff
from rating_engine.domain.values import to_exact
from suiden.errors import NotPossibleHere

commands = typer.Typer(no_args_is_help=True, help="Tariffs: list, check, quote, print quick tables.")
out = Console(soft_wrap=True, highlight=False, markup=False)

TariffName = Annotated[
    str, typer.Argument(metavar="TARIFF", help="a file, or the name of a tariff that comes with Suiden")
]
REFUSALS = (
    ClassNotPriced,
    FactMissing,
    FactNotKnown,
    IntervalsUnusable,
    MonthNotPriced,
    PeriodUnusable,
    SizeNotPriced,
    UnitsDiffer,
    UseNotPriced,
)


@commands.command(name="list")
def list_() -> None:
    """List the tariffs that come with Suiden."""
    for name in tariffs.names():
        tariff = parse(tariffs.document(name))
        services = ", ".join(dict.fromkeys(one.service for one in tariff.services))
        out.print(f"{name:28} {tariff.effective_from}  {tariff.currency}  {tariff.status:9}  {services}")
        out.print(f"{'':28} {' / '.join(tariff.name.values())}")


@commands.command()
def check(files: Annotated[list[str], typer.Argument(help="files, or names of tariffs that come with Suiden")]) -> None:
    """Check tariff documents; every problem is named with its line and rule."""
    bad = 0
    for name in files:
        try:
            tariff = parse(_text(name))
        except DocumentInvalid as error:
            bad += 1
            for problem in error.problems:
                out.print(f"{name}: {problem}")
            continue
        items = sum(len(one.charges) for one in tariff.services)
        told = f"{len(tariff.services)} service(s), {items} charges"
        out.print(f"{name}: good: {tariff.code} from {tariff.effective_from}; {told}")
    if bad:
        raise typer.Exit(1)


@commands.command(name="schema")
def schema_() -> None:
    """Print the JSON schema of tariff documents."""
    typer.echo(json.dumps(schema(), indent=2, ensure_ascii=False))


@commands.command(name="quote")
def quote_(
    tariff: TariffName,
    usage: Annotated[list[str] | None, typer.Option(help="59, or by period: peak=120 (again for each)")] = None,
    size: Annotated[str | None, typer.Option(help="meter size, such as 20 or 5/8")] = None,
    amperes: Annotated[str | None, typer.Option(help="contracted amperes")] = None,
    kva: Annotated[str | None, typer.Option(help="contracted kVA")] = None,
    demand: Annotated[str | None, typer.Option(help="highest demand, kW")] = None,
    unit: Annotated[str | None, typer.Option(help="unit of --usage, if not the tariff's")] = None,
    months: Annotated[
        int | None, typer.Option(min=1, max=12, help="months of the bill, if not the tariff's cycle")
    ] = None,
    class_: Annotated[str | None, typer.Option("--class", help="class of customer")] = None,
    service: Annotated[list[str] | None, typer.Option(help="only this service (again for more)")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="first day, such as 2026-04-01")] = None,
    to: Annotated[str | None, typer.Option(help="the day after the last, such as 2026-06-01")] = None,
    month: Annotated[str | None, typer.Option(help="the month (the last one) that dated prices are taken of")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="days of the bill")] = None,
    partial: Annotated[
        bool | None,
        typer.Option("--partial/--whole", help="a part of a cycle, or a whole one; by its days if left out"),
    ] = None,
    ended: Annotated[bool, typer.Option("--ended", help="a part because supply ended, rather than began")] = False,
    set_: Annotated[list[str] | None, typer.Option("--set", help="a fact that prices depend on: name=value")] = None,
    size_changed: Annotated[str | None, typer.Option(help="day of a change of size; --set size_before=13")] = None,
    intervals: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="CSV: start, kwh, export")] = None,
    days_late: Annotated[int, typer.Option(min=0, help="days after the due date on which it is paid")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Quote a bill exactly as it would be billed."""
    document = load(tariff)
    facts = _facts({"size": size, "amperes": amperes, "kva": kva, "demand": demand, "class": class_}, set_ or [])
    total, by_period = _usage(usage or [])
    try:
        measures = _measures(document, intervals)
        question = Question(
            usage=measures.pop("use", Fraction(0)) + total,
            unit=unit,
            usage_by_period=by_period,
            measures=measures,
            facts=facts,
            services=service or (),
            months=months,
            first=_day(from_),
            end=_day(to),
            month=_month(month),
            days=days,
            is_partial=partial,
            is_end=ended,
            size_changed_on=_day(size_changed),
        )
        rating, use = quote(document, question=question, today=clock.wall_now().date())
    except REFUSALS as error:
        raise NotPossibleHere(str(error)) from error
    shown = as_plain(document, rating=rating, use=use, days_late=days_late)
    if as_json:
        typer.echo(json.dumps(shown, ensure_ascii=False, indent=2))
    else:
        _print(document, shown)


@commands.command()
def table(
    tariff: TariffName,
    size: Annotated[list[str] | None, typer.Option(help="only this size, or these amperes (again for more)")] = None,
    least: Annotated[int, typer.Option(min=0, help="first row")] = 0,
    most: Annotated[int | None, typer.Option(min=1, help="last row")] = None,
    step: Annotated[int | None, typer.Option(min=1, help="from row to row")] = None,
    months: Annotated[int | None, typer.Option(min=1, max=12, help="months of the bill")] = None,
    month: Annotated[str | None, typer.Option(help="the month that dated prices are taken of")] = None,
    class_: Annotated[str | None, typer.Option("--class", help="class of customer")] = None,
    service: Annotated[list[str] | None, typer.Option(help="only this service (again for more)")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="a fact that prices depend on: name=value")] = None,
) -> None:
    """Print the quick table: what each use comes to, tax in it, by size."""
    document = load(tariff)
    name, known = sizes_of(document)
    question = Question(
        usage=Fraction(0),
        facts=_facts({"class": class_}, set_ or []),
        services=service or (),
        months=months,
        month=_month(month),
    )
    uses = uses_of(document, months=months or document.cycle.months, least=least, most=most, step=step)
    try:
        found = table_of(
            document, question=question, fact=name, sizes=size or known, uses=uses, today=clock.wall_now().date()
        )
    except REFUSALS as error:
        raise NotPossibleHere(str(error)) from error
    _print_table(document, found, fact=name, unit=document.quantity.unit)


def load(name: str) -> Tariff:
    """Read a tariff from a file, or one that comes with Suiden."""
    try:
        return parse(_text(name))
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


def _print(tariff: Tariff, shown: Mapping[str, Any]) -> None:
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


def _text(name: str) -> str:
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


__all__ = ["as_plain", "commands", "load"]
