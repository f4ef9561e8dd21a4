"""What the detectors of supply and silence find does not depend on restarts, batches or repetitions."""

from functools import cache
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_gateway.domain.checking.arrivals import Arrivals
from ingest_gateway.domain.checking.checker import Checker
from ingest_gateway.domain.checking.detector import Detector
from ingest_gateway.domain.checking.findings import Finding
from ingest_gateway.domain.checking.view import Cohort
from ingest_gateway.domain.detectors.concentrator_lost import ConcentratorLost
from ingest_gateway.domain.detectors.low_battery import LowBattery
from ingest_gateway.domain.detectors.outage import Outage
from ingest_gateway.domain.detectors.phase_loss import PhaseLoss
from ingest_gateway.domain.detectors.silent_meter import SilentMeter
from ingest_gateway.domain.detectors.voltage_drift import VoltageDrift
from ingest_gateway.domain.detectors.voltage_limit import VoltageLimit
from ingest_gateway.domain.detectors.voltage_step import VoltageStep
from tests.unit.ingest_gateway.detectors.power_stream import Table

KINDS = {
    "voltage_sag",
    "voltage_swell",
    "phase_loss",
    "outage",
    "sensor_drift",
    "silent_meter",
    "concentrator_lost",
    "low_battery",
}


def detectors(_: Cohort) -> list[Detector]:
    return [
        Outage(),
        PhaseLoss(),
        VoltageStep(),
        VoltageLimit(),
        VoltageDrift(),
        ConcentratorLost(),
        SilentMeter(),
        LowBattery(),
    ]


@cache
def eventful() -> Table:
    """Make two weeks of hours in which something of every kind happens."""
    columns = {"zone_id": np.repeat([1, 2], 6), "gateway_id": np.tile([1, 2, 3], 4)}
    table = Table(slots=14 * 24, meters=12, interval_s=3600, columns=columns)
    table.three_phases()
    lost = np.random.default_rng(2).random(table.heard.shape) < 0.02
    table.heard &= ~lost
    for volts in (table.v1, table.v2, table.v3):
        volts[50:54, :6] *= 0.8
        volts[70:74, 7] *= 1.1
        volts[:, 8] *= 1 + 0.005 * np.maximum(0, np.arange(table.slots) / 24 - 9)
        volts[240:300, 10] *= 0.89
    table.v2[90:95, 2] = 20
    table.heard[110:116, 6:] = False
    table.use[110:116, 6:] = 0
    table.heard[130:137, 1::3] = False
    table.heard[150:200, 4] = False
    table.battery_pct[:] = 80
    table.battery_pct[200:, 5] = 5
    return table


@cache
def readings() -> Arrivals:
    return eventful().arrivals()


def end_s() -> int:
    return int(readings().received_s[-1]) + 10_000


@cache
def at_once() -> tuple[Finding, ...]:
    checker = Checker(eventful().fleet(), detectors_for=detectors)
    return tuple(checker.take(readings(), clock_s=end_s()))


def test_there_is_something_of_every_kind() -> None:
    assert {finding.kind for finding in at_once() if finding.opened} == KINDS


def test_no_finding_is_told_before_its_reading_came() -> None:
    assert all(finding.since_s <= finding.at_s for finding in at_once())
    assert [finding.at_s for finding in at_once()] == sorted(finding.at_s for finding in at_once())


@settings(deadline=None, max_examples=4)
@given(
    cuts=st.lists(st.integers(0, 14 * 24 * 12), max_size=4),
    restarts=st.booleans(),
    doubled=st.booleans(),
)
def test_cuts_restarts_and_repetitions_change_nothing(*, cuts: list[int], restarts: bool, doubled: bool) -> None:
    checker = Checker(eventful().fleet(), detectors_for=detectors)
    found: list[Finding] = []
    bounds = sorted({0, *(min(cut, len(readings())) for cut in cuts), len(readings())})
    for start, stop in pairwise(bounds):
        part = np.arange(start, stop)
        found += checker.take(readings().take(np.repeat(part, 2) if doubled else part))
        if restarts:
            saved = checker.saved()
            checker = Checker(eventful().fleet(), detectors_for=detectors)
            checker.restore(saved)
    found += checker.take(readings().take(slice(0, 0)), clock_s=end_s())
    assert found == list(at_once())
