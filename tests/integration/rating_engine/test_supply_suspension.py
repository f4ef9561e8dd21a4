"""From an unpaid bill to a suspension and back, with the real gateway dispatcher and a real database."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from typing import get_args

import pytest

from rating_engine import operations, queries
from rating_engine.operations import HoldKind, HoldUnknown, SuspensionRefused, default_policy
from tests.anomaly_rows import write_anomaly
from tests.integration.rating_engine.arrears_town import TOKYO, Customer, Town

pytestmark = pytest.mark.store

DUE = date(2026, 1, 20)


@pytest.fixture
def town(database_url: str) -> Iterator[Town]:
    made = Town(database_url, customers=3)
    yield made
    made.react()
    assert made.violations() == {}
    made.close()


@pytest.fixture
def debtor(town: Town) -> Customer:
    """A customer whose one bill has gone through all notices."""
    customer = town.customers[0]
    town.bill(customer, total_minor=4224, due_on=DUE)
    town.announce_suspension(customer)
    return customer


def supply(town: Town, customer: Customer) -> str:
    return town.value("SELECT supply FROM point WHERE point_id = %s", customer.point_id)


def notices(town: Town, customer: Customer) -> list[str]:
    rows = town.rows("SELECT kind FROM notice WHERE party_id = %s ORDER BY notice_id", customer.party_id)
    return [kind for (kind,) in rows]


def suspend(town: Town, customer: Customer) -> None:
    town.until_ordered(customer)
    [order] = town.send()
    assert order["command"] == "valve.close"
    town.answer(order["id"])
    town.react()
    assert town.suspension_state(customer) == "suspended"


def hold(town: Town, customer: Customer, kind: HoldKind) -> int:
    with town.work() as conn:
        return operations.set_hold(
            conn,
            utility_id=town.utility_id,
            account_id=customer.account_id,
            kind=kind,
            reason="told by telephone",
            set_by="office",
            until=None,
            at=town.clock.at,
        )


def test_an_unpaid_bill_is_told_three_times_suspended_and_restored_on_payment(town: Town, debtor: Customer) -> None:
    assert notices(town, debtor) == ["arrears.reminder", "arrears.final_demand", "arrears.suspension_notice"]
    with town.work() as conn:
        [announced] = queries.explain_supply(
            conn, utility_id=town.utility_id, account_id=debtor.account_id, at=town.clock.at
        )
    assert (announced.reason, announced.to_pay_minor) == ("announced", 4224)
    suspend(town, debtor)
    assert supply(town, debtor) == "off"
    with town.work() as conn:
        [off] = queries.explain_supply(conn, utility_id=town.utility_id, account_id=debtor.account_id, at=town.clock.at)
        [row] = queries.arrears_list(conn, utility_id=town.utility_id, at=town.clock.at)
        story = queries.collection_story(
            conn, utility_id=town.utility_id, account_id=debtor.account_id, at=town.clock.at
        )
        [age] = queries.ageing_totals(conn, utility_id=town.utility_id, at=town.clock.at)
    assert (off.reason, off.to_pay_minor, off.since) == ("suspended", 4224, town.clock.at)
    assert (row.overdue_minor, row.step, row.suspension_state) == (4224, "suspension_notice", "suspended")
    assert (age.service, age.open_minor, age.accounts) == ("water", 4224, 1)
    assert [event.state for event in story.suspensions[0].events] == ["ordered", "commanded", "suspended"]
    assert story.suspensions[0].suspension.proof.keys() == {"ordered", "released"}

    town.clock.at = town.clock.at.replace(hour=14)  # eleven at night in Tokyo: restoring knows no hours
    town.pay(debtor, amount_minor=4224, number="r-1")
    town.react()
    [order] = town.send()
    assert order["command"] == "valve.open"
    assert supply(town, debtor) == "off"
    town.answer(order["id"])
    town.react()
    assert (town.suspension_state(debtor), supply(town, debtor)) == ("restored", "on")
    assert notices(town, debtor)[3:] == ["supply.suspended", "payment.received", "supply.restored"]


# Locks are shown for the whole server, on which other tests may wait too.
WAITING_HERE = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
    """


