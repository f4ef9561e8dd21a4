"""Each price model alone, on bills reckoned by hand."""

from datetime import date
from fractions import Fraction

import pytest

from rating_engine.domain.facts import FactMissing
from rating_engine.domain.parts import SizeNotPriced
from tests.unit.rating_engine.price_models import bill, document, printed, total

DAYS = "cycle: {months: 1}\n"


@pytest.mark.parametrize(
    ("fee", "given", "amount"),
    [
        ("price: 500", {"months": 2}, 1000),
        ("price: 500, per: bill", {"months": 2}, 500),
        ("price: 25, per: day", {"days": 31}, 775),
        ("price: 3650, per: year", {"days": 30}, 300),
        ("price: 300, times: kva", {"kva": 6}, 1800),
        ("price: 311, times: amperes, each: 10", {"amperes": "30A"}, 933),
        ("price: 500, zero_use: 0.5", {}, 250),
        ("price: {by: use, steps: [{upto: 200, price: 910}, {upto: 400, price: 1600}, {price: 7300}]}", {}, 910),
        ("price: {by: size, of: {'13, 20': 100, 3/4: 200}, otherwise: 900}", {"size": "20 mm"}, 100),
        ("price: {by: size, of: {'13, 20': 100, 3/4: 200}, otherwise: 900}", {"size": "0.75"}, 200),
        ("price: {by: size, of: {'13, 20': 100, 3/4: 200}, otherwise: 900}", {"size": "50"}, 900),
        ("price: {by: month, of: {2026-03: 1, 2026-04: 2, 2026-05: 3}}", {"month": "2026-04"}, 2),
        ("price: {by: month, of: {2026-03: 1, 2026-05: 3}}", {"month": "2026-09"}, 3),
        ("price: 100, factor: {by: class, of: {outside: 1.5}, otherwise: 1}", {"class": "outside"}, 150),
        ("price: 100, only: {facts: {debit: 'yes'}}", {"debit": "yes"}, 100),
        ("price: 100, only: {calendar_months: [6, 7]}", {"month": "2026-07"}, 100),
        ("price: 100, only: {calendar_months: [6, 7]}", {"month": "2026-08"}, 0),
        ("price: 100, only: {from_month: 2026-06, until_month: 2026-08}", {"month": "2026-08"}, 100),
        ("price: 100, only: {from_month: 2026-06, until_month: 2026-08}", {"month": "2026-09"}, 0),
        ("price: {by: days, steps: [{upto: 15, price: 50}, {price: 100}]}", {"days": 15}, 50),
    ],
)
def test_a_fee_is_for_time_pieces_or_facts(fee: str, given: dict[str, object], amount: int) -> None:
    assert total(document(f"- {{item: base, model: fee, {fee}}}"), "0", **given) == amount


def test_a_price_that_names_nothing_fitting_is_refused() -> None:
    by_size = document("- {item: base, model: fee, price: {by: size, of: {13: 1}}}")
    with pytest.raises(SizeNotPriced, match="size 20"):
        total(by_size, size=20)
    with pytest.raises(FactMissing, match="size"):
        total(by_size)


BLOCKS = """
- item: block
  model: blocks
  {more}
  blocks: [{{upto: 10, price: 5}}, {{upto: 20, price: 7}}, {{price: 9}}]
"""


@pytest.mark.parametrize(
    ("more", "use", "given", "amount"),
    [
        ("kind: graduated", "25", {}, 50 + 70 + 45),
        ("kind: graduated", "10", {}, 50),
        ("kind: graduated", "10.5", {}, 54),  # 50 + 3.5, half up
        ("kind: whole", "10", {}, 50),
        ("kind: whole", "11", {}, 77),
        ("kind: whole", "25", {}, 225),
        ("included: 5", "25", {}, 25 + 70 + 45),
        ("included: 15", "25", {}, 35 + 45),
        ("{included: 5, bounds_from: included}", "25", {}, 50 + 70),
        ("{included: 5, bounds_from: included}", "26", {}, 50 + 70 + 9),
        ("{included: {by: size, of: {13: 8, 20: 0}}}", "10", {"size": 13}, 10),
        ("bounds_times: households", "50", {"households": 2}, 100 + 140 + 90),
        ("{after: used_before, bounds: bill}", "10", {"used_before": 15}, 35 + 45),
        ("bounds: day", "400", {"days": 30}, 300 * 5 + 100 * 7),
        ("of: export", "3", {"export": 12}, 50 + 14),
    ],
)
def test_blocks_are_charged(more: str, use: str, given: dict[str, object], amount: int) -> None:
    more = "\n  ".join(part.strip() for part in _flat(more))
    assert total(document(BLOCKS.format(more=more)), use, **given) == amount


def _flat(more: str) -> list[str]:
    if not more.startswith("{"):
        return [more]
    inside = more[1:-1]
    if "{" in inside:
        return [inside]
    return inside.split(",")


