"""Electricity meters for tests of detectors: a table of what each told at each slot, and what was found in it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.arrivals import MISSING, Arrivals
from ingest_gateway.domain.checking.checker import Checker
from ingest_gateway.domain.checking.detector import Detector
from ingest_gateway.domain.checking.findings import Finding
from ingest_gateway.domain.checking.meters import ELECTRICITY, Meters
from ingest_gateway.domain.checking.quiet import QuietSpan
from tests.unit.ingest_gateway.checking.fleet import arrivals, in_order, meters

START = 1_740_960_000  # a Monday, 00:00 UTC
DELAY_S = 20


@dataclass
class Table:
    """Slots by meters. Volts wander a little around `usual_v`; each slot of 900 s takes 50 Wh from 150 to 250."""

    slots: int
    meters: int = 8
    interval_s: int = 900
    usual_v: float = 230.0
    seed: int = 1
    columns: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        random = np.random.default_rng(self.seed)
        shape = (self.slots, self.meters)
        swing = 0.01 * np.sin(np.arange(self.slots) * self.interval_s / 86_400 * 2 * np.pi)
        own = 0.004 * random.standard_normal(self.meters)
        self.v1 = self.usual_v * (1 + swing[:, None] + own + 0.0015 * random.standard_normal(shape))
        self.v2 = np.full(shape, np.nan)
        self.v3 = np.full(shape, np.nan)
        use = random.integers(150, 250, shape) * self.interval_s / 900
        self.use = use.astype(np.int64)
        self.heard = np.ones(shape, dtype=np.bool_)
        self.delay_s = np.full(shape, DELAY_S)
        self.battery_pct = np.full(shape, MISSING, dtype=np.int8)
        self.flags = np.zeros(shape, dtype=np.int32)

    def three_phases(self) -> None:
        """Give every meter three phases alike."""
        self.v2, self.v3 = self.v1 * 1.002, self.v1 * 0.998

    def fleet(self) -> Meters:
        three = bool((~np.isnan(self.v2)).any())
        standard = {"service": ELECTRICITY, "phases": 3 if three else 1, "interval_s": self.interval_s}
        return meters(self.meters, **(standard | self.columns))

    def arrivals(self) -> Arrivals:
        """Lay the readings out as they arrive."""
        register = 1_000_000 + np.cumsum(self.use, axis=0)
        slot, row = np.nonzero(self.heard)
        at = START + slot * self.interval_s

        def told(table: NDArray[Any]) -> NDArray[Any]:
            return table[slot, row]

        made = arrivals(
            row,
            at,
            at + told(self.delay_s),
            register=told(register),
            v1=told(self.v1),
            v2=told(self.v2),
            v3=told(self.v3),
            battery_pct=told(self.battery_pct),
            flags=told(self.flags),
        )
        return in_order(made)

    def slot_of(self, at_s: int) -> int:
        """Tell in which slot an instant of the arrival clock lies."""
        return (at_s - START) // self.interval_s


def found_in(table: Table, *detectors: Detector, quiet: Sequence[QuietSpan] = ()) -> list[Finding]:
    """Run detectors over a table, to two hours after its end."""
    checker = Checker(table.fleet(), detectors_for=lambda _: detectors, quiet=quiet)
    readings = table.arrivals()
    end_s = START + (table.slots - 1) * table.interval_s + 600
    return checker.take(readings, clock_s=max(end_s, int(readings.received_s[-1])))


def told(findings: Sequence[Finding]) -> list[tuple[str, str, int, str]]:
    """Name what was found, shortly."""
    return [(one.kind, one.scope, one.place_id, "begins" if one.opened else "ends") for one in findings]


def begun(findings: Sequence[Finding], *, outlet: str = "ticket") -> list[tuple[str, str, int]]:
    """Name what began and went to an outlet."""
    return [(one.kind, one.scope, one.place_id) for one in findings if one.opened and one.outlet == outlet]
