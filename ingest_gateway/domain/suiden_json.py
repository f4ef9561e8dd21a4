"""The decoder of suiden JSON, version 1."""

import re
from collections.abc import Sequence as Listed
from typing import Annotated

import msgspec
import numpy as np

from ingest_gateway.domain.wire import Answer, Fragment, Reason, Refused, Telegram, WireReading

MAX_DEPTH = 32
MAX_READINGS = 5_000

# A string that never ends matches too, up to the end: else each quote in it would be tried anew, for minutes.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)', re.DOTALL)
_TOKEN = re.compile(_STRING.pattern + rb"|[\[\]{}]", re.DOTALL)
_QUOTE = ord('"')
_STEPS = np.zeros(256, dtype=np.int64)
_STEPS[[ord("["), ord("{")]] = 1
_STEPS[[ord("]"), ord("}")]] = -1
_NOT_FINITE = re.compile(rb"\b(?:NaN|Infinity|inf|nan)\b")

Sequence = Annotated[int, msgspec.Meta(ge=1, lt=1 << 62)]
Boot = Annotated[str, msgspec.Meta(max_length=64)] | int


class Up(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One message as it was sent."""

    readings: Annotated[list[WireReading], msgspec.Meta(max_length=MAX_READINGS)] = []
    seq: Sequence | None = None
    answers: Annotated[list[Answer], msgspec.Meta(max_length=MAX_READINGS)] = []
    boot: Boot | None = None
    oldest: Sequence | None = None


class _UpInParts(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    readings: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MAX_READINGS)] = []
    seq: Sequence | None = None
    answers: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MAX_READINGS)] = []
    boot: Boot | None = None
    oldest: Sequence | None = None


_UP = msgspec.json.Decoder(Up)
_IN_PARTS = msgspec.json.Decoder(_UpInParts)
_READING = msgspec.json.Decoder(WireReading)
_ANSWER = msgspec.json.Decoder(Answer)
# ValueError: lone surrogates and the like.
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)


def decode_many(payloads: Listed[bytes]) -> list[Up | Refused | None]:
    """Read messages; why one cannot be read at all; None where only `decode` tells what can be saved of it.

    All are read as lines of one text, which is faster by half, if that is sure to give each its own: no payload holds
    a line's end, and each begins an object. So each line gives one document at least, and as many documents as
    payloads can only be one in each.
    """
    text = b"\n".join(payloads)
    if text.count(b"\n") == text.count(b"\n{") == len(payloads) - 1 and text.startswith(b"{"):
        try:
            messages = _UP.decode_lines(text)
            if len(messages) == len(payloads):
                return list[Up | Refused | None](messages)
        except _UNREADABLE:
            pass
    return [_decode_one(payload) for payload in payloads]


def _decode_one(payload: bytes) -> Up | Refused | None:
    try:
        return _UP.decode(payload)
    except msgspec.ValidationError:
        return None
    except _UNREADABLE as error:
        return explain_unreadable(payload, error)


def boot_name(boot: Boot) -> str:
    """Give the name of a count as it is kept: the database keeps no NUL."""
    return boot.replace("\0", "") if isinstance(boot, str) else str(boot)


def telegram_of(up: Up, *, topic: str, payload: bytes, utility: str, sender: str) -> Telegram:
    """Give a message that was read its topic and sender."""
    return Telegram(
        topic=topic,
        payload=payload,
        utility=utility,
        sender=sender,
        readings=up.readings,
        answers=up.answers,
        sequence=up.seq,
        boot=None if up.boot is None else boot_name(up.boot),
        kept_from=up.oldest,
    )


def decode(*, topic: str, payload: bytes, utility: str, sender: str) -> Telegram:
    """Read a message; a reading that is not well formed is put aside, and the others go on.

    :raises Refused: if the message as a whole cannot be read
    """
    try:
        up = _UP.decode(payload)
    except _UNREADABLE:
        return _decode_in_parts(topic=topic, payload=payload, utility=utility, sender=sender)
    return telegram_of(up, topic=topic, payload=payload, utility=utility, sender=sender)


def encode_readings(readings: list[WireReading]) -> bytes:
    """Write readings as a message of their own, to be kept with the reason they were refused for."""
    return msgspec.json.encode(Up(readings=readings))


def encode_answer(answer: Answer) -> bytes:
    """Write an answer as a message of its own."""
    return msgspec.json.encode(Up(answers=[answer]))


def explain_unreadable(payload: bytes, error: Exception) -> Refused:
    """Say why JSON could not be read: nested too deeply, numbers that are none, or malformed."""
    if _may_be_deep(payload) and depth(payload) > MAX_DEPTH:
        return Refused("too_deep", f"nested more than {MAX_DEPTH} levels deep")
    if "out of range" in str(error) or _says_not_finite(payload):
        return Refused("not_finite", "a number is NaN or infinite")
    return Refused("malformed", str(error)[:300])


def _says_not_finite(payload: bytes) -> bool:
    # A flood of messages that cannot be read must not cost much: most are told apart by their bytes alone.
    if b"NaN" not in payload and b"nfinity" not in payload and b"inf" not in payload and b"nan" not in payload:
        return False
    return _NOT_FINITE.search(_STRING.sub(b'""', payload)) is not None


def _may_be_deep(payload: bytes) -> bool:
    """Tell whether brackets nest too deeply where no quote is escaped; elsewhere say yes, to be looked at closely."""
    if payload.count(b"{") + payload.count(b"[") <= MAX_DEPTH:
        return False
    if b"\\" in payload:
        return True
    text = np.frombuffer(payload, dtype=np.uint8)
    is_outside = np.cumsum(text == _QUOTE) % 2 == 0
    steps = _STEPS[text]
    return int(np.cumsum(np.where(is_outside, steps, 0)).max()) > MAX_DEPTH


def depth(payload: bytes) -> int:
    """Count how deeply brackets nest; cheap and without recursion."""
    deepest = level = 0
    for token in _TOKEN.finditer(payload):
        bracket = token.group()
        if bracket in (b"[", b"{"):
            level += 1
            deepest = max(deepest, level)
        elif bracket in (b"]", b"}"):
            level -= 1
    return deepest


def _decode_in_parts(*, topic: str, payload: bytes, utility: str, sender: str) -> Telegram:
    try:
        up = _IN_PARTS.decode(payload)
    except _UNREADABLE as error:
        raise explain_unreadable(payload, error) from error
    readings: list[WireReading] = []
    answers: list[Answer] = []
    fragments: list[Fragment] = []
    for raw in up.readings:
        try:
            readings.append(_READING.decode(raw))
        except _UNREADABLE as error:
            fragments.append(_fragment(b"readings", raw, error))
    for raw in up.answers:
        try:
            answers.append(_ANSWER.decode(raw))
        except _UNREADABLE as error:
            fragments.append(_fragment(b"answers", raw, error))
    return Telegram(
        topic=topic,
        payload=payload,
        utility=utility,
        sender=sender,
        readings=readings,
        answers=answers,
        fragments=tuple(fragments),
        sequence=up.seq,
        boot=None if up.boot is None else boot_name(up.boot),
        kept_from=up.oldest,
    )


def _fragment(kind: bytes, raw: msgspec.Raw, error: Exception) -> Fragment:
    part = bytes(raw)
    refused = explain_unreadable(part, error)
    reason: Reason = refused.reason
    return Fragment(payload=b'{"%s":[%s]}' % (kind, part), reason=reason, detail=refused.detail)
