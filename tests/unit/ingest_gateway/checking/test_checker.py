"""The checker's stream: what is found depends on the readings and their arrival alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_gateway.domain.checking.arrivals import Arrivals
from ingest_gateway.domain.checking.checker import Checker, OutOfOrder
from ingest_gateway.domain.checking.detector import Detector
from ingest_gateway.domain.checking.findings import Finding, Kind
from ingest_gateway.domain.checking.lane import Patience
from ingest_gateway.domain.checking.meters import ELECTRICITY, WATER, Meters
from ingest_gateway.domain.checking.quiet import QuietSpan
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Stage, View
from tests.unit.ingest_gateway.checking.fleet import arrivals, in_order, joined, meters

START = 1_740_960_000  # a Monday, 00:00 UTC
QUARTER = 900


@dataclass(frozen=True, slots=True)
class Recorder:
    """Says at every stage all that it saw of each meter, so that nothing can differ unseen."""

    name: ClassVar[str] = "recorder"
    version: ClassVar[int] = 1
    kinds: ClassVar[tuple[Kind, ...]] = ("sensor_drift",)
    services: ClassVar[tuple[int, ...]] = (WATER, ELECTRICITY)
    stages: ClassVar[tuple[Stage, ...]] = (Stage.EARLY, Stage.SETTLED, Stage.HOUR)

    def fields(self, _cohort: Cohort) -> Sequence[Field]:
        return [Field("sum", "f8"), Field("zone_ticks", "i4", per="zone")]

    def check(self, view: View, state: Arrays) -> list[Finding]:
        state["sum"] += np.nan_to_num(view.use)
        state["zone_ticks"] += 1
        return [
            Finding(
                kind="sensor_drift",
                opened=True,
                scope="meter",
                place_id=int(view.cohort.meters.meter_id[row]),
                at_s=view.ready_s,
                since_s=view.slot_s,
                outlet="watch",
                score=0.0,
                meter_ids=(),
                detector="recorder 1",
                evidence={
                    "stage": view.stage.value,
                    "seen": bool(view.seen[row]),
                    "step": repr(view.step[row]),
                    "gap": (int(view.gap_slots[row]), repr(view.gap_step[row])),
                    "missed": int(view.missed[row]),
                    "hour": repr(view.hour_use[row]) if view.stage is Stage.HOUR else "",
                    "pressure": repr(view.pressure_kpa[row]),
                    "quiet": bool(view.quiet[row]),
                    "sum": float(state["sum"][row]),
                    "local_hour": int(view.local_hour[row]),
                },
            )
            for row in range(len(view.cohort.meters))
        ]


def recorders(_: Cohort) -> Sequence[Detector]:
    return [Recorder()]


def checker(fleet: Meters, *, spans: Sequence[QuietSpan] = ()) -> Checker:
    return Checker(fleet, detectors_for=recorders, quiet=spans, patience=Patience(early_s=300, settled_s=3_900))


def feed(readings: Arrivals, *, cuts: Sequence[int] = (), fleet: Meters, restarts: bool = False) -> list[Finding]:
    """Feed readings in the pieces that `cuts` make; with `restarts` by a new checker after each."""
    found: list[Finding] = []
    one = checker(fleet)
    edges = [0, *sorted(cuts), len(readings)]
    for begin, end in pairwise(edges):
        found += one.take(readings.take(slice(begin, end)))
        if restarts:
            saved = one.saved()
            one = checker(fleet)
            one.restore(saved)
    return found + one.take(readings.take(slice(0, 0)), clock_s=int(readings.received_s[-1]) + 1)


def a_day(seed: int, *, count: int = 4, slots: int = 30) -> Arrivals:
    """Make readings with jitter, losses, lateness and repetition."""
    random = np.random.default_rng(seed)
    row = np.repeat(np.arange(count), slots)
    slot = np.tile(np.arange(slots), count)
    at_s = START + slot * QUARTER + random.integers(-200, 200, len(row))
    late = np.where(
        random.random(len(row)) < 0.2, random.integers(0, 9_000, len(row)), random.integers(0, 250, len(row))
    )
    register = 1_000 + slot * (row + 1)
    made = arrivals(row, at_s, at_s + late, register=register, pressure_kpa=300 + slot)
    made = made.take(random.random(len(row)) > 0.05)
    return in_order(joined(made, made.take(random.random(len(made)) < 0.1)))


FLEET = meters(4, interval_s=[900, 900, 1_800, 3_600], zone_id=[1, 2, 2, 1])


@given(seed=st.integers(0, 1_000), cuts=st.lists(st.integers(0, 100), max_size=8))
@settings(max_examples=12, deadline=None)
def test_what_is_found_does_not_depend_on_how_the_stream_is_cut(seed: int, cuts: list[int]) -> None:
    readings = a_day(seed)
    cuts = [cut for cut in cuts if cut < len(readings)]
    whole = feed(readings, fleet=FLEET)
    assert len(whole) > 100
    assert feed(readings, cuts=cuts, fleet=FLEET) == whole


@given(seed=st.integers(0, 1_000), cuts=st.lists(st.integers(0, 100), min_size=1, max_size=3))
@settings(max_examples=8, deadline=None)
def test_a_restart_in_between_changes_nothing(seed: int, cuts: list[int]) -> None:
    readings = a_day(seed)
    cuts = [cut for cut in cuts if cut < len(readings)]
    assert feed(readings, cuts=cuts, fleet=FLEET, restarts=True) == feed(readings, fleet=FLEET)


@given(seed=st.integers(0, 1_000))
@settings(max_examples=8, deadline=None)
def test_readings_that_come_twice_change_nothing(seed: int) -> None:
    readings = a_day(seed)
    again = in_order(joined(readings, readings))
    assert feed(again, fleet=FLEET) == feed(readings, fleet=FLEET)


@given(seed=st.integers(0, 1_000))
@settings(max_examples=8, deadline=None)
def test_the_order_of_arrival_within_the_patience_of_the_early_tick_changes_nothing(seed: int) -> None:
    random = np.random.default_rng(seed)
    row = np.repeat(np.arange(4), 20)
    at_s = START + np.tile(np.arange(20), 4) * QUARTER
    readings = [
        in_order(arrivals(row, at_s, at_s + random.integers(0, 300, len(row)), register=at_s // 100 + row))
        for _ in range(2)
    ]
    last_s = START + 21 * QUARTER
    found = [checker(FLEET) for _ in readings]
    one, other = (
        checker.take(part) + checker.take(part.take(slice(0, 0)), clock_s=last_s)
        for checker, part in zip(found, readings, strict=True)
    )
    assert one == other


def test_nothing_is_known_before_the_arrival_of_what_it_was_found_from() -> None:
    readings = a_day(7)
    seen = [finding for finding in feed(readings, fleet=FLEET) if finding.evidence["seen"]]
    for finding in seen:
        mine = readings.row == finding.place_id - 1
        near = mine & (np.abs(readings.at_s - finding.since_s) <= 1_800)
        assert readings.received_s[near].min() <= finding.at_s


def test_a_reading_that_arrived_before_the_last_one_is_refused() -> None:
    one = checker(FLEET)
    one.take(arrivals([0], [START + 900], register=5))
    with pytest.raises(OutOfOrder, match="were handed in after"):
        one.take(arrivals([0], [START], register=4))


def test_a_gap_gives_no_step_but_what_flowed_over_it() -> None:
    readings = arrivals([0, 0, 0], [START, START + 900, START + 3_600], register=[10, 12, 20])
    last = [one for one in feed(readings, fleet=meters(1)) if one.since_s == START + 900]
    assert [one.evidence["step"] for one in last if one.evidence["stage"] == "early"] == [repr(np.float64(2.0))]
    one = checker(meters(1))
    found = one.take(readings) + one.take(readings.take(slice(0, 0)), clock_s=START + 9_000)
    gap = [f for f in found if f.since_s == START + 3_600 and f.evidence["stage"] == "early"]
    assert gap[0].evidence["gap"] == (3, repr(np.float64(8.0)))
    assert gap[0].evidence["step"] == repr(np.float64(np.nan))


def test_a_register_that_begins_again_goes_on_where_its_ring_is_known() -> None:
    readings = arrivals([0, 0], [START, START + 900], register=[9_998, 3])
    one = checker(meters(1, ring=10_000))
    found = one.take(readings) + one.take(readings.take(slice(0, 0)), clock_s=START + 2_000)
    assert [f.evidence["step"] for f in found if f.since_s == START + 900] == [repr(np.float64(5.0))]


def test_an_hour_is_known_only_if_each_of_its_slots_is() -> None:
    whole = [0, 1, 2, 3, 4, 5, 6, 8]
    readings = arrivals([0] * 8, [START + n * QUARTER for n in whole], register=[10 * n for n in whole])
    one = checker(meters(1))
    found = one.take(readings) + one.take(readings.take(slice(0, 0)), clock_s=START + 20_000)
    hours = {f.since_s - START: f.evidence["hour"] for f in found if f.evidence["stage"] == "hour"}
    assert hours[3_600] == repr(np.float64(40.0))
    assert hours[7_200] == repr(np.float64(np.nan))


def test_a_zone_at_work_is_quiet_and_another_is_not() -> None:
    spans = [QuietSpan("zone", 2, START + 1_800, START + 2_700)]
    one = checker(meters(2, zone_id=[1, 2]), spans=spans)
    readings = arrivals([0, 1], [START, START], register=[1, 1])
    found = one.take(readings) + one.take(readings.take(slice(0, 0)), clock_s=START + 8_000)
    quiet = {(f.place_id, (f.since_s - START) // 900) for f in found if f.evidence["quiet"]}
    assert quiet == {(2, 1), (2, 2), (2, 3), (2, 4)}


def test_a_time_in_which_nobody_was_heard_is_not_held_against_the_meters() -> None:
    many = 9
    heard = [slot for slot in range(20) if not 5 <= slot < 15]
    row = np.tile(np.arange(many), len(heard))
    at_s = START + np.repeat(heard, many) * QUARTER
    one = checker(meters(many))
    readings = in_order(arrivals(row, at_s, register=row))
    silent = readings.take(~((readings.row == 3) & (readings.at_s >= START + 15 * QUARTER)))
    found = one.take(silent) + one.take(silent.take(slice(0, 0)), clock_s=START + 20 * QUARTER)
    early = [f for f in found if f.evidence["stage"] == "early"]
    assert {(f.since_s - START) // QUARTER for f in early if f.since_s >= START} == set(heard)
    missed = {f.place_id: f.evidence["missed"] for f in early if f.since_s == START + 19 * QUARTER}
    assert (missed[1], missed[4]) == (0, 5)


def test_a_meter_whose_clock_is_far_ahead_is_taken_by_when_its_readings_came() -> None:
    slots = np.arange(6)
    came_s = START + slots * QUARTER + 20
    ahead = arrivals(slots * 0, came_s + 5_000, came_s, register=slots * 7)
    one = checker(meters(1))
    again = in_order(joined(ahead, ahead.take(slice(1, 3))))
    found = one.take(again) + one.take(ahead.take(slice(0, 0)), clock_s=START + 9_000)
    early = [f for f in found if f.evidence["stage"] == "early" and f.evidence["seen"]]
    assert [f.since_s - START for f in early] == [slot * QUARTER for slot in range(6)]
    assert {f.evidence["step"] for f in early[1:]} == {repr(np.float64(7.0))}


def test_state_goes_with_the_meter_when_others_come_and_go() -> None:
    before = checker(meters(3))
    before.take(arrivals([0, 1, 2], [START] * 3, register=[1, 1, 1]))
    before.take(arrivals([0, 1, 2], [START + 900] * 3, register=[2, 5, 9]))
    after = checker(meters(3).take(np.array([1, 2])))
    after.restore(before.saved())
    found = after.take(arrivals([0, 1], [START + 1_800] * 2, register=[6, 19]), clock_s=START + 3_000)
    steps = {f.place_id: f.evidence["step"] for f in found if f.since_s == START + 1_800 and f.evidence["seen"]}
    assert steps == {2: repr(np.float64(1.0)), 3: repr(np.float64(10.0))}


def test_after_another_device_was_put_there_what_was_learnt_begins_afresh_there_alone() -> None:
    one = checker(meters(2))
    for slot in range(3):
        one.take(arrivals([0, 1], [START + slot * 900] * 2, register=[slot, slot]))
    one.rebase(kinds=["sensor_drift"], meter_ids=[2], zone_ids=[])
    found = one.take(arrivals([0], [START + 4_000], register=9), clock_s=START + 4_001)
    sums = {f.place_id: f.evidence["sum"] for f in found if f.since_s == START + 2_700}
    assert sums == {1: 2.0, 2: 1.0}, "the second begins anew with its last slot"
