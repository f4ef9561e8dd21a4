"""The counter: finding a customer, what they owe and why, payments once, holds, lists, a file for a spreadsheet."""

import csv
import io
from uuid import uuid4

import httpx
import psycopg
import pytest

from customer_app.routes.office_lists import csv_text
from customer_app.routes.office_money import read_amount
from kernel.database import Scope, enter_scope
from rating_engine import queries as rating
from tests.integration.customer_app import town
from tests.integration.customer_app.conftest import Utility, sign_in


@pytest.fixture
def account_id(utility: Utility) -> int:
    with psycopg.connect(utility.database_url) as conn:
        return town.accounts(conn, utility_id=utility.utility_id)["customer"]


def owed(utility: Utility, account_id: int) -> int:
    with psycopg.connect(utility.database_url) as conn:
        enter_scope(conn, scope=Scope(utility.utility_id, "test", town.NOW))
        scope = {"utility_id": utility.utility_id, "account_id": account_id}
        return rating.balance_of_account(conn, **scope).owed_minor


@pytest.mark.parametrize(
    "typed", ["山田", "やまだ", "ﾔﾏﾀﾞ", "yamada", "日の出町1丁目2番3号", "W-customer", "customer-water"]
)
def test_a_customer_is_found_by_whatever_is_known(client: httpx.Client, utility: Utility, typed: str) -> None:
    sign_in(client, "office")
    path = f"/office/customers/{utility.parties['customer']}"
    assert path in client.get("/office", params={"q": typed}).text
    fragment = client.get("/office", params={"q": typed, "fragment": "found"}).text
    assert path in fragment
    assert "<html" not in fragment


def test_a_name_is_text_and_never_markup(client: httpx.Client) -> None:
    sign_in(client, "office")
    text = client.get("/office", params={"q": "スズキ"}).text
    assert "&lt;b&gt;鈴木&lt;/b&gt;" in text
    assert "<b>鈴木</b>" not in text


def test_a_customers_page_says_what_is_owed_and_why(client: httpx.Client, utility: Utility) -> None:
    sign_in(client, "office")
    text = client.get(f"/office/customers/{utility.parties['customer']}").text
    for word in ("山田 花子", "customer-water", "W-customer", "supply on", "Open bills", "Never reminded."):
        assert word in text, word
    bill = text.split('href="/office/bills/')[1].split('"')[0]
    assert "×" in client.get(f"/office/bills/{bill}").text, "the arithmetic stands on the bill"


def test_what_is_not_there_is_not_found(client: httpx.Client) -> None:
    sign_in(client, "office")
    for path in ("customers/999999", "bills/999999", "accounts/999999/pay", "accounts/1/payments/999999"):
        assert client.get(f"/office/{path}").status_code == 404, path


def test_a_payment_form_sent_twice_is_one_payment(client: httpx.Client, utility: Utility, account_id: int) -> None:
    token, before = sign_in(client, "office"), owed(utility, account_id)
    form = {"csrf_token": token, "amount": "¥1,000", "form_id": str(uuid4())}
    paths = {client.post(f"/office/accounts/{account_id}/payments", data=form).headers["location"] for _ in range(2)}
    assert len(paths) == 1
    assert owed(utility, account_id) == before - 1000
    receipt = client.get(paths.pop())
    assert "¥1,000" in receipt.text
    assert "data-print" in receipt.text


@pytest.mark.parametrize("typed", ["0", "-5", "12.5", "many", "1e99", "NaN", ""])
def test_what_is_no_amount_is_not_taken(client: httpx.Client, utility: Utility, account_id: int, typed: str) -> None:
    token, before = sign_in(client, "office"), owed(utility, account_id)
    form = {"csrf_token": token, "amount": typed, "form_id": str(uuid4())}
    assert client.post(f"/office/accounts/{account_id}/payments", data=form).status_code == 400
    assert owed(utility, account_id) == before


@pytest.mark.parametrize(
    ("typed", "currency", "minor"),
    [
        ("12,300", "JPY", 12300),
        ("１２３００円", "JPY", 12300),
        ("¥ 5", "JPY", 5),
        ("12.50", "EUR", 1250),
        ("1.005", "EUR", None),
    ],
)
def test_an_amount_is_read_as_people_write_it(typed: str, currency: str, minor: int | None) -> None:
    assert read_amount(typed, currency=currency) == minor


def test_a_hold_is_set_with_its_reason_and_lifted(client: httpx.Client, utility: Utility, account_id: int) -> None:
    token = sign_in(client, "office")
    page = f"/office/customers/{utility.parties['customer']}"
    form = {"csrf_token": token, "kind": "illness", "reason": "In hospital until spring", "until": ""}
    assert client.post(f"/office/accounts/{account_id}/holds", data=form).status_code == 303
    text = client.get(page).text
    assert "In hospital until spring" in text
    hold = text.split("/holds/")[1].split("/")[0]
    release = f"/office/accounts/{account_id}/holds/{hold}/release"
    elsewhere = release.replace(f"/{account_id}/", f"/{account_id + 1}/")
    assert client.post(elsewhere, data={"csrf_token": token}).status_code == 404
    assert client.post(release, data={"csrf_token": token}).status_code == 303
    with psycopg.connect(utility.database_url) as conn:
        row = conn.execute("SELECT upper_inf(valid), set_by FROM collection_hold").fetchone()
    assert row == (False, "office")


