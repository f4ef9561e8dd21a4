"""`suiden anomaly make`: a labelled set of readings, from the simulators."""

import time
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from simulators.evaluation.options import PowerSite, WaterSite

out = Console(highlight=False, soft_wrap=True)


class PressureUnit(StrEnum):
    """What pressure sensors speak."""

    kpa = "kPa"
    mpa = "MPa"


class Homes(StrEnum):
    """Which homes the meters stand in."""

    plain = "plain"
    real = "real"


def make(
    folder: Annotated[Path, typer.Argument(help="where the set's files go; made if need be")],
    seed: Annotated[int, typer.Option(help="the same seed and options make the same set")],
    network: Annotated[
        list[str] | None, typer.Option(help="water network of WNTR: Net1, Net2, Net3, Net6, ky4 or ky10; one per town")
    ] = None,
    interval: Annotated[
        list[int] | None, typer.Option(help="seconds between readings; once, or once for each network")
    ] = None,
    pressure_unit: Annotated[list[PressureUnit] | None, typer.Option(help="once, or once for each network")] = None,
    zones: Annotated[
        list[int] | None, typer.Option(help="zones with an inlet meter; once, or for each network")
    ] = None,
    customers: Annotated[int, typer.Option(min=0, help="water meters of each town; 0 makes no water")] = 90,
    electricity_meters: Annotated[int, typer.Option(min=0, help="of one town; 0 makes no electricity")] = 60,
    electricity_interval: Annotated[int, typer.Option(help="seconds between electricity readings")] = 900,
    transformers: Annotated[int, typer.Option(min=1)] = 4,
    nominal_volts: Annotated[float, typer.Option(min=90, max=260)] = 230.0,
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="first day, UTC")] = datetime(2025, 9, 1),  # noqa: DTZ001
    days: Annotated[int, typer.Option(min=14, max=400)] = 42,
    learning_days: Annotated[int, typer.Option(min=1, help="days without events, to learn by")] = 14,
    utc_offset: Annotated[int, typer.Option(min=-11, max=13, help="hours that the towns' clocks are ahead")] = 1,
    noise: Annotated[float, typer.Option(min=0, max=10, help="times the usual losses, lateness and errors")] = 1.0,
    events: Annotated[float, typer.Option(min=0.1, max=5, help="times the usual number of events")] = 1.0,
    strain: Annotated[
        float, typer.Option(min=0.2, max=4, help="times the networks' demand: above 1, pressures swing")
    ] = 1.0,
    homes: Annotated[
        Homes, typer.Option(help="real: empty for weeks, dripping, with queer meters and high voltage")
    ] = Homes.plain,
) -> None:
    """Make a labelled set: readings of 42 days with faults of every kind, what only looks like faults, and the truth.

    Writes readings_water.parquet, readings_electricity.parquet, meters.csv, maintenance.csv and labels.json. What
    happens to the mains is solved by EPANET. A set of a hundred meters takes seconds, on a network of thousands of
    junctions minutes.
    """
    from simulators.evaluation import make as making
    from simulators.evaluation.options import OptionsUnusable, SetOptions
    from suiden.errors import NotPossibleHere

    began = time.monotonic()
    try:
        options = SetOptions(
            seed=seed, starts_on=start.date(), days=days, learning_days=learning_days,
            water=_water(network or ["Net3"], interval or [900], pressure_unit or [PressureUnit.kpa], zones or [0],
                         customers=customers, utc_offset=utc_offset, strain=strain),
            power=_power(electricity_meters, electricity_interval, transformers, nominal_volts, utc_offset=utc_offset),
            homes=homes.value, noise=noise, events=events,
        )  # fmt: skip
        made = making.make(options, tell=out.print)
    except OptionsUnusable as error:
        raise NotPossibleHere(str(error)) from error
    making.save(made, folder, options=options)
    faults = sum(happening.is_fault for happening in made.happenings)
    out.print(
        f"{made.readings:,} readings of {len(made.meters)} meters with {faults} events and "
        f"{len(made.happenings) - faults} distractors in {folder}, in {time.monotonic() - began:.0f} s"
    )


def _water(
    networks: list[str],
    intervals: list[int],
    units: list[PressureUnit],
    zones: list[int],
    *,
    customers: int,
    utc_offset: int,
    strain: float,
) -> "tuple[WaterSite, ...]":
    """Make a town of each network; what is given once is for all."""
    from simulators.evaluation.options import OptionsUnusable, WaterSite

    if not customers:
        return ()
    for given, what in ((intervals, "--interval"), (units, "--pressure-unit"), (zones, "--zones")):
        if len(given) not in (1, len(networks)):
            raise OptionsUnusable(f"{what} is given {len(given)} times for {len(networks)} networks: once, or for each")
    return tuple(
        WaterSite(
            code=f"W{at + 1}",
            network=name,
            customers=customers,
            interval_s=intervals[at % len(intervals)],
            pressure_unit=units[at % len(units)].value,
            zones=zones[at % len(zones)] or max(2, min(12, round(customers / 18))),
            utc_offset_h=utc_offset,
            strain=strain,
        )
        for at, name in enumerate(networks)
    )


def _power(
    meters: int, interval_s: int, transformers: int, nominal_v: float, *, utc_offset: int
) -> "tuple[PowerSite, ...]":
    from simulators.evaluation.options import PowerSite

    if not meters:
        return ()
    return (PowerSite("P1", transformers, meters, interval_s, nominal_v, utc_offset),)
