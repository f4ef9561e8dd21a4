"""Messages of the card provider."""

import time
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field, ValidationError
from starlette.responses import JSONResponse, Response

from customer_app import card_checkout
from customer_app.card_checkout import ReferenceUnknown, SignatureWrong
from customer_app.dependencies import signed_message
from customer_app.visit import Visit
from rating_engine import operations as rating_operations

router = APIRouter()

BODY_LIMIT = 64 * 1024


class Told(BaseModel):
    """What the provider says; fields that we do not use may be there too."""

    id: str = Field(min_length=1, max_length=200)
    type: Literal["payment.pending", "payment.succeeded", "payment.failed", "payment.expired"]
    reference: str = Field(max_length=100)
    amount_minor: int = Field(gt=0, lt=10**15)
    currency: str = Field(max_length=10)


async def raw_body(request: Request) -> bytes:
    """Read a body of bounded size: one that is too long is cut, and its signature is then wrong."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            break
    return body[: BODY_LIMIT + 1]


@router.post("/webhooks/card")
def card(
    visit: Annotated[Visit, signed_message(action="payment.notify")],
    body: Annotated[bytes, Depends(raw_body)],
) -> Response:
    """Take in what became of a card payment; the same message may come any number of times."""
    secret = visit.services.settings.card_secret
    if secret is None:
        raise SignatureWrong("no key is shared with a card provider")
    header = visit.request.headers.get("X-Card-Signature", "")
    card_checkout.check_signature(body, header=header, secret=secret.get_secret_value(), wall_s=time.time())
    try:
        told = Told.model_validate_json(body)
    except ValidationError as error:
        # Signed and of a kind that we do not know: sending it again would not help.
        visit.concerns(ignored=str(error)[:500])
        return JSONResponse({"received": True, "ignored": True})
    try:
        intent_id = card_checkout.intent_of(told.reference)
    except ReferenceUnknown as error:
        return _not_ours(visit, told, reason="unknown_reference", why=str(error))
    if told.currency != visit.utility.currency:
        return _not_ours(visit, told, reason="other_currency", why=f"currency {told.currency}")
    settled = rating_operations.settle_card_notification(
        visit.conn,
        utility_id=visit.utility_id,
        provider_event_id=told.id,
        intent_id=intent_id,
        state=told.type.removeprefix("payment."),  # type: ignore[arg-type]
        amount_minor=told.amount_minor,
        at=visit.now,
    )
    visit.concerns(object_id=intent_id, provider_event=told.id, state=settled.state)
    if settled.to_clear is not None:
        visit.concerns(to_clear=settled.to_clear)
        return JSONResponse({"received": True, "to_clear": True})
    return JSONResponse({"received": True, "state": settled.state})


def _not_ours(
    visit: Visit, told: Told, *, reason: Literal["unknown_reference", "other_currency"], why: str
) -> Response:
    """Keep money that came for none of our payments, for somebody to clear; of what brought none, nothing is needed."""
    if told.type != "payment.succeeded":
        visit.concerns(ignored=why[:500])
        return JSONResponse({"received": True, "ignored": True})
    visit.concerns(provider_event=told.id, to_clear=reason)
    rating_operations.keep_to_clear(
        visit.conn,
        utility_id=visit.utility_id,
        provider_event_id=told.id,
        reference=told.reference,
        intent_id=None,
        amount_minor=told.amount_minor,
        currency=told.currency,
        reason=reason,
        at=visit.now,
    )
    return JSONResponse({"received": True, "to_clear": True})
