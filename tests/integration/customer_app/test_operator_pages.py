"""The control room: telemetry, a meter and its orders, processes."""

import html
import re
from datetime import timedelta

import httpx
import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from customer_app.routes import operator_meters
from ingest_gateway.queries import console
from kernel import heartbeat
from kernel.clock import wall_now
from kernel.database import Scope, enter_scope
from tests.integration.customer_app import town
from tests.integration.customer_app.conftest import Utility, sign_in


def entered(conn: Connection[TupleRow], utility: Utility) -> Connection[TupleRow]:
    enter_scope(conn, scope=Scope(utility.utility_id, "test", town.NOW))
    return conn


@pytest.fixture
def meter_id(utility: Utility) -> int:
    with psycopg.connect(utility.database_url) as conn:
        return town.meters(conn, utility_id=utility.utility_id)["W-customer"]


def test_received_is_shown_as_the_sum_of_its_parts(client: httpx.Client, utility: Utility) -> None:
    told = {"received": 1210, "stored": 1200, "duplicates": 7, "rejected": 3, "readings_per_s": 20.5}
    with psycopg.connect(utility.database_url) as conn:
        heartbeat.beat(conn, process="gateway", health={**told, "broker_connected": True}, wall_now=wall_now())
    sign_in(client, "operator")
    text = client.get("/operator").text
    for figure in ("20.5", "1,210", "= 1,200 stored + 7 duplicate + 3 rejected", "well"):
        assert figure in text, figure


def test_a_gateway_that_is_silent_or_without_broker_is_called_so(client: httpx.Client, utility: Utility) -> None:
    sign_in(client, "operator")
    assert "never seen" in client.get("/operator?fragment=tiles").text
    with psycopg.connect(utility.database_url) as conn:
        heartbeat.beat(conn, process="gateway", health={"broker_connected": False}, wall_now=wall_now())
    assert "no broker" in client.get("/operator?fragment=tiles").text
    with psycopg.connect(utility.database_url) as conn:
        late = wall_now() - timedelta(seconds=90)
        heartbeat.beat(conn, process="gateway", health={"broker_connected": True}, wall_now=late)
    assert re.search(r"silent for 9\d s", client.get("/operator?fragment=tiles").text)


@pytest.mark.parametrize("fragment", ["tiles", "water", "power", "anomalies"])
def test_each_part_of_the_control_room_comes_alone(client: httpx.Client, fragment: str) -> None:
    sign_in(client, "operator")
    text = client.get(f"/operator?fragment={fragment}").text
    assert "<html" not in text
    assert f'fragment={fragment}"' in text, "it asks for itself again"


def test_telemetry_is_filtered_and_paged_by_key(utility: Utility) -> None:
    with psycopg.connect(utility.database_url) as conn:
        entered(conn, utility)

        def page(**asked: object) -> list[console.TelemetryRow]:
            scope = {"utility_id": utility.utility_id, "at": town.NOW, "clock_rate": 1.0}
            return console.telemetry(conn, **scope, **asked)  # type: ignore[arg-type]

        everything = page()
        assert len(everything) == 4
        assert [row.serial for row in everything] == sorted(row.serial for row in everything)
        first = page(limit=2)
        rest = page(limit=2, after=first[-1].serial)
        assert [row.serial for row in [*first, *rest]] == [row.serial for row in everything]
        assert {row.kind for row in page(kind="water")} == {"water"}
        assert [row.serial for row in page(serial="w cust")] == ["W-customer"]


def test_pages_of_meters_follow_each_other_by_serial_and_each_is_live(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator_meters, "PAGE", 2)
    sign_in(client, "operator")
    seen: list[str] = []
    path = "/operator/telemetry"
    while path:
        text = client.get(path).text
        shown = re.findall(r'href="/operator/meters/(\d+)"', text)
        seen += shown
        [own] = re.findall(r'id="telemetry" class="scroll" hx-get="([^"]+)"', text)
        fragment = client.get(html.unescape(own)).text
        assert re.findall(r'href="/operator/meters/(\d+)"', fragment) == shown
        following = re.search(r'href="([^"]+)">Next', text)
        path = html.unescape(following.group(1)) if following else ""
    assert len(seen) == len(set(seen)) == 4


def test_a_meter_that_should_have_been_heard_of_is_silent(
    client: httpx.Client, utility: Utility, meter_id: int
) -> None:
    with psycopg.connect(utility.database_url) as conn:
        entered(conn, utility).execute(
            "UPDATE meter_latest SET read_at = read_at - interval '1 day' WHERE meter_id = %s", [meter_id]
        )
    sign_in(client, "operator")
    text = client.get("/operator/telemetry?silent=1").text
    assert "W-customer" in text
    assert "E-customer" not in text


def test_an_order_is_asked_for_once_more_and_then_queued(client: httpx.Client, utility: Utility, meter_id: int) -> None:
    token = sign_in(client, "operator")
    page = f"/operator/meters/{meter_id}"
    asked = client.get(f"{page}/commands/valve.close").text
    assert "山田 花子" in asked
    form = {"csrf_token": token, "command": "valve.close", "reason": "Burst in the street"}
    assert client.post(f"{page}/commands", data={**form, "reason": ""}).status_code == 400
    assert client.post(f"{page}/commands", data={**form, "command": "relay.open"}).status_code == 404, "a water meter"
    assert client.post(f"{page}/commands", data=form).status_code == 303
    assert "waits to leave" in client.get(page).text
    with psycopg.connect(utility.database_url) as conn:
        command = conn.execute("SELECT purpose, state, command FROM meter_command").fetchall()
        audited = conn.execute("SELECT detail ->> 'reason' FROM audit_entry WHERE action = 'command.send'").fetchall()
    assert command == [("operator", "queued", "valve.close")]
    assert ("Burst in the street",) in audited


def test_digging_shows_the_readings_as_table_and_for_the_charts(client: httpx.Client, meter_id: int) -> None:
    sign_in(client, "operator")
    answer = client.get(f"/operator/meters/{meter_id}/dig?days=3")
    assert answer.text.count('<tr><th scope="row">') > 48
    assert 'id="plot-numbers"' in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy, "no inline script, even beside Plotly"
    assert client.get(f"/operator/meters/{meter_id}/dig?days=9999").status_code == 400


def test_processes_show_heartbeats_and_checks(client: httpx.Client, utility: Utility) -> None:
    with psycopg.connect(utility.database_url) as conn:
        heartbeat.beat(conn, process="checker", health={"waiting": 3}, wall_now=wall_now())
        conn.execute("INSERT INTO invariant_check VALUES ('debits_equal_credits', 2, 'entry 7', now())")
    sign_in(client, "operator")
    text = client.get("/operator/processes").text
    for word in ("checker", "alive", "debits_equal_credits", "entry 7", "is-bad"):
        assert word in text, word
