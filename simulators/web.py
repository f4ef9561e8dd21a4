"""A robot's browser: signs in at the utility's pages and calls what a page's script would call."""

import re
import time
from typing import Any

import httpx
import structlog

log = structlog.get_logger()

TIMEOUT_S = 10.0
SIGN_IN_PAUSE_S = 20.0
_CSRF_FIELD = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"|value="([^"]+)"[^>]*name="csrf_token"')
_CSRF_META = re.compile(r'<meta[^>]*name="csrf-token"[^>]*content="([^"]+)"')


class PageRefused(Exception):
    """The utility's web application did not do what was asked."""


class Browser:
    """One signed-in login; signs in again by itself when its session has ended."""

    def __init__(self, *, base_url: str, login_name: str, password: str) -> None:
        """Take who signs in where; nothing is called yet."""
        self._client = httpx.Client(base_url=base_url, timeout=TIMEOUT_S, follow_redirects=False)
        self._login_name, self._password = login_name, password
        self._csrf_token: str | None = None
        self._complaint = ""
        self._sign_in_at_s = 0.0

    def get(self, path: str, **parameters: Any) -> Any:
        """:raises PageRefused: if there is no such page, or it is not ours to see"""
        return self._call("GET", path, params=parameters)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """:raises PageRefused: if it was not done"""
        return self._call("POST", path, json=body)

    def complain(self, error: Exception) -> None:
        """Log what went wrong, once until something else does."""
        if str(error) != self._complaint:
            self._complaint = str(error)
            log.warning("robot.hindered", login=self._login_name, why=self._complaint)

    def close(self) -> None:
        self._client.close()

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        for attempt in (1, 2):
            if self._csrf_token is None:
                self._sign_in()
            try:
                answer = self._client.request(
                    method, path, headers={"X-CSRF-Token": self._csrf_token or "", "Accept": "application/json"},
                    **arguments,
                )  # fmt: skip
            except httpx.HTTPError as error:
                raise PageRefused(f"{method} {path}: {type(error).__name__}: {error}") from error
            if attempt == 1 and (answer.status_code in (401, 303, 302, 307) or _says_csrf(answer)):
                self._csrf_token = None  # the session has ended
                continue
            if not answer.is_success:
                raise PageRefused(f"{method} {path} answered {answer.status_code}: {answer.text[:200]}")
            self._complaint = ""
            return answer.json() if answer.content else None
        raise PageRefused(f"{method} {path}: signed in and still turned away")

    def _sign_in(self) -> None:
        if time.monotonic() < self._sign_in_at_s:
            raise PageRefused(f"sign-in as {self._login_name} failed a moment ago")
        self._sign_in_at_s = time.monotonic() + SIGN_IN_PAUSE_S  # a wrong password must not lock the login for people
        try:
            self._client.cookies.clear()
            page = self._client.get("/login")
            form = {
                "login_name": self._login_name,
                "password": self._password,
                "csrf_token": _token_of(page.text) or "",
            }
            answer = self._client.post("/login", data=form)
            if answer.status_code not in (302, 303):
                raise PageRefused(f"sign-in as {self._login_name} answered {answer.status_code}")
            home = self._client.get(answer.headers.get("location", "/"), follow_redirects=True)
        except httpx.TransportError as error:
            self._sign_in_at_s = 0.0  # nobody heard it
            raise PageRefused(f"sign-in as {self._login_name}: {type(error).__name__}: {error}") from error
        token = _token_of(home.text)
        if token is None:
            raise PageRefused(f"the first page of {self._login_name} holds no token for forms")
        self._csrf_token = token
        self._sign_in_at_s = 0.0


def _token_of(html: str) -> str | None:
    for pattern in (_CSRF_META, _CSRF_FIELD):
        found = pattern.search(html)
        if found:
            return next(group for group in found.groups() if group)
    return None


def _says_csrf(answer: httpx.Response) -> bool:
    return answer.status_code in (400, 403) and "csrf" in answer.text.lower()
