"""No message of the longest kind keeps the gateway busy for long, or fills its memory."""

import gzip
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from ingest_gateway.domain import decoders
from ingest_gateway.domain.decoders import FORMATS
from ingest_gateway.domain.wire import Refused
from suiden.torture.decoders import BRIDGES, decode_and_check, samples
from suiden.torture.mutation import MAX_BYTES

MAX_S = 1.0  # of the processor, so that a busy machine does not count
MAX_MEMORY = 64 * 1024 * 1024
UP = "suiden/v1/hinode/C-1/up"
TOPICS = {
    "suiden-json": UP,
    "suiden-cbor": f"{UP}/cbor",
    "csv": f"{UP}/csv",
    "wmbusmeters": "wmbusmeters/house",
    "chirpstack": "application/1/device/0101010101010101/event/up",
    "sparkplug": "spBv1.0/hinode/DDATA/C-9/W-0001",
    "tasmota": "tele/house/SENSOR",
    "shelly": "house/events/rpc",
}
READERS = ("suiden-json", "tasmota")  # of JSON; the other formats are read by the second of them
OF_JSON = ("suiden-json", "wmbusmeters", "chirpstack", "tasmota", "shelly")
READING = b'{"time":"2026-04-01T00:00:00Z","deviceInfo":{"devEui":"0101010101010101"},"object":{'
TELEGRAM = b'{"id":"1","media":"water","timestamp":"2026-04-01T00:00:00Z",'
SENSOR = b'{"Time":"2026-04-01T00:00:00Z",'
STATUS = b'{"src":"x","method":"NotifyStatus","params":{"ts":1,'


