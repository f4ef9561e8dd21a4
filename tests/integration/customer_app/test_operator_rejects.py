"""Refused messages: shown safely, narrowed, sent through again."""

import re
from datetime import timedelta

import httpx
import psycopg

from ingest_gateway.domain.sorting import Refusal
from ingest_gateway.domain.wire import Reason
from ingest_gateway.store import reject_bounds, rejects
from kernel.database import Scope, enter_scope
from tests.integration.customer_app import town
from tests.integration.customer_app.conftest import Utility, sign_in


def refuse(utility: Utility, *, topic: str, payload: bytes, reason: Reason, hours: int = 0) -> None:
    refusal = Refusal(utility.utility_id, topic, payload, reason, f"why {reason}")
    with psycopg.connect(utility.database_url) as conn:
        enter_scope(conn, scope=Scope(utility.utility_id, "test", town.NOW))
        rejects.keep(conn, refusals=[refusal], at=town.NOW + timedelta(hours=hours))


def test_a_refused_message_is_shown_safely_and_sent_through_again(client: httpx.Client, utility: Utility) -> None:
    payload = (
        b'{"seq": 1, "readings": [{"at": "2026-06-17T05:00:00Z", "register": 99999999}]}<script>alert(1)</script>\x00'
    )
    refuse(utility, topic="suiden/v1/test/W-customer/up", payload=payload, reason="malformed")
    token = sign_in(client, "operator")
    text = client.get("/operator/rejected").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x00" in text
    assert "<script>alert" not in text
    replay = text.split('action="')[-1].split('"')[0]
    answer = client.post(replay, data={"csrf_token": token})
    assert answer.status_code == 303
    assert "It still cannot be taken in" in client.get(answer.headers["location"]).text


def test_refused_messages_are_narrowed_by_reason_topic_day_and_whether_they_wait(
    client: httpx.Client, utility: Utility
) -> None:
    refuse(utility, topic="suiden/v1/test/A/up", payload=b"one", reason="malformed")
    refuse(utility, topic="suiden/v1/test/B/up", payload=b"two", reason="too_large", hours=48)
    sign_in(client, "operator")

    def shown(**asked: str) -> list[str]:
        text = client.get("/operator/rejected", params=asked).text
        return [word for word in ("one", "two") if f'<pre class="payload">{word}</pre>' in text]

    day = (town.NOW + timedelta(hours=48)).date().isoformat()
    assert shown() == ["one", "two"]
    assert shown(reason="malformed") == ["one"]
    assert shown(topic="/B/") == ["two"]
    assert shown(since=day) == ["two"]
    assert shown(until=(town.NOW - timedelta(hours=48)).date().isoformat()) == []
    assert shown(since="nonsense", waiting="1") == ["one", "two"]
    with psycopg.connect(utility.database_url) as conn:
        conn.execute("UPDATE rejected_message SET replayed_at = last_at WHERE payload = 'one'")
    assert shown(waiting="1") == ["two"]
    assert "2 messages are kept, 1 of them not sent again yet." in client.get("/operator/rejected").text


def test_all_shown_are_sent_through_again_and_the_choice_stays(client: httpx.Client, utility: Utility) -> None:
    reading = b'{"readings": [{"at": "2026-06-17T05:%02d:00Z", "register": %d}]}'
    for minute in (0, 15):
        payload = reading % (minute, 99_999_999)
        refuse(utility, topic="suiden/v1/test/W-NONE/up", payload=payload, reason="unknown_sender")
    refuse(utility, topic="suiden/v1/test/W-NONE/up", payload=b"{", reason="malformed")
    token = sign_in(client, "operator")
    text = client.get("/operator/rejected?topic=W-NONE").text
    ids = re.findall(r'name="reject_ids" value="(\d+)"', text)
    assert len(ids) == 3
    answer = client.post("/operator/rejected/replay?topic=W-NONE", data={"csrf_token": token, "reject_ids": ids})
    assert answer.headers["location"].startswith("/operator/rejected?topic=W-NONE&outcome=0-0-2-1")
    told = client.get(answer.headers["location"]).text
    assert "0 stored, 0 had been stored before, 2 refused again" in told
    assert "1 messages still cannot be read." in told


def test_what_is_no_longer_kept_is_told(client: httpx.Client, utility: Utility) -> None:
    for number in range(3):
        refuse(utility, topic="a/b", payload=b"%d" % number, reason="malformed", hours=number)
    with psycopg.connect(utility.database_url) as conn:
        reject_bounds.drop(conn, last_before=None, keep=1, keep_bytes=1_000)
    sign_in(client, "operator")
    text = client.get("/operator/rejected").text
    assert "No longer kept" in text
    assert '<td data-label="Messages">2</td>' in text
