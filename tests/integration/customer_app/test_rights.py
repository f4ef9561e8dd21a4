"""Who may go where: every page and operation against every role, the form's token, and what nobody may see."""

from collections.abc import Iterator
from typing import get_args

import httpx
import pytest
from fastapi.routing import APIRoute

from customer_app.dependencies import CHANGING
from customer_app.settings import WebSettings
from registry.domain.rights import RIGHTS_AT_FOUNDING, RoleName
from tests.integration.customer_app.conftest import sign_in
from tests.integration.customer_app.test_access import access_of, routes

GUARDED = [(route, access) for route in routes() if (access := access_of(route)) is not None and access.right]
CHANGERS = [(route, access) for route in routes() if (access := access_of(route)) is not None and access.checks_token]


def address(route: APIRoute) -> str:
    """Give an address of the route, with numbers that name nothing."""
    path = route.path
    while "{" in path:
        name = path[path.index("{") + 1 : path.index("}")]
        path = path.replace("{" + name + "}", "999999")
    return path


def methods(route: APIRoute) -> Iterator[str]:
    yield from sorted((route.methods or set()) - {"HEAD", "OPTIONS"})


@pytest.mark.parametrize("role", get_args(RoleName))
def test_a_role_without_the_right_is_refused_everywhere(client: httpx.Client, role: RoleName) -> None:
    """A right is looked at before anything else: whether the thing exists, or the form is whole, is not told."""
    token = sign_in(client, role)
    missing = [(r, a) for r, a in GUARDED if a.right not in RIGHTS_AT_FOUNDING[role] and not needs_body(r)]
    for route, access in missing:
        for method in methods(route):
            answer = client.request(method, address(route), headers={"X-CSRF-Token": token})
            assert answer.status_code == 403, f"{role} at {method} {route.path}, which needs {access.right}"


def needs_body(route: APIRoute) -> bool:
    """Tell whether a request without parameters is refused for that reason before its right is looked at."""
    required = [*route.dependant.body_params, *route.dependant.query_params]
    return any(parameter.field_info.is_required() for parameter in required)


def test_nobody_gets_in_without_a_session(client: httpx.Client) -> None:
    for route, _access in GUARDED:
        if needs_body(route):
            continue
        for method in methods(route):
            answer = client.request(method, address(route))
            if route.path.startswith("/api/"):
                assert answer.status_code == 401, f"{method} {route.path}"
            else:
                assert answer.status_code == 303, f"{method} {route.path}"
                assert answer.headers["location"].startswith("/login"), f"{method} {route.path}"


def test_a_form_without_its_token_changes_nothing(client: httpx.Client) -> None:
    sign_in(client, "admin")
    for route, _access in CHANGERS:
        if needs_body(route):
            continue
        for method in methods(route):
            if method in CHANGING:
                for headers in ({}, {"X-CSRF-Token": "guessed"}):
                    assert client.request(method, address(route), headers=headers).status_code == 403, route.path


def test_a_form_sent_from_another_site_is_refused_though_its_token_is_right(client: httpx.Client) -> None:
    token = sign_in(client, "customer")
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert client.post("/logout", data={"csrf_token": token}, headers=headers).status_code == 403
    assert client.post("/logout", data={"csrf_token": token}).status_code == 303


def test_a_session_that_ended_opens_nothing(client: httpx.Client) -> None:
    token = sign_in(client, "customer")
    cookie = client.cookies["suiden_session"]
    client.post("/logout", data={"csrf_token": token})
    client.cookies.set("suiden_session", cookie)
    assert client.get("/home").status_code == 303


def test_each_sign_in_is_a_session_of_its_own(client: httpx.Client) -> None:
    sign_in(client, "customer")
    first = client.cookies["suiden_session"]
    sign_in(client, "customer")
    assert client.cookies["suiden_session"] != first


@pytest.mark.parametrize(
    ("role", "home"),
    [
        ("customer", "/home"),
        ("operator", "/operator"),
        ("office", "/office"),
        ("crew", "/crew"),
        ("reader", "/handheld"),
    ],
)
def test_everybody_begins_at_their_own_page(client: httpx.Client, role: str, home: str) -> None:
    sign_in(client, role)
    assert client.get("/").headers["location"] == home


@pytest.mark.parametrize("path", ["/nothing", "/static/nothing.css", "/home?fragment=nothing", "/use?point=999999"])
def test_what_is_not_there_is_told_kindly(client: httpx.Client, path: str) -> None:
    sign_in(client, "customer")
    answer = client.get(path)
    assert answer.status_code == 404
    assert "Nothing here" in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_static_files_are_kept_for_ever_by_their_fingerprint(client: httpx.Client) -> None:
    page = client.get("/login").text
    address_of_style = page.split('rel="stylesheet" href="')[1].split('"')[0]
    kept = client.get(address_of_style)
    assert "immutable" in kept.headers["Cache-Control"]
    assert client.get(address_of_style.partition("?")[0]).headers["Cache-Control"] == "no-cache"


def test_a_surface_serves_its_own_pages_only(settings: WebSettings) -> None:
    from customer_app.app import routers_of

    def paths(surface: str) -> set[str]:
        routers = routers_of(surface)  # type: ignore[arg-type]
        return {route.path for router in routers for route in router.routes if isinstance(route, APIRoute)}

    assert settings.surface == "all"
    assert "/home" in paths("customer")
    assert "/home" not in paths("staff") | paths("handheld")
    assert not {path for path in paths("customer") if path.startswith(("/operator", "/office", "/crew", "/handheld"))}
    assert paths("all") == paths("customer") | paths("staff") | paths("handheld")
