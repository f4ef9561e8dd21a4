"""Reading a labelled set: its meters as the checker takes them, its readings as they arrived."""

import numpy as np
import pytest

from ingest_gateway.domain.checking.arrivals import MISSING
from ingest_gateway.domain.checking.meters import APARTMENT_BLOCK, ELECTRICITY, NOWHERE, WATER, ZONE_INLET
from suiden.evaluation import folder as folders
from suiden.evaluation.trouble import SetUnreadable
from tests.unit.suiden.evaluation.sets import METERS, T0, power, water, write

WATERS = [
    water("W1", T0 + 900, late=4000),
    water("W1", T0 + 1800, pressure=6553.5),
    water("W2", T0 + 3600, pressure=0.41, volume=70),
    water("W2", T0 + 7200, pressure=6.554),
    water("W3", T0 + 900, pressure=0.0),
    water("W3", T0 + 1800, pressure=None),
]
POWERS = [power("E1", T0 + 900, wh=5, volts=(246.0, None, None)), power("E2", T0 + 900, volts=(243.0, 244.0, 245.0))]


@pytest.fixture
def given(tmp_path):
    return folders.read(write(tmp_path, waters=WATERS, powers=POWERS))


def test_meters_get_the_checkers_columns(given):
    meters = given.meters
    assert given.names.meters == ["W1", "W2", "W3", "E1", "E2"]
    assert meters.service.tolist() == [WATER, WATER, WATER, ELECTRICITY, ELECTRICITY]
    assert meters.role.tolist()[2] == ZONE_INLET
    assert [given.names.zones[zone] for zone in meters.zone_id] == ["A-Z1", "A-Z1", "A-Z2", "B-T1", "B-T1"]
    assert [given.names.sites[site] for site in meters.network_id] == ["A", "A", "A", "B", "B"]
    assert meters.feeder_id.tolist() == [NOWHERE, NOWHERE, NOWHERE, 0, 0]
    assert meters.interval_s.tolist() == [900, 3600, 900, 900, 900]
    assert meters.utc_offset_s.tolist() == [10_800, 10_800, 10_800, -18_000, -18_000]
    assert meters.resolution.tolist() == [1, 10, 100, 1, 1]
    assert meters.mean_flow.tolist() == [False, True, False, False, False]
    assert meters.segment.tolist()[1] == APARTMENT_BLOCK
    assert meters.phases.tolist() == [0, 0, 0, 1, 3]
    assert meters.may_export.tolist() == [False, False, False, True, False]


def test_the_nominal_voltage_is_that_of_the_country_and_not_what_is_usual(given):
    assert given.meters.nominal_v[3:].tolist() == [230.0, 230.0]
    assert np.isnan(given.meters.nominal_v[:3]).all()


def test_readings_come_in_the_order_of_their_arrival_whatever_their_file(given):
    arrivals = given.arrivals
    assert (np.diff(arrivals.received_s) >= 0).all()
    assert [given.names.meters[row] for row in arrivals.row] == ["W3", "E1", "E2", "W1", "W3", "W2", "W1", "W2"]
    electric = arrivals.take(np.flatnonzero(arrivals.row == 3))
    assert (electric.register.tolist(), electric.export_register.tolist()) == ([5], [0])
    assert (arrivals.export_register[arrivals.row < 3] == MISSING).all()


def test_pressure_is_in_kpa_and_what_a_broken_sensor_sends_is_unknown(given):
    pressure = {
        (given.names.meters[row], int(at) - T0): kpa
        for row, at, kpa in zip(given.arrivals.row, given.arrivals.at_s, given.arrivals.pressure_kpa, strict=True)
    }
    assert pressure["W2", 3600] == pytest.approx(410)
    for glitch in (("W1", 1800), ("W2", 7200), ("W3", 900), ("W3", 1800)):
        assert np.isnan(pressure[glitch])


def test_planned_works_keep_their_place(given):
    zone, meter = given.works
    assert (given.names.zones[zone.zone_id], zone.meter_id, zone.to_s - zone.from_s) == ("A-Z1", None, 6 * 3600)
    assert (meter.zone_id, meter.meter_id) == (None, 0)


def test_a_folder_that_is_no_set_is_refused_with_a_cure(tmp_path):
    with pytest.raises(SetUnreadable, match="suiden anomaly make"):
        folders.read(tmp_path)
    write(tmp_path, waters=WATERS, powers=POWERS, meters=METERS[:3])
    with pytest.raises(SetUnreadable, match="E1"):
        folders.read(tmp_path)
