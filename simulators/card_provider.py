"""A card provider: takes orders for payment pages, shows them to people, and tells the shop by signed webhooks.

    POST /v1/checkouts   {amount_minor, currency, reference, return_url, webhook_url} → 201 {id, url}
    GET  /pay/{id}       the payment page, English or Japanese
    POST /pay/{id}       choice=pay or choice=cancel → webhook, then back to return_url

A webhook is signed with `X-Card-Signature: t=<seconds>,v1=<hex>`, the HMAC-SHA256 of `<seconds>.<body>`. It is sent
again until it is answered with 2xx, and now and then although it was: whoever receives it must know its event id.
"""

import hashlib
import hmac
import html
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import structlog

log = structlog.get_logger()

MAX_BODY_BYTES = 64 * 1024
RETRY_AFTER_S = (1.0, 3.0, 10.0, 30.0, 60.0, 120.0)
EVERYWHERE = "0.0.0.0"
WEBHOOK_TIMEOUT_S = 5.0
TWICE_EVERY = 4  # one webhook in so many is sent twice

PAGE = """<!doctype html><html lang="{lang}"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:26rem;margin:3rem auto;padding:0 1rem}}
button{{font:inherit;padding:.7rem 1.2rem;margin:.5rem .5rem .5rem 0}}strong{{font-size:1.6rem}}</style>
<main><h1>{title}</h1><p>{reference}</p><p><strong>{amount}</strong></p>
<form method="post"><button name="choice" value="pay">{pay}</button>
<button name="choice" value="cancel">{cancel}</button></form><p><small>{note}</small></p></main></html>"""
WORDS = {
    "en": {
        "title": "Card payment", "pay": "Pay", "cancel": "Cancel", "note": "A simulated provider: no card is charged.",
        "done": "This payment is finished.",
    },
    "ja": {
        "title": "カードでのお支払い", "pay": "支払う", "cancel": "やめる",
        "note": "模擬の決済会社です。カードからの引き落としはありません。", "done": "このお支払いは終わっています。",
    },
}  # fmt: skip


class CheckoutUnusable(ValueError):
    """An order for a payment page lacks something."""


@dataclass(slots=True)
class Checkout:
    checkout_id: str
    amount_minor: int
    currency: str
    reference: str
    return_url: str
    webhook_url: str
    state: str = "open"
    lock: threading.Lock = field(default_factory=threading.Lock)


def sign(body: bytes, *, secret: str, at_s: int) -> str:
    """Make the signature header of a webhook."""
    digest = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


