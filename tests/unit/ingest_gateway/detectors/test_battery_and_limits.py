"""Empty batteries, and supplies that live outside their bounds."""

import numpy as np
import pytest

from ingest_gateway.domain.detectors.low_battery import LowBattery
from ingest_gateway.domain.detectors.voltage_limit import VoltageLimit
from ingest_gateway.domain.detectors.volts import nominal_v, samples_of_calm, samples_of_event
from ingest_gateway.domain.flags import BATTERY_LOW
from tests.unit.ingest_gateway.detectors.power_stream import START, Table, begun, found_in, told

HOUR = 3600


def hourly(slots: int = 120, usual_v: float = 230.0) -> Table:
    return Table(slots=slots, meters=4, interval_s=HOUR, usual_v=usual_v)


@pytest.mark.parametrize(("percent", "low"), [(16, False), (15, True), (3, True)])
def test_a_battery_at_its_limit_for_a_day_is_low(percent: int, low: bool) -> None:
    table = hourly()
    table.battery_pct[:] = 80
    table.battery_pct[24:, 2] = percent
    assert begun(found_in(table, LowBattery())) == ([("low_battery", "meter", 3)] if low else [])


def test_a_meter_may_say_itself_that_its_battery_is_low() -> None:
    table = hourly()
    table.flags[24:, 2] = BATTERY_LOW
    finding = found_in(table, LowBattery())[0]
    assert finding.meter_ids == (3,)
    assert finding.evidence["said_by_meter"] is True


def test_a_cold_night_tells_nothing() -> None:
    table = hourly()
    table.battery_pct[:] = 25
    table.battery_pct[30:40, 2] = 12
    assert found_in(table, LowBattery()) == []


def test_a_new_battery_ends_it_and_a_little_warmth_does_not() -> None:
    table = hourly(slots=220)
    table.battery_pct[:] = 90
    table.battery_pct[20:, 2] = 14
    table.battery_pct[60:, 2] = 18
    table.battery_pct[120:, 2] = 100
    found = found_in(table, LowBattery())
    assert told(found) == [("low_battery", "meter", 3, "begins"), ("low_battery", "meter", 3, "ends")]
    assert found[1].at_s > START + 120 * HOUR


@pytest.mark.parametrize(
    ("usual", "nominal"),
    [(101, 100), (108, 110), (121, 120), (128, 127), (204, 202), (218, 230), (229, 230), (251, 230), (276, 277)],
)
def test_the_nominal_voltage_is_told_by_the_usual_one(usual: float, nominal: float) -> None:
    unknown = np.array([np.nan])
    assert nominal_v(unknown, np.array([float(usual)])).tolist() == [float(nominal)]
    assert nominal_v(np.array([240.0]), np.array([float(usual)])).tolist() == [240.0], "what is known counts"


@pytest.mark.parametrize(
    ("usual_v", "factor", "kind"),
    [
        (230.0, 1.08, None),  # near the upper bound for weeks, as real supplies are
        (230.0, 1.13, "voltage_swell"),
        (230.0, 0.93, None),
        (230.0, 0.87, "voltage_sag"),
        (101.0, 1.03, None),
        (101.0, 1.08, "voltage_swell"),
        (202.0, 0.95, None),
        (202.0, 0.88, "voltage_sag"),
        (120.0, 1.03, None),
        (120.0, 1.08, "voltage_swell"),
    ],
)
def test_a_zone_outside_its_statutory_bounds_goes_to_the_watch_list(
    usual_v: float, factor: float, kind: str | None
) -> None:
    table = hourly(slots=72, usual_v=usual_v)
    table.columns = {"nominal_v": usual_v}
    table.v1[24:] *= factor
    found = found_in(table, VoltageLimit())
    assert begun(found) == []
    assert begun(found, outlet="watch") == ([(kind, "zone", 1)] if kind else [])


def test_one_meter_outside_the_bounds_is_told_alone_and_ends() -> None:
    table = hourly()
    table.v1[24:60, 1] *= 0.87
    found = found_in(table, VoltageLimit())
    assert told(found) == [("voltage_sag", "meter", 2, "begins"), ("voltage_sag", "meter", 2, "ends")]


def test_some_hours_outside_the_bounds_tell_nothing() -> None:
    table = hourly()
    table.v1[24:34] *= 0.87
    assert found_in(table, VoltageLimit()) == []


def test_a_utility_may_have_bounds_of_its_own() -> None:
    table = hourly(slots=72)
    table.v1[24:] *= 1.06
    assert begun(found_in(table, VoltageLimit(high_v=240.0)), outlet="watch") == [("voltage_swell", "zone", 1)]


@pytest.mark.parametrize(
    ("interval_s", "event", "calm"), [(300, 3, 12), (600, 3, 6), (900, 2, 4), (1800, 1, 2), (3600, 1, 2)]
)
def test_an_event_takes_half_an_hour_of_samples_and_its_end_an_hour(interval_s: int, event: int, calm: int) -> None:
    assert (samples_of_event(interval_s), samples_of_calm(interval_s)) == (event, calm)
