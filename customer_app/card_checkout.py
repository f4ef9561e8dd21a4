"""The card provider's side door: ordering a payment page, and telling its messages from forgeries."""

import hashlib
import hmac
from dataclasses import dataclass

import httpx

TIMEOUT_S = 5.0
TOLERANCE_S = 300
REFERENCE = "SUIDEN-"


class ProviderAway(Exception):
    """The card provider cannot be reached or did not open a payment page."""


class SignatureWrong(Exception):
    """A message says it comes from the card provider, and its signature does not."""


class ReferenceUnknown(ValueError):
    """A message of the provider does not name a payment of ours."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the provider is asked to collect, and where it leads people and messages to."""

    intent_id: int
    amount_minor: int
    currency: str
    return_url: str
    webhook_url: str


def open_checkout(order: Order, *, card_url: str) -> str:
    """Order a payment page; return its address.

    :raises ProviderAway: if the provider gives none
    """
    wanted = {
        "amount_minor": order.amount_minor,
        "currency": order.currency,
        "reference": f"{REFERENCE}{order.intent_id}",
        "return_url": order.return_url,
        "webhook_url": order.webhook_url,
    }
    try:
        answer = httpx.post(f"{card_url.rstrip('/')}/v1/checkouts", json=wanted, timeout=TIMEOUT_S)
        answer.raise_for_status()
        address = answer.json()["url"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise ProviderAway(
            f"the card provider at {card_url} opened no page: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(address, str) or not address.startswith(("http://", "https://")):
        raise ProviderAway(f"the card provider at {card_url} named no web address")
    return address


def check_signature(body: bytes, *, header: str, secret: str, wall_s: float) -> None:
    """Check `t=<seconds>,v1=<hex>`, the HMAC-SHA256 of `<seconds>.<body>`.

    :raises SignatureWrong: if it is not made with our key, or too old
    """
    named = (part.strip().partition("=") for part in header.split(","))
    parts = {name: text for name, _, text in named}
    at, given = parts.get("t", ""), parts.get("v1", "")
    if not at.isascii() or not at.isdigit() or len(at) > 15:
        raise SignatureWrong("the signature names no time")
    expected = hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise SignatureWrong("the signature was not made with our key")
    if abs(wall_s - int(at)) > TOLERANCE_S:
        raise SignatureWrong("the message is too old; a repeated one must be signed anew")


def intent_of(reference: str) -> int:
    """:raises ReferenceUnknown: if it is not one that we gave"""
    number = reference.removeprefix(REFERENCE)
    if number == reference or not number.isascii() or not number.isdigit() or len(number) > 18:
        raise ReferenceUnknown(f"{reference!r} is no reference of ours")
    return int(number)
