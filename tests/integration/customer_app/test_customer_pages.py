"""A customer's pages: own things only, words of both languages, money to the yen, and the card provider's messages."""

import hashlib
import hmac
import json
import re
import time
from datetime import timedelta
from typing import LiteralString

import httpx
import psycopg
import pytest

from kernel.database import Scope, enter_scope
from maintenance_tracker import operations as tracker_operations
from rating_engine import operations as rating_operations
from registry import operations as registry_operations
from tests.integration.customer_app import town
from tests.integration.customer_app.conftest import CARD_SECRET, Utility, sign_in


def one(utility: Utility, query: LiteralString, **parameters: object) -> object:
    with psycopg.connect(utility.database_url) as conn:
        row = conn.execute(query, parameters).fetchone()
    return row[0] if row else None


def bill_of(utility: Utility, house: str, *, service: str = "electricity") -> int:
    found = one(
        utility,
        """
        SELECT bill_id FROM bill JOIN account USING (utility_id, account_id)
        WHERE account_number = %(house)s AND service = %(service)s ORDER BY bill_id DESC LIMIT 1
        """,
        house=house,
        service=service,
    )
    assert isinstance(found, int)
    return found


def signed(body: bytes, *, at_s: int | None = None) -> dict[str, str]:
    at_s = int(time.time()) if at_s is None else at_s
    digest = hmac.new(CARD_SECRET.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Card-Signature": f"t={at_s},v1={digest}"}


def begun(utility: Utility, *, amount_minor: int) -> int:
    with psycopg.connect(utility.database_url) as conn:
        accounts = town.accounts(conn, utility_id=utility.utility_id)
        intent = rating_operations.begin_card_payment(
            conn,
            utility_id=utility.utility_id,
            account_id=accounts["customer"],
            amount_minor=amount_minor,
            at=town.NOW,
        )
    return intent.intent_id


def told(intent_id: int, *, amount_minor: int, event: str = "evt_1", kind: str = "payment.succeeded") -> bytes:
    message = {"id": event, "type": kind, "reference": f"SUIDEN-{intent_id}", "amount_minor": amount_minor}
    return json.dumps({**message, "currency": "JPY", "checkout_id": "co_1"}).encode()


@pytest.mark.parametrize("path", ["/home", "/use", "/use?span=week", "/use?span=month", "/use?span=year", "/bills"])
def test_pages_hold_the_same_partial_as_their_fragments(client: httpx.Client, path: str) -> None:
    sign_in(client, "customer")
    name = {"/home": "use", "/bills": "list"}.get(path, "use")
    whole = client.get(path)
    part = client.get(path + ("&" if "?" in path else "?") + f"fragment={name}")
    assert whole.status_code == part.status_code == 200
    assert part.text.strip() in whole.text
    assert "<html" not in part.text


def test_use_of_today_is_what_the_meter_counted(client: httpx.Client, utility: Utility) -> None:
    sign_in(client, "customer")
    litres = one(
        utility,
        """
        SELECT use_units FROM meter_day JOIN meter USING (utility_id, meter_id)
        WHERE serial = 'W-customer' AND day = '2026-06-17'
        """,
    )
    assert f'<p class="figure-big">{litres:,}<span class="unit">L</span>' in client.get("/home").text


def test_a_bill_shows_its_lines_and_the_readings_at_both_ends(client: httpx.Client, utility: Utility) -> None:
    sign_in(client, "customer")
    bill_id = bill_of(utility, "customer", service="water")
    page = client.get(f"/bills/{bill_id}").text
    total = one(utility, "SELECT total_minor FROM bill WHERE bill_id = %(bill_id)s", bill_id=bill_id)
    assert page.count(f"¥{total:,}") >= 2
    assert "Base fee 20 mm" in page
    assert "Sewerage" in page
    assert "Meter W-customer" in page
    assert page.count("read by radio") == 2
    assert "jp-tokyo, version 1, 20 mm" in page


def test_another_customers_things_are_not_there(client: httpx.Client, utility: Utility) -> None:
    with psycopg.connect(utility.database_url) as conn:
        enter_scope(conn, scope=Scope(utility_id=utility.utility_id, actor="test", now=town.NOW))
        points = town.points(conn, utility_id=utility.utility_id)
        accounts = town.accounts(conn, utility_id=utility.utility_id)
        ticket_id = tracker_operations.open_ticket(
            conn,
            utility_id=utility.utility_id,
            service="water",
            kind="reported",
            zone_id=None,
            point_id=points["neighbour-water"],
            note="",
            actor="office",
            at=town.NOW,
        )
        intent = rating_operations.begin_card_payment(
            conn, utility_id=utility.utility_id, account_id=accounts["neighbour"], amount_minor=1, at=town.NOW
        )
    notice_id = one(
        utility,
        "SELECT notice_id FROM notice WHERE party_id = %(party_id)s LIMIT 1",
        party_id=utility.parties["neighbour"],
    )
    token = sign_in(client, "customer")
    for path in (
        f"/bills/{bill_of(utility, 'neighbour')}",
        f"/use?point={points['neighbour-water']}",
        f"/repairs/{ticket_id}",
        f"/payments/{intent.intent_id}",
        f"/payments/new?account={accounts['neighbour']}",
        f"/notices/{notice_id}",
        "/bills/999999",
        "/bills/abc",
    ):
        assert client.get(path).status_code == 404, path
    for path in (f"/repairs/{ticket_id}/confirm", f"/repairs/{ticket_id}/reopen"):
        assert client.post(path, data={"csrf_token": token}).status_code == 404, path
    begin = {"csrf_token": token, "account": accounts["neighbour"], "amount_minor": 1}
    assert client.post("/payments", data=begin).status_code == 404


def test_what_was_refused_is_in_the_audit_log_too(client: httpx.Client, utility: Utility) -> None:
    bill_id = bill_of(utility, "neighbour")
    sign_in(client, "customer")
    client.get(f"/bills/{bill_id}")
    row = one(
        utility,
        """
        SELECT detail ->> 'refused' FROM audit_entry
        WHERE actor = 'customer' AND action = 'bill.view' AND object_id = %(bill_id)s
        """,
        bill_id=str(bill_id),
    )
    assert row == "NotFound"


def test_a_view_is_recorded_once_and_its_refreshes_are_not(client: httpx.Client, utility: Utility) -> None:
    sign_in(client, "customer")
    count = (
        "SELECT count(*) FROM audit_entry WHERE actor = 'customer' AND action = 'bill.list' AND party_id = %(party)s"
    )
    client.get("/bills?fragment=list")  # one who asks for the part alone is recorded as well
    assert one(utility, count, party=utility.parties["customer"]) == 1
    for _ in range(3):
        client.get("/bills?fragment=list")
    assert one(utility, count, party=utility.parties["customer"]) == 1
    client.get("/bills")
    assert one(utility, count, party=utility.parties["customer"]) == 2


def test_names_cannot_become_markup(client: httpx.Client) -> None:
    sign_in(client, "neighbour")
    assert "&lt;b&gt;鈴木&lt;/b&gt;" in client.get("/me").text


def test_the_language_chosen_stays_with_the_login(client: httpx.Client) -> None:
    token = sign_in(client, "customer")
    assert "My bills" in client.get("/bills").text
    client.post("/preferences", data={"csrf_token": token, "locale": "ja", "next": "/bills"})
    page = client.get("/bills").text
    assert "ご請求" in page
    assert '<html lang="ja"' in page
    client.cookies.clear()
    assert "ログイン" in client.get("/login", headers={"Accept-Language": "ja"}).text
    assert "Sign in" in client.get("/login", headers={"Accept-Language": "de, en;q=0.5"}).text


def test_a_switch_never_leads_to_another_site(client: httpx.Client) -> None:
    token = sign_in(client, "customer")
    for path in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:1"):
        answer = client.post("/preferences", data={"csrf_token": token, "theme": "dark", "next": path})
        assert answer.headers["location"] == "/"


def test_a_new_password_ends_other_sessions_and_needs_the_old_one(client: httpx.Client, server: str) -> None:
    token = sign_in(client, "customer")
    with httpx.Client(base_url=server, trust_env=False) as other:
        sign_in(other, "customer")
        change = {"csrf_token": token, "password": "wrong", "new_password": "new password", "again": "new password"}
        assert client.post("/me/password", data=change).status_code == 403
        assert other.get("/me").status_code == 200
        answer = client.post("/me/password", data={**change, "password": town.PASSWORD})
        assert answer.headers["location"] == "/me?said=password-changed"
        assert client.get("/me").status_code == 200
        assert other.get("/me").status_code == 303


def test_a_card_payment_settles_the_bills_however_often_it_is_told(client: httpx.Client, utility: Utility) -> None:
    with psycopg.connect(utility.database_url) as conn:
        account_id = town.accounts(conn, utility_id=utility.utility_id)["customer"]
    owed = one(
        utility,
        """
        SELECT sum(amount_minor)::bigint FROM journal_line
        WHERE ledger_account = 'receivable' AND account_id = %(account_id)s
        """,
        account_id=account_id,
    )
    assert isinstance(owed, int)
    intent_id = begun(utility, amount_minor=owed)
    sign_in(client, "customer")
    assert "Waiting for the card provider" in client.get(f"/payments/{intent_id}").text
    body = told(intent_id, amount_minor=owed)
    for _ in range(3):
        answer = client.post("/webhooks/card", content=body, headers=signed(body))
        assert answer.json() == {"received": True, "state": "succeeded"}
    assert one(utility, "SELECT count(*) FROM payment") == 1
    assert "Paid. Thank you!" in client.get(f"/payments/{intent_id}").text
    assert "Nothing to pay" in client.get("/home").text
    assert f"¥{owed:,}" in client.get("/payments").text


def test_a_failed_card_payment_charges_nothing(client: httpx.Client, utility: Utility) -> None:
    intent_id = begun(utility, amount_minor=500)
    body = told(intent_id, amount_minor=500, kind="payment.failed")
    assert client.post("/webhooks/card", content=body, headers=signed(body)).json()["state"] == "failed"
    assert one(utility, "SELECT count(*) FROM payment") == 0
    sign_in(client, "customer")
    assert "The payment was not made" in client.get(f"/payments/{intent_id}").text


def test_a_message_that_is_not_the_providers_changes_nothing(client: httpx.Client, utility: Utility) -> None:
    intent_id = begun(utility, amount_minor=500)
    body = told(intent_id, amount_minor=500)
    late = int(time.time()) - 301
    for headers in ({}, {"X-Card-Signature": "t=1,v1=00"}, signed(body + b" "), signed(body, at_s=late)):
        assert client.post("/webhooks/card", content=body, headers=headers).status_code == 400
    other = told(intent_id, amount_minor=501, event="evt_2", kind="payment.failed")
    assert client.post("/webhooks/card", content=other, headers=signed(other)).status_code == 409
    assert one(utility, "SELECT count(*) FROM payment") == 0
    assert one(utility, "SELECT state FROM payment_intent WHERE intent_id = %(id)s", id=intent_id) == "open"


def test_money_that_cannot_be_taken_as_told_is_kept_and_shown_to_the_office_until_cleared(
    client: httpx.Client, utility: Utility
) -> None:
    intent_id = begun(utility, amount_minor=500)
    bodies = [
        told(intent_id, amount_minor=501, event="evt_more"),
        told(999_999, amount_minor=502, event="evt_nobody"),
        told(intent_id, amount_minor=503, event="evt_strange").replace(b"JPY", b"XXQ"),
        told(intent_id, amount_minor=504, event="evt_alien").replace(b'"reference"', b'"reference": "theirs", "x"'),
    ]
    for body in bodies * 2:
        answer = client.post("/webhooks/card", content=body, headers=signed(body))
        assert (answer.status_code, answer.json()) == (200, {"received": True, "to_clear": True})
    assert one(utility, "SELECT count(*) FROM payment") == 0
    token = sign_in(client, "office")
    text = client.get("/office/arrears").text
    for words in ("Payments to clear", "evt_more", "¥501", "evt_nobody", "¥502", "503 XXQ", "evt_alien"):
        assert words in text, words
    paths = re.findall(r"/office/card-payments/\d+/clear", text)
    assert len(paths) == 4
    for path in paths:
        answer = client.post(path, data={"csrf_token": token})
        assert answer.headers["location"] == "/office/arrears?said=payment-cleared"
        assert client.post(path, data={"csrf_token": token}).status_code == 404
    assert "Payments to clear" not in client.get("/office/arrears").text


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b"])
def test_a_message_is_read_once_whatever_kind_it_says_it_is(client: httpx.Client, utility: Utility, kind: str) -> None:
    body = told(begun(utility, amount_minor=500), amount_minor=500)
    for headers, status in (({}, 400), (signed(body), 200)):
        answer = client.post("/webhooks/card", content=body, headers={**headers, "Content-Type": kind})
        assert answer.status_code == status


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"id": "e", "type": "dispute.opened"}', b"x" * 70_000])
def test_a_signed_message_that_we_do_not_know_is_answered_so_that_it_stops(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/webhooks/card", content=body, headers=signed(body))
    assert answer.status_code == (400 if len(body) > 65_536 else 200)


def test_paying_leads_on_and_says_so_when_the_provider_is_away(client: httpx.Client, utility: Utility) -> None:
    token = sign_in(client, "customer")
    with psycopg.connect(utility.database_url) as conn:
        account_id = town.accounts(conn, utility_id=utility.utility_id)["customer"]
    page = client.get(f"/payments/new?account={account_id}").text
    amount = page.split('name="amount_minor" value="')[1].split('"')[0]
    form = {"csrf_token": token, "account": account_id, "amount_minor": amount}
    answer = client.post("/payments", data=form)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/payments/new?account={account_id}&said=card-away"
    too_much = client.post("/payments", data={**form, "amount_minor": int(amount) + 1})
    assert "said=amount-changed" in too_much.headers["location"]


def test_a_customer_follows_a_repair_and_has_the_last_word(client: httpx.Client, utility: Utility) -> None:
    scope = {"utility_id": utility.utility_id}
    with psycopg.connect(utility.database_url) as conn:
        enter_scope(conn, scope=Scope(utility_id=utility.utility_id, actor="test", now=town.NOW))
        points = town.points(conn, **scope)
        login_id = one(utility, "SELECT login_id FROM login WHERE login_name = 'crew'")
        assert isinstance(login_id, int)
        tracker_operations.add_crew(conn, **scope, name="A", login_ids=[login_id])
        ticket_id = tracker_operations.open_ticket(
            conn,
            **scope,
            service="water",
            kind="pressure_sag",
            zone_id=None,
            point_id=points["customer-water"],
            note="",
            actor="office",
            at=town.NOW - timedelta(hours=3),
        )
        crew = {"ticket_id": ticket_id, "login_id": login_id, "actor": "crew", "at": town.NOW - timedelta(hours=2)}
        tracker_operations.take_ticket(conn, **scope, **crew)
        tracker_operations.start_ticket(conn, **scope, **crew)
        tracker_operations.finish_ticket(conn, **scope, **crew, cause="a <valve> stood half shut")
    token = sign_in(client, "customer")
    assert "Low water pressure" in client.get("/home").text
    page = client.get(f"/repairs/{ticket_id}").text
    assert "a &lt;valve&gt; stood half shut" in page
    assert "Is it working again?" in page
    answer = client.post(f"/repairs/{ticket_id}/reopen", data={"csrf_token": token, "note": "still weak"})
    assert answer.headers["location"] == f"/repairs/{ticket_id}?said=reopened"
    assert "still weak" in client.get(f"/repairs/{ticket_id}").text
    assert client.post(f"/repairs/{ticket_id}/confirm", data={"csrf_token": token}).status_code == 409


def test_a_stopped_supply_says_why_and_what_brings_it_back(client: httpx.Client, utility: Utility) -> None:
    scope = {"utility_id": utility.utility_id}
    with psycopg.connect(utility.database_url) as conn:
        account_id = town.accounts(conn, **scope)["customer"]
        point_id = town.points(conn, **scope)["customer-water"]
        bill_id = bill_of(utility, "customer", service="water")
        at = town.NOW - timedelta(hours=5)
        row = conn.execute(
            """
            INSERT INTO suspension (utility_id, account_id, point_id, state, debt_minor, bill_ids, ordered_at,
                                    suspended_at, proof)
            VALUES (%(utility_id)s, %(account_id)s, %(point_id)s, 'suspended', 1, %(bills)s, %(at)s, %(at)s, '{}')
            RETURNING suspension_id
            """,
            {**scope, "account_id": account_id, "point_id": point_id, "bills": [bill_id], "at": at},
        ).fetchone()
        assert row is not None
    total = one(utility, "SELECT total_minor FROM bill WHERE bill_id = %(bill_id)s", bill_id=bill_id)
    sign_in(client, "customer")
    page = client.get("/home").text
    assert "Water is stopped" in page
    assert f"because ¥{total:,} was not paid" in page
    assert "supply comes back by itself" in page
    assert f"Pay ¥{total:,} now" in page


def test_notices_lead_to_what_they_are_about_and_are_then_read(client: httpx.Client, utility: Utility) -> None:
    sign_in(client, "customer")
    bill_id = bill_of(utility, "customer")
    notice_id = one(utility, "SELECT notice_id FROM notice WHERE subject_key = %(key)s", key=f"bill:{bill_id}")
    assert client.get(f"/notices/{notice_id}").headers["location"] == f"/bills/{bill_id}"
    assert one(utility, "SELECT seen_at FROM notice WHERE notice_id = %(id)s", id=notice_id) == town.NOW


def test_a_notice_of_every_kind_is_written_in_full(client: httpx.Client, utility: Utility) -> None:
    with psycopg.connect(utility.database_url) as conn:
        for kind in ("bill.issued", "arrears.suspension_notice", "leak.suspected", "supply.suspended", "new.kind"):
            registry_operations.write_notice(
                conn,
                utility_id=utility.utility_id,
                party_id=utility.parties["customer"],
                account_id=None,
                kind=kind,
                subject_key=f"{kind}:1",
                parameters={"service": "water", "open_minor": 1200, "due_on": "2026-06-21", "litres_so_far": 840},
                at=town.NOW,
            )
    sign_in(client, "customer")
    page = client.get("/notices").text
    assert "840 L have flowed without a pause" in page
    assert "Due on 21 Jun 2026." in page
    assert "News about your supply" in page
