import csv
import hashlib
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from simulators.evaluation import make as making
from simulators.evaluation.make import Made
from simulators.evaluation.options import DAY_S, HOUR_S, OptionsUnusable, PowerSite, SetOptions, WaterSite
from simulators.evaluation.tables import MeterReadings
from simulators.evaluation.truth import Happening

EVENTS = {
    "water": {
        "pipe_burst", "slow_leak", "household_leak", "stuck_meter", "backflow", "tamper", "sensor_drift",
        "pressure_sag", "valve_closure",
    },
    "electricity": {
        "voltage_sag", "voltage_swell", "phase_loss", "outage", "theft", "unregistered_export", "stuck_meter",
        "sensor_drift",
    },
}  # fmt: skip
DISTRACTORS = {
    "pool_fill", "holiday", "guests", "new_occupancy", "meter_exchange", "planned_closure", "hydrant_flushing",
    "planned_outage", "new_ev", "gateway_outage",
}  # fmt: skip
OPTIONS = SetOptions(
    seed=11,
    starts_on=date(2025, 9, 1),
    days=28,
    learning_days=7,
    water=(WaterSite("W1", "Net2", 70, 900, "kPa", 3, 1),),
    power=(PowerSite("P1", 3, 50, 900, 230.0, 1),),
)
SMALL = replace(
    OPTIONS,
    days=10,
    learning_days=3,
    water=(WaterSite("W1", "Net1", 12, 3600, "MPa", 2, 9),),
    power=(PowerSite("P1", 2, 12, 3600, 101.0, 9),),
)


@pytest.fixture(scope="module")
def made() -> Made:
    return making.make(OPTIONS)


def of_kind(made: Made, kind: str, *, domain: str = "water") -> list[Happening]:
    return [h for h in made.happenings if h.kind == kind and h.domain == domain]