def test_a_payment_while_the_command_leaves_takes_it_back_and_neither_blocks_the_other(
    town: Town, debtor: Customer
) -> None:
    town.until_ordered(debtor)
    own = {"utility_id": town.utility_id, "account_id": debtor.account_id, "at": town.clock.at}
    with ThreadPoolExecutor(max_workers=1) as beside:
        with town.work() as conn:
            operations.take_payment(
                conn,
                **own,
                channel="counter",
                external_id="r-1",
                amount_minor=4224,
                paid_at=town.clock.at,
                taken_by="desk",
            )
            leaving = beside.submit(town.send)
            while not town.value(WAITING_HERE):
                assert not leaving.done(), "the command waits for the account"
            operations.re_evaluate(conn, **own)
        assert leaving.result() == []
    assert town.suspension_state(debtor) == "withdrawn"
    assert town.rows("SELECT state, sends FROM meter_command") == [("refused", 0)]


def test_a_part_payment_does_not_bring_supply_back_but_the_rest_does(town: Town, debtor: Customer) -> None:
    suspend(town, debtor)
    town.pay(debtor, amount_minor=4000, number="r-1")
    town.react()
    assert town.suspension_state(debtor) == "suspended"
    town.pay(debtor, amount_minor=224, number="r-2")
    town.react()
    assert town.suspension_state(debtor) == "restoring"


def test_a_payment_before_the_command_leaves_withdraws_the_order(town: Town, debtor: Customer) -> None:
    town.until_ordered(debtor)
    town.pay(debtor, amount_minor=4224, number="r-1")
    assert town.send() == []  # the guard saw it, before any event was handled
    assert town.suspension_state(debtor) == "withdrawn"
    refused = town.value("SELECT proof -> 'refused' FROM suspension WHERE account_id = %s", debtor.account_id)
    failed = {guard["name"] for guard in refused["guards"] if not guard["passed"]}
    assert failed == {"debt", "notices", "overdue"}


def test_every_hold_withdraws_an_order_and_stops_the_next(town: Town, debtor: Customer) -> None:
    kinds: tuple[HoldKind, ...] = get_args(HoldKind)
    town.until_ordered(debtor)
    for kind in kinds:
        hold_id = hold(town, debtor, kind)
        assert town.suspension_state(debtor) == "withdrawn", kind
        assert town.send() == []
        assert town.collect(debtor).ordered == (), kind
        town.clock.at += timedelta(minutes=1)
        with town.work() as conn:
            operations.release_hold(conn, utility_id=town.utility_id, hold_id=hold_id, at=town.clock.at)
        assert len(town.collect(debtor).ordered) == 1, kind
    with pytest.raises(HoldUnknown), town.work() as conn:
        operations.release_hold(conn, utility_id=town.utility_id, hold_id=hold_id, at=town.clock.at)


def test_a_protection_brings_supply_back_though_nothing_was_paid(town: Town, debtor: Customer) -> None:
    suspend(town, debtor)
    hold(town, debtor, "illness")
    [order] = town.send()
    assert (order["command"], town.suspension_state(debtor)) == ("valve.open", "restoring")


def test_a_card_payment_under_way_holds_the_command_back(town: Town, debtor: Customer) -> None:
    town.until_ordered(debtor)
    with town.work() as conn:
        operations.begin_card_payment(
            conn, utility_id=town.utility_id, account_id=debtor.account_id, amount_minor=4224, at=town.clock.at
        )
    assert town.send() == []
    assert town.suspension_state(debtor) == "withdrawn"
    assert town.collect(debtor).ordered == ()
    town.clock.at += timedelta(days=7)  # the page was closed and nothing came
    assert len(town.collect(debtor).ordered) == 1


