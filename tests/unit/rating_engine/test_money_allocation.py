"""What is promised of sharing out a payment."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rating_engine.domain.allocation import NothingToAllocate, Owed, allocate, draw, in_order, settle
from rating_engine.domain.payments import PaymentRow, PaymentUnusable, later_state, payment_entry

AT = datetime(2026, 4, 1, tzinfo=UTC)
owed_bills = st.lists(
    st.builds(
        Owed,
        bill_id=st.integers(1, 10**6),
        due_on=st.dates(date(2025, 1, 1), date(2026, 12, 31)),
        open_minor=st.integers(-10_000, 100_000),
    ),
    max_size=8,
    unique_by=lambda bill: bill.bill_id,
)
amounts = st.integers(1, 500_000)


@given(amount_minor=amounts, owed=owed_bills)
def test_no_yen_is_lost_and_no_bill_gets_more_than_it_needs(amount_minor: int, owed: list[Owed]) -> None:
    allocation = allocate(amount_minor=amount_minor, owed=owed)
    assert sum(share.amount_minor for share in allocation.shares) + allocation.advance_minor == amount_minor
    after = settle(owed, shares=allocation.shares)
    assert all(then.open_minor >= 0 for then, before in zip(after, owed, strict=True) if before.open_minor >= 0)
    assert all(share.amount_minor > 0 for share in allocation.shares)


@given(amount_minor=amounts, owed=owed_bills)
def test_a_bill_gets_nothing_while_one_due_before_it_is_open(amount_minor: int, owed: list[Owed]) -> None:
    allocation = allocate(amount_minor=amount_minor, owed=owed)
    left = {bill.bill_id: bill.open_minor for bill in settle(owed, shares=allocation.shares)}
    paid = {share.bill_id for share in allocation.shares}
    order = in_order(owed)
    for earlier, later in pairwise(order):
        assert later.bill_id not in paid or left[earlier.bill_id] == 0
    assert allocation.advance_minor == 0 or all(minor <= 0 for minor in left.values())


@given(first=amounts, second=amounts, owed=owed_bills)
def test_two_payments_settle_what_one_of_both_would(first: int, second: int, owed: list[Owed]) -> None:
    after_first = settle(owed, shares=allocate(amount_minor=first, owed=owed).shares)
    after_both = settle(after_first, shares=allocate(amount_minor=second, owed=after_first).shares)
    assert after_both == settle(owed, shares=allocate(amount_minor=first + second, owed=owed).shares)


@given(unused=st.lists(st.integers(1, 1000), max_size=5), owed=owed_bills, amount_minor=amounts)
def test_payments_are_drawn_on_in_order_and_never_beyond_what_is_left(
    unused: list[int], owed: list[Owed], amount_minor: int
) -> None:
    shares = allocate(amount_minor=amount_minor, owed=owed).shares
    drawn = draw(list(enumerate(unused)), shares=shares)
    for number, left_minor in enumerate(unused):
        assert sum(minor for payment, _, minor in drawn if payment == number) <= left_minor
    for share in shares:
        assert sum(minor for _, bill, minor in drawn if bill == share.bill_id) <= share.amount_minor
    assert sum(minor for _, _, minor in drawn) == min(sum(unused), sum(share.amount_minor for share in shares))
    assert [payment for payment, _, _ in drawn] == sorted(payment for payment, _, _ in drawn)


def test_nothing_cannot_be_allocated() -> None:
    with pytest.raises(NothingToAllocate, match="0 is not above zero"):
        allocate(amount_minor=0, owed=[])


@given(amount_minor=amounts, owed=owed_bills, channel=st.sampled_from(["card", "counter", "debit"]))
def test_the_entry_of_a_payment_sums_to_zero(amount_minor: int, owed: list[Owed], channel: str) -> None:
    payment = PaymentRow(7, channel, "x-1", amount_minor, AT, AT, "desk")  # type: ignore[arg-type]
    entry = payment_entry(payment_id=1, payment=payment, allocation=allocate(amount_minor=amount_minor, owed=owed))
    assert entry.lines[0].ledger_account == {"card": "card_clearing", "counter": "cash", "debit": "bank"}[channel]
    assert sum(line.amount_minor for line in entry.lines) == 0


@pytest.mark.parametrize(("amount_minor", "external_id"), [(0, "x"), (-1, "x"), (1, "")])
def test_a_payment_needs_an_amount_and_a_number(amount_minor: int, external_id: str) -> None:
    with pytest.raises(PaymentUnusable, match="give an amount above zero and a number"):
        PaymentRow(1, "counter", external_id, amount_minor, AT, AT + timedelta(0), "desk")


@given(told=st.permutations(["pending", "failed", "succeeded", "expired", "pending", "succeeded"]))
def test_any_order_of_notifications_ends_the_same(told: list[str]) -> None:
    state = "open"
    for one in told:
        state = later_state(state, one)  # type: ignore[arg-type]
    assert state == "succeeded"
