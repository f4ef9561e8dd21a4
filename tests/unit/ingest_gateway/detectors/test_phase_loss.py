"""A lost phase is told apart from a sag, from a dip and from an outage."""

import numpy as np
import pytest

from ingest_gateway.domain.checking.quiet import QuietSpan
from ingest_gateway.domain.detectors.phase_loss import PhaseLoss
from ingest_gateway.domain.detectors.voltage_step import VoltageStep
from tests.unit.ingest_gateway.detectors.power_stream import START, Table, begun, found_in, told

DAY = 96


def three_phase(*, slots: int = 8, factor: float = 0.2, interval_s: int = 900) -> Table:
    table = Table(slots=DAY + slots + 10, interval_s=interval_s)
    table.three_phases()
    table.v2[DAY : DAY + slots, 3] *= factor
    return table


@pytest.mark.parametrize(("factor", "after_slots"), [(0.0, 0), (0.25, 0), (0.5, 1), (0.7, None), (0.9, None)])
def test_a_phase_is_lost_below_six_tenths_and_at_once_below_three(factor: float, after_slots: int | None) -> None:
    found = found_in(three_phase(factor=factor), PhaseLoss())
    if after_slots is None:
        assert found == []
        return
    assert told(found) == [("phase_loss", "meter", 4, "begins"), ("phase_loss", "meter", 4, "ends")]
    assert found[0].at_s == START + (DAY + after_slots) * 900 + 300
    assert found[0].since_s == START + DAY * 900


def test_a_single_sample_of_a_weak_phase_is_no_loss() -> None:
    assert found_in(three_phase(slots=1, factor=0.5), PhaseLoss()) == []


def test_a_mean_of_half_an_hour_needs_no_second_one() -> None:
    found = found_in(three_phase(factor=0.5, interval_s=1800), PhaseLoss())
    assert found[0].at_s == START + DAY * 1800 + 300


def test_a_lost_phase_is_no_sag() -> None:
    assert found_in(three_phase(factor=0.3), VoltageStep()) == []


def test_a_sag_of_all_phases_and_an_outage_are_no_lost_phase() -> None:
    table = Table(slots=2 * DAY)
    table.three_phases()
    for volts in (table.v1, table.v2, table.v3):
        volts[DAY : DAY + 8] *= 0.4
        volts[DAY + 20 : DAY + 28] = 0
    assert found_in(table, PhaseLoss()) == []


def test_one_phase_meters_have_none_to_lose() -> None:
    table = Table(slots=2 * DAY)
    table.v1[DAY : DAY + 8, 3] *= 0.2
    assert found_in(table, PhaseLoss()) == []


def test_a_gap_does_not_end_it() -> None:
    table = three_phase(slots=60)
    table.heard[DAY + 4 : DAY + 50, 3] = False
    found = found_in(table, PhaseLoss())
    assert [one.opened for one in found] == [True, False]
    assert found[1].since_s >= START + (DAY + 60) * 900


def test_it_ends_after_two_whole_samples_not_one() -> None:
    table = three_phase(slots=12)
    table.v2[DAY + 5, 3] = table.v1[DAY + 5, 3]
    assert [one.opened for one in found_in(table, PhaseLoss())] == [True, False]


def test_nothing_begins_while_the_meter_is_exchanged() -> None:
    exchange = QuietSpan("meter", 4, START + DAY * 900, START + (DAY + 8) * 900)
    assert found_in(three_phase(), PhaseLoss(), quiet=[exchange]) == []


def test_a_meter_whose_clock_is_behind_is_judged_all_the_same() -> None:
    table = Table(slots=2 * DAY)
    table.three_phases()
    table.delay_s[:, 3] = 620
    table.v3[DAY : DAY + 40, 3] *= 0.25
    assert begun(found_in(table, PhaseLoss())) == [("phase_loss", "meter", 4)]


def test_the_evidence_shows_the_three_phases() -> None:
    evidence = found_in(three_phase(factor=0.1), PhaseLoss())[0].evidence
    assert evidence["v2"] == pytest.approx(23, abs=1)
    assert np.allclose([evidence["v1"], evidence["v3"]], 230, atol=6)