def test_opening_card_pages_again_and_again_does_not_hold_the_command_back_for_ever(
    town: Town, debtor: Customer
) -> None:
    town.until_ordered(debtor)
    pages = default_policy().card_pages
    for opened in range(1, pages + 2):
        with town.work() as conn:
            account = {"utility_id": town.utility_id, "account_id": debtor.account_id}
            begun = operations.begin_card_payment(conn, **account, amount_minor=4224, at=town.clock.at)
            pending = queries.pending_payments(conn, **account, at=town.clock.at)
        assert [one.intent_id for one in pending] == ([begun.intent_id] if opened <= pages else [])
    assert len(town.send()) == 1
    with town.work() as conn:  # the provider works on one: the money may be on its way
        operations.settle_card_notification(
            conn,
            utility_id=town.utility_id,
            provider_event_id="e-1",
            intent_id=begun.intent_id,
            state="pending",
            amount_minor=4224,
            at=town.clock.at,
        )
        pending = queries.pending_payments(conn, **account, at=town.clock.at)
    assert [one.intent_id for one in pending] == [begun.intent_id]


def test_an_open_leak_at_the_point_holds_the_command_back(town: Town, debtor: Customer) -> None:
    town.until_ordered(debtor)
    with town.work() as conn:
        write_anomaly(
            conn,
            utility_id=town.utility_id,
            kind="household_leak",
            place_id=debtor.meter_id,
            point_id=debtor.point_id,
            at=town.clock.at,
        )
    assert town.send() == []
    assert town.suspension_state(debtor) == "withdrawn"


def test_one_who_moved_out_does_not_stop_the_supply_of_the_next(town: Town, debtor: Customer) -> None:
    town.until_ordered(debtor)
    with town.work() as conn:
        conn.execute(
            "UPDATE agreement SET valid = tstzrange(lower(valid), %s) WHERE agreement_id = %s",
            [town.clock.at, debtor.agreement_id],
        )
    assert town.send() == []
    assert town.suspension_state(debtor) == "withdrawn"


def test_no_command_leaves_outside_the_hours_or_while_all_is_frozen(town: Town, debtor: Customer) -> None:
    town.until_ordered(debtor)
    town.clock.at = town.clock.at.astimezone(TOKYO).replace(hour=15, minute=1)
    assert town.send() == []
    town.clock.at = town.clock.at.replace(hour=10) + timedelta(days=6)
    town.until_ordered(debtor)
    with town.work() as conn:
        frozen = replace(default_policy(), frozen=True)
        operations.decide_policy(conn, utility_id=town.utility_id, policy=frozen, changed_by="head", at=town.clock.at)
    assert town.send() == []
    assert town.suspension_state(debtor) == "withdrawn"


def test_the_brake_lets_so_many_commands_go_in_an_hour(town: Town) -> None:
    for customer in town.customers:
        town.bill(customer, total_minor=4224, due_on=DUE)
    with town.work() as conn:
        slow = replace(default_policy(), commands_per_hour=1)
        operations.decide_policy(
            conn, utility_id=town.utility_id, policy=slow, changed_by="head", at=town.clock.at - timedelta(days=90)
        )
    for _ in range(120):
        if town.value("SELECT count(*) FROM collection_step") == 9:
            break
        town.clock.at += timedelta(days=1)
        for customer in town.customers:
            town.collect(customer)
    town.clock.at += timedelta(days=14)
    town.until_ordered(town.customers[0])
    assert town.collect(town.customers[1]).ordered == ()
    assert len(town.send()) == 1
    town.clock.at += timedelta(minutes=59)
    assert town.collect(town.customers[1]).ordered == ()
    town.clock.at += timedelta(minutes=2)
    assert len(town.collect(town.customers[1]).ordered) == 1
    assert town.collect(town.customers[2]).ordered == ()


def test_a_command_without_an_answer_is_not_done(town: Town, debtor: Customer) -> None:
    town.until_ordered(debtor)
    assert len(town.send()) == 1
    town.clock.at += timedelta(hours=7)
    town.send()  # its time is over: unknown
    town.react()
    assert town.suspension_state(debtor) == "visit_needed"
    assert supply(town, debtor) == "on"
    town.pay(debtor, amount_minor=4224, number="r-1")
    town.react()
    [order] = town.send()
    assert (order["command"], town.suspension_state(debtor)) == ("valve.open", "restoring")


