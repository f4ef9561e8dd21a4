"""Incidents and the watch list: one fault with its findings, and what people say of them."""

import re

import httpx
import psycopg

from maintenance_tracker import operations as tracker_operations
from tests.integration.customer_app import found
from tests.integration.customer_app.conftest import Utility, sign_in
from tests.integration.customer_app.found import entered


def track(utility: Utility, *anomaly_ids: int) -> None:
    """Let the tracker take findings, as its consumer does."""
    with psycopg.connect(utility.database_url) as conn:
        entered(conn, utility)
        for anomaly_id in anomaly_ids:
            tracker_operations.track_opened(conn, utility_id=utility.utility_id, anomaly_id=anomaly_id)


def listed(client: httpx.Client) -> list[str]:
    return re.findall(r'href="(/operator/incidents/\d+)"', client.get("/operator/incidents").text)


def pressure(utility: Utility, serial: str) -> int:
    return found.finding(
        utility, serial=serial, kind="pressure_sag", evidence={"fall_kpa": 120.0, "usual_kpa": 300.0, "limit_kpa": 80.0}
    )


def test_one_fault_is_one_incident_with_its_findings_and_the_points_that_show_it(
    client: httpx.Client, utility: Utility
) -> None:
    track(utility, pressure(utility, "W-customer"), pressure(utility, "W-neighbour"))
    sign_in(client, "operator")
    [path] = listed(client)
    text = client.get(path).text
    assert "180 kPa where 300 kPa is usual" in text
    for shown in ("W-customer", "W-neighbour", "日の出町1丁目2番3号", "which shows it most", "T-2026-00001"):
        assert shown in text, shown


def test_an_incident_is_split_and_made_one_again(client: httpx.Client, utility: Utility) -> None:
    first, second = pressure(utility, "W-customer"), pressure(utility, "W-neighbour")
    track(utility, first, second)
    token = sign_in(client, "operator")
    [path] = listed(client)
    answer = client.post(f"{path}/split", data={"csrf_token": token, "anomaly_ids": [second]})
    new = answer.headers["location"].split("?")[0]
    assert sorted(listed(client)) == sorted([path, new])
    assert "W-neighbour" in client.get(new).text
    every = client.post(f"{path}/split", data={"csrf_token": token, "anomaly_ids": [first]})
    assert every.status_code == 409, "no finding would be left"
    merged = client.post(f"{new}/merge", data={"csrf_token": token, "into": path.rsplit("/", 1)[1]})
    assert merged.headers["location"] == f"{path}?said=incidents-merged"
    assert listed(client) == [path]


def test_a_weak_finding_waits_for_a_person_and_becomes_a_ticket_when_it_is_confirmed(
    client: httpx.Client, utility: Utility
) -> None:
    anomaly_id = found.finding(utility, serial="W-customer", outlet="watch")
    track(utility, anomaly_id)
    token = sign_in(client, "operator")
    assert listed(client) == []
    assert "about 14 litres an hour" in client.get("/operator/watch").text
    form = {"csrf_token": token, "answer": "confirmed", "kind": "household_leak"}
    assert client.post(f"/operator/watch/{anomaly_id}", data=form).status_code == 400, "a reason is asked for"
    answer = client.post(f"/operator/watch/{anomaly_id}", data={**form, "note": "the cistern was heard"})
    assert answer.headers["location"] == "/operator/watch?said=watch-confirmed"
    text = client.get("/operator/watch").text
    assert "Nothing waits for an answer." in text
    assert "the cistern was heard" in text
    assert len(listed(client)) == 1


def test_a_weak_finding_that_is_dismissed_gets_no_ticket_and_the_answer_is_kept(
    client: httpx.Client, utility: Utility
) -> None:
    anomaly_id = found.finding(utility, serial="W-customer", outlet="watch")
    token = sign_in(client, "operator")
    form = {"csrf_token": token, "answer": "dismissed", "note": "they water the garden"}
    assert client.post(f"/operator/watch/{anomaly_id}", data=form).status_code == 303
    text = client.get("/operator/watch").text
    assert text.count("they water the garden") == 2, "among those still seen, and among the answers"
    assert listed(client) == []
    with psycopg.connect(utility.database_url) as conn:
        row = entered(conn, utility).execute("SELECT answer, kind, answered_by FROM anomaly_label").fetchone()
    assert row == ("dismissed", "household_leak", "operator")


def test_only_who_may_judge_may_answer_split_and_merge(client: httpx.Client, utility: Utility) -> None:
    anomaly_id = found.finding(utility, serial="W-customer", outlet="watch")
    token = sign_in(client, "crew")
    form = {"csrf_token": token, "answer": "dismissed", "note": "no"}
    assert client.post(f"/operator/watch/{anomaly_id}", data=form).status_code == 403
    assert client.post("/operator/incidents/1/merge", data={"csrf_token": token, "into": 2}).status_code == 403
    sign_in(client, "operator")
    assert client.get("/operator/incidents/999999").status_code == 404
