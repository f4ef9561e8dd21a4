"""What the checker's rules promise, without a database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_gateway.domain.checker import Checker, Readings
from ingest_gateway.domain.detectors import ParameterUnknown, detectors
from ingest_gateway.domain.detectors.base import HOUR_US, Finding, Fleet, instant

QUARTER_US = HOUR_US // 4
WATER, POWER, POWER_200 = 10, 200, 201  # the last two are saved in another block than the first


@dataclass(frozen=True)
class Sent:
    """One reading; None is a measure that was not sent."""

    meter: int = WATER
    quarter: int = 1
    register: int | None = None
    flow: float | None = None
    kpa: float | None = None
    low_v: float | None = None
    high_v: float | None = None
    fresh: bool = True


def checker(parameters: Mapping[str, Any] = {}, *, watched: Sequence[bool] = (True, True, True)) -> Checker:
    fleet = Fleet(
        meter_id=np.array([WATER, POWER, POWER_200]),
        water=np.array([True, False, False]),
        ring=np.array([10**9, 10**10, 10**10]),
        base_per_unit=np.array([1.0, 1.0, 1.0]),
        interval_us=np.full(3, QUARTER_US),
        nominal_v=np.array([np.nan, 100.0, 202.0]),
    )
    return Checker(detectors=detectors(parameters), fleet=fleet, watched=np.array(watched))


def batch(sent: Sequence[Sent]) -> Readings:
    def measure(name: str) -> Any:
        return np.array([np.nan if getattr(s, name) is None else getattr(s, name) for s in sent], dtype=np.float64)

    return Readings(
        meter_id=np.array([s.meter for s in sent], dtype=np.int64),
        at_us=np.array([s.quarter * QUARTER_US for s in sent], dtype=np.int64),
        register=np.array([s.register or 0 for s in sent], dtype=np.int64),
        has_register=np.array([s.register is not None for s in sent], dtype=np.bool_),
        flow=measure("flow"),
        pressure_kpa=measure("kpa"),
        low_v=measure("low_v"),
        high_v=measure("high_v"),
        fresh=np.array([s.fresh for s in sent], dtype=np.bool_),
    )


def told(findings: Sequence[Finding]) -> list[tuple[Any, ...]]:
    return sorted((f.row, f.at, f.kind, f.opened, repr(f.evidence)) for f in findings)


def begun(findings: Sequence[Finding]) -> list[tuple[str, bool]]:
    return [(f.kind, f.opened) for f in findings]


def pressures(*values: float | None) -> list[Sent]:
    return [Sent(quarter=n + 1, kpa=value) for n, value in enumerate(values)]


def at(quarter: int) -> Any:
    return instant(quarter * QUARTER_US)


def test_two_low_pressures_in_a_row_open_and_two_well_inside_end():
    findings = checker().feed(batch(pressures(300, 149, 120, 160, 180, 160, 175, 171)))
    assert [(f.kind, f.opened, f.at) for f in findings] == [
        ("pressure_low", True, at(2)),
        ("pressure_low", False, at(7)),
    ]
    assert findings[0].evidence["limit"] == 150.0
    assert [r["value"] for r in findings[0].evidence["readings"]] == [149.0, 120.0]
    assert findings[1].evidence["worst"] == 120.0


def test_one_low_pressure_raises_nothing():
    assert checker().feed(batch(pressures(300, 100, 300, 100, 300))) == []


def test_glitches_of_the_pressure_sensor_count_as_not_sent():
    assert checker().feed(batch(pressures(0, 0, 6553.5, 6553.5, 0, 0))) == []
    # A glitch between two low samples does not part them.
    assert begun(checker().feed(batch(pressures(100, 0, 6553.5, 100)))) == [("pressure_low", True)]


def test_high_pressure_opens_above_its_limit():
    assert begun(checker().feed(batch(pressures(741, 745)))) == [("pressure_high", True)]
    assert begun(checker({"pressure_high": {"limit_kpa": 750.0}}).feed(batch(pressures(741, 745)))) == []


@pytest.mark.parametrize(
    ("meter", "low_v", "high_v", "expected"),
    [
        (POWER, 95.0, 107.0, []),
        (POWER, 94.9, 101.0, ["voltage_low"]),
        (POWER, 101.0, 107.1, ["voltage_high"]),
        (POWER_200, 182.0, 222.0, []),
        (POWER_200, 181.9, 222.1, ["voltage_low", "voltage_high"]),
        (WATER, 10.0, 500.0, []),
    ],
)
def test_voltage_limits_follow_the_nominal_voltage(meter, low_v, high_v, expected):
    sent = [Sent(meter=meter, quarter=n, low_v=low_v, high_v=high_v) for n in (1, 2)]
    assert [f.kind for f in checker().feed(batch(sent))] == expected


def leak(quarters: int, *, flow: float = 6.0, first: int = 1, register: int = 0) -> list[Sent]:
    return [
        Sent(quarter=first + n, register=register + int(flow * n / 4), flow=flow + (30 if n % 8 == 0 else 0))
        for n in range(quarters)
    ]


def test_flow_that_never_stops_for_a_day_is_a_leak_with_its_rate_and_litres():
    findings = checker().feed(batch(leak(98)))
    assert [(f.kind, f.opened, f.at) for f in findings] == [("continuous_flow", True, at(1))]
    assert findings[0].evidence["litres_per_hour"] == 6.0
    assert findings[0].evidence["litres_so_far"] == 144.0


def test_one_dry_sample_in_a_day_is_no_leak():
    sent = leak(200)
    for n in (90, 180):
        sent[n] = replace(sent[n], flow=0.0)
    assert checker().feed(batch(sent)) == []


def test_a_leak_ends_at_the_first_dry_sample():
    findings = checker().feed(batch([*leak(120), Sent(quarter=121, register=178, flow=0.0)]))
    assert [(f.opened, f.at) for f in findings] == [(True, at(1)), (False, at(121))]
    assert findings[1].evidence["litres_so_far"] == pytest.approx(6.0 * 30, abs=0.5)


def test_hourly_registers_without_flow_show_a_leak_too():
    sent = [Sent(quarter=4 * n, register=5 * n) for n in range(1, 27)]
    [finding] = checker().feed(batch(sent))
    assert (finding.kind, finding.evidence["litres_per_hour"]) == ("continuous_flow", 5.0)


def test_a_gap_begins_the_day_of_a_leak_anew():
    sent = [*leak(60), *leak(90, first=100, register=500)]
    assert checker().feed(batch(sent)) == []
    assert begun(checker().feed(batch([*sent, *leak(20, first=190, register=700)]))) == [("continuous_flow", True)]


def test_a_register_that_stands_still_while_flow_is_reported_is_stuck_until_it_moves():
    sent = [Sent(quarter=n, register=500, flow=40.0 if n % 3 else 0.0) for n in range(1, 100)]
    findings = checker().feed(batch([*sent, Sent(quarter=100, register=501, flow=40.0)]))
    assert [(f.kind, f.opened, f.at) for f in findings] == [
        ("stuck_meter", True, at(1)),
        ("stuck_meter", False, at(100)),
    ]
    assert findings[0].evidence["rule"] == "frozen"


def test_an_empty_house_is_not_stuck():
    assert checker().feed(batch([Sent(quarter=n, register=500, flow=0.0) for n in range(1, 3000)])) == []


def test_no_use_where_use_was_regular_is_stuck():
    def daily(day: int, register: int) -> Sent:
        return Sent(meter=POWER, quarter=96 * day, register=register)

    used = [daily(day, 1000 * day) for day in range(1, 21)]
    still = [daily(day, 20_000) for day in range(21, 40)]
    [finding] = checker().feed(batch([*used, *still]))
    assert (finding.kind, finding.evidence["rule"], finding.at) == ("stuck_meter", "idle", at(96 * 20))
    seldom = [daily(day, 1000 * (day // 5)) for day in range(1, 21)]
    assert checker().feed(batch([*seldom, *still])) == []


def test_late_readings_raise_nothing():
    watch = checker()
    assert watch.feed(batch([Sent(quarter=50, kpa=300)])) == []
    assert watch.feed(batch(pressures(*[100] * 49))) == []


def test_readings_too_old_when_they_came_raise_nothing_until_a_fresh_one_confirms():
    watch = checker()
    assert watch.feed(batch([replace(s, fresh=False) for s in pressures(100, 100, 100)])) == []
    [finding] = watch.feed(batch([Sent(quarter=4, kpa=100)]))
    assert (finding.kind, finding.at) == ("pressure_low", at(1))


def test_a_point_that_is_off_raises_nothing_but_what_is_open_may_end():
    assert checker(watched=(False, True, True)).feed(batch(pressures(100, 100, 100))) == []
    watch = checker()
    assert begun(watch.feed(batch(pressures(100, 100)))) == [("pressure_low", True)]
    watch.refleet(watch.fleet, watched=np.array([False, True, True]))
    assert begun(watch.feed(batch([Sent(quarter=3, kpa=300), Sent(quarter=4, kpa=300)]))) == [("pressure_low", False)]


def test_a_refused_opening_starts_the_rule_anew():
    watch = checker()
    [finding] = watch.feed(batch(pressures(100, 100)))
    watch.forget(finding)
    assert watch.feed(batch([Sent(quarter=3, kpa=100)])) == []
    assert begun(watch.feed(batch([Sent(quarter=4, kpa=100)]))) == [("pressure_low", True)]


def test_a_parameter_that_does_not_exist_is_refused():
    with pytest.raises(ParameterUnknown, match="pressure_low"):
        detectors({"pressure_low": {"limit": 3}})


measure = st.sampled_from([None, 0.0, 100.0, 140.0, 165.0, 300.0, 800.0])
volts = st.sampled_from([None, 90.0, 95.5, 101.0, 110.0])
one_reading = st.tuples(
    st.sampled_from([WATER, POWER, POWER_200]),
    st.sampled_from([1, 1, 1, 2, 30]),  # quarters since this meter's last
    st.sampled_from([None, 0, 0, 1, 50]),  # rise of the register
    st.sampled_from([None, 0.0, 1.0, 40.0, 900.0]),
    measure,
    volts,
)
QUICK = {
    "continuous_flow": {"hours": 1.0},
    "stuck_meter": {"frozen_hours": 1.0, "idle_days": 0.1, "regular_days": 0.1, "regular_pause_days": 0.05},
}


def in_order(drawn: Sequence[tuple[Any, ...]]) -> list[Sent]:
    quarter, register = (
        dict.fromkeys((WATER, POWER, POWER_200), 1),
        dict.fromkeys((WATER, POWER, POWER_200), 10**9 - 20),
    )
    sent: list[Sent] = []
    for meter, wait, rise, flow, kpa, v in drawn:
        quarter[meter] += wait
        register[meter] = (register[meter] + (rise or 0)) % 10**9
        sent.append(Sent(meter, quarter[meter], None if rise is None else register[meter], flow, kpa, v, v and v + 3))
    return sent


@settings(max_examples=60, deadline=None)
@given(
    drawn=st.lists(one_reading, min_size=20, max_size=100),
    size=st.integers(1, 9),
    restart_every=st.integers(1, 4),
    again=st.booleans(),
)
def test_batch_sizes_restarts_and_duplicates_change_nothing(drawn, size, restart_every, again):
    sent = in_order(drawn)
    whole = checker(QUICK).feed(batch(sent))

    watch = checker(QUICK)
    findings: list[Finding] = []
    for number, start in enumerate(range(0, len(sent), size)):
        findings += watch.feed(batch(sent[start : start + size]))
        if again:
            assert watch.feed(batch([*sent[max(0, start - 20) : start + size], *sent[start : start + size]])) == []
        if number % restart_every == 0:
            saved = watch.dump(meter_ids=[WATER, POWER, POWER_200])
            watch = checker(QUICK)
            for block in saved.values():
                watch.load(block)
    assert told(findings) == told(whole)


@settings(max_examples=40, deadline=None)
@given(drawn=st.lists(one_reading, max_size=120))
def test_openings_and_endings_of_a_kind_alternate(drawn):
    state: dict[tuple[int, str], bool] = {}
    for finding in checker(QUICK).feed(batch(in_order(drawn))):
        assert state.get((finding.row, finding.kind), False) is not finding.opened
        state[finding.row, finding.kind] = finding.opened
