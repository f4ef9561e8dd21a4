"""Crews take, start, note, promise and finish; of two that grab one ticket one gets it, the other is told kindly."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import psycopg
import pytest

from kernel.database import Scope, enter_scope
from maintenance_tracker import operations as tracker
from registry import operations as registry
from tests.integration.customer_app import town
from tests.integration.customer_app.conftest import Utility, sign_in


@pytest.fixture
def ticket(utility: Utility) -> int:
    """A burst in the customer's zone, and two crews: `crew` is in one, `crew2` in the other."""
    with psycopg.connect(utility.database_url) as conn:
        enter_scope(conn, scope=Scope(utility.utility_id, "test", town.NOW))
        scope = {"utility_id": utility.utility_id}
        second = registry.add_login(
            conn,
            **scope,
            login_name="crew2",
            display_name="Second",
            password=town.PASSWORD,
            roles=["crew"],
            party_id=None,
            locale="en",
        )
        first = conn.execute("SELECT login_id FROM login WHERE login_name = 'crew'").fetchone()
        assert first is not None
        tracker.add_crew(conn, **scope, name="Crew East", login_ids=[first[0]])
        tracker.add_crew(conn, **scope, name="Crew West", login_ids=[second])
        point = town.points(conn, utility_id=utility.utility_id)["customer-water"]
        opened = tracker.open_ticket(
            conn,
            **scope,
            service="water",
            kind="leak",
            zone_id=None,
            point_id=point,
            note="water on the road",
            actor="office",
            at=town.NOW - timedelta(hours=2),
        )
        return opened if isinstance(opened, int) else opened.ticket_id


@pytest.fixture
def second(server: str) -> Iterator[httpx.Client]:
    """The other crew's phone."""
    with httpx.Client(base_url=server, timeout=10, trust_env=False) as browser:
        yield browser


def test_a_crew_works_a_ticket_from_the_list_to_its_end(client: httpx.Client, ticket: int) -> None:
    token = sign_in(client, "crew")
    form = {"csrf_token": token}
    assert f"/crew/tickets/{ticket}" in client.get("/crew").text
    page = f"/crew/tickets/{ticket}"
    assert client.post(f"{page}/take", data=form).status_code == 303
    assert client.post(f"{page}/start", data={**form, "client_id": str(uuid4())}).status_code == 303
    assert client.post(f"{page}/promise", data={**form, "hours": "4"}).status_code == 303
    assert client.post(f"{page}/finish", data={**form, "cause": "Joint leaked: renewed"}).status_code == 303
    text = client.get(page).text
    assert "Joint leaked: renewed" in text
    assert "Repaired" in text
    assert "Crew East" in text


def test_of_two_crews_one_gets_the_ticket_and_the_other_a_kind_word(
    client: httpx.Client, second: httpx.Client, ticket: int
) -> None:
    phones = [(client, sign_in(client, "crew")), (second, sign_in(second, "crew2"))]

    def take(phone: tuple[httpx.Client, str]) -> httpx.Response:
        browser, token = phone
        return browser.post(f"/crew/tickets/{ticket}/take", data={"csrf_token": token})

    with ThreadPoolExecutor(2) as hands:
        answers = list(hands.map(take, phones))
    assert sorted(answer.status_code for answer in answers) == [303, 409]
    late = next(answer for answer in answers if answer.status_code == 409)
    assert "a moment faster" in late.text
    assert "Take this ticket" not in late.text


def test_a_crew_cannot_finish_what_another_has(client: httpx.Client, second: httpx.Client, ticket: int) -> None:
    token, other = sign_in(client, "crew"), sign_in(second, "crew2")
    client.post(f"/crew/tickets/{ticket}/take", data={"csrf_token": token})
    client.post(f"/crew/tickets/{ticket}/start", data={"csrf_token": token})
    refused = second.post(f"/crew/tickets/{ticket}/finish", data={"csrf_token": other, "cause": "x"})
    assert refused.status_code == 409
    assert "another crew" in refused.text


def test_a_note_sent_twice_is_written_once(client: httpx.Client, utility: Utility, ticket: int) -> None:
    token = sign_in(client, "crew")
    form = {"csrf_token": token, "note": "Gate is locked", "client_id": str(uuid4())}
    for _again in range(2):
        assert client.post(f"/crew/tickets/{ticket}/note", data=form).status_code == 303
    with psycopg.connect(utility.database_url) as conn:
        row = conn.execute("SELECT count(*) FROM ticket_entry WHERE note = 'Gate is locked'").fetchone()
    assert row == (1,)


def test_a_promise_for_the_past_is_not_made(client: httpx.Client, ticket: int) -> None:
    token = sign_in(client, "crew")
    form = {"csrf_token": token, "promised_at": "2020-01-01T10:00"}
    answer = client.post(f"/crew/tickets/{ticket}/promise", data=form)
    assert answer.status_code == 400
    assert "still to come" in answer.text


def test_a_late_ticket_says_so(client: httpx.Client, utility: Utility, ticket: int) -> None:
    with psycopg.connect(utility.database_url) as conn:
        enter_scope(conn, scope=Scope(utility.utility_id, "test", town.NOW))
        conn.execute("UPDATE ticket SET promised_at = %s", [town.NOW - timedelta(hours=3)])
    sign_in(client, "crew")
    assert "3 h 0 min late" in client.get("/crew").text
    assert "3 h 0 min late" in client.get(f"/crew/tickets/{ticket}").text


def test_the_fields_programs_work_a_ticket_by_json(client: httpx.Client, ticket: int) -> None:
    headers = {"X-CSRF-Token": sign_in(client, "crew"), "Accept": "application/json"}
    (listed,) = client.get("/api/crew/tickets", headers=headers).json()
    assert listed["ticket_id"] == ticket
    assert (listed["kind"], listed["state"], listed["zone_code"]) == ("leak", "open", "W1")
    assert (listed["point_number"], listed["meter_serial"]) == ("customer-water", "W-customer")
    assert datetime.fromisoformat(listed["opened_at"]).astimezone(UTC) == town.NOW - timedelta(hours=2)
    for step, body in (("take", {}), ("start", {}), ("note", {"note": "On site"}), ("finish", {"note": "Mended"})):
        answer = client.post(f"/api/crew/tickets/{ticket}/{step}", json=body, headers=headers)
        assert answer.status_code == 200, f"{step}: {answer.text}"
    (listed,) = client.get("/api/crew/tickets", headers=headers).json()
    assert listed["state"] == "finished"
    again = client.post(f"/api/crew/tickets/{ticket}/take", json={}, headers=headers)
    assert again.status_code == 409


def test_the_office_sees_tickets_and_has_no_button_to_take_them(client: httpx.Client, ticket: int) -> None:
    sign_in(client, "office")
    text = client.get(f"/crew/tickets/{ticket}").text
    assert "日の出町1丁目2番3号" in text
    assert "Take this ticket" not in text


def test_a_ticket_that_is_not_there_is_not_found(client: httpx.Client) -> None:
    sign_in(client, "crew")
    assert client.get("/crew/tickets/999999").status_code == 404