def test_two_months_widen_the_table_and_a_share_splits_the_use() -> None:
    charges = BLOCKS.format(more="kind: graduated")
    widened = document(charges, top="cycle: {months: 2, split: widen_table}\n")
    shared = document(charges, top="cycle: {months: 2, split: share, odd_to: last}\n")
    assert total(widened, "41") == 100 + 140 + 9
    assert total(shared, "41") == 2 * (50 + 70) + 9
    assert total(widened, "21") == 100 + 7
    assert total(shared, "21") == 50 + 50 + 7


def test_a_block_may_have_a_flat_price_for_reaching_it() -> None:
    text = document(
        "- {item: block, model: blocks, blocks: [{upto: 15, fee: 522}, {upto: 20, price: 10}, {fee: 7, price: 1}]}"
    )
    assert [total(text, use) for use in ("0", "15", "18", "20", "22")] == [522, 522, 552, 572, 572 + 7 + 2]


def test_blocks_and_bounds_are_chosen_by_facts_and_seasons() -> None:
    text = document(
        """
- item: block
  model: blocks
  blocks:
    by: season
    of:
      summer: [{upto: {by: zone, of: {coast: 8, hill: 12}}, price: 2}, {price: 4}]
      other: [{price: 1}]
""",
        top="calendar: {seasons: {summer: {from_day: 06-01, until_day: 09-30}}}\n",
    )
    assert total(text, "10", month="2026-07", zone="coast") == 16 + 8
    assert total(text, "10", month="2026-07", zone="hill") == 20
    assert total(text, "10", month="2026-10", zone="hill") == 10


def test_a_season_that_changes_inside_the_bill_shares_it_by_days() -> None:
    top = """\
cycle: {months: 1, changes: day}
calendar: {seasons: {summer: {from_day: 06-01, until_day: 09-30}}}
"""
    text = document(
        "- {item: base, model: fee, price: 30}\n"
        "- {item: energy, model: unit_price, price: {by: season, of: {summer: 4, other: 2}}}",
        top=top,
    )
    rating = bill(text, "90", first=date(2026, 5, 12), end=date(2026, 6, 11))
    # 20 days of May and 10 of June: 60 units at 2, 30 at 4.
    assert printed(rating) == [("base", "1", 30), ("energy", "60", 120), ("energy", "30", 120)]


def test_a_dated_price_that_changes_inside_the_bill_shares_it_by_days() -> None:
    text = document(
        "- {item: energy, model: unit_price, price: {by: month, of: {2026-04-01: 10, 2026-04-16: 20}}}",
        top="cycle: {months: 1, changes: day}\n",
    )
    assert total(text, "30", first=date(2026, 4, 1), end=date(2026, 5, 1)) == 150 + 300


def test_fuel_and_levy_by_month_may_be_below_zero_and_are_rounded_alone() -> None:
    charges = """
- {item: fuel_adjustment, model: unit_price, price: {by: month, of: {2026-04: -7.55, 2026-05: 1.25}}}
- {item: levy, model: unit_price, price: 3.98, round: {unit: 1, mode: down}}
"""
    assert (
        printed(bill(document(charges), "101", month="2026-04"))
        == [
            ("fuel_adjustment|2026-04", "101", -763),
            ("levy", "101", 401),
            ("rounding", "", 1),  # −762.55 + 401 = −361.55, half up −362; printed −763 + 401 = −362
        ][:2]
    )


def test_export_is_credited_and_a_bill_may_be_kept_from_falling_below_nothing() -> None:
    charges = """
- {item: energy, model: unit_price, price: 30}
- {item: credit, model: unit_price, of: export, price: -8.5}
- {item: floor, model: minimum, amount: 0, per: bill}
"""
    assert total(document(charges), "10", export=20) == 300 - 170
    assert total(document(charges), "1", export=20) == 0


def test_minimum_and_maximum_look_at_the_items_they_name() -> None:
    charges = """
- {item: energy, model: unit_price, price: 10}
- {item: rider, model: fee, price: 7}
- {item: least, model: minimum, amount: 100, of: energy}
- {item: most, model: maximum, amount: 500, of: [energy, least]}
"""
    assert [total(document(charges), use) for use in ("3", "20", "90")] == [107, 207, 507]


def test_percentages_add_and_take_off_with_caps() -> None:
    charges = """
- {item: energy, model: unit_price, price: 10}
- {item: base, model: fee, price: 100}
- {item: waiver, model: percent, percent: -100, of: base, only: {from_month: 2026-06, until_month: 2026-07}}
- {item: all_electric, model: percent, percent: -5, of: energy, most: 20}
- {item: city_tax, model: percent, percent: 6}
"""
    assert total(document(charges), "10", month="2026-06") == round((100 - 5) * 1.06)
    assert total(document(charges), "10", month="2026-08") == round((200 - 5) * 1.06)
    assert total(document(charges), "90", month="2026-08") == round((1000 - 20) * 1.06)


