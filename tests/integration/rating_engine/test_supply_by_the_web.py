"""The web's role, under row-level security, may do what its pages ask of money and supply."""

import pytest

from kernel.database import Scope, open_pool, transaction
from rating_engine import operations, queries
from tests.integration.rating_engine.arrears_town import Town

pytestmark = pytest.mark.store


def test_the_web_takes_payments_sets_holds_and_reads_arrears_of_its_own_utility(database_url: str) -> None:
    town = Town(database_url, customers=1)
    customer, at = town.customers[0], town.clock.at
    town.bill(customer, total_minor=4224, due_on=at.date())
    town.announce_suspension(customer)
    town.until_ordered(customer)
    at, own = town.clock.at, {"utility_id": town.utility_id, "account_id": customer.account_id}
    web = open_pool(database_url, role="suiden_app", process="test web", max_size=2)
    with transaction(web, scope=Scope(town.utility_id, "office", at)) as conn:
        assert len(queries.arrears_list(conn, utility_id=town.utility_id, at=at)) == 1
        operations.set_hold(conn, **own, kind="dispute", reason="told", set_by="office", until=None, at=at)
        assert queries.collection_story(conn, **own, at=at).suspensions[0].suspension.state == "withdrawn"
        intent = operations.begin_card_payment(conn, **own, amount_minor=4224, at=at)
        assert queries.pending_payments(conn, **own, at=at) == [intent]
        settled = operations.settle_card_notification(
            conn,
            utility_id=town.utility_id,
            provider_event_id="e-1",
            intent_id=intent.intent_id,
            state="succeeded",
            amount_minor=4224,
            at=at,
        )
        assert settled.payment is not None
        assert queries.explain_supply(conn, **own, at=at) == []
    with transaction(web, scope=Scope(town.utility_id + 1, "office", at)) as conn:
        assert queries.payments_of_account(conn, **own) == []
    web.close()
    town.react()
    assert town.violations() == {}
    town.close()
