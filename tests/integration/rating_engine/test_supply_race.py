"""A payment and a leaving command at the same moment, each on a connection of its own."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.rating_engine.arrears_town import Customer, Line, Town

pytestmark = pytest.mark.store


@pytest.fixture
def town(database_url: str) -> Iterator[Town]:
    made = Town(database_url, customers=1)
    yield made
    made.react()
    assert made.violations() == {}
    made.close()


def supply(town: Town, customer: Customer) -> str:
    return town.value("SELECT supply FROM point WHERE point_id = %s", customer.point_id)


def test_a_payment_racing_the_command_never_leaves_a_paid_account_cut_off(town: Town) -> None:
    """Two connections at once, many times: whoever takes the lock first, the end is right."""
    customer = town.customers[0]
    for number in range(10):
        town.bill(customer, total_minor=4224, due_on=town.clock.at.date() - timedelta(days=90))
        town.announce_suspension(customer)
        town.until_ordered(customer)
        left = race(town, customer, number=f"r-{number}", pause_s=0.002 * number)
        # What left before the money came is turned back; what had not left never does.
        assert [order["command"] for order in left] in ([], ["valve.close"])
        assert (town.suspension_state(customer) == "withdrawn") == (left == [])
        for order in left:
            town.answer(order["id"])
        town.react()
        for order in town.send():
            assert order["command"] == "valve.open"
            town.answer(order["id"])
        town.react()
        assert town.suspension_state(customer) == ("restored" if left else "withdrawn")
        assert supply(town, customer) == "on"


def race(town: Town, customer: Customer, *, number: str, pause_s: float) -> list[dict[str, Any]]:
    """Pay while the gateway sends, each with a connection of its own; tell which commands left."""
    line, ready = Line(), threading.Barrier(2)
    dispatcher = town.new_dispatcher(line)
    assert dispatcher._books.all()

    def release() -> None:
        ready.wait()
        dispatcher.send_due()

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(release)
        ready.wait()
        threading.Event().wait(pause_s)
        town.pay(customer, amount_minor=4224, number=number)
        sending.result()
    return line.sent