def test_a_fixed_discount_takes_off_no_more_than_what_it_is_on() -> None:
    charges = """
- {item: energy, model: unit_price, price: 10}
- {item: debit_discount, model: fee, per: bill, price: -55, within: energy, only: {facts: {debit: "yes"}}}
"""
    assert [total(document(charges), use, debit="yes") for use in ("3", "9")] == [0, 35]
    assert total(document(charges), "9", debit="no") == 90


def test_demand_is_the_highest_with_a_ratchet_and_a_least() -> None:
    charges = """
- {item: demand, model: demand, price: 100, least: 5, ratchet: {percent: 80}, decimals: 0, mode: half_up}
"""
    text = document(charges)
    assert total(text, demand="12.4") == 1200
    assert total(text, demand="12.4", demand_before=40) == 3200
    assert total(text, demand="2") == 500
    blocks = document("- {item: demand, model: demand, blocks: [{upto: 10, price: 50}, {price: 100}]}")
    assert total(blocks, demand="12.5") == 500 + 250


def test_kilowatt_hours_for_each_kilowatt_are_blocks_as_wide_as_the_demand() -> None:
    text = document(
        "- {item: energy, model: blocks, bounds_times: demand, blocks: [{upto: 200, price: 3}, {price: 2}]}"
    )
    assert total(text, "5000", demand=20) == 4000 * 3 + 1000 * 2


TOU_TOP = "calendar: {periods: [{name: peak, days: weekday, hours: '08:00-20:00'}, {name: off}]}\n"


def test_time_of_use_prices_each_period() -> None:
    text = document("- {item: energy, model: time_of_use, prices: {peak: 40, off: 10}}", top=TOU_TOP)
    use = {"peak": Fraction("10.5"), "off": Fraction(20)}
    assert printed(bill(text, usage_by_period=use)) == [("energy|peak", "10.5", 420), ("energy|off", "20", 200)]
    with pytest.raises(FactMissing, match="period off"):
        total(text, usage_by_period={"peak": Fraction(3)})


def test_tiers_inside_time_of_use_count_the_period_or_the_total() -> None:
    charges = """
- item: energy
  model: time_of_use
  tiers: {tiers}
  blocks:
    peak: [{{upto: 100, price: 30}}, {{price: 50}}]
    off: [{{upto: 100, price: 10}}, {{price: 20}}]
"""
    use = {"peak": Fraction(120), "off": Fraction(80)}
    own = document(charges.format(tiers="period"), top=TOU_TOP)
    together = document(charges.format(tiers="total"), top=TOU_TOP)
    assert total(own, usage_by_period=use) == 100 * 30 + 20 * 50 + 80 * 10
    # 200 in all: half of each period's use lies in the first tier.
    assert total(together, usage_by_period=use) == 60 * 30 + 60 * 50 + 40 * 10 + 40 * 20


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, 40),
        ({"water": "well", "persons": 3}, 18),
        ({"water": "both", "persons": 3}, 40 + 9),
        ({"water": "greater", "persons": 10}, 60),
        ({"garden": 15}, 25),
        ({"winter": 22}, 22),
    ],
)
def test_sewerage_counts_measured_assumed_or_mixed_water(facts: dict[str, object], expected: int) -> None:
    money = """\
    use:
      - only: {facts: {water: well}}
        take: assumed
        assumed: {by: persons, steps: [{upto: 3, price: 18}, {price: 60}]}
      - {only: {facts: {water: both}}, take: sum, assumed: 9}
      - {only: {facts: {water: greater}}, take: larger, assumed: 60}
      - {less: garden, not_above: winter}
    tax: {percent: 0, prices: tax_excluded}
    rounding: {unit: 1, mode: down, scope: service, when: before_tax}
"""
    assert total(document("- {item: use, model: unit_price, price: 1}", money=money), "40", **facts) == expected


def test_sewerage_may_be_a_share_of_the_water() -> None:
    money = """\
    use: [{factor: 0.925, decimals: 0, mode: down}]
    tax: {percent: 0, prices: tax_excluded}
    rounding: {unit: 1, mode: down, scope: service, when: before_tax}
"""
    assert total(document("- {item: use, model: unit_price, price: 1}", money=money), "41") == 37


def test_households_on_one_meter_are_priced_one_by_one() -> None:
    money = """\
    shared: {by: households, size: 13}
    tax: {percent: 0, prices: tax_excluded}
    rounding: {unit: 1, mode: down, scope: service, when: before_tax}
"""
    charges = "- {item: base, model: fee, price: {by: size, of: {13: 100, 50: 9000}}}\n" + BLOCKS.format(
        more="kind: graduated"
    )
    text = document(charges, money=money)
    # 3 households, 31 m³: 11, 10, 10.
    assert total(text, "31", households=3, size=50) == 300 + 57 + 50 + 50
    assert total(text, "31", size=13) == 100 + 50 + 70 + 99
