"""Formats of others: what real devices send becomes the readings it says, exactly, or a reason."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import cbor2
import pytest

from ingest_gateway.domain import decoders, shelly_rpc, suiden_json, tasmota_sml
from ingest_gateway.domain.concentrator_csv import METER_COLUMNS, TIME_COLUMNS
from ingest_gateway.domain.decoders import FORMATS, Bridge
from ingest_gateway.domain.measures import NAMES
from ingest_gateway.domain.wire import Refused, Telegram, TotalReading, instant_us
from suiden.torture.decoders import samples
from tests.format_samples import BECOMES, NINE_JST, PRO_3EM

BRIDGES = {
    known.name: Bridge(utility="hinode", sender=f"{known.name}-bridge", zone=ZoneInfo("Asia/Tokyo"))
    for known in FORMATS
    if known.device_level is not None or known.name == "csv"
}
UP = "suiden/v1/hinode/C-1/up"
READ = [
    (form, name) for form, of_form in BECOMES.items() for name, told in of_form.items() if not isinstance(told, str)
]
CASES = [(known.name, sample.name) for known in FORMATS for sample in samples(known.name)]


def decode(topic: str, payload: bytes | str, *, bridges: decoders.Bridges = BRIDGES) -> Telegram:
    sent = payload.encode() if isinstance(payload, str) else payload
    return decoders.decode(topic=topic, payload=sent, bridges=bridges, max_bytes=262_144)


def refusal(topic: str, payload: bytes | str, *, bridges: decoders.Bridges = BRIDGES) -> Refused:
    with pytest.raises(Refused) as refused:
        decode(topic, payload, bridges=bridges)
    return refused.value


def said(telegram: Telegram) -> list[dict[str, Any]]:
    """Give what the readings say, as it stands in the table above."""
    told: list[dict[str, Any]] = []
    for reading in telegram.readings:
        one = {name: getattr(reading, name) for name in reading.__struct_fields__}
        one["at"] = instant_us(reading.at)
        told.append({name: value for name, value in one.items() if value not in (None, "")})
    return told


def meant(reading: dict[str, Any]) -> dict[str, Any]:
    exact = {name: Decimal(reading[name]) for name in ("total", "export_total") if name in reading}
    return {**reading, **exact, "at": instant_us(datetime.fromisoformat(reading["at"]))}


@pytest.mark.parametrize(("form", "name"), CASES)
def test_a_real_message_becomes_what_it_says(form: str, name: str) -> None:
    sample = next(sample for sample in samples(form) if sample.name == name)
    expected = BECOMES[form][name]
    if isinstance(expected, str):
        assert refusal(sample.topic, sample.payload).reason == expected
        return
    telegram = decode(sample.topic, sample.payload)
    assert said(telegram) == [meant(reading) for reading in expected[0]]
    assert [fragment.reason for fragment in telegram.fragments] == expected[1]
    by_topic = sample.topic.startswith("suiden/")
    assert telegram.utility == "hinode"
    assert telegram.sender == (sample.topic.split("/")[3] if by_topic else f"{form}-bridge")


def test_cbor_says_what_json_says() -> None:
    for json_sample, cbor_sample in zip(samples("suiden-json")[:1], samples("suiden-cbor")[:1], strict=True):
        in_json, in_cbor = (decode(one.topic, one.payload) for one in (json_sample, cbor_sample))
        assert (in_cbor.sequence, in_cbor.boot, in_cbor.kept_from) == (17, "7f3a", 12)
        assert in_cbor.answers == in_json.answers
        assert said(in_cbor) == said(in_json)
        assert len(cbor_sample.payload) < len(json_sample.payload)


@pytest.mark.parametrize("tag", [2, 4, 5, 28, 35, 258, 999])
def test_a_tag_that_no_reading_needs_is_refused(tag: int) -> None:
    message = cbor2.dumps({"readings": [{"at": cbor2.CBORTag(tag, [1, 1])}]})
    assert refusal(f"{UP}/cbor", message).reason == "malformed"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "malformed"),
        (b"\xa0\x00", "malformed"),  # something follows
        (b"\xa2\x63seq\x01\x63seq\x02", "malformed"),  # twice the same name
        (cbor2.dumps([1]), "malformed"),
        (cbor2.dumps({"surprise": 1}), "malformed"),
        (cbor2.dumps({1: 1}), "malformed"),
        (b"\x81" * 40 + b"\x00", "too_deep"),
    ],
)
def test_cbor_that_is_not_as_described_is_refused(message: bytes, reason: str) -> None:
    assert refusal(f"{UP}/cbor", message).reason == reason


def test_what_is_not_finite_is_put_aside_as_it_came() -> None:
    part = {"meter": "W-0001", "at": 1_775_002_500_000, "register": 1, "flow": float("inf")}
    telegram = decode(f"{UP}/cbor", cbor2.dumps({"readings": [part, {**part, "flow": 1.0}]}))
    assert [reading.flow for reading in telegram.readings] == [1.0]
    assert [fragment.reason for fragment in telegram.fragments] == ["not_finite"]
    assert cbor2.loads(telegram.fragments[0].payload) == {"readings": [part]}


def chirpstack(measures: dict[str, Any], *, dev_eui: str = "0101010101010101", **device: object) -> str:
    event = {"time": "2026-04-01T00:15:00Z", "deviceInfo": {"devEui": dev_eui, **device}, "object": measures}
    written = json.dumps(event, default=lambda number: f"<{number}>")
    return written.replace('"<', "").replace('>"', "")  # a number that is no float stands there as it is


CHIRPSTACK = "application/1/device/0101010101010101/event/up"
# What each accepted name gives of the number 2, in a reading.
NAMED: dict[str, dict[str, Any]] = {
    "register": {"register": 2},
    "export_register": {"export_register": 2},
    "total_m3": {"unit": "m3", "total": Decimal(2)},
    "total_l": {"unit": "m3", "total": Decimal("0.002")},
    "total_kwh": {"unit": "kWh", "total": Decimal(2)},
    "total_wh": {"unit": "kWh", "total": Decimal("0.002")},
    "export_total_kwh": {"unit": "kWh", "export_total": Decimal(2)},
    "export_total_wh": {"unit": "kWh", "export_total": Decimal("0.002")},
    "flow": {"flow": 2.0},
    "flow_lh": {"flow": 2.0},
    "flow_m3h": {"flow": 2000.0},
    "power_w": {"flow": 2.0},
    "power_kw": {"flow": 2000.0},
    "pressure_kpa": {"pressure_kpa": 2.0},
    "pressure_mpa": {"pressure_kpa": 2000.0},
    "pressure_bar": {"pressure_kpa": 200.0},
    "voltage_v": {"voltage_v": [2.0]},
    "voltage_1_v": {"voltage_v": [2.0]},
    "voltage_2_v": {"voltage_v": [None, 2.0]},
    "voltage_3_v": {"voltage_v": [None, None, 2.0]},
    "battery_pct": {"battery_pct": 2},
}


@pytest.mark.parametrize("name", NAMES)
def test_each_name_has_its_unit(name: str) -> None:
    telegram = decode(CHIRPSTACK, chirpstack({name.title(): 2}))
    assert said(telegram) == [meant({"meter": "0101010101010101", "at": NINE_JST, **NAMED[name]})]


@pytest.mark.parametrize(
    ("measures", "reason"),
    [
        ({"total_m3": 1, "total_kwh": 1}, "unit_mismatch"),
        ({"total_m3": 1, "total_l": 2}, "malformed"),
        ({"total_m3": 1, "register": 1}, "malformed"),
        ({"register": 1.5}, "unit_mismatch"),
        ({"total_m3": "1"}, "malformed"),
        ({"total_m3": True}, "malformed"),
        ({"total_m3": 10**40}, "out_of_range"),
        ({"total_m3": Decimal("1e9999999")}, "out_of_range"),
        ({"total_m3": Decimal("1e-9999999")}, "out_of_range"),
        ({"temperature": 9.5}, "no_register"),
        ({"total_m3": None}, "no_register"),
        ({"readings": []}, "malformed"),
        ({}, "no_register"),
    ],
)
def test_what_a_codec_says_and_cannot_be_meant_is_refused(measures: dict[str, Any], reason: str) -> None:
    assert refusal(CHIRPSTACK, chirpstack(measures)).reason == reason


def test_the_same_thing_said_twice_alike_is_no_contradiction() -> None:
    assert said(decode(CHIRPSTACK, chirpstack({"total_m3": 1.5, "total_l": 1500})))[0]["total"] == Decimal("1.5")


def test_one_bad_reading_of_a_log_does_not_keep_the_others_out() -> None:
    log = [{"at": NINE_JST, "register": 1}, {"at": "yesterday", "register": 2}, 3]
    telegram = decode(CHIRPSTACK, chirpstack({"register": 4, "readings": log}))
    assert [reading.register for reading in telegram.readings] == [4, 1]
    assert [fragment.reason for fragment in telegram.fragments] == ["malformed", "no_register"]


def test_a_device_cannot_speak_on_the_topic_of_another() -> None:
    assert refusal(CHIRPSTACK, chirpstack({"register": 1}, dev_eui="0202020202020202")).reason == "malformed"


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        ("2026-03-29T02:30:00", "malformed"),
        ("2026-10-25T02:30:00", "malformed"),
        ("0001-01-01T00:00:00", "out_of_range"),
    ],
)
def test_a_local_time_that_is_none_or_two_is_refused(time: str, reason: str) -> None:
    berlin = {
        "tasmota": Bridge("hinode", "tasmota-bridge", ZoneInfo("Europe/Berlin" if "2026" in time else "Asia/Tokyo"))
    }
    message = json.dumps({"Time": time, "SML": {"Total_in": 1}})
    assert refusal("tele/x/SENSOR", message, bridges=berlin).reason == reason


def test_a_local_time_is_refused_where_no_zone_is_set() -> None:
    without = {"tasmota": Bridge("hinode", "tasmota-bridge")}
    message = '{"Time":"2026-04-01T09:15:00","SML":{"Total_in":1}}'
    assert refusal("tele/x/SENSOR", message, bridges=without).reason == "malformed"
    assert decode("tele/x/SENSOR", message).readings[0].at == datetime(2026, 4, 1, 0, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        ("meter,register\nW-0001,1\n", "unknown_format"),  # no time
        ("meter,at,temperature\nW-0001,2026-04-01T00:15:00Z,9\n", "unknown_format"),
        ("meter,at,register\n", "no_register"),
        ("", "unknown_format"),
        ("meter,at,register\n" + "W-0001,2026-04-01T00:15:00Z,1\n" * 5_001, "too_large"),
        ("at,register," + "x," * 600 + "\n1,2", "unknown_format"),
        (b"\x1f\x8bnot packed", "malformed"),
    ],
)
def test_a_batch_that_cannot_be_read_is_refused(batch: bytes | str, reason: str) -> None:
    assert refusal(f"{UP}/csv", batch).reason == reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("W-0001,2026-04-01T00:15:00Z", "malformed"),  # a column is missing
        ("W-0001,2026-04-01T00:15:00Z,one", "malformed"),
        ("W-0001,2026-04-01T00:15:00Z,1_000", "malformed"),
        ("W-0001,2026-04-01T00:15:00Z,١٢٣", "malformed"),
        ("W-0001,2026-04-01T00:15:00Z,NaN", "not_finite"),
        ("W-0001,2026-04-01T00:15:00Z,1.5", "unit_mismatch"),
        ("W-0001,2026-04-01T00:15:00Z,", "no_register"),
        ("W-0001,,1", "malformed"),
        (",2026-04-01T00:15:00Z,1", "malformed"),
        ('W-0001,2026-04-01T00:15:00Z,"1', "malformed"),
    ],
)
def test_one_bad_line_does_not_keep_the_others_out(line: str, reason: str) -> None:
    telegram = decode(f"{UP}/csv", f"meter,at,register\n{line}\nW-0002,2026-04-01T00:15:00Z,7")
    assert [reading.register for reading in telegram.readings] == [7]
    assert [fragment.reason for fragment in telegram.fragments] == [reason]
    assert telegram.fragments[0].payload == f"meter,at,register\n{line}".encode()


def test_a_sender_may_be_the_device_that_the_topic_names() -> None:
    each = {name: Bridge("hinode", "+") for name in ("chirpstack", "tasmota", "shelly", "sparkplug", "wmbusmeters")}
    senders = {
        form: {decode(one.topic, one.payload, bridges=each).sender for one in samples(form) if one.name in names}
        for form, names in {
            "chirpstack": ("a total and what the radio says",),
            "tasmota": ("OBIS codes, two meters",),
            "shelly": ("power of three phases",),
            "sparkplug": ("data of a water meter",),
        }.items()
    }
    assert senders == {
        "chirpstack": {"0101010101010101"},
        "tasmota": {"keller"},
        "shelly": {PRO_3EM},
        "sparkplug": {"C-9"},
    }


def test_a_format_that_no_bridge_is_set_for_is_neither_subscribed_to_nor_read() -> None:
    topics = decoders.subscriptions(decoders.DEFAULT_BRIDGES)
    assert topics == ("suiden/+/+/+/up", "suiden/+/+/+/up/cbor", "suiden/+/+/+/up/csv/#", "wmbusmeters/#")
    assert refusal("tele/x/SENSOR", b"{}", bridges=decoders.DEFAULT_BRIDGES).reason == "unknown_topic"
    assert decoders.utility_of_topic("tele/x/SENSOR", bridges=decoders.DEFAULT_BRIDGES) is None
    assert decoders.utility_of_topic("tele/x/SENSOR", bridges=BRIDGES) == "hinode"


@pytest.mark.parametrize(("form", "name"), READ)
def test_a_part_that_was_kept_is_read_back_as_it_was(form: str, name: str) -> None:
    sample = next(sample for sample in samples(form) if sample.name == name)
    telegram = decode(sample.topic, sample.payload)
    for reading in telegram.readings:
        kept = suiden_json.encode_readings([reading])
        again = decoders.decode_kept(topic=sample.topic, payload=kept, bridges=BRIDGES)
        assert again.readings == [reading]
        assert type(again.readings[0]) is (TotalReading if isinstance(reading, TotalReading) else type(reading))
        assert (again.utility, again.sender) == (telegram.utility, telegram.sender)
    whole = decoders.decode_kept(topic=sample.topic, payload=sample.payload, bridges=BRIDGES)
    assert said(whole) == said(telegram)


def test_the_wire_is_written_down_for_every_format() -> None:
    told = (Path(__file__).resolve().parents[3] / "docs" / "protocol.md").read_text()
    named = {
        *NAMES,
        *METER_COLUMNS,
        *TIME_COLUMNS,
        *(known.name for known in FORMATS if known.device_level is not None),
    }
    assert not {name for name in named if f"`{name}`" not in told}
    by_script = {name for name in (*tasmota_sml.MEASURES, *tasmota_sml.METER_NAMES) if name not in NAMES}
    by_phase = {name for name in by_script if name.startswith("volt") or name in ("52_7_0", "72_7_0")}
    assert not {name for name in by_script - by_phase if f"`{name}`" not in told.lower()}
    fields = {path for fields in shelly_rpc.METERS.values() for path in fields} - {"b_voltage", "c_voltage"}
    assert not {path for path in fields if f"`{path}`" not in told}
