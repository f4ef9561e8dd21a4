"""The decoder of suiden CBOR, version 1: the content of suiden JSON in RFC 8949."""

import io
import math
from collections.abc import Callable
from typing import Annotated, Any, NoReturn, TypeVar

import cbor2
import msgspec

from ingest_gateway.domain.suiden_json import MAX_DEPTH, MAX_READINGS, Boot, Sequence
from ingest_gateway.domain.wire import Answer, Fragment, Refused, Telegram, WireReading

_DATES = (0, 1)  # tags that an instant may carry: RFC 3339 text, seconds since 1970
# Tags that the library gives a meaning to. Big numbers and fractions can be a small message and a large number,
# references can make a message that contains itself, and a regular expression is a program.
_KNOWN_TAGS = (2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 100, 256, 258, 260, 261, 1004, 43000, 55799)

One = TypeVar("One", WireReading, Answer)


class _TagRefused(Exception):
    """A tag that no reading needs."""


class _Up(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    readings: Annotated[list[Any], msgspec.Meta(max_length=MAX_READINGS)] = []
    seq: Sequence | None = None
    answers: Annotated[list[Any], msgspec.Meta(max_length=MAX_READINGS)] = []
    boot: Boot | None = None
    oldest: Sequence | None = None


def decode(*, topic: str, payload: bytes, utility: str, sender: str) -> Telegram:
    """Read a message; a reading that is not well formed is put aside, and the others go on.

    :raises Refused: if the message as a whole cannot be read
    """
    try:
        up = msgspec.convert(_read(payload), _Up)
    except msgspec.ValidationError as error:
        raise Refused("malformed", str(error)[:300]) from error
    fragments: list[Fragment] = []
    return Telegram(
        topic=topic,
        payload=payload,
        utility=utility,
        sender=sender,
        readings=_convert(up.readings, WireReading, kind="readings", aside=fragments),
        answers=_convert(up.answers, Answer, kind="answers", aside=fragments),
        fragments=tuple(fragments),
        sequence=up.seq,
        boot=None if up.boot is None else str(up.boot),
        kept_from=up.oldest,
    )


def _convert(parts: list[Any], of: type[One], *, kind: str, aside: list[Fragment]) -> list[One]:
    try:
        read = msgspec.convert(parts, list[of])
        if all(map(_is_finite, read)):
            return read
    except (msgspec.ValidationError, OverflowError):
        pass
    well_formed: list[One] = []
    for part in parts:
        try:
            one = msgspec.convert(part, of)
        except (msgspec.ValidationError, OverflowError) as error:
            aside.append(Fragment(cbor2.dumps({kind: [part]}), "malformed", str(error)[:300]))
            continue
        if _is_finite(one):
            well_formed.append(one)
        else:
            aside.append(Fragment(cbor2.dumps({kind: [part]}), "not_finite", "a measure is NaN or infinite"))
    return well_formed


def _is_finite(one: WireReading | Answer) -> bool:
    """Find the numbers that JSON cannot say: what is kept of a refused reading is kept as JSON, and would lose them."""
    if isinstance(one, Answer):
        return True
    flow, pressure_kpa, voltage_v = one.flow, one.pressure_kpa, one.voltage_v
    return (
        (flow is None or math.isfinite(flow))
        and (pressure_kpa is None or math.isfinite(pressure_kpa))
        and (not voltage_v or all(voltage is None or math.isfinite(voltage) for voltage in voltage_v))
    )


def _refuse(*_: object) -> NoReturn:
    raise _TagRefused("a tag that is neither 0 nor 1")


_NO_MEANING: dict[int, Callable[..., Any]] = dict.fromkeys(_KNOWN_TAGS, _refuse)


def _read(payload: bytes) -> object:
    source = io.BytesIO(payload)
    try:
        value: object = cbor2.load(
            source,
            tag_hook=_refuse,
            semantic_decoders=_NO_MEANING,
            max_depth=MAX_DEPTH,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
        )
    except (cbor2.CBORError, _TagRefused, ValueError, ArithmeticError, RecursionError) as error:
        if "nesting depth" in str(error):
            raise Refused("too_deep", f"nested more than {MAX_DEPTH} levels deep") from error
        raise Refused("malformed", f"not CBOR as described: {error}"[:300]) from error
    if source.tell() != len(payload):
        raise Refused("malformed", "something follows the message")
    return value
