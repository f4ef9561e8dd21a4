"""Rounding, tax, proration, discounts after tax and late fees, on bills reckoned by hand."""

from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from rating_engine.domain.document import parse
from rating_engine.domain.late_fee import charge as late_fee
from tests.unit.rating_engine.price_models import HEAD, bill, document, printed, total

TWO_ITEMS = """
- {item: base, model: fee, price: 100.6}
- {item: use, model: unit_price, price: 10.3}
"""


def money(rounding: str, *, tax: str = "percent: 10, prices: tax_excluded", more: str = "") -> str:
    return f"    tax: {{{tax}}}\n    rounding: {{{rounding}}}\n{more}"


@pytest.mark.parametrize(
    ("rounding", "tax", "amount"),
    [
        # One month: base 100.6, use 7 × 10.3 = 72.1; two months double both.
        ("unit: 1, mode: down, scope: service, when: after_tax", "percent: 10, prices: tax_excluded", 379),  # 379.94
        ("unit: 1, mode: half_up, scope: service, when: after_tax", "percent: 10, prices: tax_excluded", 380),
        ("unit: 1, mode: down, scope: item, when: after_tax", "percent: 10, prices: tax_excluded", 221 + 158),
        ("unit: 1, mode: down, scope: month, when: after_tax", "percent: 10, prices: tax_excluded", 189 * 2),
        ("unit: 1, mode: down, scope: service, when: before_tax", "percent: 10, prices: tax_excluded", 345 + 34),
        ("unit: 1, mode: down, scope: month, when: before_tax", "percent: 10, prices: tax_excluded", 2 * (172 + 17)),
        (
            "unit: 1, mode: down, scope: month, when: before_tax",
            "percent: 10, prices: tax_excluded, scope: service",
            378,
        ),
        ("unit: 1, mode: half_up, scope: item, when: before_tax", "percent: 10, prices: tax_excluded", 345 + 35),
        ("unit: 1, mode: half_up, scope: item, when: before_tax", "percent: 10, prices: tax_excluded, mode: down", 379),
        ("unit: 10, mode: down, scope: service, when: after_tax", "percent: 10, prices: tax_excluded", 370),
        ("unit: 10, mode: up, scope: service, when: before_tax", "percent: 10, prices: tax_excluded", 350 + 35),
        ("unit: 1, mode: down, scope: service, when: after_tax", "percent: 10, prices: tax_included", 345),
        ("unit: 1, mode: down, scope: month, when: after_tax", "percent: 10, prices: tax_included", 344),
        ("unit: 1, mode: down, scope: line, when: after_tax", "percent: 10, prices: tax_included", 201 + 144),
        ("unit: 1, mode: ceiling, scope: line, when: before_tax", "percent: 0, prices: tax_included", 202 + 145),
    ],
)
def test_amounts_become_money_where_the_document_says(rounding: str, tax: str, amount: int) -> None:
    text = document(TWO_ITEMS, money=money(rounding, tax=tax), top="cycle: {months: 2}\n")
    rating = bill(text, "14")
    assert rating.total_minor == amount
    assert sum(line.amount_minor for line in rating.lines) == amount


def test_a_charge_may_have_a_tax_of_its_own_and_each_rate_prints_its_line() -> None:
    charges = """
- {item: use, model: unit_price, price: 100}
- {item: levy, model: fee, price: 55, tax_percent: 0}
- {item: paper, model: fee, price: 105, tax_percent: 8}
"""
    rating = bill(document(charges, money=money("unit: 1, mode: down, scope: service, when: before_tax")), "3")
    assert [line for line in printed(rating) if line[0].startswith("tax")] == [("tax|10", "", 30), ("tax|8", "", 8)]
    assert (rating.total_minor, rating.tax_minor) == (300 + 55 + 105 + 38, 38)


def test_a_rate_of_tax_may_change_by_month() -> None:
    tax = "percent: {by: month, of: {2014-04: 8, 2019-10: 10}}, prices: tax_excluded"
    text = document(
        "- {item: base, model: fee, price: 100}",
        money=money("unit: 1, mode: down, scope: service, when: after_tax", tax=tax),
    )
    assert [total(text, month=month) for month in ("2019-09", "2019-10")] == [108, 110]


