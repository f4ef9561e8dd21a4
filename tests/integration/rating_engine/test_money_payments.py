"""Payments against a real database: once each, oldest bill first, nothing lost."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest

from rating_engine import operations, queries
from rating_engine.operations import IntentUnknown, PaymentConflict, PaymentRow
from tests.integration.rating_engine.arrears_town import BEGIN, Town

pytestmark = pytest.mark.store


@pytest.fixture
def town(database_url: str) -> Iterator[Town]:
    made = Town(database_url, customers=3)
    yield made
    assert made.violations() == {}
    made.close()


def test_a_payment_settles_the_bill_due_first_and_the_rest_waits_for_the_next(town: Town) -> None:
    customer = town.customers[0]
    later = town.bill(customer, total_minor=3000, due_on=date(2026, 4, 20))
    first = town.bill(customer, total_minor=4224, due_on=date(2026, 2, 20))
    taken = town.pay(customer, amount_minor=5000, number="r-1")
    assert [(share.bill_id, share.amount_minor) for share in taken.shares] == [(first, 4224), (later, 776)]
    taken = town.pay(customer, amount_minor=3000, number="r-2")
    assert (taken.shares[0].amount_minor, taken.advance_minor) == (2224, 776)
    third = town.bill(customer, total_minor=1000, due_on=date(2026, 6, 20))
    town.react()
    with town.work() as conn:
        open_bills = queries.open_bills(conn, utility_id=town.utility_id, account_id=customer.account_id)
        balance = queries.balance_of_account(conn, utility_id=town.utility_id, account_id=customer.account_id)
    assert [(bill.bill_id, bill.open_minor) for bill in open_bills] == [(third, 224)]
    assert balance.advance_minor == 0


def test_the_same_payment_again_gives_the_first_result_and_posts_nothing(town: Town) -> None:
    customer = town.customers[0]
    town.bill(customer, total_minor=4224, due_on=date(2026, 2, 20))
    first = town.pay(customer, amount_minor=5000, number="r-1")
    town.clock.at += timedelta(hours=1)
    again = town.pay(customer, amount_minor=5000, number="r-1")
    assert again == replace(first, is_new=False)
    assert town.value("SELECT count(*) FROM payment") == 1
    assert town.value("SELECT count(*) FROM notice WHERE kind = 'payment.received'") == 1


def test_one_number_for_two_amounts_or_accounts_is_refused(town: Town) -> None:
    one, other = town.customers[:2]
    town.pay(one, amount_minor=5000, number="r-1")
    with pytest.raises(PaymentConflict, match="before 5000"):
        town.pay(one, amount_minor=5001, number="r-1")
    with pytest.raises(PaymentConflict, match=f"before 5000 for account {one.account_id}"):
        town.pay(other, amount_minor=5000, number="r-1")
    town.pay(other, amount_minor=5000, number="r-1", channel="door")


def test_many_payments_at_once_end_as_one_by_one(town: Town) -> None:
    one, other = town.customers[:2]
    for month in (1, 2, 3):
        town.bill(one, total_minor=1000 * month, due_on=date(2026, month, 20))
        town.bill(other, total_minor=1000 * month, due_on=date(2026, month, 20))
    amounts = [700, 2500, 1300, 4000]
    rows = [
        PaymentRow(one.account_id, "store", f"s-{n}", amount, BEGIN, BEGIN, "file") for n, amount in enumerate(amounts)
    ]
    with town.work() as conn:
        taken = operations.take_payments(conn, utility_id=town.utility_id, payments=[*rows, rows[0]])
    singly = [town.pay(other, amount_minor=amount, number=f"o-{n}") for n, amount in enumerate(amounts)]
    assert [[s.amount_minor for s in t.shares] for t in taken[:4]] == [
        [s.amount_minor for s in t.shares] for t in singly
    ]
    assert [t.advance_minor for t in taken[:4]] == [t.advance_minor for t in singly]
    assert (taken[4].is_new, taken[4].payment_id) == (False, taken[0].payment_id)


def test_a_file_with_one_conflict_posts_nothing(town: Town) -> None:
    customer = town.customers[0]
    town.pay(customer, amount_minor=100, number="s-2", channel="store")
    rows = [PaymentRow(customer.account_id, "store", f"s-{n}", 500, BEGIN, BEGIN, "file") for n in range(4)]
    with pytest.raises(PaymentConflict), town.work() as conn:
        operations.take_payments(conn, utility_id=town.utility_id, payments=rows)
    assert town.value("SELECT count(*) FROM payment") == 1


def test_what_was_paid_on_a_cancelled_bill_pays_the_next(town: Town) -> None:
    customer = town.customers[0]
    wrong = town.bill(customer, total_minor=9000, due_on=date(2026, 2, 20))
    town.pay(customer, amount_minor=9000, number="r-1")
    with town.work() as conn:
        operations.cancel_bill(
            conn, utility_id=town.utility_id, bill_id=wrong, by="office", reason="misread", at=town.clock.at
        )
    town.bill(customer, total_minor=4224, due_on=date(2026, 6, 20))
    town.react()
    assert town.open_minor(customer) == 0
    with town.work() as conn:
        balance = queries.balance_of_account(conn, utility_id=town.utility_id, account_id=customer.account_id)
    assert balance.advance_minor == 9000 - 4224


@pytest.mark.parametrize(
    "told", [["pending", "succeeded"], ["succeeded", "pending"], ["succeeded", "failed", "succeeded"], ["failed"]]
)
def test_card_notifications_in_any_order_take_the_money_once(town: Town, told: list[str]) -> None:
    customer = town.customers[0]
    town.bill(customer, total_minor=4224, due_on=date(2026, 2, 20))
    with town.work() as conn:
        intent = operations.begin_card_payment(
            conn, utility_id=town.utility_id, account_id=customer.account_id, amount_minor=4224, at=BEGIN
        )
    for number, state in enumerate(told * 2):
        with town.work() as conn:
            settled = operations.settle_card_notification(
                conn,
                utility_id=town.utility_id,
                provider_event_id=f"e-{number % len(told)}",
                intent_id=intent.intent_id,
                state=state,  # type: ignore[arg-type]
                amount_minor=4224,
                at=BEGIN,
            )
    paid = "succeeded" in told
    assert settled.state == ("succeeded" if paid else "failed")
    assert town.open_minor(customer) == (0 if paid else 4224)
    assert town.value("SELECT count(*) FROM payment") == int(paid)


def test_a_notification_without_money_that_names_another_amount_or_payment_is_refused(town: Town) -> None:
    customer = town.customers[0]
    with town.work() as conn:
        intent = operations.begin_card_payment(
            conn, utility_id=town.utility_id, account_id=customer.account_id, amount_minor=4224, at=BEGIN
        )
    told = {"utility_id": town.utility_id, "provider_event_id": "e-1", "state": "failed", "at": BEGIN}
    with pytest.raises(PaymentConflict, match="4224 was begun"), town.work() as conn:
        operations.settle_card_notification(conn, intent_id=intent.intent_id, amount_minor=1, **told)  # type: ignore[arg-type]
    with pytest.raises(IntentUnknown), town.work() as conn:
        operations.settle_card_notification(conn, intent_id=999, amount_minor=1, **told)  # type: ignore[arg-type]
    assert town.value("SELECT count(*) FROM card_payment_to_clear") == 0


def test_money_that_came_with_another_amount_or_for_no_payment_of_ours_is_kept_until_somebody_clears_it(
    town: Town,
) -> None:
    customer = town.customers[0]
    with town.work() as conn:
        intent = operations.begin_card_payment(
            conn, utility_id=town.utility_id, account_id=customer.account_id, amount_minor=4224, at=BEGIN
        )
    for _ in range(2):
        for number, intent_id in enumerate((intent.intent_id, 999)):
            with town.work() as conn:
                settled = operations.settle_card_notification(
                    conn,
                    utility_id=town.utility_id,
                    provider_event_id=f"e-{number}",
                    intent_id=intent_id,
                    state="succeeded",
                    amount_minor=4000,
                    at=BEGIN,
                )
            assert settled.payment is None
    assert town.value("SELECT count(*) FROM payment") == 0
    with town.work() as conn:
        kept = queries.card_payments_to_clear(conn, utility_id=town.utility_id)
        late = BEGIN + timedelta(days=30)
        account = {"utility_id": town.utility_id, "account_id": customer.account_id}
        assert [one.intent_id for one in queries.pending_payments(conn, **account, at=late)] == [intent.intent_id], (
            "no supply is stopped before somebody has looked"
        )
    assert [(one.provider_event_id, one.account_id, one.begun_minor, one.reason) for one in kept] == [
        ("e-0", customer.account_id, 4224, "other_amount"),
        ("e-1", None, None, "unknown_reference"),
    ]
    for one in kept:
        with town.work() as conn:
            operations.clear_card_payment(
                conn, utility_id=town.utility_id, clearing_id=one.clearing_id, by="office", at=late
            )
    with town.work() as conn:
        assert queries.card_payments_to_clear(conn, utility_id=town.utility_id) == []
        assert queries.pending_payments(conn, **account, at=late) == []
    with pytest.raises(operations.ClearingUnknown), town.work() as conn:
        operations.clear_card_payment(
            conn, utility_id=town.utility_id, clearing_id=kept[0].clearing_id, by="office", at=late
        )


def test_thousands_of_payments_are_taken_in_a_second(town: Town) -> None:
    rows = [
        PaymentRow(town.customers[n % 3].account_id, "store", f"s-{n}", 100 + n, BEGIN, BEGIN, "history")
        for n in range(3000)
    ]
    with town.work() as conn:
        taken = operations.take_payments(conn, utility_id=town.utility_id, payments=rows, announce=False)
    assert sum(one.advance_minor for one in taken) == sum(row.amount_minor for row in rows)
    assert town.value("SELECT count(*) FROM notice") == 0
