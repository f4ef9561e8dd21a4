"""`suiden tariff`: look at tariffs, check documents, quote bills; no database is needed."""

import json
from pathlib import Path
from typing import Annotated

import typer

from kernel import clock

commands = typer.Typer(no_args_is_help=True, help="Tariffs: list, check, quote, print quick tables.")

TariffName = Annotated[
    str, typer.Argument(metavar="TARIFF", help="a file, or the name of a tariff that comes with Suiden")
]
Months = Annotated[int | None, typer.Option(min=1, max=12, help="months of the bill, if not the tariff's cycle")]
Month = Annotated[str | None, typer.Option(help="the month (the last one) that dated prices are taken of")]
Class = Annotated[str | None, typer.Option("--class", help="class of customer")]
Services = Annotated[list[str] | None, typer.Option(help="only this service (again for more)")]
Facts = Annotated[list[str] | None, typer.Option("--set", help="a fact that prices depend on: name=value")]


@commands.command(name="list")
def list_() -> None:
    """List the tariffs that come with Suiden."""
    from suiden import tariff_desk

    tariff_desk.list_tariffs()


@commands.command()
def check(files: Annotated[list[str], typer.Argument(help="files, or names of tariffs that come with Suiden")]) -> None:
    """Check tariff documents; every problem is named with its line and rule."""
    from suiden import tariff_desk

    if not tariff_desk.check(files):
        raise typer.Exit(1)


@commands.command(name="schema")
def schema_() -> None:
    """Print the JSON schema of tariff documents."""
    from rating_engine.domain.document import schema

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
    months: Months = None,
    class_: Class = None,
    service: Services = None,
    from_: Annotated[str | None, typer.Option("--from", help="first day, such as 2026-04-01")] = None,
    to: Annotated[str | None, typer.Option(help="the day after the last, such as 2026-06-01")] = None,
    month: Month = None,
    days: Annotated[int | None, typer.Option(min=1, help="days of the bill")] = None,
    partial: Annotated[
        bool | None,
        typer.Option("--partial/--whole", help="a part of a cycle, or a whole one; by its days, if neither"),
    ] = None,
    ended: Annotated[bool, typer.Option("--ended", help="a part because supply ended, rather than began")] = False,
    set_: Facts = None,
    size_changed: Annotated[str | None, typer.Option(help="day of a change of size; --set size_before=13")] = None,
    before: Annotated[
        list[str] | None, typer.Option(help="bill an estimate: use of the bill before (again for earlier ones)")
    ] = None,
    estimated: Annotated[
        list[str] | None, typer.Option(help="settle estimates: use that each of them was billed on")
    ] = None,
    intervals: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="CSV: start, kwh, export")] = None,
    days_late: Annotated[int, typer.Option(min=0, help="days after the due date on which it is paid")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Quote a bill exactly as it would be billed."""
    from suiden import tariff_desk

    asked = tariff_desk.Asked(
        usage=usage or (),
        facts=set_ or (),
        options=(("size", size), ("amperes", amperes), ("kva", kva), ("demand", demand), ("class", class_)),
        unit=unit,
        months=months,
        services=service or (),
        first=from_,
        end=to,
        month=month,
        days=days,
        is_partial=partial,
        is_end=ended,
        size_changed_on=size_changed,
        before=before or (),
        estimated=estimated or (),
        intervals=intervals,
    )
    document, shown = tariff_desk.quoted(tariff, asked=asked, today=clock.wall_now().date(), days_late=days_late)
    if as_json:
        typer.echo(json.dumps(shown, ensure_ascii=False, indent=2))
    else:
        tariff_desk.print_bill(document, shown)


@commands.command()
def table(
    tariff: TariffName,
    size: Annotated[list[str] | None, typer.Option(help="only this size, or these amperes (again for more)")] = None,
    least: Annotated[int, typer.Option(min=0, help="first row")] = 0,
    most: Annotated[int | None, typer.Option(min=1, help="last row")] = None,
    step: Annotated[int | None, typer.Option(min=1, help="from row to row")] = None,
    months: Months = None,
    month: Month = None,
    class_: Class = None,
    service: Services = None,
    set_: Facts = None,
) -> None:
    """Print the quick table: what each use comes to, tax in it, by size."""
    from suiden import tariff_desk

    asked = tariff_desk.Asked(
        facts=set_ or (), options=(("class", class_),), months=months, services=service or (), month=month
    )
    tariff_desk.print_table(
        tariff, asked=asked, sizes=size or (), least=least, most=most, step=step, today=clock.wall_now().date()
    )
