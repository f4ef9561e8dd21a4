"""The handheld's route and its readings: each is stored once, and each is told what became of it."""

from datetime import timedelta
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.integration.customer_app import town
from tests.integration.customer_app.conftest import Utility, sign_in

DAY = {"district": "D1"}


def entry(serial: str, register: int, **more: object) -> dict[str, object]:
    return {
        "entry_id": str(uuid4()),
        "serial": serial,
        "register": register,
        "read_at": town.NOW.isoformat(),
        "entered_at": town.NOW.isoformat(),
        **more,
    }


def send(client: httpx.Client, token: str, *entries: dict[str, object]) -> list[dict[str, str]]:
    answer = client.post("/api/handheld/entries", json={"entries": entries}, headers={"X-CSRF-Token": token})
    assert answer.status_code == 200, answer.text
    return answer.json()["outcomes"]


def stops(client: httpx.Client) -> dict[str, dict[str, object]]:
    return {stop["serial"]: stop for stop in client.get("/api/handheld/route", params=DAY).json()["stops"]}


def count(utility: Utility, query: str) -> int:
    with psycopg.connect(utility.database_url) as conn:
        row = conn.execute(query).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return row[0]


def test_a_route_says_where_each_meter_is_and_what_it_may_show(client: httpx.Client) -> None:
    sign_in(client, "reader")
    found = stops(client)
    assert set(found) == {"W-customer", "E-customer", "W-neighbour", "E-neighbour"}
    stop = found["W-customer"]
    assert stop["address"] == "日の出町1丁目2番3号"
    assert stop["kana"] == "ヤマダ ハナコ"
    last, low, high = (stop[name] for name in ("last_register", "expected_low", "expected_high"))
    assert isinstance(last, int)
    assert isinstance(low, int)
    assert isinstance(high, int)
    assert low <= last < high


def test_a_route_of_no_district_is_not_there(client: httpx.Client) -> None:
    sign_in(client, "reader")
    assert client.get("/api/handheld/route", params={"district": "D9"}).status_code == 404


def test_a_reading_arrives_once_however_often_it_is_sent(client: httpx.Client, utility: Utility) -> None:
    token = sign_in(client, "reader")
    last = stops(client)["W-customer"]["last_register"]
    assert isinstance(last, int)
    one = entry("W-customer", last + 500)
    assert [told["outcome"] for told in send(client, token, one)] == ["stored"]
    assert [told["outcome"] for told in send(client, token, one)] == ["stored"], "the same answer again"
    assert count(utility, "SELECT count(*) FROM handheld_entry") == 1
    assert count(utility, "SELECT count(*) FROM intake_batch WHERE source = 'handheld'") == 1
    assert stops(client)["W-customer"]["last_register"] == last + 500


def test_each_reading_of_a_batch_has_its_own_answer(client: httpx.Client) -> None:
    token = sign_in(client, "reader")
    last = stops(client)["W-customer"]["last_register"]
    assert isinstance(last, int)
    told = send(
        client,
        token,
        entry("W-customer", 1),
        entry("W-customer", last + 700),
        entry("W-customer", last + 700),
        entry("no-such-meter", 5),
    )
    assert [(one["outcome"], one["reason"]) for one in told] == [
        ("rejected", "register_backwards"),
        ("stored", None),
        ("duplicate", None),
        ("rejected", "unknown_meter"),
    ]


def test_a_reading_is_never_from_the_future(client: httpx.Client, utility: Utility) -> None:
    """The utility's clock may have stood still while the handheld's went on."""
    token = sign_in(client, "reader")
    last = stops(client)["E-customer"]["last_register"]
    assert isinstance(last, int)
    ahead = (town.NOW + timedelta(days=2)).isoformat()
    assert send(client, token, entry("E-customer", last + 90, read_at=ahead))[0]["outcome"] == "stored"
    with psycopg.connect(utility.database_url) as conn:
        row = conn.execute("SELECT read_at FROM handheld_entry").fetchone()
    assert row == (town.NOW,)


def test_a_page_from_memory_gets_the_token_of_todays_session(client: httpx.Client) -> None:
    assert client.get("/api/handheld/session").status_code == 401
    token = sign_in(client, "reader")
    told = client.get("/api/handheld/session").json()
    assert told["csrf_token"] == token
    assert told["login_name"] == "reader"
    refused = client.post("/api/handheld/entries", json={"entries": []}, headers={"X-CSRF-Token": "old"})
    assert refused.status_code == 403


@pytest.mark.parametrize("register", [-1, "many", 10**18])
def test_what_is_no_register_is_refused_whole(client: httpx.Client, register: object) -> None:
    token = sign_in(client, "reader")
    bad = {**entry("W-customer", 5), "register": register}
    answer = client.post("/api/handheld/entries", json={"entries": [bad]}, headers={"X-CSRF-Token": token})
    assert answer.status_code == 400


def test_the_worker_keeps_every_file_of_the_page(client: httpx.Client) -> None:
    sign_in(client, "reader")
    script = client.get("/handheld/sw.js")
    assert script.headers["Service-Worker-Allowed"] == "/handheld"
    for name in ("app.js", "store.js", "sync.js", "checks.js", "handheld.css"):
        assert f"/static/handheld/{name}?v=" in script.text
    page = client.get("/handheld").text
    assert "suiden.js" in page
    assert page.count("<script") == 3, "words as data, two files; nothing inline runs"
