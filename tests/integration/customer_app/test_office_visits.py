"""Where no command reaches, the office sees that somebody must go, and records what was done there."""

import httpx
import psycopg
from psycopg.types.json import Jsonb

from kernel.database import Scope, enter_scope
from tests.integration.customer_app import town
from tests.integration.customer_app.conftest import Utility, sign_in


def suspended(utility: Utility, *, point: str, state: str, detail: dict[str, object]) -> int:
    """Leave a suspension of the customer in a state that only a visit ends."""
    with psycopg.connect(utility.database_url) as conn:
        enter_scope(conn, scope=Scope(utility.utility_id, "test", town.NOW))
        account_id = town.accounts(conn, utility_id=utility.utility_id)["customer"]
        point_id = town.points(conn, utility_id=utility.utility_id)[point]
        row = conn.execute(
            """
            INSERT INTO suspension (utility_id, account_id, point_id, state, debt_minor, bill_ids, ordered_at, proof)
            VALUES (%s, %s, %s, %s, 4224, '{999999}', %s, '{}') RETURNING suspension_id
            """,
            [utility.utility_id, account_id, point_id, state, town.NOW],
        ).fetchone()
        assert row is not None
        conn.execute(
            """
            INSERT INTO suspension_event (utility_id, suspension_id, state, happened_at, detail)
            VALUES (%s, %s, 'commanded', %s, '{}'), (%s, %s, %s, %s, %s)
            """,
            [
                *(utility.utility_id, row[0], town.NOW),
                *(utility.utility_id, row[0], state, town.NOW, Jsonb(detail)),
            ],
        )
    return row[0]


def test_supply_that_only_a_visit_brings_back_is_listed_until_it_is_back(
    client: httpx.Client, utility: Utility
) -> None:
    paid = suspended(utility, point="customer-water", state="restoring", detail={"visit": True})
    suspended(
        utility, point="customer-electricity", state="restoring", detail={"again": True}
    )  # a command is on its way
    token = sign_in(client, "office")
    text = client.get("/office/arrears").text
    assert text.count("bring the supply back") == 1
    assert f"/office/suspensions/{paid}/visit" in text
    form = {"csrf_token": token, "outcome": "opened"}
    assert client.post(f"/office/suspensions/{paid}/visit", data=form).status_code == 303
    assert "Visits to make" not in client.get("/office/arrears").text
    with psycopg.connect(utility.database_url) as conn:
        found = conn.execute(
            "SELECT state, detail ->> 'by' FROM suspension_event WHERE suspension_id = %s ORDER BY 1, 2", [paid]
        ).fetchall()
    assert ("restored", "office") in found


def test_supply_is_not_stopped_by_hand_once_its_reason_is_gone(client: httpx.Client, utility: Utility) -> None:
    unpaid_no_more = suspended(utility, point="customer-water", state="visit_needed", detail={})
    token = sign_in(client, "office")
    assert "stop the supply" in client.get("/office/arrears").text
    path = f"/office/suspensions/{unpaid_no_more}/visit"
    assert client.post(path, data={"csrf_token": token, "outcome": "closed"}).status_code == 409
    assert client.post(path, data={"csrf_token": token, "outcome": "burnt"}).status_code == 400
    missing = "/office/suspensions/999999/visit"
    assert client.post(missing, data={"csrf_token": token, "outcome": "opened"}).status_code == 404