def by_time(held: MeterReadings, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Give true instants, about, and the column, in order of the meter's clock, repeats left out."""
    ts, first = np.unique(held.ts, return_index=True)
    return ts - OPTIONS.starts_s, held.columns[column][first]


def test_every_kind_happens(made: Made) -> None:
    for domain, kinds in EVENTS.items():
        assert {h.kind for h in made.happenings if h.is_fault and h.domain == domain} == kinds
    assert {h.kind for h in made.happenings if not h.is_fault} == DISTRACTORS


def test_nothing_breaks_while_the_checker_learns(made: Made) -> None:
    assert all(h.start_s >= OPTIONS.learning_s for h in made.happenings if h.kind != "gateway_outage")
    assert all(h.start_s < h.end_s <= OPTIONS.duration_s for h in made.happenings if h.is_fault)


def test_at_most_one_story_is_told_of_a_meter(made: Made) -> None:
    told = [h.meters[0] for h in made.happenings if h.scope == "meter" and h.kind not in ("voltage_sag",)]
    assert len(told) == len(set(told))


def test_happenings_name_meters_and_zones_of_the_register(made: Made) -> None:
    zones = {meter.meter_id: meter.zone for meter in made.meters}
    for happening in made.happenings:
        assert set(happening.meters) <= set(zones)
        if happening.scope != "gateway":
            assert {zones[name] for name in happening.meters} <= set(happening.zones)


def test_a_stopped_meter_stands_still(made: Made) -> None:
    for happening in of_kind(made, "stuck_meter"):
        at_s, volume = by_time(made.water.meters[happening.meters[0]], "volume_l")
        inside = volume[(at_s > happening.start_s + HOUR_S) & (at_s < happening.end_s - HOUR_S)]
        assert len(inside) > 100
        assert np.ptp(inside) == 0


def test_a_leak_behind_the_meter_flows_without_a_pause(made: Made) -> None:
    for happening in of_kind(made, "household_leak"):
        at_s, volume = by_time(made.water.meters[happening.meters[0]], "volume_l")
        inside = (at_s > happening.start_s + HOUR_S) & (at_s < happening.end_s - HOUR_S)
        passed_h = np.ptp(at_s[inside]) / HOUR_S
        assert np.ptp(volume[inside]) >= 0.9 * passed_h * float(happening.params["lph"])


def test_backflow_turns_the_register_back(made: Made) -> None:
    for happening in of_kind(made, "backflow"):
        at_s, volume = by_time(made.water.meters[happening.meters[0]], "volume_l")
        inside = (at_s > happening.start_s - HOUR_S) & (at_s < happening.end_s + HOUR_S)
        assert np.diff(volume[inside]).min() < 0


def test_plain_registers_turn_back_for_no_other_reason(made: Made) -> None:
    turning = {h.meters[0] for kind in ("backflow", "meter_exchange") for h in of_kind(made, kind)}
    for name, held in made.water.meters.items():
        if name not in turning:
            assert np.diff(by_time(held, "volume_l")[1]).min() >= 0, name


def test_an_exchanged_meter_begins_at_nought(made: Made) -> None:
    for happening in of_kind(made, "meter_exchange"):
        at_s, volume = by_time(made.water.meters[happening.meters[0]], "volume_l")
        assert volume[at_s >= happening.start_s + 60][0] < 500
        assert volume[at_s < happening.start_s - 60].min() >= 900


def test_a_burst_is_seen_at_the_zones_inlet(made: Made) -> None:
    for happening in of_kind(made, "pipe_burst"):
        at_s, flow = by_time(made.water.meters[happening.meters[0]], "flow_lph")
        inside = flow[(at_s > happening.start_s) & (at_s < happening.end_s)].mean()
        week_before = (at_s > happening.start_s - 7 * DAY_S) & (at_s < happening.end_s - 7 * DAY_S)
        assert inside > flow[week_before].mean(), happening


def test_those_named_by_a_closed_valve_have_less_pressure(made: Made) -> None:
    named = [h for kind in ("valve_closure", "pressure_sag") for h in of_kind(made, kind)]
    drifting = {h.meters[0] for h in of_kind(made, "sensor_drift")}
    seen = 0
    for happening in named:
        for name in set(happening.meters) - drifting:
            at_s, kpa = by_time(made.water.meters[name], "pressure")
            inside = (at_s > happening.start_s) & (at_s < happening.end_s)
            if np.isnan(kpa).all() or inside.sum() < 4:
                continue
            seen += 1
            usual = np.median(kpa[at_s < OPTIONS.learning_s])
            assert np.median(kpa[inside]) < usual - 8.0, (happening, name)
    assert seen > 10


def test_nobody_speaks_in_an_outage_but_with_the_last_gasp(made: Made) -> None:
    gasps = 0
    for happening in of_kind(made, "outage", domain="electricity"):
        for name in happening.meters:
            at_s, volts = by_time(made.power.meters[name], "v1")
            inside = volts[(at_s > happening.start_s + 600) & (at_s < happening.end_s - 600)]
            assert len(inside) == 0
            near = volts[(at_s >= happening.start_s - 400) & (at_s <= happening.start_s + 400)]
            gasps += int((near == 0).sum())
    assert gasps > 0


def test_a_swell_is_above_the_statutory_bound_and_plain_voltages_are_not(made: Made) -> None:
    for happening in of_kind(made, "voltage_swell", domain="electricity"):
        at_s, volts = by_time(made.power.meters[happening.meters[0]], "v1")
        inside = volts[(at_s > happening.start_s + 1000) & (at_s < happening.end_s - 1000)]
        assert not len(inside) or (inside > 253.0).mean() > 0.7
    for held in made.power.meters.values():
        at_s, volts = by_time(held, "v1")
        assert np.quantile(volts[at_s < OPTIONS.learning_s], 0.999) < 253.0


def test_an_unregistered_roof_feeds_back_without_standing_in_the_register(made: Made) -> None:
    roofs = {meter.meter_id: meter.has_pv for meter in made.meters}
    for happening in of_kind(made, "unregistered_export", domain="electricity"):
        at_s, exported = by_time(made.power.meters[happening.meters[0]], "export_wh")
        assert not roofs[happening.meters[0]]
        assert np.ptp(exported[at_s < happening.start_s - 600]) == 0
        assert np.ptp(exported[at_s > happening.start_s]) > 1000


def test_planned_works_span_what_they_announce(made: Made) -> None:
    planned = [h for h in made.happenings if h.kind in ("planned_closure", "hydrant_flushing", "planned_outage")]
    for happening in planned:
        for zone in happening.zones:
            assert any(
                w.zone == zone and w.start_s <= happening.start_s and w.end_s >= happening.end_s for w in made.works
            )


def test_readings_come_in_order_of_arrival_some_late_and_some_twice(made: Made) -> None:
    late, twice, all_readings = 0, 0, 0
    for held in (*made.water.meters.values(), *made.power.meters.values()):
        assert (np.diff(held.received_at) >= 0).all()
        late += int((held.received_at - held.ts > 900).sum())
        twice += len(held.ts) - len(np.unique(held.ts))
        all_readings += len(held.ts)
    assert 0.005 < late / all_readings < 0.06
    assert 0.003 < twice / all_readings < 0.01


def test_without_noise_each_reading_comes_once() -> None:
    quiet = replace(SMALL, noise=0.0, events=0.1)
    made = making.make(quiet)
    silent = {
        name for h in made.happenings if h.kind in ("gateway_outage", "outage", "planned_outage") for name in h.meters
    }
    for name, held in (made.water.meters | made.power.meters).items():
        if name not in silent:
            assert len(np.unique(held.ts)) == len(held.ts) == 10 * 24, name


def test_the_same_options_make_the_same_files_and_another_seed_others(tmp_path: Path) -> None:
    digests: list[str] = []
    for name, options in (("a", SMALL), ("b", SMALL), ("c", replace(SMALL, seed=12))):
        folder = tmp_path / name / "set"
        making.save(making.make(options), folder, options=options)
        digest = hashlib.sha256()
        for file in sorted(folder.iterdir()):
            digest.update(file.read_bytes())
        digests.append(digest.hexdigest())
    assert digests[0] == digests[1] != digests[2]


def test_the_files_have_the_promised_columns(tmp_path: Path) -> None:
    making.save(making.make(SMALL), tmp_path, options=SMALL)
    water = pyarrow.parquet.read_schema(tmp_path / "readings_water.parquet")
    assert water.names == ["meter_id", "ts", "received_at", "volume_l", "flow_lph", "pressure"]
    power = pyarrow.parquet.read_schema(tmp_path / "readings_electricity.parquet")
    assert power.names == ["meter_id", "ts", "received_at", "import_wh", "export_wh", "v1", "v2", "v3"]
    whole, single = pyarrow.int64(), pyarrow.float32()
    assert [water.field(n).type for n in water.names[1:]] == [whole, whole, whole, whole, single]
    with (tmp_path / "meters.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12 + 2 + 12
    assert {row["pressure_unit"] for row in rows if row["domain"] == "water"} == {"MPa"}
    labels = json.loads((tmp_path / "labels.json").read_text())
    assert (labels["t0"], labels["eval_start"]) == ("2025-09-01T00:00:00Z", "2025-09-04T00:00:00Z")
    assert labels["events"][0]["id"] == "EV001"
    pressure = pyarrow.parquet.read_table(tmp_path / "readings_water.parquet")["pressure"].drop_null().to_numpy()
    assert 0.1 < np.median(pressure) < 1.2


def test_real_homes_drip_stand_empty_and_live_near_the_bound() -> None:
    real = making.make(replace(SMALL, homes="real", water=(WaterSite("W1", "Net1", 60, 3600, "kPa", 2, 9),),
                               power=(PowerSite("P1", 3, 30, 3600, 230.0, 9),)))  # fmt: skip
    back = [name for name, held in real.water.meters.items() if np.diff(by_time(held, "volume_l")[1]).min() < 0]
    exchanged = {h.meters[0] for kind in ("backflow", "meter_exchange") for h in of_kind(real, kind)}
    assert len(set(back) - exchanged) >= 3
    volts = np.concatenate([by_time(held, "v1")[1][: 3 * 24] for held in real.power.meters.values()])
    assert np.median(volts) > 237.0
    ahead = [name for name, held in real.water.meters.items() if (held.ts - held.received_at).max() > 1000]
    assert ahead


def test_options_that_make_no_set_are_refused() -> None:
    with pytest.raises(OptionsUnusable, match="interval"):
        replace(SMALL, water=(WaterSite("W1", "Net1", 12, 1000, "kPa", 2, 9),))
    with pytest.raises(OptionsUnusable, match="days"):
        replace(SMALL, days=9)
    with pytest.raises(OptionsUnusable, match="zones"):
        making.make(replace(SMALL, water=(WaterSite("W1", "Net1", 3, 3600, "kPa", 5, 9),)))
