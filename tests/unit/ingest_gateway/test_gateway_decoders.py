"""Decoders: whatever comes in, a telegram or a reason comes out."""

import json
import time
from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_gateway.domain import decoders, suiden_json
from ingest_gateway.domain.decoders import Bridge
from ingest_gateway.domain.wire import Reason, Refused, Telegram, TotalReading

BRIDGES = {"wmbusmeters": Bridge(utility="hinode", sender="wmbus-bridge")}
UP = "suiden/v1/hinode/C-1/up"
WMBUS = "wmbusmeters/house"
MIGRATION = Path(__file__).resolve().parents[3] / "ingest_gateway" / "migrations" / "0020.ingest.sql"
RECORDED = Path(__file__).resolve().parents[2] / "fixtures" / "wmbusmeters" / "recorded.jsonl"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=12,
)
likely_readings = st.fixed_dictionaries(
    {"at": st.integers() | st.text(max_size=30) | st.datetimes().map(lambda at: at.isoformat() + "Z")},
    optional={
        "meter": st.text(max_size=10) | json_values,
        "register": st.integers() | json_values,
        "flow": st.floats() | json_values,
        "voltage_v": st.lists(st.floats() | st.none(), max_size=5) | json_values,
        "flags": st.lists(st.text(max_size=5), max_size=3) | json_values,
        "battery_pct": json_values,
    },
)
likely_messages = st.fixed_dictionaries(
    {},
    optional={
        "seq": st.integers() | json_values,
        "readings": st.lists(likely_readings | json_values, max_size=5) | json_values,
        "answers": json_values,
        "boot": json_values,
        "oldest": json_values,
        "unknown": json_values,
    },
)
likely_telegrams = st.fixed_dictionaries(
    {"id": st.text(max_size=10) | json_values, "media": json_values, "timestamp": st.text(max_size=25) | json_values},
    optional={"total_m3": st.floats() | st.integers() | json_values, "status": json_values, "_": json_values},
)


def decode(topic: str, payload: bytes) -> Telegram:
    return decoders.decode(topic=topic, payload=payload, bridges=BRIDGES, max_bytes=262_144)


def refusal(topic: str, payload: bytes) -> Refused:
    with pytest.raises(Refused) as refused:
        decode(topic, payload)
    return refused.value


@given(
    topic=st.sampled_from([UP, WMBUS, "suiden/v9/hinode/C-1/up", "other"]),
    payload=st.one_of(
        st.binary(max_size=200),
        json_values.map(lambda value: json.dumps(value).encode()),
        likely_messages.map(lambda value: json.dumps(value).encode()),
        likely_telegrams.map(lambda value: json.dumps(value).encode()),
    ),
)
def test_a_payload_becomes_a_telegram_or_a_reason_and_nothing_else(topic: str, payload: bytes) -> None:
    try:
        telegram = decode(topic, payload)
    except Refused as refused:
        assert refused.reason in get_args(Reason)  # noqa: PT017 - either outcome is right
    else:
        assert telegram.payload == payload
        assert telegram.count == len(telegram.readings) + len(telegram.fragments)


def test_the_reasons_are_those_that_the_database_takes() -> None:
    after = MIGRATION.read_text().split("reason text NOT NULL CHECK (reason IN (", 1)[1].split("))", 1)[0]
    assert {name.strip().strip("'") for name in after.split(",")} == set(get_args(Reason))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "malformed"),
        (b"{", "malformed"),
        (b"null", "malformed"),
        (b'{"seq": 0}', "malformed"),
        (b'{"readings": 1}', "malformed"),
        (b'{"surprise": 1}', "malformed"),
        (b'{"readings":' + b"[" * 1000 + b"]" * 1000 + b"}", "too_deep"),
        (b"[" * 100_000, "too_deep"),
        (b'{"readings":[{"at":1,"flow":Infinity}]}', "not_finite"),
        (b'{"readings":[' + b" " * 262_144 + b"]}", "too_large"),
    ],
)
def test_a_message_that_cannot_be_read_is_refused_with_its_reason(payload: bytes, reason: str) -> None:
    assert refusal(UP, payload).reason == reason


