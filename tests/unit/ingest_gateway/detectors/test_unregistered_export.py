"""Feeding in that was not agreed: told within hours; a trickle and another meter's reading are not."""

import numpy as np
import pytest

from ingest_gateway.domain.checking.meters import ELECTRICITY
from ingest_gateway.domain.checking.quiet import QuietSpan
from ingest_gateway.domain.detectors.unregistered_export import UnregisteredExport
from tests.unit.ingest_gateway.detectors.homes import DAY_S, START, Homes, begun, hours_after


def quarter_hours(days: int = 3, *, may_export: bool = False) -> Homes:
    return Homes(days, count=2, service=ELECTRICITY, interval_s=900, columns={"may_export": may_export})


@pytest.mark.parametrize(
    ("wh", "slots", "may_export", "expected"),
    [
        (60.0, 3, False, 1),
        (60.0, 2, False, 0),  # not often enough
        (40.0, 3, False, 0),  # not enough
        (2.0, 190, False, 0),  # a trickle
        (400.0, 20, True, 0),  # agreed
    ],
)
def test_it_takes_enough_and_often_enough(wh: float, slots: int, may_export: bool, expected: int) -> None:
    homes = quarter_hours(may_export=may_export)
    homes.export[40 : 40 + slots, 0] = wh
    findings = begun(homes.found(UnregisteredExport()))
    assert len(findings) == expected
    for one in findings:
        assert hours_after(0, one) == pytest.approx(43 * 0.25 + 2, abs=0.3)
        assert one.since_s == START + 40 * 900


def test_a_reading_of_another_meter_tells_nothing() -> None:
    homes = quarter_hours()
    for slot in (40, 80, 120):
        homes.export[slot, 0], homes.export[slot + 1, 0] = 90_000, -90_000
    assert homes.found(UnregisteredExport()) == []


def test_days_apart_do_not_add_up() -> None:
    homes = quarter_hours(days=10)
    homes.export[[40, 300, 600, 900], 0] = 100
    assert homes.found(UnregisteredExport()) == []


def test_it_ends_after_a_week_without() -> None:
    homes = quarter_hours(days=11)
    homes.export[40:60, 0] = 200
    opened, ended = homes.found(UnregisteredExport())
    assert (opened.opened, ended.opened) == (True, False)
    assert ended.since_s == START + 60 * 900
    assert hours_after(7, ended) == pytest.approx(15 + 2, abs=0.6)


def test_nothing_begins_while_work_is_planned() -> None:
    homes = quarter_hours()
    homes.export[40:60, 0] = 200
    span = QuietSpan("meter", 1, START, START + 2 * DAY_S)
    assert homes.found(UnregisteredExport(), quiet=[span]) == []


def test_hours_show_it_as_quarter_hours_do() -> None:
    homes = Homes(2, count=2, service=ELECTRICITY, columns={"may_export": np.zeros(2, dtype=np.bool_)})
    homes.export[10:14, 0] = 300
    assert len(begun(homes.found(UnregisteredExport()))) == 1
