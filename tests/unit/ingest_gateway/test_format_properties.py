"""Formats of others, for whatever may come: a telegram or a reason, and totals exact to the last digit."""

import json
import struct
from datetime import UTC, datetime
from decimal import Decimal
from random import Random

import cbor2
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_gateway.domain import decoders
from ingest_gateway.domain.decoders import FORMATS
from ingest_gateway.domain.wire import Refused, Telegram, TotalReading
from suiden.torture.decoders import BRIDGES, decode_and_check, samples
from suiden.torture.mutation import mutate

SAMPLES = [(known.name, sample) for known in FORMATS for sample in samples(known.name)]
TOPICS = sorted({sample.topic for _, sample in SAMPLES})
UP = "suiden/v1/hinode/C-1/up"
AT = "2026-04-01T00:15:00Z"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=12,
)
# What a 64-bit float keeps, what any register shows, and what a 32-bit float keeps.
of_double = st.decimals(0, 10**9, places=3, allow_nan=False, allow_infinity=False)
of_register = st.decimals(0, 10**20, places=6, allow_nan=False, allow_infinity=False)
of_float = st.integers(0, 999_999).map(lambda digits: Decimal(digits).scaleb(-3))


def decode(topic: str, payload: bytes) -> Telegram:
    return decoders.decode(topic=topic, payload=payload, bridges=BRIDGES, max_bytes=262_144)


def total_of(telegram: Telegram) -> Decimal | None:
    (reading,) = telegram.readings
    assert isinstance(reading, TotalReading)
    return reading.total


@given(
    topic=st.sampled_from(TOPICS),
    payload=st.binary(max_size=200)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.text(max_size=200).map(lambda text: text.encode()),
)
def test_whatever_comes_becomes_a_telegram_or_a_reason(topic: str, payload: bytes) -> None:
    assert decode_and_check(topic, payload)


@settings(max_examples=400)
@given(chosen=st.sampled_from(SAMPLES), seed=st.integers(0, 1 << 32))
def test_a_changed_message_of_a_real_device_becomes_a_telegram_or_a_reason(
    chosen: tuple[str, object], seed: int
) -> None:
    form, sample = chosen
    known = samples(form)
    topic, payload = mutate(next(one for one in known if one == sample), known, dice=Random(seed))
    assert decode_and_check(topic, payload)


@given(total=of_double)
def test_a_total_that_a_codec_gives_is_exact(total: Decimal) -> None:
    event = {"time": AT, "deviceInfo": {"devEui": "0101010101010101"}, "object": {"total_m3": float(total)}}
    telegram = decode("application/1/device/0101010101010101/event/up", json.dumps(event).encode())
    assert total_of(telegram) == total


@given(total=of_register)
def test_a_total_of_a_line_is_exact(total: Decimal) -> None:
    for line in (
        f"meter,at,total_kwh\nE-0001,{AT},{total:f}",
        f"meter;at;total_kwh\nE-0001;{AT};{total:f}".replace(".", ","),
    ):
        assert total_of(decode(f"{UP}/csv", line.encode())) == total


@given(total=of_register)
def test_a_total_of_a_script_is_exact(total: Decimal) -> None:
    assert total_of(decode("tele/x/SENSOR", f'{{"Time":"{AT}","SML":{{"Total_in":{total:f}}}}}'.encode())) == total


@given(energy_wh=of_register)
def test_a_total_of_a_counter_in_watt_hours_is_exact(energy_wh: Decimal) -> None:
    frame = '{"src":"x","method":"NotifyStatus","params":{"ts":1775002500.04,"emdata:0":{"id":0,"total_act":%f}}}'
    told = frame.replace("%f", f"{energy_wh:f}")
    telegram = decode("x/events/rpc", told.encode())
    assert total_of(telegram) == energy_wh.scaleb(-3)
    assert telegram.readings[0].at == datetime(2026, 4, 1, 0, 15, 0, 40_000, tzinfo=UTC)


def metric(name: bytes, datatype: int, field: bytes) -> bytes:
    content = b"\x0a" + bytes([len(name)]) + name + b"\x20" + bytes([datatype]) + field
    return b"\x08\x01\x12" + bytes([len(content)]) + content


@given(total=of_double)
def test_a_total_in_a_double_is_exact(total: Decimal) -> None:
    payload = metric(b"total_m3", 10, b"\x69" + struct.pack("<d", float(total)))
    assert total_of(decode("spBv1.0/g/NDATA/W-1", payload)) == total


@given(total=of_float)
def test_a_total_in_a_float_is_exact_where_a_float_keeps_it(total: Decimal) -> None:
    payload = metric(b"total_m3", 9, b"\x65" + struct.pack("<f", float(total)))
    assert total_of(decode("spBv1.0/g/NDATA/W-1", payload)) == total


@given(digits=st.integers(1_000_000, 99_999_999))
def test_a_total_in_a_float_is_exact_or_refused(digits: int) -> None:
    total = Decimal(digits).scaleb(-3)
    try:
        told = total_of(
            decode("spBv1.0/g/NDATA/W-1", metric(b"total_m3", 9, b"\x65" + struct.pack("<f", float(total))))
        )
    except Refused as refused:
        assert refused.reason == "unit_mismatch"  # noqa: PT017 - either outcome is right
    else:
        # Only where what is sent has no more digits than a float keeps can it have been meant as it stands.
        assert told is not None
        assert len(told.normalize().as_tuple().digits) <= 6


readings = st.fixed_dictionaries(
    {"at": st.integers(0, 2_000_000_000_000), "meter": st.text(max_size=20)},
    optional={
        "register": st.integers(0, 10**12),
        "flow": st.floats(-1e9, 1e9),
        "pressure_kpa": st.floats(-100, 2_000),
        "voltage_v": st.lists(st.none() | st.floats(0, 500), max_size=3),
        "battery_pct": st.integers(0, 100),
        "flags": st.lists(st.text(max_size=10), max_size=3),
    },
)


@given(told=st.lists(readings, max_size=5), sequence=st.integers(1, 1 << 60))
def test_cbor_says_what_json_says(told: list[dict[str, object]], sequence: int) -> None:
    message = {"seq": sequence, "readings": told}
    in_json = decode(UP, json.dumps(message).encode())
    in_cbor = decode(f"{UP}/cbor", cbor2.dumps(message))
    assert in_cbor.readings == in_json.readings
    assert in_cbor.sequence == in_json.sequence