def test_a_hold_without_a_known_kind_or_reason_is_refused(client: httpx.Client, account_id: int) -> None:
    token = sign_in(client, "office")
    path = f"/office/accounts/{account_id}/holds"
    assert client.post(path, data={"csrf_token": token, "kind": "whim", "reason": "x"}).status_code == 404
    assert client.post(path, data={"csrf_token": token, "kind": "illness", "reason": ""}).status_code == 400


def test_the_counters_programs_pay_open_bills_once(client: httpx.Client, utility: Utility, account_id: int) -> None:
    headers = {"X-CSRF-Token": sign_in(client, "office")}
    bills = client.get("/api/office/open-bills", params={"limit": 100}).json()
    bill = next(one for one in bills if one["account_number"] == "customer")
    assert {"bill_number", "open_minor", "issued_at", "due_on"} <= bill.keys()
    before = owed(utility, account_id)
    body = {
        "account_number": "customer",
        "amount_minor": bill["open_minor"],
        "external_id": f"counter-{bill['bill_number']}",
        "paid_at": town.NOW.isoformat(),
    }
    answers = [client.post("/api/office/counter-payments", json=body, headers=headers) for _ in range(2)]
    assert [answer.json()["is_new"] for answer in answers] == [True, False]
    assert owed(utility, account_id) == before - bill["open_minor"]
    unknown = {**body, "account_number": "nobody"}
    assert client.post("/api/office/counter-payments", json=unknown, headers=headers).status_code == 404


def test_the_arrears_file_holds_no_formula(client: httpx.Client, utility: Utility) -> None:
    with psycopg.connect(utility.database_url) as conn:
        enter_scope(conn, scope=Scope(utility.utility_id, "test", town.NOW))
        conn.execute("UPDATE party SET name = '=HYPERLINK(\"http://x\")' WHERE party_number = 'customer'")
    sign_in(client, "office")
    answer = client.get("/office/arrears.csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert "attachment" in answer.headers["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(answer.text.lstrip("\ufeff"))))
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]
    with psycopg.connect(utility.database_url) as conn:
        row = conn.execute("SELECT count(*) FROM audit_entry WHERE action = 'arrears.export'").fetchone()
    assert row == (1,)


def test_every_sign_that_begins_a_formula_becomes_text() -> None:
    cells = ["=1", "+1", "-1", "@x", "\tx", "\rx", "plain", "a=b"]
    (row,) = csv.reader(io.StringIO(csv_text([cells]), newline=""))
    assert row == ["'=1", "'+1", "'-1", "'@x", "'\tx", "'\rx", "plain", "a=b"]


def test_bill_runs_show_what_was_made(client: httpx.Client) -> None:
    sign_in(client, "office")
    text = client.get("/office/runs").text
    assert "D1 · Electricity" in text
    assert "2 bills" in text


def test_a_customer_moves_out_and_another_in(client: httpx.Client, utility: Utility, account_id: int) -> None:
    token = sign_in(client, "office")
    page = f"/office/customers/{utility.parties['customer']}"
    close = next(part for part in client.get(page).text.split('"') if part.endswith("/close"))
    assert "Last day" in client.get(close).text
    day = town.NOW.astimezone(town.TOKYO).date().isoformat()
    assert client.post(close, data={"csrf_token": token, "day": "2020-01-01"}).status_code == 400
    assert client.post(close, data={"csrf_token": token, "day": day}).status_code == 303
    with psycopg.connect(utility.database_url) as conn:
        other = town.accounts(conn, utility_id=utility.utility_id)["neighbour"]
        row = conn.execute(
            "SELECT point_number FROM point JOIN agreement USING (point_id) WHERE NOT upper_inf(agreement.valid)"
        ).fetchone()
    assert row is not None
    form = {"csrf_token": token, "point_number": row[0], "day": day}
    assert client.post(f"/office/accounts/{other}/agreements", data=form).status_code == 409, "still the other's day"
    tomorrow = town.NOW.astimezone(town.TOKYO).date().replace(day=18).isoformat()
    moved = client.post(f"/office/accounts/{other}/agreements", data={**form, "day": tomorrow})
    assert moved.status_code == 303
    assert moved.headers["location"].startswith(f"/office/customers/{utility.parties['neighbour']}")


def test_whom_the_office_looked_at_is_in_the_audit_log(client: httpx.Client, utility: Utility) -> None:
    sign_in(client, "office")
    client.get(f"/office/customers/{utility.parties['neighbour']}")
    sign_in(client, "admin")
    text = client.get("/audit", params={"actor": "office", "whom": "スズキ", "action": "customer.*"}).text
    assert "customer.view" in text
    assert "customer.find" not in text
    assert "as it was written" in client.get("/audit/chain").text
    assert "neighbour" in client.get("/audit/logins").text