TWO_SERVICES = """\
services:
  - service: water
    tax: {{percent: 10, prices: tax_excluded{tax}}}
    rounding: {{unit: 1, mode: down, scope: {scope}, when: {when}}}
    charges: [{{item: base, model: fee, price: 15}}]
  - service: sewerage
    tax: {{percent: 10, prices: tax_excluded{tax}}}
    rounding: {{unit: 1, mode: down, scope: {scope}, when: {when}}}
    charges: [{{item: base, model: fee, price: 15}}]
"""


@pytest.mark.parametrize(
    ("scope", "when", "tax", "amount"),
    [
        ("service", "after_tax", "", 32),
        ("bill", "after_tax", "", 33),
        ("service", "before_tax", "", 32),
        ("service", "before_tax", ", scope: bill", 33),
        ("bill", "before_tax", "", 33),
    ],
)
def test_services_are_rounded_apart_or_together(scope: str, when: str, tax: str, amount: int) -> None:
    head = f"{HEAD}currency: JPY\nquantity: {{unit: m3, decimals: 0}}\n"
    rating = bill(head + TWO_SERVICES.format(scope=scope, when=when, tax=tax))
    assert rating.total_minor == amount
    assert sum(one.total_minor for one in rating.services) == amount
    assert sum(one.tax_minor for one in rating.services) == rating.tax_minor


def test_a_discount_after_tax_and_a_last_rounding_of_the_whole_bill() -> None:
    rules = """\
    after_tax:
      - {item: debit_discount, model: fee, per: bill, price: -50, only: {facts: {debit: "yes"}}}
"""
    text = document(
        "- {item: base, model: fee, price: 1005}",
        money=money("unit: 1, mode: down, scope: service, when: after_tax") + rules,
        top="bill: {unit: 10, mode: down, charges: [{item: fund, model: percent, percent: 1}]}\n",
    )
    # 1,105 − 50 = 1,055; 1 % of it is 10 (10.55 cut); 1,065 becomes 1,060.
    rating = bill(text, debit="yes", months=1)
    assert rating.total_minor == 1060
    assert [line.amount_minor for line in rating.lines if line.item == "debit_discount"] == [-50]
    assert total(text, debit="no", months=1) == 1110


PARTS = (
    "- {item: base, model: fee, price: 600}\n- {item: use, model: blocks, blocks: [{upto: 8, price: 0}, {price: 10}]}"
)


@pytest.mark.parametrize(
    ("proration", "days", "amount"),
    [
        ("{basis: none}", 10, 1200 + 40),  # 20 m³ of two months: 10 and 10, each 2 above 8
        ("{basis: day}", 30, 600 + 120),  # half a cycle of 60 days: one month with all the use
        ("{basis: day, table: scaled}", 15, 300 + 160),  # half a month: 300, bound at 4
        ("{basis: day, days_in_month: 30}", 24, 480 + 120),
        ("{basis: half_month}", 15, 300 + 120),
        ("{basis: half_month}", 16, 600 + 120),
        ("{basis: half_month}", 31, 900 + 40),
        ("{basis: steps, steps: [{upto_days: 15, months: 0.5}, {upto_days: 40, months: 1}]}", 40, 720),
        ("{basis: steps, steps: [{upto_days: 15, months: 0.5}, {upto_days: 40, months: 1}]}", 41, 1240),
        ("{start: {basis: none}, end: {basis: half_month}}", 15, 1240),
    ],
)
def test_a_part_of_a_cycle_counts_by_its_rule(proration: str, days: int, amount: int) -> None:
    rules = money("unit: 1, mode: down, scope: service, when: before_tax", tax="percent: 0, prices: tax_excluded")
    rules += f"    proration: {proration}\n"
    text = document(PARTS, money=rules, top="cycle: {months: 2}\n")
    assert total(text, "20", first=date(2024, 2, 1), days=days, is_partial=True) == amount


def test_the_end_of_supply_may_have_a_rule_of_its_own() -> None:
    rules = money("unit: 1, mode: down, scope: service, when: before_tax", tax="percent: 0, prices: tax_excluded")
    rules += "    proration: {start: {basis: none}, end: {basis: half_month}}\n"
    text = document(PARTS, money=rules, top="cycle: {months: 2}\n")
    assert total(text, "8", days=15, is_partial=True, is_end=True) == 300
    assert total(text, "8", days=15, is_partial=True) == 1200


