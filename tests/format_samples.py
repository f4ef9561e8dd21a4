"""What each message of a real device must become; the messages stand in suiden/torture/samples."""

from typing import Any

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
