"""Homes for tests of the detectors of use: what each used at each slot, and what was found in it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ingest_gateway.domain.checking.checker import Checker
from ingest_gateway.domain.checking.detector import Detector
from ingest_gateway.domain.checking.findings import Finding
from ingest_gateway.domain.checking.meters import ELECTRICITY, WATER
from ingest_gateway.domain.checking.quiet import QuietSpan
from tests.unit.ingest_gateway.checking.fleet import arrivals, in_order, meters

START = 1_740_960_000  # a Monday, 00:00 UTC
HOUR_S, DAY_S = 3600, 86_400


@dataclass
class Homes:
    """`days` of meters; the first is meter 1. `use` is what each used in the slot that ends there: litres, or Wh."""

    days: int
    count: int = 24
    service: int = WATER
    interval_s: int = HOUR_S
    resolution: float = 1.0
    seed: int = 1
    columns: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        random = np.random.default_rng(self.seed)
        self.slots = self.days * DAY_S // self.interval_s
        shape = (self.slots, self.count)
        hour = (np.arange(self.slots) * self.interval_s % DAY_S) / HOUR_S
        part = self.interval_s / HOUR_S
        if self.service == WATER:
            awake = np.where((hour >= 6) & (hour < 23), 0.8, 0.04)[:, None]
            self.use = (random.random(shape) < awake) * random.gamma(1.5, 12, shape) * part
        else:
            evening = 1 + 3 * ((hour >= 17) & (hour < 22))[:, None]
            above = (random.random(shape) < 0.5) * random.gamma(1.5, 250, shape) * evening
            self.use = (
                np.where(((hour >= 6) & (hour < 23))[:, None], above, 0) + 150 * random.normal(1, 0.06, shape)
            ) * part
        self.export = np.zeros(shape)
        self.flow = np.full(shape, np.nan)
        self.volts = np.full(shape, 230.0)
        self.heard = np.ones(shape, dtype=np.bool_)
        self.still = np.zeros(shape, dtype=np.bool_)

    def at(self, day: float) -> int:
        """Give the slot that ends after so many days."""
        return round(day * DAY_S / self.interval_s)

    def span(self, first: float, last: float, *, meter: int = 1) -> tuple[slice, int]:
        """Give a meter's slots between two days, to index the tables with."""
        return slice(self.at(first), self.at(last)), meter - 1

    def found(self, detector: Detector, *, quiet: Sequence[QuietSpan] = (), meter: int | None = 1) -> list[Finding]:
        """Run a detector over it all; give what it says of a meter, or of all."""
        fleet = meters(
            self.count,
            **{
                "service": self.service,
                "interval_s": self.interval_s,
                "resolution": self.resolution,
                "phases": 1 if self.service == ELECTRICITY else 0,
                **self.columns,
            },
        )
        moved = np.cumsum(np.where(self.still, 0, self.use), axis=0) + 1_000_000
        register = (np.floor(moved / self.resolution) * self.resolution).astype(np.int64)
        slot, row = np.nonzero(self.heard)
        at = START + (slot + 1) * self.interval_s
        readings = in_order(
            arrivals(
                row,
                at,
                register=register[slot, row],
                export_register=np.cumsum(self.export, axis=0).astype(np.int64)[slot, row],
                flow=self.flow[slot, row],
                v1=self.volts[slot, row] if self.service == ELECTRICITY else np.nan,
            )
        )
        checker = Checker(fleet, detectors_for=lambda _cohort: [detector], quiet=quiet)
        findings = checker.take(readings, clock_s=START + (self.days + 1) * DAY_S)
        return [one for one in findings if meter in (None, one.place_id)]


def hours_after(day: float, finding: Finding) -> float:
    """Tell how many hours after a day something was told."""
    return (finding.at_s - START - day * DAY_S) / HOUR_S


def begun(findings: Sequence[Finding], *, outlet: str = "ticket") -> list[Finding]:
    """Give what was opened as a ticket, or on the watch list."""
    return [one for one in findings if one.opened and one.outlet == outlet]