@pytest.mark.parametrize(
    ("rule", "amount"),
    [
        ("before", 1000),
        ("after", 3000),
        ("larger", 3000),
        ("smaller", 1000),
        ("day", 1000 * 10 // 30 + 3000 * 20 // 30),
    ],
)
def test_a_size_that_changed_in_the_cycle_is_charged_by_the_rule(rule: str, amount: int) -> None:
    rules = money("unit: 1, mode: down, scope: service, when: before_tax", tax="percent: 0, prices: tax_excluded")
    rules += f"    proration: {{size_change: {rule}}}\n"
    text = document("- {item: base, model: fee, price: {by: size, of: {13: 1000, 25: 3000}}}", money=rules)
    found = total(
        text,
        size=25,
        size_before=13,
        first=date(2026, 4, 1),
        end=date(2026, 5, 1),
        size_changed_on=date(2026, 4, 11),
    )
    assert found == amount


def test_a_bill_read_some_days_early_is_a_whole_one() -> None:
    rules = money("unit: 1, mode: down, scope: service, when: before_tax", tax="percent: 0, prices: tax_excluded")
    text = document(PARTS, money=rules + "    proration: {basis: day}\n", top="cycle: {months: 2}\n")
    assert total(text, "0", first=date(2026, 4, 1), end=date(2026, 5, 29)) == 1200
    assert total(text, "0", first=date(2026, 4, 1), end=date(2026, 5, 1)) < 700


@pytest.mark.parametrize(
    ("rule", "overdue", "days", "fee"),
    [
        ("{percent_once: 5, unit: 1, grace_days: 15}", 1_000, 15, 0),
        ("{percent_once: 5, unit: 1, grace_days: 15}", 1_000, 16, 50),
        ("{stages: [{percent_per_year: 14.6}], unit: 100, principal_unit: 1000, least: 1000}", 99_900, 300, 11_800),
        ("{stages: [{percent_per_year: 14.6}], unit: 100, principal_unit: 1000, least: 1000}", 9_900, 30, 0),
        ("{stages: [{days: 30, percent_per_year: 7.3}, {percent_per_year: 14.6}], unit: 1}", 100_000, 60, 600 + 1200),
        ("{percent_per_month: 1.5, unit: 1}", 10_000, 31, 300),
        ("{fixed: 300, unit: 1, at_most: 200}", 10_000, 3, 200),
        ("{percent_once: 1, unit: 1, at_least: 500}", 10_000, 3, 500),
        ("{percent_once: 1, unit: 1, least_principal: 2000}", 1_999, 3, 0),
    ],
)
def test_a_late_fee_is_reckoned(rule: str, overdue: int, days: int, fee: int) -> None:
    tariff = parse(document("- {item: base, model: fee, price: 1}", top=f"late_fee: {rule}\n"))
    assert tariff.late_fee is not None
    assert late_fee(tariff.late_fee, overdue_minor=overdue, days_late=days, minor=1) == fee


CURVED = "- {item: use, model: blocks, blocks: [{upto: 10, price: 10}, {price: 100}]}"


@pytest.mark.parametrize(
    ("rule", "given", "amount"),
    [
        ("{method: mean, bills: 3}", {"before": (10, 8, 7)}, 80),  # 8.33, cut to 8
        ("{method: mean, bills: 2, mode: up}", {"before": (8, 7, 90)}, 80),
        ("{method: last_year}", {"before": (1,) * 11 + (9,)}, 90),
        # 36 in three periods, of which two were billed on 10: 16 are left; or 12 in each, less 2 × 100.
        ("{settle: next_bill}", {"usage": 36, "estimated": (10, 10)}, 100 + 600),
        ("{settle: rebill}", {"usage": 36, "estimated": (10, 10)}, 3 * 300 - 2 * 100),
        ("{settle: next_bill}", {"usage": 15, "estimated": (10, 10)}, 0),
        ("{settle: rebill}", {"usage": 15, "estimated": (10, 10)}, 3 * 50 - 2 * 100),
    ],
)
def test_estimates_are_reckoned_and_settled(rule: str, given: dict[str, Any], amount: int) -> None:
    text = document(
        CURVED,
        top=f"estimation: {rule}\n",
        money=money("unit: 1, mode: down, scope: service, when: before_tax", tax="percent: 0, prices: tax_excluded"),
    )
    uses = {name: tuple(Fraction(use) for use in given.get(name, ())) for name in ("before", "estimated")}
    rating = bill(text, str(given.get("usage", 0)), **uses)
    assert rating.total_minor == amount == sum(line.amount_minor for line in rating.lines)
