"""Sags and swells: a jump away from the usual level that stays, of a zone or of one meter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_gateway.domain.checking.quiet import QuietSpan
from ingest_gateway.domain.detectors.voltage_step import VoltageStep
from tests.unit.ingest_gateway.detectors.power_stream import START, Table, begun, found_in, told

DAY = 96


def with_event(*, factor: float, rows: slice | int = slice(None), slots: int = 8) -> Table:
    made = Table(slots=DAY + slots + 16)
    made.v1[DAY : DAY + slots, rows] *= factor
    return made


@pytest.mark.parametrize("usual_v", [100.0, 120.0, 202.0, 230.0])
def test_a_zone_that_sags_or_swells_is_one_finding_of_the_zone(usual_v: float) -> None:
    what_loads_do, two_taps = 0.95, 1.03
    factors = np.array([0.75, 0.90, what_loads_do, two_taps, 1.075, 1.15])
    table = Table(slots=DAY + 24, meters=24, usual_v=usual_v, columns={"zone_id": np.repeat(np.arange(1, 7), 4)})
    table.v1[DAY : DAY + 8] *= np.repeat(factors, 4)
    found = found_in(table, VoltageStep())
    sags, swells = [("voltage_sag", "zone", zone) for zone in (1, 2)], [("voltage_swell", "zone", z) for z in (5, 6)]
    assert sorted(begun(found)) == sags + swells
    assert len(found) == 2 * len(sags + swells), "what began ended"


@pytest.mark.parametrize(("factor", "expected"), [(0.88, "voltage_sag"), (1.09, "voltage_swell"), (0.94, None)])
def test_one_meter_that_sags_or_swells_is_a_finding_of_the_meter(factor: float, expected: str | None) -> None:
    found = found_in(with_event(factor=factor, rows=3), VoltageStep())
    assert begun(found) == ([(expected, "meter", 4)] if expected else [])


def test_a_sag_is_found_half_an_hour_after_it_began_and_a_plain_one_of_a_zone_at_once() -> None:
    plain = found_in(with_event(factor=0.75), VoltageStep())[0]
    alone = found_in(with_event(factor=0.85, rows=3), VoltageStep())[0]
    began_s = START + DAY * 900
    assert plain.at_s == began_s + 300
    assert alone.at_s == began_s + 900 + 300
    assert plain.since_s == alone.since_s == began_s


def test_a_mean_of_an_hour_beyond_the_limit_needs_no_second_one() -> None:
    table = Table(slots=96, interval_s=3600)
    table.v1[48:50, 2] *= 0.85
    assert found_in(table, VoltageStep())[0].at_s == START + 48 * 3600 + 300


def test_a_dip_of_one_sample_is_no_event() -> None:
    assert found_in(with_event(factor=0.85, rows=3, slots=1), VoltageStep()) == []


def test_the_evidence_says_what_was_seen_what_is_usual_and_the_limit() -> None:
    finding = found_in(with_event(factor=0.8), VoltageStep())[0]
    evidence = finding.evidence
    assert evidence["volts"] == pytest.approx(184, abs=3)
    assert evidence["usual_v"] == pytest.approx(230, abs=3)
    assert evidence["volts"] < evidence["limit_v"] < evidence["usual_v"]
    assert (evidence["meters_showing"], evidence["meters_known"]) == (8, 8)
    assert len(finding.meter_ids) == 8


def test_a_voltage_that_creeps_up_for_weeks_and_stays_at_the_statutory_bound_is_no_swell() -> None:
    table = Table(slots=20 * 24, interval_s=3600)
    creep = np.concatenate([np.linspace(1, 1.095, 10 * 24), np.full(10 * 24, 1.095)])
    table.v1 *= creep[:, None]
    assert found_in(table, VoltageStep()) == []


def test_a_level_that_stays_for_two_days_is_the_new_usual_one() -> None:
    table = Table(slots=6 * 24, interval_s=3600)
    table.v1[2 * 24 :] *= 0.88
    found = found_in(table, VoltageStep())
    assert told(found) == [("voltage_sag", "zone", 1, "begins"), ("voltage_sag", "zone", 1, "ends")]


def test_a_sensor_that_comes_back_to_its_neighbours_after_a_drift_is_no_swell() -> None:
    table = Table(slots=20 * 24, interval_s=3600)
    table.v1[:, 3] *= np.concatenate([np.ones(5 * 24), np.linspace(1, 0.9, 13 * 24), np.ones(2 * 24)])
    assert found_in(table, VoltageStep()) == []


def test_a_restless_meter_has_wider_limits() -> None:
    def pulled(*, before: bool) -> Table:
        table = Table(slots=10 * 24, interval_s=3600)
        heavy = np.random.default_rng(3).random(10 * 12) < 0.3  # its own load pulls it down for hours
        table.v1[: 9 * 24 if before else 0, 3] *= 1 - 0.05 * np.repeat(heavy, 2)[: 9 * 24 if before else 0]
        table.v1[9 * 24 : 9 * 24 + 3, 3] *= 0.905
        return table

    assert begun(found_in(pulled(before=False), VoltageStep())) == [("voltage_sag", "meter", 4)]
    assert found_in(pulled(before=True), VoltageStep()) == []


@pytest.mark.parametrize("missing", [1, 5, 40])
def test_gaps_neither_begin_nor_hide_an_event(missing: int) -> None:
    calm, sagging = Table(slots=DAY + 20), with_event(factor=0.85, slots=40)
    for table in (calm, sagging):
        table.heard[DAY - missing : DAY] = False
    assert found_in(calm, VoltageStep()) == []
    assert begun(found_in(sagging, VoltageStep())) == [("voltage_sag", "zone", 1)]


def test_a_last_gasp_is_no_sag() -> None:
    table = Table(slots=2 * DAY)
    table.v1[DAY] = 0
    table.heard[DAY + 1 : DAY + 20] = False
    assert found_in(table, VoltageStep()) == []


def test_nothing_begins_during_planned_work() -> None:
    work = QuietSpan("zone", 1, START + (DAY - 1) * 900, START + (DAY + 12) * 900)
    assert found_in(with_event(factor=0.8), VoltageStep(), quiet=[work]) == []


def test_a_meter_whose_readings_always_come_late_is_judged_when_they_have_come() -> None:
    table = Table(slots=2 * DAY)
    table.delay_s[:, 3] = 1_500
    table.v1[DAY : DAY + 12, 3] *= 0.85
    assert begun(found_in(table, VoltageStep())) == [("voltage_sag", "meter", 4)]


def test_zones_are_told_apart() -> None:
    table = with_event(factor=0.8, rows=slice(0, 4))
    table.columns = {"zone_id": np.repeat([7, 9], 4)}
    assert begun(found_in(table, VoltageStep())) == [("voltage_sag", "zone", 7)]


def test_a_utility_may_set_its_own_limits_for_some_meters() -> None:
    detector = VoltageStep(sag=np.where(np.arange(8) == 3, 0.2, 0.08))
    table = with_event(factor=0.85, rows=3)
    assert found_in(table, detector) == []
    table.v1[DAY : DAY + 8, 5] *= 0.85
    assert begun(found_in(table, detector)) == [("voltage_sag", "meter", 6)]


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 10_000), usual_v=st.sampled_from([100.0, 127.0, 230.0]), lost=st.floats(0, 0.3))
def test_common_days_raise_nothing_whatever_is_lost(seed: int, usual_v: float, lost: float) -> None:
    table = Table(slots=DAY, usual_v=usual_v, seed=seed)
    table.heard &= np.random.default_rng(seed).random(table.heard.shape) >= lost
    table.heard[0, 0] = True
    assert found_in(table, VoltageStep()) == []