def test_an_answer_that_comes_late_counts_and_payment_still_restores(town: Town, debtor: Customer) -> None:
    town.until_ordered(debtor)
    [stop] = town.send()
    town.pay(debtor, amount_minor=4224, number="r-1")
    town.react()
    assert town.suspension_state(debtor) == "restoring"
    town.answer(stop["id"])
    town.react()
    assert town.suspension_state(debtor) == "restoring"
    [start] = town.send()
    assert start["id"] > stop["id"]
    town.answer(start["id"])
    town.react()
    assert town.suspension_state(debtor) == "restored"


def test_a_restoration_that_gets_lost_is_tried_until_it_is_done(town: Town, debtor: Customer) -> None:
    suspend(town, debtor)
    town.pay(debtor, amount_minor=4224, number="r-1")
    town.react()
    for state in ("failed", "silent", "refused", "silent"):
        [order] = town.send()
        if state == "silent":
            town.clock.at += timedelta(hours=7)
            town.send()
        else:
            town.answer(order["id"], state=state)
        town.react()
        town.clock.at += timedelta(hours=2)
        town.collect(debtor)
    [order] = town.send()
    town.answer(order["id"])
    town.react()
    assert town.suspension_state(debtor) == "restored"


def test_without_a_valve_somebody_goes_and_only_while_the_debt_stands(town: Town, debtor: Customer) -> None:
    with town.work() as conn:
        conn.execute("UPDATE meter SET has_actuator = false WHERE meter_id = %s", [debtor.meter_id])
    suspension_id = town.until_ordered(debtor)
    assert town.suspension_state(debtor) == "visit_needed"
    visit = {"utility_id": town.utility_id, "suspension_id": suspension_id, "by": "crew", "at": town.clock.at}
    with town.work() as conn:
        assert operations.record_visit(conn, outcome="closed", **visit).state == "suspended"
    assert supply(town, debtor) == "off"
    town.pay(debtor, amount_minor=4224, number="r-1")
    town.react()
    assert town.suspension_state(debtor) == "restoring"
    with pytest.raises(SuspensionRefused, match="debt"), town.work() as conn:
        operations.record_visit(conn, outcome="closed", **visit)
    with town.work() as conn:
        assert operations.record_visit(conn, outcome="opened", **visit).state == "restored"
    assert supply(town, debtor) == "on"


def test_a_cancelled_bill_brings_supply_back(town: Town, debtor: Customer) -> None:
    suspend(town, debtor)
    [(bill_id,)] = town.rows("SELECT bill_id FROM bill")
    with town.work() as conn:
        operations.cancel_bill(
            conn, utility_id=town.utility_id, bill_id=bill_id, by="office", reason="misread", at=town.clock.at
        )
    town.react()
    assert town.suspension_state(debtor) == "restoring"


def test_collecting_twice_sends_and_orders_once(town: Town, debtor: Customer) -> None:
    town.until_ordered(debtor)
    assert town.collect(debtor).ordered == ()
    assert len(notices(town, debtor)) == 3
    with town.work() as conn:
        due = operations.accounts_due_for_collection(conn, utility_id=town.utility_id, at=town.clock.at)
    assert due == [debtor.account_id]


def test_a_notice_that_came_back_does_not_count_as_served(town: Town, debtor: Customer) -> None:
    with town.work() as conn:
        conn.execute(
            """
            INSERT INTO notice_delivery (utility_id, notice_id, channel, state, happened_at)
            SELECT utility_id, notice_id, 'web', 'returned', %s FROM notice WHERE kind = 'arrears.final_demand'
            """,
            [town.clock.at],
        )
    for _ in range(14):
        assert town.collect(debtor).ordered == ()
        town.clock.at += timedelta(days=1)
