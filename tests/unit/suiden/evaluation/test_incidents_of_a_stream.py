"""The checker and the grouping together: the same readings give the same incidents, however they come."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count, pairwise
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_gateway.domain.checking.arrivals import Arrivals
from ingest_gateway.domain.checking.checker import Checker, OutOfOrder
from ingest_gateway.domain.checking.detector import Detector
from ingest_gateway.domain.checking.findings import Finding, Kind
from ingest_gateway.domain.checking.meters import ELECTRICITY, WATER
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Stage, View
from ingest_gateway.domain.detectors.catalog import detectors_for
from maintenance_tracker.domain.findings import Change, Opened
from maintenance_tracker.domain.grouping import Grouping
from suiden.evaluation import run
from tests.unit.ingest_gateway.checking.fleet import arrivals, in_order, joined, meters

T0 = 1_740_960_000
SLOT = 900
SLOTS = 2 * 96
EARLY_S = 300  # what comes so long after its slot counts at once
PLACES = {"zone_id": [1, 1, 1, 1, 2, 2, 3, 3, 3, 3, 4, 4], "service": [WATER] * 6 + [ELECTRICITY] * 6}
FLEET = meters(
    12,
    **PLACES,
    network_id=[1] * 6 + [2] * 6,
    phases=[0] * 6 + [1] * 6,
    nominal_v=[np.nan] * 6 + [230.0] * 6,
    has_pressure=[True] * 6 + [False] * 6,
)


@dataclass(frozen=True, slots=True)
class WeakPressure:
    """A rule as simple as can be: two slots in a row below 200 kPa, and above 250 kPa again."""

    name: ClassVar[str] = "weak_pressure"
    version: ClassVar[int] = 1
    kinds: ClassVar[tuple[Kind, ...]] = ("pressure_sag",)
    services: ClassVar[tuple[int, ...]] = (WATER,)
    stages: ClassVar[tuple[Stage, ...]] = (Stage.EARLY,)

    def fields(self, _cohort: Cohort) -> Sequence[Field]:
        return [Field("weak", "i4"), Field("open", "?")]

    def check(self, view: View, state: Arrays) -> list[Finding]:
        state["weak"][:] = np.where(view.pressure_kpa < 200, state["weak"] + 1, 0)
        begins = (state["weak"] == 2) & ~state["open"]
        ends = state["open"] & (view.pressure_kpa > 250)
        state["open"][:] = (state["open"] | begins) & ~ends
        ids = view.cohort.meters.meter_id
        return [
            Finding(
                kind="pressure_sag",
                opened=opened,
                scope="meter",
                place_id=int(ids[row]),
                at_s=view.ready_s,
                since_s=view.slot_s,
                outlet="ticket",
                score=1.0,
                meter_ids=(int(ids[row]),),
                detector="weak_pressure 1",
                evidence={},
            )
            for rows, opened in ((begins, True), (ends, False))
            for row in np.flatnonzero(rows)
        ]


def all_detectors(cohort: Cohort) -> Sequence[Detector]:
    service = int(cohort.meters.service[0])
    toys: list[Detector] = [WeakPressure()] if service == WATER else []
    return [*detectors_for()(cohort), *toys]


def stream() -> Arrivals:
    """Two days of twelve meters: a zone loses pressure twice, one meter once, a transformer sags and goes out."""
    chance = np.random.default_rng(5)
    slot = np.repeat(np.arange(SLOTS), 12)
    row = np.tile(np.arange(12), SLOTS)
    at_s = T0 + slot * SLOT + chance.integers(-5, 6, len(slot))
    pressure = np.where(row < 6, 400 + chance.normal(0, 3, len(slot)), np.nan)
    weak = (row < 4) & (((slot > 60) & (slot < 80)) | ((slot > 150) & (slot < 165)))
    weak |= (row == 5) & (slot > 100) & (slot < 110)
    volts = np.where(row >= 6, 232 + chance.normal(0, 1, len(slot)), np.nan)
    volts[(row >= 6) & (row < 10) & (slot > 115) & (slot < 127)] *= 0.8
    volts[(row >= 10) & (slot > 172) & (slot < 178)] = 0.0
    use = np.round(chance.gamma(1.0, 30.0, len(slot))).astype(np.int64).reshape(SLOTS, 12).cumsum(axis=0).ravel()
    readings = arrivals(
        row,
        at_s,
        T0 + slot * SLOT + chance.integers(10, 60, len(slot)),
        register=use,
        flow=np.where(row < 6, 30.0, np.nan),
        pressure_kpa=np.where(weak, 120.0, pressure),
        v1=volts,
    )
    return in_order(readings.take(np.flatnonzero(chance.random(len(slot)) > 0.01)))


READINGS = stream()


def incidents(readings: Arrivals, *, cuts: Sequence[int] = (), restart: bool = False) -> list[tuple[object, ...]]:
    """Run readings through in the portions between the cuts; with `restart`, what is known is saved and read back."""
    checker = Checker(FLEET, detectors_for=all_detectors)
    tracker = run.Tracker(FLEET, Grouping(new_id=count(1).__next__))
    bounds = [0, *sorted(set(cuts)), len(readings)]
    for start, end in pairwise(bounds):
        tracker.take(checker.take(readings.take(slice(start, end))))
        if restart:
            saved = checker.saved()
            checker = Checker(FLEET, detectors_for=all_detectors)
            checker.restore(saved)
            tracker = copy.deepcopy(tracker)
    # What comes twice may come after the end, and tell that time has passed.
    end_s = int(READINGS.received_s[-1])
    tracker.changes += tracker.grouping.advance(at_s=max(end_s, tracker.grouping.at_s))
    return [_told(change) for change in tracker.changes if change.at_s <= end_s]


def _told(change: Change) -> tuple[object, ...]:
    if not isinstance(change, Opened):
        return type(change).__name__, change.at_s
    one = change.incident
    return "Opened", change.at_s, one.incident_id, one.kind, one.scope, one.zone_id, sorted(one.meter_ids), one.since_s


EXPECTED = incidents(READINGS)
CUTS = st.lists(st.integers(1, len(READINGS) - 1), max_size=40)


def test_the_stream_has_incidents_to_find():
    opened = [told for told in EXPECTED if told[0] == "Opened"]
    assert [told[3:6] for told in opened if told[3] == "pressure_sag"] == [
        ("pressure_sag", "zone", 1),
        ("pressure_sag", "meter", 2),
        ("pressure_sag", "zone", 1),
    ]


@settings(max_examples=4, deadline=None)
@given(cuts=CUTS)
def test_however_the_stream_is_cut_the_incidents_are_the_same(cuts):
    assert incidents(READINGS, cuts=cuts) == EXPECTED


@settings(max_examples=3, deadline=None)
@given(cuts=CUTS)
def test_a_restart_at_any_reading_changes_nothing(cuts):
    assert incidents(READINGS, cuts=cuts, restart=True) == EXPECTED


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.01, 1.0))
def test_readings_that_come_twice_change_nothing(seed, share):
    chance = np.random.default_rng(seed)
    again = READINGS.take(np.flatnonzero(chance.random(len(READINGS)) < share))
    later = replace(again, received_s=again.received_s + chance.integers(0, 6 * 3600, len(again)))
    assert incidents(in_order(joined(READINGS, later))) == EXPECTED


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_readings_that_come_in_another_order_within_what_is_waited_for_change_nothing(seed):
    chance = np.random.default_rng(seed)
    slot_s = np.round(READINGS.at_s / SLOT).astype(np.int64) * SLOT
    shuffled = replace(READINGS, received_s=slot_s + chance.integers(6, EARLY_S + 1, len(READINGS)))
    assert incidents(in_order(shuffled)) == EXPECTED


def test_nothing_is_found_before_it_could_be_known():
    checker = Checker(FLEET, detectors_for=all_detectors)
    for start in range(0, len(READINGS), 7):
        portion = READINGS.take(slice(start, start + 7))
        for finding in checker.take(portion):
            assert finding.since_s <= finding.at_s <= int(portion.received_s[-1])


def test_readings_that_are_not_in_the_order_of_their_arrival_are_refused():
    with pytest.raises(OutOfOrder):
        incidents(READINGS.take(np.arange(len(READINGS))[::-1]))
