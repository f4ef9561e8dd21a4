"""Newest readings in the live stream: only one's own, only as long as they are, and on the page of a real browser."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest
from playwright.sync_api import Route, expect, sync_playwright

from customer_app.settings import WebSettings
from customer_app.visit import SESSION_COOKIE
from kernel import events
from registry import operations as registry_operations
from tests.integration.customer_app import town
from tests.integration.customer_app.conftest import Utility, sign_in

CHECK_S = 0.3


@pytest.fixture
def settings(settings: WebSettings) -> WebSettings:
    return settings.model_copy(update={"stream_check_s": CHECK_S})


def meter_of(utility: Utility, serial: str) -> int:
    with psycopg.connect(utility.database_url) as conn:
        return town.meters(conn, utility_id=utility.utility_id)[serial]


def say(utility: Utility, serial: str, *, register: int, topic: str = "intake.batch_stored") -> None:
    """Let a meter say something: its newest reading moves, and an event is published; no relay is there."""
    with psycopg.connect(utility.database_url) as conn:
        conn.execute(
            """
            UPDATE meter_latest SET register = %(register)s, flow = 60, read_at = read_at + interval '1 minute'
            WHERE utility_id = %(utility_id)s AND meter_id = %(meter_id)s
            """,
            {
                "register": register,
                "utility_id": utility.utility_id,
                "meter_id": town.meters(conn, utility_id=utility.utility_id)[serial],
            },
        )
        events.publish(
            conn, utility_id=utility.utility_id, topic=topic, key="batch:1", payload={}, occurred_at=town.NOW
        )


@contextmanager
def opened(client: httpx.Client, topics: str) -> Iterator[Iterator[str]]:
    with client.stream("GET", f"/events?topics={topics}") as answer:
        assert answer.status_code == 200
        lines = (line for line in answer.iter_lines() if line.startswith(("event: ", "data: ")))
        assert next(lines) == "event: ready"
        assert next(lines) == "data: "
        yield lines


def is_silent(client: httpx.Client, utility: Utility, topics: str) -> bool:
    """Tell whether a new stream says nothing of what the customer's meter says."""
    client.timeout = httpx.Timeout(5.0, read=1.0)
    try:
        with opened(client, topics) as lines:
            say(utility, "W-customer", register=123_456_789)
            return next(lines, "") == ""
    except httpx.ReadTimeout:
        return True


def test_the_newest_reading_of_ones_own_meter_comes_by_itself(client: httpx.Client, utility: Utility) -> None:
    sign_in(client, "customer")
    mine = meter_of(utility, "W-customer")
    with opened(client, f"reading:{mine}") as lines:
        assert f'hx-target="#reading-{mine}"' in next(lines)  # what the page may have missed
        say(utility, "W-customer", register=123_456_789)
        told = next(lines)
        assert "W-customer" in told
        assert "123,456.789 m³" in told
        assert "60 L/h" in told


def test_another_customers_reading_is_never_sent(client: httpx.Client, utility: Utility) -> None:
    sign_in(client, "customer")
    mine, other = meter_of(utility, "W-customer"), meter_of(utility, "W-neighbour")
    with opened(client, f"reading:{other},reading:{mine},reading:*,reading:") as lines:
        assert "W-customer" in next(lines)
        say(utility, "W-neighbour", register=111_222_333)
        time.sleep(0.5)
        say(utility, "W-customer", register=123_456_789)
        told = next(lines)
        assert "W-customer" in told
        assert "111,222.333" not in told


def test_staff_have_no_reading_of_their_own(client: httpx.Client, utility: Utility) -> None:
    sign_in(client, "operator")
    assert is_silent(client, utility, f"reading:{meter_of(utility, 'W-customer')}")


def test_a_stream_ends_soon_after_its_session(client: httpx.Client, utility: Utility) -> None:
    sign_in(client, "customer")
    with opened(client, "use,money") as lines:
        with psycopg.connect(utility.database_url) as conn:
            registry_operations.sign_out(conn, token=client.cookies[SESSION_COOKIE])
        assert list(lines) == []  # it ends, with no time-out


def test_a_stream_ends_soon_after_a_right_was_taken(client: httpx.Client, utility: Utility) -> None:
    sign_in(client, "operator")
    with opened(client, "telemetry") as lines:
        with psycopg.connect(utility.database_url) as conn:
            conn.execute("DELETE FROM role_right WHERE role = 'operator' AND granted = 'telemetry.view'")
        assert list(lines) == []


def test_a_stream_ends_soon_after_its_customer_has_moved_out(client: httpx.Client, utility: Utility) -> None:
    sign_in(client, "customer")
    mine = meter_of(utility, "W-customer")
    with opened(client, f"reading:{mine}") as lines:
        assert "W-customer" in next(lines)
        with psycopg.connect(utility.database_url) as conn:
            conn.execute(
                "UPDATE point_party SET valid = tstzrange(lower(valid), %(at)s) WHERE party_id = %(party_id)s",
                {"at": town.NOW - timedelta(seconds=1), "party_id": utility.parties["customer"]},
            )
        assert list(lines) == []
    assert is_silent(client, utility, f"reading:{mine}")


def test_a_page_that_stays_as_it_was_keeps_its_stream(client: httpx.Client, utility: Utility) -> None:
    sign_in(client, "customer")
    with opened(client, f"reading:{meter_of(utility, 'W-customer')}") as lines:
        assert "W-customer" in next(lines)
        time.sleep(3 * CHECK_S)
        say(utility, "W-customer", register=123_456_789)
        assert "123,456.789" in next(lines)


def test_a_browser_shows_it_also_where_the_streams_script_comes_late(
    client: httpx.Client, server: str, utility: Utility, browser_type_launch_args: dict[str, Any]
) -> None:
    sign_in(client, "customer")
    session = client.cookies[SESSION_COOKIE]
    mine = meter_of(utility, "W-customer")

    def late(route: Route) -> None:
        time.sleep(0.4)
        route.continue_()

    def look() -> None:
        with sync_playwright() as playwright, playwright.chromium.launch(**browser_type_launch_args) as browser:
            page = browser.new_page()
            page.context.add_cookies([{"name": SESSION_COOKIE, "value": session, "url": server}])
            page.route("**/hx-sse*", late)
            with page.expect_request("**/events?*"):
                page.goto(f"{server}/home")
            line = page.locator(f"#reading-{mine}")
            expect(line).not_to_contain_text("123,456.789")
            say(utility, "W-customer", register=123_456_789)
            expect(line).to_contain_text("shows 123,456.789 m³. Now: 60 L/h.")
            expect(page.locator("#use h2")).to_have_count(2)  # the rest of the page stayed

    with ThreadPoolExecutor(max_workers=1) as beside:  # the browser keeps a loop in its thread
        beside.submit(look).result()
