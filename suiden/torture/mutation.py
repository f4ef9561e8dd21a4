"""Hostile messages, made of good ones: by their bytes, by their values, and inside of what is packed."""

import gzip
import io
import json
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

import cbor2

MAX_BYTES = 262_144
MAX_GROWN_BYTES = 4_096  # of most inputs: long ones take their time and are rarely worth it
PACKED = b"SPBV1.0_COMPRESSED"

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 255, 1 << 31, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, -(1 << 63), 10**30, -(10**200)),
    *(0.1, -0.0, 1e-320, 1.7e308, float("nan"), float("inf"), float("-inf"), 123.40100000000001, 9007199254740993.0),
    *("", "0", "NaN", "Infinity", "1e999", "9" * 60, "1,5", "١٢٣", "1_000", "\x00", "\ud800", "\u2028", "x" * 300),
    *("2026-04-01T00:15:00Z", "2026-04-01T00:15:00", "2026-03-29T02:30:00", "0001-01-01T00:00:00+23:59"),
    *("9999-12-31T23:59:60Z", "9999-12-31T23:59:59-23:59", "2026-04-01", "-0001-01-01T00:00:00Z", "1775002500"),
    *([], {}, [[]], [None], {"": None}, [0] * 20, {"at": 0}),
)
BYTES = (
    *(
        b"\x00",
        b"\xff",
        b"\x7f",
        b"\x80",
        b'"',
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b";",
        b"\n",
        b"\r\n",
        b"\xef\xbb\xbf",
    ),
    *(b"\x9f", b"\xbf", b"\xc1", b"\xc2", b"\xd8\x1c", b"\xd8\x1d\x00", b"\xfb\x7f\xf8" + b"\x00" * 6, b"\x1f\x8b"),
    *(b"\x9b" + b"\xff" * 8, b"\x5b" + b"\xff" * 8, b"\xff" * 10, b"\x0a\xff\xff\xff\xff\x0f", b"NaN", b"1e9999", b"-"),
)
NUMBERS = (
    *(b"1e9999999", b"1e-9999999", b"0e99999999", b"1e99999999999999999999", b"-1e400", b"5e-324", b"-0", b"-0.0"),
    *(
        b"0." + b"0" * 60 + b"1",
        b"1" + b"0" * 400,
        b"9" * 29,
        b"0." + b"3" * 40,
        b"1E+2",
        b"1e5",
        b"18446744073709551616",
    ),
)
_NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?")

