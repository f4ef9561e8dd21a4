"""Parts of messages, as they are kept when the rest was stored: suiden readings, whatever the message came as."""

import msgspec

from ingest_gateway.domain.suiden_json import MAX_READINGS, explain_unreadable
from ingest_gateway.domain.wire import Refused, Telegram, TotalReading, WireReading

# So do refused readings begin that were written anew; no message of another format does.
_BEGINNING = b'{"readings":['


class _Part(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    readings: list[msgspec.Raw]


_PART = msgspec.json.Decoder(_Part)
_REGISTERS = msgspec.json.Decoder(WireReading)
_TOTALS = msgspec.json.Decoder(TotalReading)


def is_part(payload: bytes) -> bool:
    """Tell whether what is kept of a message of another format are readings that were written anew."""
    return payload.startswith(_BEGINNING)


def decode(*, topic: str, payload: bytes, utility: str, sender: str) -> Telegram:
    """Read them back.

    :raises Refused: if one of them was kept because it could not be read
    """
    try:
        parts = _PART.decode(payload).readings
        readings = [_reading(part) for part in parts[: MAX_READINGS + 1]]
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
        raise explain_unreadable(payload, error) from error
    if len(readings) > MAX_READINGS:
        raise Refused("too_large", f"more than {MAX_READINGS} readings")
    return Telegram(topic=topic, payload=payload, utility=utility, sender=sender, readings=readings)


def _reading(part: msgspec.Raw) -> WireReading:
    """Read one; a reading has either a register or totals with their unit."""
    try:
        return _REGISTERS.decode(part)
    except msgspec.ValidationError:
        return _TOTALS.decode(part)
