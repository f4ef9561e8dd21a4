"""Looking totals up is rating them, for every use of every tariff that comes along."""

from datetime import datetime
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rating_engine import tariffs
from rating_engine.domain.document import parse
from rating_engine.domain.kernel import Rated, UseOffTable, energy_amounts, hourly_prices, table_of
from rating_engine.domain.rate import Use, rate
from tests.unit.rating_engine.price_models import document
from tests.unit.rating_engine.reference import RandomTariff, random_tariffs

MONTHS = ("2026-02", "2026-03")
TOKYO = parse(tariffs.document("jp-tokyo"))
TEPCO = parse(tariffs.document("jp-tepco-b"))


def total(one: Rated, quantity: int) -> int:
    days = 30 * len(one.months)
    use = Use(quantity, one.size_mm, one.capacity_a, one.customer_class, days, days, one.months)
    return rate(one.tariff, use=use).total_minor


@pytest.mark.parametrize(
    "one",
    [
        Rated(TOKYO, "general", 13, None, MONTHS),
        Rated(TOKYO, "general", 100, None, MONTHS),
        Rated(TEPCO, "general", None, 40, MONTHS[1:]),
        Rated(parse(tariffs.document("jp-iiyama")), "general", 20, None, MONTHS),
        Rated(parse(tariffs.document("jp-sapporo-sewerage")), "general", None, None, MONTHS),
    ],
    ids=lambda one: f"{one.tariff.code}-{one.size_mm or one.capacity_a}",
)
def test_each_use_is_looked_up_as_it_is_rated(one: Rated) -> None:
    table = table_of([one], most=160)
    uses = np.arange(0, 161, 3)
    assert table.totals(uses).tolist() == [total(one, int(use)) for use in uses]


@settings(max_examples=30, deadline=None)
@given(random_tariffs(), st.lists(st.integers(0, 400), min_size=1, max_size=8))
def test_random_tariffs_are_looked_up_as_they_are_rated(random: RandomTariff, uses: list[int]) -> None:
    one = Rated(parse(random.document), "general", None, None, ("2020-01", "2020-02", "2020-03")[: random.months])
    found = table_of([one], most=400).totals(np.array(uses))
    assert found.tolist() == [total(one, use) for use in uses]


def test_rules_that_arrays_do_not_know_are_looked_up_too() -> None:
    charges = """
- {item: base, model: fee, price: 300}
- {item: use, model: unit_price, price: 7.3}
- {item: tax_of_city, model: percent, percent: 3}
"""
    one = Rated(parse(document(charges, decimals=0)), "general", None, None, MONTHS[:1])
    assert table_of([one], most=50).totals(np.arange(51)).tolist() == [total(one, use) for use in range(51)]


def test_mixed_sizes_and_tariffs_are_looked_up_in_their_rows() -> None:
    rated = [Rated(TOKYO, "general", size, None, MONTHS) for size in (13, 20, 25)]
    table = table_of(rated, most=80)
    rows, uses = np.array([0, 1, 2, 1, 0]), np.array([59, 59, 30, 0, 80])
    expected = [total(rated[row], use) for row, use in zip(rows.tolist(), uses.tolist(), strict=True)]
    assert table.totals_of(rows, uses).tolist() == expected


def test_what_is_off_the_table_is_refused() -> None:
    table = table_of([Rated(TOKYO, "general", 13, None, MONTHS)], most=10)
    for uses in ([11], [-1]):
        with pytest.raises(UseOffTable, match="0 to 10"):
            table.totals(np.array(uses))
    with pytest.raises(UseOffTable, match="1 rows"):
        table.totals_of(np.array([1]), np.array([3]))


def test_hours_of_a_year_are_charged_to_the_last_digit() -> None:
    tariff = parse(tariffs.document("us-river-falls-tod"))
    prices = {"on_peak": Fraction("0.1910"), "off_peak": Fraction("0.0660")}
    hourly = hourly_prices(tariff, prices=prices, first=datetime(2025, 1, 1), hours=8760)  # noqa: DTZ001
    use = np.random.default_rng(7).integers(0, 4000, size=(3, 8760)).astype(float)
    found = energy_amounts(hourly, use)
    for row, amount in zip(use, found, strict=True):
        parts = row @ hourly.member
        exact = sum(int(part) * prices[name] for part, name in zip(parts, hourly.periods, strict=True))
        assert Fraction(int(amount), 10**hourly.scale) == exact