# What a change raises where there is nothing of its kind any more: another change has taken it.
UNCHANGEABLE = (
    ArithmeticError,
    LookupError,
    RecursionError,
    StopIteration,
    TypeError,
    ValueError,
    cbor2.CBORError,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class Sample:
    """A message as a real device sends it."""

    name: str
    topic: str
    payload: bytes


def mutate(sample: Sample, others: list[Sample], *, dice: Random) -> tuple[str, bytes]:
    """Make a topic and a payload of a sample, changed in one to four ways."""
    topic, payload = sample.topic, sample.payload
    changes = _changes_of(sample)
    for _ in range(dice.choice((1, 1, 1, 2, 3, 4))):
        with suppress(*UNCHANGEABLE):
            payload = dice.choice(changes)(payload, dice)
    if dice.random() < 0.03:
        payload = payload[: dice.randrange(len(payload) + 1)] + dice.choice(others).payload
    if dice.random() < 0.05:
        topic = dice.choice(others).topic if dice.random() < 0.5 else _change_topic(topic, dice)
    limit = MAX_BYTES if dice.random() < 0.01 else MAX_GROWN_BYTES + len(sample.payload)
    return topic, payload[:limit]


Change = Callable[[bytes, Random], bytes]


def _changes_of(sample: Sample) -> list[Change]:
    if sample.topic.endswith("/cbor"):
        return [change_bytes, change_cbor, change_cbor]
    if "/csv" in sample.topic:
        return [change_bytes, change_cells, change_cells, change_cells, _pack]
    if PACKED in sample.payload:
        return [change_bytes, change_packed, change_packed, change_packed]
    if sample.topic.startswith("spBv1.0/"):
        return [change_bytes, change_fields, change_fields]
    return [change_bytes, change_json, change_json, change_number]


def change_bytes(payload: bytes, dice: Random) -> bytes:
    """Change a byte, cut something out, put something in, or repeat a part."""
    at = dice.randrange(len(payload) + 1)
    to = min(len(payload), at + dice.choice((1, 1, 2, 4, 8, 30, 200)))
    match dice.randrange(7):
        case 0:
            return payload[:at] + bytes([dice.randrange(256)]) + payload[at + 1 :]
        case 1:
            changed = payload[at] ^ (1 << dice.randrange(8)) if at < len(payload) else 0
            return payload[:at] + bytes([changed]) + payload[at + 1 :]
        case 2:
            return payload[:at] + payload[to:]
        case 3:
            return payload[:at] + dice.choice(BYTES) + payload[at:]
        case 4:
            return payload[:to] + payload[at:to] * dice.choice((1, 2, 50, 1_000)) + payload[to:]
        case 5:
            return payload[:at]
        case _:
            return payload[:at] + dice.randbytes(dice.choice((1, 4, 16))) + payload[to:]


def change_json(payload: bytes, dice: Random) -> bytes:
    """Change one value of a JSON message."""
    changed = _change_value(json.loads(payload), dice)
    text = json.dumps(changed, ensure_ascii=dice.random() < 0.9, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def change_number(payload: bytes, dice: Random) -> bytes:
    """Change one number of a text, to one that no float is, too."""
    found = list(_NUMBER.finditer(payload))
    start, end = dice.choice(found).span()
    return payload[:start] + dice.choice(NUMBERS) + payload[end:]


def change_cbor(payload: bytes, dice: Random) -> bytes:
    """Change one value of a CBOR message, to one that JSON has not, too."""
    changed = _change_value(cbor2.loads(payload), dice)
    if dice.random() < 0.3:
        odd = (
            b"\xff" * 5,
            cbor2.undefined,
            cbor2.CBORTag(dice.choice((0, 1, 2, 4, 5, 28, 35, 999)), 7),
            cbor2.CBORSimpleValue(99),
        )
        changed = _replace(changed, dice.choice(odd), dice)
    written = io.BytesIO()
    cbor2.dump(changed, written, canonical=dice.random() < 0.3, value_sharing=dice.random() < 0.05)
    return written.getvalue()


def change_cells(payload: bytes, dice: Random) -> bytes:
    """Change one cell of a CSV batch, or a whole line."""
    lines = payload.split(b"\n")
    row = dice.randrange(len(lines))
    mark = dice.choice((b";", b",", b"\t")) if dice.random() < 0.1 else (b";" if b";" in lines[0] else b",")
    cells = lines[row].split(mark)
    column = dice.randrange(len(cells))
    match dice.randrange(5):
        case 0:
            lines.insert(row, lines[dice.randrange(len(lines))])
        case 1:
            cells[column] = lines[0].split(mark)[dice.randrange(len(lines[0].split(mark)))]
        case 2:
            del cells[column]
        case _:
            cells[column] = str(dice.choice(VALUES)).encode("utf-8", "surrogatepass")
    return b"\n".join([*lines[:row], mark.join(cells), *lines[row + 1 :]])


def change_fields(message: bytes, dice: Random) -> bytes:
    """Change one field of a protocol buffers message, or of a message in it; the lengths stay right."""
    parts = list(_fields(message))
    at = dice.randrange(len(parts))
    number, kind, value = parts[at]
    match dice.randrange(6):
        case 0:
            del parts[at]
        case 1:
            parts.insert(dice.randrange(len(parts)), parts[at])
        case 2:
            parts[at] = (dice.choice((*range(1, 20), 1 << 28)), kind, value)
        case _ if isinstance(value, int):
            parts[at] = (number, kind, dice.choice((0, 1, 2, 13, 1 << 31, (1 << 32) - 1, 1 << 63, (1 << 64) - 1)))
        case _ if kind == _BYTES and dice.random() < 0.7:
            parts[at] = (number, kind, change_fields(value, dice))
        case _:
            of_its_length = dice.randbytes(len(value)) if dice.random() < 0.5 else dice.choice(_REALS)
            parts[at] = (number, kind, of_its_length if kind == _BYTES else of_its_length.ljust(8)[: len(value)])
    return b"".join(_written(*part) for part in parts)


_BYTES = 2
_REALS = (
    *(struct.pack("<d", one) for one in (0.0, -0.0, 1e-310, 1e308, 123.45600000000002, 0.1)),
    *(struct.pack("<d", float(name)) for name in ("nan", "inf", "-inf")),
    *(struct.pack("<f", one) for one in (0.1, 3.4e38, 1e-44, 12345.678)),
    *(name.encode() for name in ("total_m3", "register", "flags", "bdSeq", "algorithm", "a/b/total_kWh", "GZIP")),
)


def _fields(message: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        value, end = _varint(message, at) if kind in (0, _BYTES) else (8 if kind == 1 else 4, at)
        if kind != 0:
            at, end = end, end + value
        yield key >> 3, kind, value if kind == 0 else message[at:end]
        at = end


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at : at + 1] or b"\0"
        value, at, shift = value | (byte[0] & 0x7F) << shift, at + 1, shift + 7
        if byte[0] < 0x80:
            return value, at


def _written(number: int, kind: int, value: int | bytes) -> bytes:
    key = _length(number << 3 | kind)
    if isinstance(value, int):
        return key + _length(value)
    return key + (_length(len(value)) if kind == _BYTES else b"") + value


def _length(number: int) -> bytes:
    told = b""
    while number >= 0x80:
        number, told = number >> 7, told + bytes([number & 0x7F | 0x80])
    return told + bytes([number])


def change_packed(payload: bytes, dice: Random) -> bytes:
    """Change what is packed in a message, and pack it again; the length before it is made right."""
    body = payload.index(PACKED) + len(PACKED) + 1  # behind the key of the field
    start = next(at for at in range(body, len(payload)) if payload[at] < 0x80) + 1
    inner = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(payload[start:], MAX_BYTES)
    packed = dice.choice((zlib.compress, gzip.compress))(dice.choice((change_bytes, change_fields))(inner, dice))
    return payload[:body] + _length(len(packed)) + packed


def _pack(payload: bytes, dice: Random) -> bytes:
    return gzip.compress(payload, compresslevel=dice.choice((1, 9)), mtime=0)


def _change_topic(topic: str, dice: Random) -> str:
    levels = topic.split("/")
    at = dice.randrange(len(levels))
    match dice.randrange(3):
        case 0:
            del levels[at]
        case 1:
            levels.insert(at, levels[at])
        case _:
            levels[at] = dice.choice(("", "+", "v2", "x" * 600, "\u0000", "NBIRTH", "STATE", "up", "日本"))
    return "/".join(levels)


def _change_value(value: Any, dice: Random) -> Any:
    return _replace(value, dice.choice(VALUES), dice)


def _replace(value: Any, by: Any, dice: Random) -> Any:
    """Change one place: another value, one more, one less, or the same deep inside of lists."""
    if isinstance(value, dict) and value and dice.random() < 0.9:
        key = dice.choice(list(value))
        match dice.randrange(8):
            case 0:
                return {name: inner for name, inner in value.items() if name != key}
            case 1:
                return {**value, dice.choice(("", "x", "at", "register", "total_m3", "readings")): by}
            case _:
                return {**value, key: _replace(value[key], by, dice)}
    if isinstance(value, list) and value and dice.random() < 0.9:
        at = dice.randrange(len(value))
        if dice.random() < 0.1:
            return value * dice.choice((2, 30))
        return [*value[:at], _replace(value[at], by, dice), *value[at + 1 :]]
    if dice.random() < 0.02:
        for _ in range(dice.choice((5, 31, 33, 400))):
            value = [value]
        return value
    return by
