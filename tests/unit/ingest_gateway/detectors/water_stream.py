"""A water network for tests of detectors: what each inlet took and each gauge showed, and what was found in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.arrivals import Arrivals
from ingest_gateway.domain.checking.checker import Checker
from ingest_gateway.domain.checking.detector import Detector
from ingest_gateway.domain.checking.findings import Finding
from ingest_gateway.domain.checking.meters import CUSTOMER, ZONE_INLET, Meters
from ingest_gateway.domain.checking.quiet import QuietSpan
from tests.unit.ingest_gateway.checking.fleet import arrivals, in_order, meters

START = 1_740_960_000  # a Monday, 00:00 UTC
GAUGES = 4
MEAN_LPH = 40_000.0
DELAY_S = 20


@dataclass(frozen=True)
class Layout:
    """Zones of one network, each with gauges and, unless told otherwise, an inlet meter."""

    zones: int = 3
    inlets: bool = True
    interval_s: int = 3_600
    warm_days: int = 16  # learnt before the test's days, all as usual
    days: int = 4
    seed: int = 1

    @property
    def per_zone(self) -> int:
        return GAUGES + self.inlets

    @property
    def per_day(self) -> int:
        return 86_400 // self.interval_s

    @property
    def slots(self) -> int:
        return (self.warm_days + self.days) * self.per_day


class Water:
    """Slots by zones of inflow, L/h, and slots by meters of pressure, kPa; hour 0 is the end of the warm days."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        random = np.random.default_rng(layout.seed)
        slot = np.arange(layout.slots)
        hour = slot * layout.interval_s / 3_600
        self.off = (hour // 24).astype(int) % 7 >= 5
        size = 1 + 0.5 * np.arange(layout.zones)
        weather = 1 + 0.05 * np.sin(hour / 40)
        noise = 1 + 0.02 * random.standard_normal((layout.slots, layout.zones))
        self.inflow_lph = MEAN_LPH * (self.shape(hour, off=self.off) * weather)[:, None] * size * noise
        level = 350 + 20 * np.arange(layout.zones * layout.per_zone)
        swing = 12 * np.cos(2 * np.pi * hour / 24)
        wander = random.standard_normal((layout.slots, len(level)))
        self.pressure_kpa = level + swing[:, None] + wander
        self.heard = np.ones(self.pressure_kpa.shape, dtype=np.bool_)
        self.pressure_kpa[:, self.is_inlet] = np.nan

    @staticmethod
    def shape(hour: NDArray[np.float64], *, off: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Give the use of an hour, of its mean: days off begin later."""
        return 1 + 0.6 * np.sin(2 * np.pi * (hour - np.where(off, 9, 6)) / 24)

    @property
    def zone(self) -> NDArray[np.int64]:
        """The zone of each meter, from 1."""
        return np.repeat(np.arange(1, self.layout.zones + 1), self.layout.per_zone)

    @property
    def is_inlet(self) -> NDArray[np.bool_]:
        first = np.arange(len(self.zone)) % self.layout.per_zone == 0
        return first & self.layout.inlets

    def gauges_of(self, *zones: int) -> NDArray[np.intp]:
        return np.flatnonzero(np.isin(self.zone, zones) & ~self.is_inlet)

    def during(self, first_hour: float, hours: float) -> slice:
        """Give the slots from so many hours after the warm days, for so many hours."""
        begin = self.layout.warm_days * self.layout.per_day + round(first_hour * 3_600 / self.layout.interval_s)
        return slice(begin, begin + round(hours * 3_600 / self.layout.interval_s))

    def at_s(self, hour: float) -> int:
        return START + self.during(hour, 0).start * self.layout.interval_s

    def fleet(self) -> Meters:
        return meters(
            len(self.zone),
            zone_id=self.zone,
            role=np.where(self.is_inlet, ZONE_INLET, CUSTOMER),
            has_pressure=~self.is_inlet,
            interval_s=self.layout.interval_s,
        )

    def arrivals(self) -> Arrivals:
        use = np.full(self.pressure_kpa.shape, 50.0)
        if self.layout.inlets:
            use[:, self.is_inlet] = self.inflow_lph * self.layout.interval_s / 3_600
        register = 1_000 + np.cumsum(use, axis=0).astype(np.int64)
        slot, row = np.nonzero(self.heard)
        at = START + slot * self.layout.interval_s
        pressure = self.pressure_kpa[slot, row]
        return in_order(arrivals(row, at, at + DELAY_S, register=register[slot, row], pressure_kpa=pressure))


@cache
def _warm(layout: Layout, detectors: tuple[type[Detector], ...]) -> dict[str, bytes]:
    """Let detectors learn from the warm days, once for all tests of a layout."""
    water = Water(layout)
    checker = _checker(water, detectors, ())
    checker.take(_before(water, before=True))
    return checker.saved()


def found_in(water: Water, *detectors: type[Detector], quiet: Sequence[QuietSpan] = ()) -> list[Finding]:
    """Tell what is found in the days of the test."""
    checker = _checker(water, detectors, quiet)
    checker.restore(_warm(water.layout, detectors))
    end_s = START + water.layout.slots * water.layout.interval_s
    return checker.take(_before(water, before=False), clock_s=end_s)


def _checker(water: Water, detectors: Sequence[type[Detector]], quiet: Sequence[QuietSpan]) -> Checker:
    return Checker(water.fleet(), detectors_for=lambda _: [one() for one in detectors], quiet=quiet)


def _before(water: Water, *, before: bool) -> Arrivals:
    readings = water.arrivals()
    first_s = water.at_s(0)
    return readings.take((readings.at_s < first_s) == before)


def begun(findings: Sequence[Finding], *, outlet: str = "ticket") -> list[tuple[str, str, int]]:
    """Name what began and went to an outlet."""
    return [(one.kind, one.scope, one.place_id) for one in findings if one.opened and one.outlet == outlet]


def ended(findings: Sequence[Finding]) -> list[tuple[str, str, int]]:
    """Name what ended."""
    return [(one.kind, one.scope, one.place_id) for one in findings if not one.opened]