class CardProvider:
    """The provider's server, in threads of its own."""

    def __init__(self, *, secret: str, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen at once; answer after `start`."""
        self._secret = secret
        self._checkouts: dict[str, Checkout] = {}
        self._sent = 0
        self._stopped = threading.Event()
        provider = self

        class Handler(_Handler):
            """The handler that knows this provider."""

            card_provider = provider

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self._host = host

    @property
    def url(self) -> str:
        name = "localhost" if self._host == EVERYWHERE else self._host  # payers sit at this machine
        return f"http://{name}:{self._server.server_address[1]}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def open_checkout(self, order: dict[str, Any]) -> Checkout:
        """:raises CheckoutUnusable: if something is missing or wrong"""
        amount = order.get("amount_minor")
        if not isinstance(amount, int) or isinstance(amount, bool) or amount <= 0:
            raise CheckoutUnusable("amount_minor must be a whole number above 0")
        texts = {name: order.get(name) for name in ("currency", "reference", "return_url", "webhook_url")}
        for name, text in texts.items():
            if not isinstance(text, str) or not text:
                raise CheckoutUnusable(f"{name} is missing")
            if name.endswith("_url") and urlsplit(text).scheme not in ("http", "https"):
                raise CheckoutUnusable(f"{name} must be a web address")
        checkout = Checkout(f"co_{secrets.token_hex(8)}", amount, **texts)  # pyright: ignore[reportArgumentType]
        self._checkouts[checkout.checkout_id] = checkout
        return checkout

    def checkout(self, checkout_id: str) -> Checkout | None:
        return self._checkouts.get(checkout_id)

    def decide(self, checkout: Checkout, *, is_paid: bool) -> None:
        """Take the payer's choice, once, and tell the shop; returns when the shop was told or could not be reached."""
        with checkout.lock:
            if checkout.state != "open":
                return
            checkout.state = "succeeded" if is_paid else "failed"
        body = json.dumps(
            {
                "id": f"evt_{secrets.token_hex(8)}",
                "type": f"payment.{checkout.state}",
                "checkout_id": checkout.checkout_id,
                "reference": checkout.reference,
                "amount_minor": checkout.amount_minor,
                "currency": checkout.currency,
            }
        ).encode()
        self._sent += 1
        arrived = self._tell(checkout.webhook_url, body)
        if not arrived or self._sent % TWICE_EVERY == 0:
            threading.Thread(target=self._tell_again, args=(checkout.webhook_url, body, arrived), daemon=True).start()

    def _tell_again(self, url: str, body: bytes, arrived: bool) -> None:  # noqa: FBT001  (a thread's argument)
        if arrived:
            self._tell(url, body)
            return
        for wait_s in RETRY_AFTER_S:
            if self._stopped.wait(wait_s) or self._tell(url, body):
                return
        log.warning("card.webhook_given_up", url=url)

    def _tell(self, url: str, body: bytes) -> bool:
        headers = {
            "Content-Type": "application/json",
            "X-Card-Signature": sign(body, secret=self._secret, at_s=int(time.time())),
        }
        try:
            return httpx.post(url, content=body, headers=headers, timeout=WEBHOOK_TIMEOUT_S).is_success
        except httpx.HTTPError as error:
            log.info("card.webhook_failed", url=url, why=type(error).__name__)
            return False


class _Handler(BaseHTTPRequestHandler):
    card_provider: CardProvider
    server_version = "simulated-card-provider"
    sys_version = ""
    timeout = 10

    def do_GET(self) -> None:
        checkout = self._checkout()
        if checkout is None:
            self._answer(HTTPStatus.NOT_FOUND, b"no such payment", "text/plain")
            return
        lang = "ja" if self.headers.get("Accept-Language", "").lower().startswith("ja") else "en"
        if "lang" in parse_qs(urlsplit(self.path).query):
            lang = "ja" if parse_qs(urlsplit(self.path).query)["lang"] == ["ja"] else "en"
        words = WORDS[lang]
        if checkout.state != "open":
            self._answer(HTTPStatus.OK, words["done"].encode(), "text/plain; charset=utf-8")
            return
        amount = (
            f"{checkout.amount_minor:,} {'円' if lang == 'ja' and checkout.currency == 'JPY' else checkout.currency}"
        )
        page = PAGE.format(lang=lang, reference=html.escape(checkout.reference), amount=html.escape(amount), **words)
        self._answer(HTTPStatus.OK, page.encode(), "text/html; charset=utf-8")

    def do_POST(self) -> None:
        body = self._body()
        if body is None:
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b"too large", "text/plain")
        elif urlsplit(self.path).path == "/v1/checkouts":
            self._open(body)
        elif (checkout := self._checkout()) is not None:
            choice = parse_qs(body.decode(errors="replace")).get("choice", ["cancel"])[0]
            self.card_provider.decide(checkout, is_paid=choice == "pay")
            self.send_response(HTTPStatus.SEE_OTHER)
            self.send_header("Location", checkout.return_url)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"no such payment", "text/plain")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: webhooks are what matters, and those are logged."""

    def _open(self, body: bytes) -> None:
        try:
            order = json.loads(body)
            if not isinstance(order, dict):
                raise CheckoutUnusable("an object is needed")
            checkout = self.card_provider.open_checkout(order)
        except ValueError as error:
            self._answer(HTTPStatus.BAD_REQUEST, json.dumps({"error": str(error)}).encode(), "application/json")
            return
        opened = {"id": checkout.checkout_id, "url": f"{self.card_provider.url}/pay/{checkout.checkout_id}"}
        self._answer(HTTPStatus.CREATED, json.dumps(opened).encode(), "application/json")

    def _checkout(self) -> Checkout | None:
        path = urlsplit(self.path).path
        return self.card_provider.checkout(path.removeprefix("/pay/")) if path.startswith("/pay/") else None

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            return None
        return self.rfile.read(int(length))

    def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