def full(before: bytes, part: bytes, after: bytes = b"", *, size: int = MAX_BYTES) -> bytes:
    """Fill a message of `size` bytes with one part, again and again."""
    return before + part * ((size - len(before) - len(after)) // len(part)) + after


def counted(before: bytes, part: Callable[[int], bytes], after: bytes, *, size: int = MAX_BYTES) -> bytes:
    """Fill a message of `size` bytes with parts that differ."""
    parts, room, number = [before], size - len(before) - len(after), 0
    while len(one := part(number)) <= room:
        parts.append(one)
        room -= len(one)
        number += 1
    return b"".join([*parts, after])


def varint(number: int) -> bytes:
    told = b""
    while number >= 0x80:
        number, told = number >> 7, told + bytes([number & 0x7F | 0x80])
    return told + bytes([number])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def metric(number: int) -> bytes:
    at, value = b"\x18" + varint(1_775_012_400_000 + number), b"\x20\x04\x58" + varint(number)
    return field(2, field(1, b"register") + at + value)


def packed(content: bytes) -> bytes:
    return field(4, b"SPBV1.0_COMPRESSED") + field(5, zlib.compress(content))


ANY_JSON = [
    full(b"", b"["),
    full(b"", b'{"a":'),
    full(b'{"a":', b"9"),
    full(b'{"a":"', b'\\"'),
    full(b'{"a":[', b"[],", b"0]}"),
    full(b'{"a":[', b"1e400,", b"0]}"),
    full(b'{"a":[', b"NaN,", b"0]}"),
    full(b'{"a":0.', b"1", b"}"),
    full(b'{"a":"', b"\xf0\x9f\x92\xa7", b'"}'),
    full(b'{"a":"', b"\\ud83d", b'"}'),
    counted(b"{", lambda number: b'"k%d":0,' % number, b'"z":0}'),
    *(full(b"", byte) for byte in (b'"', b"\\", b"\x00", b" ", b"\xff")),
]
LONGEST: dict[str, list[bytes]] = {
    "suiden-json": [
        counted(b'{"readings":[', lambda number: b'{"at":1,"x":%d},' % number, b"0]}"),
        full(b'{"readings":[', b"{},", b"{}]}"),
    ],
    "suiden-cbor": [
        full(b"", b"\x81"),
        full(b"", b"\xc1"),
        b"\x9b" + b"\xff" * 8,
        b"\x5b" + b"\xff" * 8,
        full(b"", b"\x9a\x7f\xff\xff\xff"),
        full(b"\x9f", b"\xa0"),
        full(b"\x7f", b"\x60", b"\xff"),
        full(b"\x5a\x00\x03\xff\x00", b"\xff"),
        b"\xa1\x68readings\x99\x13\x88" + b"\xa1\x62at\x20" * 5_000,
        b"\xa1\x68readings\x99\x13\x88" + (b"\x78\x2f" + b"x" * 47) * 5_000,
        full(b"\xa1\x68readings\x9f", b"\x00", b"\xff"),
        counted(b"\xbf", lambda number: b"\x65%05d\x00" % number, b"\xff"),
    ],
    "csv": [
        full(b"", b","),
        full(b"at,register\n", b"a\n"),
        full(b"at,register," + b"x" * 2_400 + b"\n", b"a\n"),
        full(b"at,register," + b"x" * 19_000 + b"\n", b"a\n"),
        full(b"at,register\n", b'"'),
        full(b"at;register\n", b"2026-04-01T00:00:00Z;1\n"),
        full(b"at;register\n2026-04-01T00:00:00Z;", b"9"),
        full(b"at,register,flags\n2026-04-01T00:00:00Z,,", b"a "),
        gzip.compress(b"\0" * 50_000_000),
        gzip.compress(full(b"at;register\n", b"2026-04-01T00:00:00Z;1\n", size=1 << 20)),
        gzip.compress(b"x" * (1 << 20)),
        gzip.compress(b"\n" * (1 << 20)),
        full(b"\x1f\x8b", b"\xff"),
    ],
    "sparkplug": [
        counted(b"", metric, b""),
        full(b"", metric(1)),
        full(b"", b"\x12\x00"),
        full(b"", b"\xff"),
        full(b"\x08", b"\x80"),
        full(b"", b"\x08\x01"),
        field(4, b"x" * (MAX_BYTES - 10)),
        full(b"\x08\x05", field(2, field(1, b"flags") + field(15, b"a b c d e f g"))),
        packed(b"\0" * 50_000_000),
        packed(b"\x12\x00" * (1 << 19)),
        packed(b"\x08\x01" * (1 << 19)),
        packed(counted(b"", metric, b"", size=1 << 20)),
        packed(packed(metric(1))),
    ],
    "wmbusmeters": [
        full(TELEGRAM + b'"status":"', b"A ", b'","total_m3":1}'),
        full(TELEGRAM + b'"total_m3":0.', b"3", b"}"),
    ],
    "chirpstack": [
        counted(READING + b'"readings":[', lambda number: b'{"register":%d},' % number, b"{}]}}"),
        full(READING + b'"readings":[', b"0,", b"0]}}"),
        full(READING + b'"total_m3":0.', b"1", b"}}"),
        full(READING + b'"flags":[', b'"a",', b'""]}}'),
        full(READING + b'"at":"', b"1", b'"}}'),
    ],
    "tasmota": [
        counted(SENSOR, lambda number: b'"s%d":{"Power":1},' % number, b'"z":0}'),
        counted(SENSOR + b'"SML":{', lambda number: b'"k%d":1,' % number, b'"Power":1}}'),
        full(SENSOR + b'"SML":{"Power":0.', b"3", b"}}"),
        full(SENSOR + b'"SML":{"Meter_id":"', b"3", b'","Power":1}}'),
        full(b'{"Time":"', b"2", b'"}'),
    ],
    "shelly": [
        counted(STATUS, lambda number: b'"em:%d":{"total_act_power":1},' % number, b'"z":0}}'),
        counted(STATUS, lambda number: b'"q%d":1,' % number, b'"z":0}}'),
        full(b'{"src":"', b"x", b'","method":"NotifyStatus","params":{}}'),
        full(STATUS + b'"em:0":{"total_act_power":0.', b"3", b"}}}"),
    ],
}
CASES = [
    (form, number, message)
    for form in TOPICS
    for number, message in enumerate([*(ANY_JSON if form in READERS else []), *LONGEST[form]])
]

# Counting memory is slow: of JSON, where one library reads all formats, one message alone.
FILLING = [case for case in CASES if case[0] not in OF_JSON] + [
    ("tasmota", 0, full(b'{"a":"', b"\xf0\x9f\x92\xa7", b'"}'))
]


@pytest.mark.parametrize(("form", "message"), [pytest.param(form, m, id=f"{form}-{n}") for form, n, m in CASES])
def test_the_longest_messages_are_read_or_refused_at_once(form: str, message: bytes) -> None:
    assert len(message) <= MAX_BYTES
    began_s = time.thread_time()
    decode_and_check(TOPICS[form], message)
    assert time.thread_time() - began_s < MAX_S


@pytest.mark.parametrize(("form", "message"), [pytest.param(form, m, id=f"{form}-{n}") for form, n, m in FILLING])
def test_no_message_fills_the_memory(form: str, message: bytes) -> None:
    tracemalloc.start()
    try:
        decoders.decode(topic=TOPICS[form], payload=message, bridges=BRIDGES, max_bytes=MAX_BYTES)
    except Refused:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < MAX_MEMORY


def test_every_format_has_its_samples_and_its_longest_messages() -> None:
    names = {known.name for known in FORMATS}
    assert names == TOPICS.keys() == LONGEST.keys()
    for known in FORMATS:
        assert samples(known.name)
        assert known.owns(TOPICS[known.name].split("/"))
