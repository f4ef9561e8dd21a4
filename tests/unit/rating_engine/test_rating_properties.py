"""What rating promises, for any tariff and any use."""

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rating_engine.domain.document import parse
from rating_engine.domain.rate import Use, rate
from rating_engine.domain.rounding import divide
from rating_engine.domain.totals import Uses, totals
from tests.unit.rating_engine.reference import MODES, RandomTariff, random_tariffs, rounded, total_by_fractions

LABELS = ("2020-01", "2020-02", "2020-03")


def use_of(one: RandomTariff, quantity: int) -> Use:
    return Use(quantity, None, None, "general", 30 * one.months, 30 * one.months, LABELS[: one.months])


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6), st.sampled_from(MODES))
def test_rounding_of_integers_is_rounding_of_fractions(numerator: int, denominator: int, mode: str) -> None:
    assert divide(numerator, denominator, mode=mode) == rounded(Fraction(numerator, denominator), unit=1, mode=mode)  # type: ignore[arg-type]


@settings(max_examples=120, deadline=None)
@given(random_tariffs(), st.integers(0, 20_000))
def test_a_bill_comes_to_what_plain_fractions_say(one: RandomTariff, quantity: int) -> None:
    rating = rate(parse(one.document), use=use_of(one, quantity))
    assert rating.total_minor == total_by_fractions(one, Fraction(quantity, 10**one.decimals))


@settings(max_examples=60, deadline=None)
@given(random_tariffs(), st.integers(0, 20_000))
def test_a_bill_is_the_sum_of_its_printed_lines(one: RandomTariff, quantity: int) -> None:
    rating = rate(parse(one.document), use=use_of(one, quantity))
    assert sum(line.amount_minor for line in rating.lines) == rating.total_minor
    assert sum(line.amount_minor for line in rating.lines if line.item == "tax") == (
        0 if one.included else rating.tax_minor
    )


@settings(max_examples=60, deadline=None)
@given(random_tariffs(), st.lists(st.integers(0, 20_000), min_size=1, max_size=40))
def test_arrays_and_single_bills_agree(one: RandomTariff, quantities: list[int]) -> None:
    tariff = parse(one.document)
    zeros = np.zeros(len(quantities), dtype=np.int64)
    uses = Uses(np.array(quantities, dtype=np.int64), zeros, zeros, LABELS[: one.months])
    found = totals(tariff, uses=uses, customer_class="general")
    singles = [rate(tariff, use=use_of(one, quantity)) for quantity in quantities]
    assert found.total_minor.tolist() == [single.total_minor for single in singles]
    assert found.tax_minor.tolist() == [single.tax_minor for single in singles]


@settings(max_examples=60, deadline=None)
@given(random_tariffs(), st.integers(0, 5_000), st.integers(1, 50))
def test_more_use_never_costs_less_where_no_price_is_below_zero(one: RandomTariff, quantity: int, more: int) -> None:
    # Sharing out an odd unit moves use between months, so only whole shares compare; bands may fall by design.
    if one.fuel < 0 or one.kind == "whole":
        return
    tariff = parse(one.document)
    step = one.months * 10**one.decimals
    smaller, larger = (rate(tariff, use=use_of(one, units * step)).total_minor for units in (quantity, quantity + more))
    assert larger >= smaller


@settings(max_examples=50, deadline=None)
@given(random_tariffs(), st.integers(0, 5_000), st.integers(1, 60))
def test_a_part_of_a_cycle_is_priced_without_loss_of_use(one: RandomTariff, quantity: int, days: int) -> None:
    document = one.document.replace("    charges:", "    proration: {basis: day, table: scaled}\n    charges:")
    use = Use(quantity, None, None, "general", min(days, 30 * one.months), 30 * one.months, LABELS[: one.months])
    lines = rate(parse(document), use=use).lines
    priced = sum(Fraction(line.quantity) for line in lines if line.item == "block")
    assert priced == Fraction(quantity, 10**one.decimals)
