"""Every page and operation has a right, a token where it changes something, and an audit row."""

import httpx
import pytest
from fastapi.routing import APIRoute

from customer_app.app import routers_of
from customer_app.dependencies import Access

FOR_MACHINES = {"/healthz", "/readyz", "/metrics"}
OPEN_TO_ALL = {
    "home.open",
    "session.ask",
    "session.start",
    "session.end",
    "preference.change",
    "live.watch",
    "payment.notify",
}


def routes() -> list[APIRoute]:
    return [route for router in routers_of("all") for route in router.routes if isinstance(route, APIRoute)]


def access_of(route: APIRoute) -> Access | None:
    found = [part.call for part in route.dependant.dependencies if isinstance(part.call, Access)]
    assert len(found) <= 1, route.path
    return found[0] if found else None


@pytest.mark.parametrize("route", routes(), ids=lambda route: f"{sorted(route.methods)[0]} {route.path}")
def test_every_route_has_a_right_and_an_audit_action(route: APIRoute) -> None:
    access = access_of(route)
    if route.path in FOR_MACHINES:
        assert access is None
        return
    assert access is not None, f"{route.path} does not say who may come in"
    assert access.action
    if access.right is None and not access.needs_session:
        assert access.action in OPEN_TO_ALL, f"{route.path} is open to everybody"


def test_pages_for_machines_need_no_session(client: httpx.Client) -> None:
    assert client.get("/healthz").text == "ok\n"
    assert client.get("/readyz").json()["utility"] == "test"
    assert "suiden_web_answers_total" in client.get("/metrics").text


def test_sign_in_page_carries_our_headers(client: httpx.Client) -> None:
    answer = client.get("/login")
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "form-action 'self' http://card.example" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=lax" in answer.headers["set-cookie"]


def test_sign_in_without_the_pages_token_is_refused(client: httpx.Client) -> None:
    answer = client.post("/login", data={"login_name": "customer", "password": "open sesame"})
    assert answer.status_code == 403
    assert "suiden_session" not in answer.cookies
