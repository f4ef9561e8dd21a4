"""Planned works: announced, begun, ended early or late, called off; everybody whom one touches sees it at once."""

import threading
import time
from datetime import timedelta

import httpx
import psycopg
import pytest

from customer_app.resolvers import resolvers
from kernel.database import Pool, Scope, enter_scope
from kernel.events import relay_once
from kernel.period import Period
from registry import operations as registry
from registry import queries as registry_queries
from tests.integration.customer_app import town
from tests.integration.customer_app.conftest import Utility, sign_in

FORM = {"kind": "closure", "title": "本管の取替え", "starts": "2026-06-17T09:00", "ends": "2026-06-17T15:00"}


def announce(client: httpx.Client, login: str = "operator", **change: str) -> httpx.Response:
    token = sign_in(client, login)
    return client.post("/works", data={"csrf_token": token, **FORM, "zone": "W1", **change})


def work_id(utility: Utility) -> int:
    with psycopg.connect(utility.database_url) as conn:
        row = conn.execute("SELECT max(planned_work_id) FROM planned_work").fetchone()
    assert row is not None
    return row[0]


def step(client: httpx.Client, utility: Utility, name: str) -> httpx.Response:
    token = sign_in(client, "operator")
    return client.post(f"/works/{work_id(utility)}/{name}", data={"csrf_token": token})


def see(client: httpx.Client, login: str, path: str) -> str:
    sign_in(client, login)
    return client.get(path).text


@pytest.mark.parametrize("login", ["operator", "office"])
def test_a_work_is_announced_to_everybody_in_its_zone(client: httpx.Client, login: str) -> None:
    answer = announce(client, login)
    assert (answer.status_code, answer.headers["location"]) == (303, "/works?said=work-announced")
    for customer in ("customer", "neighbour"):
        for path in ("/home", "/repairs"):
            assert "本管の取替え" in see(client, customer, path), f"{customer} at {path}"
        assert "Planned work near you" in see(client, customer, "/notices")
    for staff in ("crew", "operator", "office"):
        assert "本管の取替え" in see(client, staff, "/works")


def test_an_early_end_shows_at_once_to_all(client: httpx.Client, utility: Utility) -> None:
    """It is 14:30, and the work was planned until 15:00."""
    announce(client)
    assert step(client, utility, "start").status_code == 303
    assert "under way" in see(client, "customer", "/home")
    assert step(client, utility, "finish").status_code == 303
    assert "earlier than planned" in see(client, "customer", "/home")
    assert "earlier than planned" in see(client, "crew", "/works")
    told = see(client, "neighbour", "/notices")
    assert "has begun" in told
    assert "That is earlier than planned." in told


def test_a_late_end_is_called_late(client: httpx.Client, utility: Utility) -> None:
    announce(client, ends="2026-06-17T14:00")
    step(client, utility, "start")
    assert "takes longer than planned" in see(client, "customer", "/repairs")
    step(client, utility, "finish")
    assert "later than planned" in see(client, "customer", "/repairs")
    assert "That is later than planned." in see(client, "customer", "/notices")


def test_a_work_that_is_called_off_is_told(client: httpx.Client, utility: Utility) -> None:
    announce(client)
    step(client, utility, "cancel")
    assert "called off" in see(client, "customer", "/home")
    assert "is called off." in see(client, "customer", "/notices")


def test_work_at_a_point_concerns_its_people_alone(client: httpx.Client) -> None:
    assert announce(client, point="customer-water").status_code == 303
    assert "本管の取替え" in see(client, "customer", "/home")
    assert "本管の取替え" not in see(client, "neighbour", "/home")
    assert "本管の取替え" not in see(client, "neighbour", "/notices")


@pytest.mark.parametrize(
    "change",
    [{"zone": ""}, {"point": "nowhere"}, {"title": " "}, {"ends": FORM["starts"]}, {"starts": "soon"}],
)
def test_a_form_that_makes_no_sense_tells_nobody(client: httpx.Client, change: dict[str, str]) -> None:
    answer = announce(client, **change)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert "Planned works" not in see(client, "customer", "/home")


def test_a_step_that_was_taken_cannot_be_taken_again(client: httpx.Client, utility: Utility) -> None:
    announce(client)
    assert step(client, utility, "finish").status_code == 409, "it has not begun"
    step(client, utility, "start")
    assert step(client, utility, "start").status_code == 409
    step(client, utility, "finish")
    assert step(client, utility, "cancel").status_code == 409


def test_crews_see_works_and_do_not_plan_them(client: httpx.Client, utility: Utility) -> None:
    announce(client)
    page = see(client, "crew", "/works")
    assert "本管の取替え" in page
    assert "Announce a work" not in page
    token = sign_in(client, "crew")
    assert client.post(f"/works/{work_id(utility)}/start", data={"csrf_token": token}).status_code == 403


def test_a_change_reaches_the_open_pages_of_those_concerned(utility: Utility, pool: Pool) -> None:
    """What the live hub is asked: a work's key becomes those of the points that it touches, and of no others."""
    with psycopg.connect(utility.database_url) as conn:
        enter_scope(conn, scope=Scope(utility.utility_id, "test", town.NOW))
        points = town.points(conn, utility_id=utility.utility_id)
        planned_work_id = registry.announce_work(
            conn,
            utility_id=utility.utility_id,
            zone_id=None,
            point_id=points["customer-water"],
            kind="closure",
            title="x",
            planned=Period(town.NOW, town.NOW + timedelta(hours=1)),
            at=town.NOW,
        )
    resolve = resolvers(pool)["planned_work.changed"]
    key = f"work:{planned_work_id}"
    assert set(resolve(utility.utility_id, [key])) == {key, f"point:{points['customer-water']}"}


def test_the_customers_stream_hears_of_a_work(client: httpx.Client, utility: Utility) -> None:
    sign_in(client, "customer")
    heard: list[str] = []
    ready = threading.Event()

    def listen() -> None:
        with client.stream("GET", "/events?topics=repairs", timeout=20) as stream:
            ready.set()
            for line in stream.iter_lines():
                heard.append(line)
                if "repairs" in line:
                    return

    thread = threading.Thread(target=listen)
    thread.start()
    assert ready.wait(10)
    time.sleep(0.5)
    with psycopg.connect(utility.database_url) as conn:
        enter_scope(conn, scope=Scope(utility.utility_id, "test", town.NOW))
        zones = registry_queries.zones(conn, utility_id=utility.utility_id)
        registry.announce_work(
            conn,
            utility_id=utility.utility_id,
            zone_id=next(zone.zone_id for zone in zones if zone.code == "W1"),
            point_id=None,
            kind="closure",
            title="x",
            planned=Period(town.NOW, town.NOW + timedelta(hours=1)),
            at=town.NOW,
        )
    with psycopg.connect(utility.database_url) as conn:
        relay_once(conn)
    thread.join(timeout=15)
    assert any("repairs" in line for line in heard), heard
