"""What goes by post: the office prints it, and everybody sees that it is on its way."""

import httpx
import psycopg
import pytest

from kernel.clock import wall_now
from kernel.database import Scope, enter_scope
from registry import operations as registry
from tests.integration.customer_app import town
from tests.integration.customer_app.conftest import Utility, sign_in


@pytest.fixture
def letter(utility: Utility) -> int:
    """A bill that waits to be printed."""
    with psycopg.connect(utility.database_url) as conn:
        enter_scope(conn, scope=Scope(utility.utility_id, "test", town.NOW))
        row = conn.execute(
            "SELECT notice_id FROM notice WHERE party_id = %s AND kind = 'bill.issued' ORDER BY notice_id DESC LIMIT 1",
            (utility.parties["customer"],),
        ).fetchone()
        assert row is not None
        notice_id: int = row[0]
        assert registry.queue_delivery(
            conn,
            utility_id=utility.utility_id,
            notice_id=notice_id,
            channel="post",
            address="",
            wall_now=wall_now(),
            at=town.NOW,
        )
    return notice_id


def test_a_letter_waits_with_its_slip_until_it_is_printed_once(client: httpx.Client, letter: int) -> None:
    token = sign_in(client, "office")
    listed = client.get("/office/letters").text
    assert "山田 花子" in listed
    slip = listed.split('href="/office/bills/')[1].split('"')[0]
    assert client.get(f"/office/bills/{slip}").status_code == 200
    form = {"csrf_token": token, "notice_id": [str(letter)]}
    assert "said=letters-printed" in client.post("/office/letters/printed", data=form).headers["location"]
    assert "No letter waits" in client.get("/office/letters").text
    again = client.post("/office/letters/printed", data=form)
    assert (again.status_code, again.headers["location"]) == (303, "/office/letters")


def test_the_customer_and_the_office_see_how_a_notice_travels(
    client: httpx.Client, letter: int, utility: Utility
) -> None:
    sign_in(client, "customer")
    assert "Post: waiting" in client.get("/notices").text
    token = sign_in(client, "office")
    assert "Post: waiting" in client.get(f"/office/customers/{utility.parties['customer']}").text
    client.post("/office/letters/printed", data={"csrf_token": token, "notice_id": [str(letter)]})
    assert "Post: sent" in client.get(f"/office/customers/{utility.parties['customer']}").text
    sign_in(client, "customer")
    assert "Post: sent" in client.get("/notices").text


def test_why_a_mail_came_back_is_told_to_the_office_alone(client: httpx.Client, letter: int, utility: Utility) -> None:
    with psycopg.connect(utility.database_url) as conn:
        enter_scope(conn, scope=Scope(utility.utility_id, "test", town.NOW))
        registry.record_delivery(
            conn, utility_id=utility.utility_id, notice_id=letter, channel="email", address="gone@example.jp",
            state="failed", detail="550 no such mailbox", at=town.NOW,
        )  # fmt: skip
    sign_in(client, "office")
    assert "failed (550 no such mailbox)" in client.get(f"/office/customers/{utility.parties['customer']}").text
    sign_in(client, "customer")
    told = client.get("/notices").text
    assert "E-mail: failed" in told
    assert "550" not in told
