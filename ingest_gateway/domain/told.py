"""What JSON of a foreign format says: objects, texts, numbers and times, each read or refused with its reason."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast
from zoneinfo import ZoneInfo

import msgspec

from ingest_gateway.domain.measures import exact, of_double
from ingest_gateway.domain.suiden_json import MAX_DEPTH, depth, explain_unreadable
from ingest_gateway.domain.wire import Refused

MAX_SERIAL_CHARACTERS = 200

_DECODER = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


def read_object(payload: bytes) -> dict[str, Any]:
    """Read a JSON object; numbers with a point become exact decimals.

    :raises Refused: if it is none
    """
    if depth(payload) > MAX_DEPTH:
        raise Refused("too_deep", f"nested more than {MAX_DEPTH} levels deep")
    try:
        return _DECODER.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError, ArithmeticError) as error:
        raise explain_unreadable(payload, error) from error


def member(told: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Give the object of this name; empty where there is none.

    :raises Refused: if it is something else
    """
    value = told.get(name)
    if value is None:
        return {}
    found = as_object(value)
    if found is None:
        raise Refused("malformed", f"{name[:80]} is not an object")
    return found


def as_object(value: object) -> dict[str, Any] | None:
    """Give an object as one, and None for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def text(told: Mapping[str, Any], name: str) -> str | None:
    """Give the text of this name; None where there is none.

    :raises Refused: if it is something else, or longer than any name
    """
    value = told.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Refused("malformed", f"{name[:80]} is not a text")
    if len(value) > MAX_SERIAL_CHARACTERS:
        raise Refused("malformed", f"{name[:80]} is longer than {MAX_SERIAL_CHARACTERS} characters")
    return value


def number(value: object, *, name: str) -> Decimal | None:
    """Give a number exactly; None where there is none.

    :raises Refused: if it is something else, or beyond what a meter shows
    """
    told = _decimal(value, name=name)
    return None if told is None else exact(told, name=name[:80])


def double(value: object, *, name: str) -> Decimal | None:
    """Give a number that came through a 64-bit float, without the noise of it; None where there is none.

    :raises Refused: if it is something else, or beyond what a meter shows
    """
    told = _decimal(value, name=name)
    return None if told is None else of_double(told, name=name[:80])


def _decimal(value: object, *, name: str) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Refused("malformed", f"{name[:80]} is not a number")
    return Decimal(value)


def instant(stamp: object, *, name: str, zone: ZoneInfo | None = None) -> datetime:
    """Read a time of RFC 3339, or one without a zone where `zone` says which is meant.

    :raises Refused: if it is none, says no zone and none is set, or there is no such time or two of it in that zone
    """
    if not isinstance(stamp, str):
        raise Refused("malformed", f"{name[:80]} is not a time")
    try:
        told = msgspec.convert(stamp, datetime)
    except msgspec.ValidationError as error:
        raise Refused("malformed", f"{name[:80]}: {error}") from error
    if told.tzinfo is not None:
        return told
    if zone is None:
        raise Refused("malformed", f"{name[:80]} does not say its time zone, and the bridge has none")
    earlier, later = told.replace(tzinfo=zone), told.replace(tzinfo=zone, fold=1)
    try:
        if earlier.utcoffset() != later.utcoffset():
            raise Refused("malformed", f"{name[:80]}: {stamp[:40]} is not one instant in {zone.key}: the clocks change")
        return earlier.astimezone(UTC)
    except OverflowError as error:
        raise Refused("out_of_range", f"{name[:80]} is in no year that we know") from error


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def unix_instant(seconds: Decimal, *, name: str) -> datetime:
    """Give the instant of so many seconds since 1970, to the microsecond that it lies in.

    :raises Refused: if no year holds it
    """
    if not 0 <= seconds < 253_402_300_800:
        raise Refused("out_of_range", f"{name} {seconds} is in no year that we know")
    return _EPOCH + timedelta(microseconds=int(seconds.scaleb(6)))
