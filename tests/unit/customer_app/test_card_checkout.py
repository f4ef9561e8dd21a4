"""Messages of the card provider: only those signed with our key, and lately, are believed."""

import hashlib
import hmac

import pytest

from customer_app.card_checkout import ReferenceUnknown, SignatureWrong, check_signature, intent_of

BODY = b'{"id": "evt_1"}'
NOW_S = 1_780_000_000


def signed(body: bytes, *, at_s: int, secret: str = "key") -> str:
    digest = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_message_signed_lately_is_believed(seconds: int) -> None:
    check_signature(BODY, header=signed(BODY, at_s=NOW_S + seconds), secret="key", wall_s=NOW_S)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "v1=00",
        "t=,v1=",
        "t=x,v1=00",
        "t=１,v1=00",
        signed(BODY, at_s=NOW_S, secret="another"),
        signed(b"{}", at_s=NOW_S),
        signed(BODY, at_s=NOW_S - 301),
        signed(BODY, at_s=NOW_S + 301),
        signed(BODY, at_s=NOW_S).replace(f"t={NOW_S}", f"t={NOW_S + 1}"),
        f"t={NOW_S},v1=é",
    ],
)
def test_any_other_is_refused(header: str) -> None:
    with pytest.raises(SignatureWrong):
        check_signature(BODY, header=header, secret="key", wall_s=NOW_S)


def test_references_lead_back_to_the_payment_begun() -> None:
    assert intent_of("SUIDEN-17") == 17


@pytest.mark.parametrize("reference", ["", "17", "SUIDEN-", "SUIDEN--1", "SUIDEN-1x", "SUIDEN-" + "9" * 30])
def test_other_references_are_not_ours(reference: str) -> None:
    with pytest.raises(ReferenceUnknown):
        intent_of(reference)
