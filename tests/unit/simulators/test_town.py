"""The town is one town: the same from the same seed, whole, and without a gap between memory and life."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators import measures, town
from simulators.history import History
from simulators.town import Town


@pytest.fixture(scope="module")
def small() -> Town:
    return town.build(seed=7, points_per_service=300)


@pytest.fixture(scope="module")
def month(small: Town) -> History:
    return small.history(small.starts_at - timedelta(days=70), small.starts_at)


def test_the_same_seed_gives_the_same_town(small: Town) -> None:
    again = town.build(seed=7, points_per_service=300)
    assert again == small
    assert town.build(seed=8).parties != small.parties


def test_there_are_at_least_300_points_of_each_service_and_most_homes_have_both(small: Town) -> None:
    assert Counter(p.service for p in small.points) == {"water": 300, "electricity": 300}
    both = sum(p.water_point is not None and p.electricity_point is not None for p in small.premises)
    assert both > 0.9 * len(small.premises)


def test_everything_that_is_named_exists(small: Town) -> None:
    points = {p.point_number for p in small.points}
    parties = {p.party_number for p in small.parties}
    accounts = {a.account_number for a in small.accounts}
    serials = {m.serial for m in small.meters}
    zones = {z.code for z in small.zones}
    assert {a.point_number for a in small.agreements} == points
    assert {a.account_number for a in small.agreements} <= accounts
    assert {i.serial for i in small.installations} == serials
    assert {p.party_number for p in small.point_parties} | {a.party_number for a in small.accounts} <= parties
    assert {p.zone for p in small.points} | {p.district for p in small.points} == zones
    assert len(points) == len(small.points)
    assert len(parties) == len(small.parties)
    assert len(serials) == len(small.meters)


def test_agreements_and_installations_of_one_point_never_overlap(small: Town) -> None:
    spans: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for kind, rows in (("agreement", small.agreements), ("installation", small.installations)):
        for row in rows:
            end = row.valid_to.timestamp() if row.valid_to else float("inf")
            spans.setdefault((kind, row.point_number), []).append((row.valid_from.timestamp(), end))
    for ordered in map(sorted, spans.values()):
        assert all(earlier[1] <= later[0] for earlier, later in pairwise(ordered))


def test_every_meter_in_use_speaks_through_exactly_one_sender(small: Town) -> None:
    heard = [serial for sender in small.senders for serial in sender.serials]
    assert sorted(heard) == sorted(i.serial for i in small.installations if i.valid_to is None)
    assert 50 <= sum(sender.kind == "meter" for sender in small.senders) <= 70


def test_some_points_have_an_owner_a_user_and_a_payer_who_differ(small: Town) -> None:
    roles: dict[str, dict[str, str]] = {}
    for row in small.point_parties:
        if row.valid_to is None:
            roles.setdefault(row.point_number, {})[row.role] = row.party_number
    assert any(len({r["user"], r["owner"], r["payer"]}) == 3 for r in roles.values())


def test_every_way_of_paying_exists(small: Town) -> None:
    assert set(Counter(small.pay_habit(a.account_number) for a in small.accounts)) == {
        "prompt", "late", "forgetful", "until_suspended",
    }  # fmt: skip
    late = small.arrears_accounts()[0]
    assert small.days_until_payment(late, issued_on=small.starts_on) is None


def test_registers_never_run_backwards_but_where_they_pass_their_end(small: Town, month: History) -> None:
    digits = {m.serial: m.digits for m in small.meters}
    passed = 0
    for index, serial in enumerate(month.serials):
        register = month.register[month.meter == index]
        steps = np.diff(register)
        wraps = steps < 0
        assert np.all(steps[wraps] < -0.9 * 10 ** digits[serial])
        passed += int(wraps.sum())
    assert passed == 2  # one water and one power meter, two months before the start


def test_hours_add_up_to_days(month: History) -> None:
    index = month.serials.index("W-0001")
    mine = month.meter == index
    hourly = mine & ~np.isnan(month.flow)
    register, flow = month.register[hourly], month.flow[hourly]
    assert register[-1] - register[0] == int(flow[1:].sum())


def test_the_register_at_an_exchange_is_the_closing_one(small: Town) -> None:
    exchanged = [i for i in small.installations if i.closing_register is not None]
    assert len(exchanged) == 8
    laid = measures.grid(small)
    for installation in exchanged:
        assert installation.valid_to is not None
        used = laid.model.total(installation.point_number, at=installation.valid_to)
        assert installation.closing_register == small.register_base[installation.serial] + used
        after = next(i for i in small.installations if i.valid_from == installation.valid_to
                     and i.point_number == installation.point_number)  # fmt: skip
        assert small.register_base[after.serial] + used == after.opening_register == 0


@settings(max_examples=20, deadline=None)
@given(first=st.integers(0, 10_000), length=st.integers(1, 60), cut=st.integers(0, 60))
def test_use_does_not_depend_on_how_it_is_asked_for(first: int, length: int, cut: int) -> None:
    described = town.build(seed=3, points_per_service=40)
    model, again = measures.grid(described).model, measures.grid(described).model
    hours = np.arange(length) + model.known_day * 24 + first
    cut = min(cut, length)
    whole = model.at_hours(hours)
    parts = [again.at_hours(part) for part in (hours[cut:], hours[:cut]) if len(part)]
    assert np.array_equal(whole, np.concatenate(parts[::-1]))
    assert np.all(np.diff(whole, axis=0) >= 0)


def test_a_home_draws_no_water_at_some_hour_of_every_day(small: Town, month: History) -> None:
    longest = 0
    for index, serial in enumerate(month.serials):
        if serial.startswith("W"):
            run = 0
            for flow in month.flow[(month.meter == index) & ~np.isnan(month.flow)]:
                run = run + 1 if flow > 0 else 0
                longest = max(longest, run)
    assert longest < 24


def test_pressure_and_voltage_are_normal_without_faults(month: History) -> None:
    pressure = month.pressure_kpa[~np.isnan(month.pressure_kpa)]
    assert 150 < pressure.min() < pressure.max() < 740
    volts = month.voltage_1_v[~np.isnan(month.voltage_1_v)]
    single, three = volts[volts < 150], volts[volts > 150]
    assert 95 < single.min() < single.max() < 107
    assert 182 < three.min() < three.max() < 222