def test_a_text_that_never_ends_is_refused_at_once() -> None:
    began_s = time.perf_counter()
    assert refusal(UP, b'{"readings":["' + b'\\"' * 100_000).reason == "malformed"
    assert refusal(WMBUS, b'{"id":"' + b'\\"' * 100_000 + b"\\").reason == "malformed"
    assert time.perf_counter() - began_s < 2


def test_a_flow_that_no_number_holds_is_refused() -> None:
    telegram = b'{"id":"1","media":"water","timestamp":"2026-04-01T00:00:00Z","total_m3":1,"volume_flow_m3h":9e999999}'
    assert refusal(WMBUS, telegram).reason == "out_of_range"


def test_a_bracket_inside_a_text_nests_nothing() -> None:
    assert suiden_json.depth(b'{"meter": "[[[[[\\"[[["}') == 1


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("suiden/v2/hinode/C-1/up", "unknown_format"),
        ("suiden/v1/hinode/C-1/up/xml", "unknown_format"),
        ("suiden/v1/hinode/C-1/up/cbor/more", "unknown_format"),
        ("suiden/v1/hinode/C-1/down", "unknown_topic"),
        ("zigbee2mqtt/meter", "unknown_topic"),
        ("", "unknown_topic"),
        ("wmbusmeters/" + "x" * 500, "unknown_topic"),
    ],
)
def test_a_topic_that_no_decoder_owns_is_refused(topic: str, reason: str) -> None:
    assert refusal(topic, b"{}").reason == reason


def test_one_bad_reading_does_not_keep_the_others_out() -> None:
    telegram = decode(UP, b'{"seq":7,"readings":[{"at":1,"register":1},{"at":1,"register":"x"},{"at":2,"regster":1}]}')
    assert [reading.register for reading in telegram.readings] == [1]
    assert [fragment.reason for fragment in telegram.fragments] == ["malformed", "malformed"]
    assert telegram.fragments[0].payload == b'{"readings":[{"at":1,"register":"x"}]}'
    assert telegram.sequence == 7


def test_a_time_without_a_zone_is_refused() -> None:
    telegram = decode(UP, b'{"readings":[{"at":"2026-04-01T00:15:00","register":1}]}')
    assert [fragment.reason for fragment in telegram.fragments] == ["malformed"]


def test_recorded_telegrams_are_read_exactly() -> None:
    totals: list[Decimal | None] = []
    for line in RECORDED.read_text().splitlines():
        message = json.loads(line)
        try:
            telegram = decode(message["topic"], message["payload"].encode())
        except Refused as refused:
            assert refused.reason == "no_register"  # noqa: PT017 - one of them is of another kind
            continue
        assert telegram.sender == "wmbus-bridge"
        reading = telegram.readings[0]
        assert isinstance(reading, TotalReading)
        totals.append(reading.total)
    assert Decimal("123.529") in totals
    assert Decimal("15694.05") in totals


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"_":"meter","id":"1","media":"water","timestamp":"2025-01-01T00:00:00Z","total_m3":1}', "unknown_format"),
        (b'{"id":"1","media":"water","total_m3":1}', "unknown_format"),
        (b'{"id":"1","media":"water","timestamp":"2025-01-01T00:00:00Z"}', "no_register"),
        (b'{"id":"1","media":"water","timestamp":"2025-01-01T00:00:00","total_m3":1}', "malformed"),
        (b'{"id":"1","media":"water","timestamp":"2025-01-01T00:00:00Z","total_m3":"1"}', "malformed"),
        (b'{"id":1,"media":"water","timestamp":"2025-01-01T00:00:00Z","total_m3":1}', "malformed"),
    ],
)
def test_what_is_no_usable_telegram_is_refused_with_its_reason(payload: bytes, reason: str) -> None:
    assert refusal(WMBUS, payload).reason == reason
