"""Making a whole evaluation set: build the towns, let things happen, read the meters, write the files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from simulators.evaluation import (
    mains_faults,
    power_faults,
    power_readings,
    power_site,
    water_faults,
    water_readings,
    water_site,
    write,
)
from simulators.evaluation.options import SetOptions
from simulators.evaluation.register import Meter
from simulators.evaluation.tables import PowerTable, WaterTable
from simulators.evaluation.truth import Happening, PlannedWork


@dataclass(slots=True)
class Made:
    """A set before it is written."""

    meters: list[Meter]
    water: WaterTable
    power: PowerTable
    happenings: list[Happening]
    works: list[PlannedWork]

    @property
    def readings(self) -> int:
        return sum(len(held.ts) for table in (self.water, self.power) for held in table.meters.values())


def make(options: SetOptions, *, tell: Callable[[str], None] = lambda _: None) -> Made:
    """Make a set in memory; `tell` hears what is being done.

    :raises OptionsUnusable: if no set can be made from the options
    """
    made = Made([], WaterTable(), PowerTable(), [], [])
    for site in options.water:
        tell(f"{site.code}: solving the mains of {site.network}")
        town = water_site.build(site, options=options)
        tell(f"{site.code}: breaking mains and closing valves")
        effects = mains_faults.befall(town, options=options)
        tell(f"{site.code}: reading {len(town.customers)} water meters")
        stories = water_faults.befall(town, options=options)
        table, silences = water_readings.of_town(town, stories=stories, effects=effects, options=options)
        made.meters += [*town.customers, *town.inlets]
        made.water.meters.update(table.meters)
        made.happenings += [*effects.happenings, *stories.happenings, *silences]
        made.works += [*effects.works, *stories.works]
    for site in options.power:
        tell(f"{site.code}: reading {site.customers} electricity meters")
        grid = power_site.build(site, options=options)
        told = power_faults.befall(grid, options=options)
        readings, silences = power_readings.of_town(grid, stories=told, options=options)
        made.meters += grid.meters
        made.power.meters.update(readings.meters)
        made.happenings += [*told.happenings, *silences]
        made.works += told.works
    return made


def save(made: Made, folder: Path, *, options: SetOptions) -> None:
    """Write a set's five files into a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    write.readings(folder, water=made.water, power=made.power)
    write.register(folder, made.meters)
    write.works(folder, made.works, options=options)
    write.truth(folder, made.happenings, name=folder.name, options=options)
