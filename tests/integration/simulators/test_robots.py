"""The crew's and the residents' robots at the utility's pages: what they do, and that people come first."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from simulators import faults
from simulators.crew import Crew
from simulators.residents import Residents
from simulators.town import Town
from simulators.web import Browser, PageRefused
from simulators.world import World

STATE_AFTER = {"take": "taken", "start": "started", "finish": "finished"}
FORM = '<form><input type="hidden" name="csrf_token" value="{token}"></form>'


class Utility:
    """The utility's pages as the robots see them: a sign-in form, tickets, open bills, a counter."""

    def __init__(self) -> None:
        self.tickets: list[dict[str, Any]] = []
        self.bills: list[dict[str, Any]] = []
        self.payments: list[dict[str, Any]] = []
        self.sessions: set[str] = set()
        self.sign_ins = 0
        utility = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                if path == "/login":
                    self._say(200, FORM.format(token="before"), cookie="token=before")
                elif not self._is_signed_in():
                    self._say(303, "", location="/login")
                elif path == "/api/crew/tickets":
                    self._say(200, json.dumps(utility.tickets))
                elif path == "/api/office/open-bills":
                    self._say(200, json.dumps(utility.bills))
                else:
                    self._say(200 if path == "/" else 404, FORM.format(token="after"))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
                path = urlsplit(self.path).path
                if path == "/login":
                    utility.sign_ins += 1
                    form = parse_qs(body)
                    is_right = form["password"] == ["secret"] and form["csrf_token"] == ["before"]
                    utility.sessions |= {"s1"} if is_right else set()
                    self._say(303 if is_right else 403, "", cookie="session=s1", location="/")
                elif not self._is_signed_in() or self.headers.get("X-CSRF-Token") != "after":
                    self._say(403, "csrf")
                elif path == "/api/office/counter-payments":
                    utility.payments.append(json.loads(body))
                    self._say(201, "{}")
                else:
                    ticket_id, step = path.split("/")[-2:]
                    ticket = next(t for t in utility.tickets if t["ticket_id"] == int(ticket_id))
                    ticket["state"] = STATE_AFTER[step]
                    self._say(200, "{}")

            def _is_signed_in(self) -> bool:
                cookie = SimpleCookie(self.headers.get("Cookie", ""))
                return "session" in cookie and cookie["session"].value in utility.sessions

            def _say(self, status: int, body: str, *, cookie: str = "", location: str = "") -> None:
                self.send_response(status)
                if cookie:
                    self.send_header("Set-Cookie", f"{cookie}; Path=/")
                if location:
                    self.send_header("Location", location)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def utility() -> Iterator[Utility]:
    utility = Utility()
    yield utility
    utility.close()


@pytest.fixture
def browser(utility: Utility) -> Iterator[Browser]:
    browser = Browser(base_url=utility.url, login_name="crew", password="secret")
    yield browser
    browser.close()


@pytest.fixture
def world(little: Town) -> World:
    return World(little, hour=int(little.starts_at.timestamp()) // 3600 - 1)


def leak_ticket(world: World) -> dict[str, Any]:
    world.break_down(faults.ordered({"fault": "leak", "place": "W-0001"}, known=world.known, hour=0))
    point = world.known.point_of_serial["W-0001"]
    return {"ticket_id": 4, "number": "T-4", "kind": "household_leak", "state": "open", "zone_code": "W1",
            "point_number": point, "meter_serial": "W-0001", "opened_at": "2026-04-01T00:00:00Z"}  # fmt: skip


def test_the_robot_takes_works_and_finishes_and_the_leak_is_gone(
    little: Town, utility: Utility, browser: Browser, world: World
) -> None:
    utility.tickets = [leak_ticket(world)]
    crew = Crew(browser, repair=lambda action: action(world), works=True)
    states = []
    for hour in range(40):
        crew.look(now=little.starts_at + timedelta(hours=hour))
        states.append(utility.tickets[0]["state"])
    assert list(dict.fromkeys(states)) == ["open", "taken", "started", "finished"]
    assert states.index("finished") >= 6  # work takes its time
    assert world.state.faults == []


def test_a_ticket_that_a_person_took_is_left_to_that_person(
    little: Town, utility: Utility, browser: Browser, world: World
) -> None:
    utility.tickets = [leak_ticket(world) | {"state": "taken"}]
    crew = Crew(browser, repair=lambda action: action(world), works=True)
    for hour in range(60):
        crew.look(now=little.starts_at + timedelta(hours=hour))
    assert utility.tickets[0]["state"] == "taken"
    assert len(world.state.faults) == 1
    utility.tickets = []  # the person finished it, so it is no longer listed
    crew.look(now=little.starts_at + timedelta(hours=60))
    assert world.state.faults == []


def test_a_session_that_ended_is_opened_again(utility: Utility, browser: Browser) -> None:
    assert browser.get("/api/crew/tickets") == []
    utility.sessions.clear()
    assert browser.get("/api/crew/tickets") == []
    assert utility.sign_ins == 2


def test_a_wrong_password_is_not_tried_again_at_once(utility: Utility) -> None:
    browser = Browser(base_url=utility.url, login_name="crew", password="wrong")
    for _ in range(5):
        with pytest.raises(PageRefused):
            browser.get("/api/crew/tickets")
    browser.close()
    assert utility.sign_ins == 1


def bill(little: Town, account: str) -> dict[str, Any]:
    return {"account_number": account, "bill_number": f"B-{account}", "open_minor": 4224, "due_on": "2026-04-20",
            "issued_at": little.starts_at.isoformat()}  # fmt: skip


def test_residents_pay_when_their_habit_says_and_each_bill_once(
    little: Town, utility: Utility, browser: Browser
) -> None:
    accounts = [a.account_number for a in little.accounts if a.payment_method == "slip"]
    prompt = next(a for a in accounts if little.pay_habit(a) == "prompt" and a != little.customer_account())
    never = next(a for a in accounts if little.pay_habit(a) == "until_suspended" and a not in little.arrears_accounts())
    utility.bills = [bill(little, prompt), bill(little, never)]
    residents = Residents(little, browser)
    for day in range(90):
        residents.look(now=little.starts_at + timedelta(days=day), cut_off=frozenset())
    assert [(p["account_number"], p["amount_minor"]) for p in utility.payments] == [(prompt, 4224)]
    cut_at = little.starts_at + timedelta(days=91)
    for hour in range(40):
        residents.look(now=cut_at + timedelta(hours=hour), cut_off=frozenset({never}))
    assert [p["account_number"] for p in utility.payments] == [prompt, never]
