"""The card provider: a page to pay on, signed webhooks, sometimes twice, again when not heard."""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from simulators import card_provider
from simulators.card_provider import CardProvider
from tests.integration.simulators.utility_ear import wait_until

SECRET = "shared"


class Shop:
    """Receives webhooks and answers them as told."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                shop.heard.append((dict(self.headers), body))
                self.send_response(shop.answers.pop(0) if shop.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.heard]


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.close()


@pytest.fixture
def provider() -> Iterator[CardProvider]:
    provider = CardProvider(secret=SECRET)
    provider.start()
    yield provider
    provider.stop()


def order(shop: Shop, **changes: Any) -> dict[str, Any]:
    return {"amount_minor": 7150, "currency": "JPY", "reference": "<b>intent:7</b>", "return_url": f"{shop.url}/back",
            "webhook_url": f"{shop.url}/hook"} | changes  # fmt: skip


def open_page(provider: CardProvider, shop: Shop) -> str:
    answer = httpx.post(f"{provider.url}/v1/checkouts", json=order(shop))
    assert answer.status_code == 201
    return answer.json()["url"]


def test_paying_sends_a_signed_webhook_and_leads_back(provider: CardProvider, shop: Shop) -> None:
    page = open_page(provider, shop)
    shown = httpx.get(page, headers={"Accept-Language": "ja"}).text
    assert "7,150 円" in shown
    assert "支払う" in shown
    assert "<b>" not in shown
    assert ">Pay<" in httpx.get(page, headers={"Accept-Language": "en"}).text
    answer = httpx.post(page, data={"choice": "pay"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{shop.url}/back")
    headers, body = shop.heard[0]
    stamp, digest = (part.split("=")[1] for part in headers["X-Card-Signature"].split(","))
    assert digest == hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    event = json.loads(body)
    assert (event["type"], event["reference"], event["amount_minor"]) == ("payment.succeeded", "<b>intent:7</b>", 7150)


def test_cancelling_tells_of_a_failure_and_a_second_choice_changes_nothing(provider: CardProvider, shop: Shop) -> None:
    page = open_page(provider, shop)
    httpx.post(page, data={"choice": "cancel"})
    httpx.post(page, data={"choice": "pay"})
    assert [event["type"] for event in shop.events()] == ["payment.failed"]


def test_a_webhook_that_is_not_heard_is_sent_again_with_the_same_event(
    provider: CardProvider, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card_provider, "RETRY_AFTER_S", (0.05,) * 5)
    shop.answers = [500, 503]
    httpx.post(open_page(provider, shop), data={"choice": "pay"})
    wait_until(lambda: len(shop.heard) == 3)
    assert len({event["id"] for event in shop.events()}) == 1


def test_now_and_then_a_webhook_comes_twice(provider: CardProvider, shop: Shop) -> None:
    for _ in range(card_provider.TWICE_EVERY):
        httpx.post(open_page(provider, shop), data={"choice": "pay"})
    wait_until(lambda: len(shop.heard) == card_provider.TWICE_EVERY + 1)
    assert len({event["id"] for event in shop.events()}) == card_provider.TWICE_EVERY


@pytest.mark.parametrize("change", [{"amount_minor": 0}, {"amount_minor": "5"}, {"webhook_url": "file:///etc"},
                                    {"reference": ""}])  # fmt: skip
def test_an_order_that_lacks_something_is_refused(provider: CardProvider, shop: Shop, change: dict[str, Any]) -> None:
    assert httpx.post(f"{provider.url}/v1/checkouts", json=order(shop, **change)).status_code == 400


def test_there_is_no_page_for_an_unknown_payment(provider: CardProvider) -> None:
    assert httpx.get(f"{provider.url}/pay/co_0").status_code == 404
