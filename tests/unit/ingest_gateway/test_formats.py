"""Formats of others: what real devices send becomes the readings it says, exactly, or a reason."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import cbor2
import pytest

from ingest_gateway.domain import decoders, suiden_json
from ingest_gateway.domain.decoders import FORMATS, Bridge
from ingest_gateway.domain.measures import NAMES
from ingest_gateway.domain.wire import Refused, Telegram, TotalReading, instant_us
from suiden.torture.decoders import samples

BRIDGES = {
    known.name: Bridge(utility="hinode", sender=f"{known.name}-bridge", zone=ZoneInfo("Asia/Tokyo"))
    for known in FORMATS
    if known.device_level is not None or known.name == "csv"
}
UP = "suiden/v1/hinode/C-1/up"
PRO_3EM = "shellypro3em-ec6260890b50"
NINE_JST = "2026-04-01T00:15:00Z"
ELEVEN_JST = "2026-04-01T02:00:00Z"

# Of each sample: its readings (what they say beside their instant, by name), and the reasons of the parts put aside.
# A text is the reason that the whole is refused for.
Read = tuple[list[dict[str, Any]], list[str]]
W_0001 = {"meter": "W-0001", "at": NINE_JST, "register": 123456, "flow": 12.0, "pressure_kpa": 301.5}
TWO = [
    {**W_0001, "battery_pct": 88, "flags": ["tamper"]},
    {
        "meter": "E-0001",
        "at": NINE_JST,
        "register": 5000,
        "export_register": 7,
        "flow": -80.5,
        "voltage_v": [101.25, None, 101.5],
    },
]
ONE_OF_TWO = ([{"meter": "W-0001", "at": "2026-04-01T00:30:00Z", "register": 123460}], ["malformed"])
NODE = {
    "meter": "E-0001",
    "at": "2026-04-01T03:00:00Z",
    "unit": "kWh",
    "total": "4567.891",
    "export_total": "12",
    "flow": -894.5,
    "voltage_v": [101.25],
}
POWER = {
    "meter": PRO_3EM,
    "at": "2023-05-01T14:54:25.900Z",
    "flow": 1300.252,
    "voltage_v": [121.7, 121.0, 121.7],
}
ENERGY = {"unit": "kWh", "total": "2852.05581", "export_total": "0"}
BECOMES: dict[str, dict[str, Read | str]] = {
    "suiden-json": {
        "two readings and an answer": (TWO, []),
        "one reading of its own meter": ([{"at": NINE_JST, "register": 4}], []),
        "one of two is bad": ONE_OF_TWO,
    },
    "suiden-cbor": {
        "two readings and an answer": (TWO, []),
        "instants under their tags": (TWO, []),
        "in its shortest form": (TWO, []),
        "one of two is bad": ONE_OF_TWO,
    },
    "csv": {
        "our own names": (
            [
                {**W_0001, "flow": 12.5, "battery_pct": 88, "flags": ["tamper", "leak"]},
                {"meter": "W-0002", "at": NINE_JST, "register": 77},
            ],
            [],
        ),
        "totals and a decimal comma": (
            [{"meter": "W-0001", "at": NINE_JST, "unit": "m3", "total": "123.456"}],
            ["malformed"],
        ),
        "a heat meter of an M-Bus concentrator": ([], ["unit_mismatch"]),
        "a water meter of an M-Bus concentrator": (
            [{"meter": "W-0001", "at": ELEVEN_JST, "unit": "m3", "total": "959.16", "flow": 0.0}],
            [],
        ),
        "an electricity meter of an M-Bus concentrator": (
            [{"meter": "E-0001", "at": ELEVEN_JST, "unit": "kWh", "total": "4138", "flow": 0.0}],
            [],
        ),
    },
    "wmbusmeters": {
        "recorded wmbusmeters/33225544": (
            [{"meter": "33225544", "at": "2025-03-31T15:00:00Z", "unit": "m3", "total": "123.529"}],
            [],
        ),
        "recorded wmbusmeters/12353648": (
            [{"meter": "12353648", "at": "2025-03-31T15:00:00Z", "unit": "m3", "total": "1.991", "flow": 0.0}],
            [],
        ),
        "recorded wmbusmeters/0014a807": (
            [{"meter": "0014a807", "at": "2025-03-31T15:00:00Z", "unit": "m3", "total": "7177.7"}],
            [],
        ),
        "recorded wmbusmeters/10101010": (
            [
                {
                    "meter": "10101010",
                    "at": "2025-03-31T15:00:00Z",
                    "unit": "kWh",
                    "total": "15694.05",
                    "export_total": "7.48",
                    "flow": 330.0,
                    "voltage_v": [236.0, None, None],
                }
            ],
            [],
        ),
        "recorded wmbusmeters/76348799": (
            [{"meter": "76348799", "at": "2025-03-31T15:00:00Z", "unit": "m3", "total": "6.408", "flags": ["dry"]}],
            [],
        ),
        "recorded wmbusmeters/00010206": "no_register",
    },
    "chirpstack": {
        "as documented: no codec": "no_register",
        "a total and what the radio says": (
            [
                {
                    "meter": "W-0001",
                    "at": "2026-04-01T02:34:15.775023Z",
                    "unit": "m3",
                    "total": "123.456",
                    "battery_pct": 88,
                    "flags": ["leak"],
                }
            ],
            [],
        ),
        "a log of three hours": (
            [
                {"meter": "W-0001", "at": f"2026-04-01T0{hour}:00:00Z", "unit": "m3", "total": f"123.40{hour}"}
                for hour in range(3)
            ],
            [],
        ),
        "an electricity meter by its DevEUI": (
            [
                {
                    "meter": "24e1241360605391",
                    "at": "2026-04-01T02:34:15.775023Z",
                    "unit": "kWh",
                    "total": "4567.891",
                    "flow": -894.0,
                    "voltage_v": [101.25],
                }
            ],
            [],
        ),
        "a pulse counter that tells no unit": "no_register",
    },
    "sparkplug": {
        "the birth of a node": ([], []),
        "the birth of a water meter": (
            [
                {
                    "meter": "W-0001",
                    "at": "2026-04-01T03:00:00Z",
                    "unit": "m3",
                    "total": "123.456",
                    "pressure_kpa": 301.5,
                    "battery_pct": 88,
                }
            ],
            [],
        ),
        "data of a water meter": (
            [
                {
                    "meter": "W-0001",
                    "at": "2026-04-01T03:15:00Z",
                    "register": 123460,
                    "flow": -12.0,
                    "flags": ["tamper", "leak"],
                }
            ],
            [],
        ),
        "a log of four quarter hours": (
            [
                {"meter": "W-0001", "at": f"2026-04-01T03:{15 * quarter:02}:00Z", "register": 123500 + quarter}
                for quarter in range(4)
            ],
            [],
        ),
        "data of a node that is the meter": ([NODE], []),
        "packed by DEFLATE": ([NODE], []),
        "packed by GZIP": ([NODE], []),
        "packed, without its algorithm": ([NODE], []),
        "an alias alone": "unknown_format",
        "a total in a 32-bit float": "unit_mismatch",
        "no measure of ours": "no_register",
    },
    "tasmota": {
        "an SML meter and other sensors": (
            [
                {
                    "meter": "0901454d48000000000",
                    "at": "2022-07-07T04:01:11Z",
                    "unit": "kWh",
                    "total": "34507.4761",
                    "export_total": "14737.1422",
                    "flow": -894.0,
                }
            ],
            [],
        ),
        "without a meter number": (
            [
                {
                    "meter": "stromzaehler",
                    "at": "2026-04-01T02:30:00Z",
                    "unit": "kWh",
                    "total": "42000.5",
                    "export_total": "0",
                    "flow": 538.0,
                    "voltage_v": [230.1],
                }
            ],
            [],
        ),
        "OBIS codes, two meters": (
            [
                {
                    "meter": "0a014c475a0003403b4a",
                    "at": "2026-04-01T02:30:00Z",
                    "unit": "kWh",
                    "total": "4567.891",
                    "export_total": "0.5",
                    "flow": 212.0,
                    "voltage_v": [101.2, 101.5, 0.0],
                },
                {"meter": "keller:Warm", "at": "2026-04-01T02:30:00Z", "unit": "kWh", "total": "12.5", "flow": -3.0},
            ],
            [],
        ),
        "a plug": (
            [
                {
                    "meter": "athomspv3a:ENERGY",
                    "at": "2024-01-14T09:03:15Z",
                    "unit": "kWh",
                    "total": "1066",
                    "flow": 0.0,
                    "voltage_v": [227.7],
                }
            ],
            [],
        ),
        "no meter": "no_register",
    },
    "shelly": {
        "power of three phases": ([POWER], []),
        "energy of three phases": ([{"meter": PRO_3EM, "at": "2023-05-01T14:55:00.020Z", **ENERGY}], []),
        "the full status": ([{**POWER, **ENERGY}], []),
        "one channel's power": (
            [
                {
                    "meter": "shellyemg3-dcb4d9c564f4:0",
                    "at": "2026-09-07T22:43:18.370Z",
                    "flow": -1899.8,
                    "voltage_v": [117.6],
                }
            ],
            [],
        ),
        "one channel's energy": (
            [
                {
                    "meter": "shellyemg3-dcb4d9c564f4:0",
                    "at": "2025-01-30T17:06:00.230Z",
                    "unit": "kWh",
                    "total": "6.73772",
                    "export_total": "0.00178",
                }
            ],
            [],
        ),
        "a relay that measures": (
            [
                {
                    "meter": "shellypro4pm-30c6f784e78c:3",
                    "at": "2023-02-09T09:39:00.540Z",
                    "unit": "kWh",
                    "total": "0",
                }
            ],
            [],
        ),
        "nothing of a meter": ([], []),
        "a component that nobody knows": "unknown_format",
    },
}
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
    return json.dumps({"time": "2026-04-01T00:15:00Z", "deviceInfo": {"devEui": dev_eui, **device}, "object": measures})


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
