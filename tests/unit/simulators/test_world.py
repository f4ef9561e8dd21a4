"""The living town: it goes on where memory ends, and what breaks or is shut is seen where it should be."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from simulators import faults
from simulators.faults import Fault, FaultImpossible
from simulators.speakers import Speakers
from simulators.town import Town
from simulators.world import HourRead, World


def lived(world: World, hours: int) -> list[HourRead]:
    return [world.step(by_itself=False) for _ in range(hours)]


def test_life_goes_on_where_the_history_ends(little: Town, world: World) -> None:
    until = little.starts_at + timedelta(hours=30)
    memory = little.history(little.starts_at, until)
    for read in lived(world, 30):
        then = memory.read_at_s == read.hour * 3600
        by_serial = {
            memory.serials[meter]: (register, flow)
            for meter, register, flow in zip(memory.meter[then], memory.register[then], memory.flow[then], strict=True)
        }
        for column, serial in enumerate(world.serials):
            assert by_serial[serial] == (read.register[column], read.flow[column])


def test_pressure_and_voltage_in_life_are_those_of_the_history(little: Town, world: World) -> None:
    memory = little.history(little.starts_at, little.starts_at + timedelta(hours=1))
    read = world.step(by_itself=False)
    with_sensor = ~np.isnan(read.pressure_kpa)
    order = [memory.serials.index(serial) for serial in world.serials]
    at = {int(meter): row for row, meter in enumerate(memory.meter)}
    rows = np.array([at[meter] for meter in order])
    water = len(read.pressure_kpa)
    assert np.allclose(memory.pressure_kpa[rows][:water][with_sensor], read.pressure_kpa[with_sensor])
    assert np.allclose(memory.voltage_1_v[rows][water:], read.voltage_v)


def test_what_flows_is_what_the_register_counts(world: World) -> None:
    world.break_down(faults.ordered({"fault": "leak", "place": "W-0003", "size": 40}, known=world.known, hour=0))
    world.set_supply("W-0005", "trickle")
    reads = lived(world, 48)
    for before, after in pairwise(reads):
        assert np.array_equal(after.register - before.register, after.flow.astype(np.int64))


def test_a_leak_is_added_hour_by_hour_and_ends_when_repaired(little: Town, world: World) -> None:
    column = world.column("W-0001")
    usual = lived(World(little, hour=world.state.hour), 20)
    world.break_down(faults.ordered({"fault": "leak", "place": "W-0001", "size": 40}, known=world.known, hour=0))
    leaking = lived(world, 10)
    world.repair(lambda fault: fault.kind == "leak")
    mended = lived(world, 10)
    for sound, now in zip(usual, leaking + mended, strict=True):
        assert now.flow[column] - sound.flow[column] == (40 if now in leaking else 0)
    assert mended[-1].register[column] - usual[-1].register[column] == 400


@pytest.mark.parametrize("serial", ["W-0001", "E-0001"])
def test_a_closed_valve_or_relay_freezes_the_register_at_no_flow(world: World, serial: str) -> None:
    column = world.column(serial)
    before = world.step(by_itself=False)
    world.set_supply(serial, "off")
    shut = lived(world, 30)
    assert {int(read.register[column]) for read in shut} == {int(before.register[column])}
    assert {float(read.flow[column]) for read in shut} == {0.0}
    world.set_supply(serial, "on")
    assert lived(world, 30)[-1].register[column] > before.register[column]


def test_a_stuck_meter_feels_the_flow_counts_nothing_and_its_neighbours_go_on(world: World) -> None:
    world.break_down(Fault("stuck", "W-0002", 1.0, 0))
    reads = lived(world, 48)
    assert sum(read.flow[world.column("W-0002")] for read in reads) > 0
    assert reads[0].register[world.column("W-0002")] == reads[-1].register[world.column("W-0002")]
    assert reads[0].register[world.column("W-0003")] < reads[-1].register[world.column("W-0003")]


def test_a_burst_lowers_the_pressure_in_its_area_and_nowhere_else(little: Town, world: World) -> None:
    zone_of = {p.point_number: p.zone for p in little.points}
    area_of = np.array([zone_of[world.known.point_of_serial[s]] for s in world.serials if s.startswith("W")])
    before = world.step(by_itself=False).pressure_kpa
    world.break_down(faults.ordered({"fault": "burst", "place": "W2"}, known=world.known, hour=0))
    after = world.step(by_itself=False).pressure_kpa
    assert np.nanmin(before) > 150
    assert np.nanmin(after[area_of == "W2"]) < 150
    assert np.nanmin(after[area_of != "W2"]) > 300
    world.repair(lambda fault: fault.kind == "burst")
    assert np.nanmin(world.step(by_itself=False).pressure_kpa) > 150


@pytest.mark.parametrize(("kind", "is_out"), [("sag", lambda v: v < 95), ("swell", lambda v: v > 107)])
def test_a_sag_or_swell_is_felt_behind_its_transformer_only(
    little: Town, world: World, kind: str, is_out: Callable[[Any], Any]
) -> None:
    zone_of = {p.point_number: p.zone for p in little.points}
    power = [s for s in world.serials if s.startswith("E")]
    single = np.array([world.meters[world.column(s)].phases == 1 for s in power])
    behind = np.array([zone_of[world.known.point_of_serial[s]] == "E3" for s in power])
    world.break_down(faults.ordered({"fault": kind, "place": "E3"}, known=world.known, hour=0))
    volts = world.step(by_itself=False).voltage_v
    assert np.all(is_out(volts[behind & single]))
    assert not np.any(is_out(volts[~behind & single]))


def test_meters_remember_what_they_showed_even_before_the_town_was_alive(little: Town, world: World) -> None:
    reads = lived(world, 5)
    first_h = world.state.hour - 10
    remembered = world.remembered(first_h=first_h, until_h=world.state.hour)
    assert [read.hour for read in remembered] == list(range(first_h, world.state.hour + 1))
    assert np.array_equal(remembered[-1].register, reads[-1].register)
    history = little.history(little.starts_at - timedelta(hours=5), little.starts_at)
    first = history.register[(history.read_at_s == (little.starts_at - timedelta(hours=5)).timestamp())]
    at_start = next(read for read in remembered if read.hour * 3600 == history.read_at_s[0])
    assert sorted(at_start.register.tolist()) == sorted(first.tolist())


def test_the_demo_s_customer_gets_a_leak_soon_after_the_start(little: Town, world: World) -> None:
    for _ in range(faults.SCRIPTED_LEAK_AFTER_H + 1):
        world.step()
    home = next(p for p in little.premises if p.party_number == little.customer_party)
    assert [(fault.kind, fault.place) for fault in world.state.faults] == [("leak", home.water_point)]


@pytest.mark.parametrize("order", [{"fault": "flood", "place": "W1"}, {"fault": "burst", "place": "W9"},
                                   {"fault": "leak", "place": "E-0001"}, {"fault": "sag"}])  # fmt: skip
def test_a_fault_that_cannot_be_is_refused(world: World, order: dict[str, str]) -> None:
    with pytest.raises(FaultImpossible):
        faults.ordered(order, known=world.known, hour=0)


def test_finished_work_ends_the_fault_it_was_done_for_and_no_other(world: World) -> None:
    leak = faults.ordered({"fault": "leak", "place": "W-0001"}, known=world.known, hour=0)
    burst = faults.ordered({"fault": "burst", "place": "W1"}, known=world.known, hour=0)

    def ends(fault: Fault, kind: str, *, zone: str | None = None, point: str | None = None) -> bool:
        return faults.is_repaired(fault, kind=kind, zone=zone, point=point, serial=None, known=world.known)

    assert ends(leak, "household_leak", zone="W1", point=leak.place)
    assert not ends(leak, "household_leak", zone="W1", point="1000002")
    assert not ends(leak, "stuck_meter", zone="W1", point=leak.place)
    assert ends(leak, "reported_by_phone", point=leak.place)
    assert ends(burst, "pipe_burst", zone="W1")
    assert not ends(burst, "pipe_burst", zone="W2")


def thrown(world: World, kind: str, place: str, *, size: float | None = None) -> Fault:
    fault = faults.ordered({"fault": kind, "place": place, "size": size}, known=world.known, hour=world.state.hour)
    world.break_down(fault)
    return fault


@pytest.mark.parametrize(("kind", "serial"), [("tamper", "W-0003"), ("theft", "E-0003")])
def test_a_meter_that_is_cheated_counts_a_share_of_what_flows(world: World, kind: str, serial: str) -> None:
    column, before = world.column(serial), world.step(by_itself=False)
    thrown(world, kind, serial, size=0.25)
    reads = lived(world, 72)
    flowed = sum(read.flow[column] for read in reads)
    assert 0.1 * flowed < reads[-1].register[column] - before.register[column] <= 0.25 * flowed


def test_water_that_flows_back_turns_the_register_back_for_some_hours(world: World) -> None:
    column, before = world.column("W-0003"), world.step(by_itself=False)
    thrown(world, "backflow", "W-0003", size=200)
    registers = np.array([before.register[column], *(read.register[column] for read in lived(world, 18))])
    assert np.sort(np.diff(registers))[:6].tolist() == [-200] * 6
    assert (np.diff(registers) >= 0).sum() == 12


def test_a_drifting_sensor_errs_more_each_day_and_alone(world: World) -> None:
    sensors = [s for s in world.known.sensor_serials if s.startswith("W")]
    sound = lived(World(world._town, hour=world.state.hour), 240)
    thrown(world, "drift", sensors[0], size=0.02)
    reads = lived(world, 240)
    shares = [read.pressure_kpa / other.pressure_kpa for read, other in zip(reads, sound, strict=True)]
    at = world.column(sensors[0])
    assert shares[47][at] == pytest.approx(1.04, abs=0.002)
    assert shares[-1][at] == pytest.approx(1.20, abs=0.002)
    others = np.delete(shares[-1], at)
    assert np.allclose(others[~np.isnan(others)], 1.0)


def test_behind_a_closed_valve_nothing_flows_and_no_pressure_is_left(little: Town, world: World) -> None:
    zone_of = {p.point_number: p.zone for p in little.points}
    area_of = np.array([zone_of[world.known.point_of_serial[s]] for s in world.serials if s.startswith("W")])
    thrown(world, "closure", "W3")
    read = lived(world, 24)[-1]
    assert read.flow[: len(area_of)][area_of == "W3"].tolist() == [0.0] * int((area_of == "W3").sum())
    assert np.nanmax(read.pressure_kpa[area_of == "W3"]) < 25
    assert np.nanmin(read.pressure_kpa[area_of != "W3"]) > 150


def test_without_supply_meters_fall_silent_some_after_a_last_word(little: Town, world: World) -> None:
    speakers = Speakers(little, world, boot="b")
    sender = next(s for s in speakers.by_name.values() if s.sender.kind == "concentrator")
    behind = {world.known.zone_of_point[world.known.point_of_serial[s]] for s in sender.sender.serials}
    transformer = next(code for code in sorted(behind) if code.startswith("E"))
    dead = {
        s for s in sender.sender.serials if world.known.zone_of_point[world.known.point_of_serial[s]] == transformer
    }
    thrown(world, "outage", transformer)
    first, second = lived(world, 2)
    said = {r["meter"] for r in speakers._readings(second, sender.columns)}
    assert not said & dead
    assert said == set(sender.sender.serials) - dead
    assert np.nansum(first.voltage_v == 0) > 0 == np.nansum(second.voltage_v == 0)
    world.repair(lambda fault: fault.kind == "outage")
    after = world.step(by_itself=False)
    assert not np.isnan(after.voltage_v).any()


def test_a_lost_phase_is_one_of_three(little: Town, world: World) -> None:
    serial = world.known.three_phase_serials[0]
    thrown(world, "phase_loss", serial, size=0.12)
    read = world.step(by_itself=False)
    speakers = Speakers(little, world, boot="b")
    volts = speakers._voltages(read, world.column(serial))
    assert volts is not None
    assert sorted(volts)[0] == pytest.approx(0.12 * sorted(volts)[1], abs=0.1)
    assert sorted(volts)[1] > 150


def test_a_roof_nobody_knows_of_feeds_back_by_day_and_the_meter_says_so(little: Town, world: World) -> None:
    column = world.column("E-0003")
    thrown(world, "roof", "E-0003", size=5.0)
    reads = lived(world, 48)
    fed_back = np.diff([0, *(read.exported[column] for read in reads)])
    assert fed_back.sum() > 5_000
    assert 6 < (fed_back > 0).sum() < 28
    readings = Speakers(little, world, boot="b")._readings(reads[-1], (column, world.column("E-0004")))
    assert [r.get("export_register") for r in readings] == [int(reads[-1].exported[column]), None]


def test_an_empty_battery_is_seen(world: World) -> None:
    thrown(world, "low_battery", "W-0003")
    assert world.step(by_itself=False).battery_pct[world.column("W-0003")] == 4


def test_what_seeps_is_felt_less_than_a_burst(world: World) -> None:
    usual = world.step(by_itself=False).pressure_kpa
    thrown(world, "seep", "W2")
    seeping = world.step(by_itself=False).pressure_kpa
    world.repair(lambda fault: fault.kind == "seep")
    thrown(world, "burst", "W2")
    burst = world.step(by_itself=False).pressure_kpa
    assert np.nanmin(burst) < np.nanmin(seeping) < np.nanmin(usual)


@pytest.mark.parametrize(
    ("kind", "place", "found"),
    [
        ("seep", "W2", "slow_leak"), ("closure", "W2", "valve_closure"), ("backflow", "W-0003", "backflow"),
        ("tamper", "W-0003", "stuck_meter"), ("theft", "E-0003", "theft"), ("drift", "E-0003", "sensor_drift"),
        ("low_battery", "W-0003", "low_battery"), ("outage", "E3", "outage"), ("roof", "E-0003", "unregistered_export"),
    ],
)  # fmt: skip
def test_each_fault_is_ended_by_work_on_what_was_found_there(world: World, kind: str, place: str, found: str) -> None:
    fault = faults.ordered({"fault": kind, "place": place}, known=world.known, hour=0)
    zone = place if place in ("W2", "E3") else None
    serial = None if zone else place
    point = world.known.point_of_serial.get(place)
    assert faults.is_repaired(fault, kind=found, zone=zone, point=point, serial=serial, known=world.known)
    assert not faults.is_repaired(fault, kind="voltage_swell" if found != "sensor_drift" else "household_leak",
                                  zone=zone, point=point, serial=serial, known=world.known)  # fmt: skip
    elsewhere = faults.is_repaired(fault, kind=found, zone="W4" if zone else None, point=None,
                                   serial=None if zone else "W-0009", known=world.known)  # fmt: skip
    assert not elsewhere


def test_every_kind_breaks_by_chance_some_time(little: Town, world: World) -> None:
    seen = {
        fault.kind
        for hour in range(24 * 250)
        for fault in faults.by_script_and_chance(
            little, known=world.known, hour=400_000 + hour, first_hour=300_000, active=0
        )
    }
    assert seen == set(faults.CHANCE_PER_HOUR) == set(faults.USUAL_SIZE)
