"""The decoder of what Tasmota's smart meter interface publishes (SML and other meters read by a script)."""

from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from ingest_gateway.domain import told
from ingest_gateway.domain.measures import EXPORT_KWH, FLOW, NAMES, TOTAL_KWH, VOLTAGE, Measure, Said, reading_of
from ingest_gateway.domain.suiden_json import MAX_READINGS
from ingest_gateway.domain.wire import Refused, Telegram, WireReading

DEVICE_LEVEL = 1  # tele/{device}/SENSOR
PLAIN = "SML"  # the prefix of most scripts; another one tells several meters of one device apart

# The script gives the names; these are those of the scripts that Tasmota's documentation publishes, and OBIS codes.
METER_NAMES = (
    "meter_number",
    "meter_id",
    "meter_nr",
    "server_id",
    "serial",
    "96_1_0",
    "0_0_0",
)
MEASURES: Mapping[str, Measure] = {
    **NAMES,
    "total_in": TOTAL_KWH,
    "e_in": TOTAL_KWH,
    "1_8_0": TOTAL_KWH,
    "total_out": EXPORT_KWH,
    "e_out": EXPORT_KWH,
    "2_8_0": EXPORT_KWH,
    "power_curr": FLOW,
    "power_cur": FLOW,
    "curr_w": FLOW,
    "power": FLOW,
    "16_7_0": FLOW,
    **{f"{word}{phase}": VOLTAGE[phase - 1] for word in ("volt_p", "voltage_p", "voltage_l") for phase in (1, 2, 3)},
    "32_7_0": VOLTAGE[0],
    "52_7_0": VOLTAGE[1],
    "72_7_0": VOLTAGE[2],
}
# What Tasmota itself measures, as a plug does.
OWN = "ENERGY"
OWN_MEASURES: Mapping[str, Measure] = {"total": TOTAL_KWH, "power": FLOW, "voltage": VOLTAGE[0]}


def decode(*, topic: str, payload: bytes, utility: str, sender: str, zone: ZoneInfo | None) -> Telegram:
    """Read one message: a reading of each meter in it. `zone` is that of a device whose times name none.

    :raises Refused: if no meter is in it that we know by its names
    """
    sensors = told.read_object(payload)
    if "Time" not in sensors:
        raise Refused("unknown_format", "not a SENSOR message of Tasmota: it needs Time")
    at = told.instant(sensors["Time"], name="Time", zone=zone)
    device = topic.split("/")[DEVICE_LEVEL]
    readings: list[WireReading] = []
    for prefix, value in sensors.items():
        fields = told.as_object(value) or {}
        said = list(_said(fields, OWN_MEASURES if prefix == OWN else MEASURES))
        if said:
            meter = _meter(fields) or (device if prefix == PLAIN else f"{device}:{prefix}")
            if len(readings) == MAX_READINGS:
                raise Refused("too_large", f"more than {MAX_READINGS} meters")
            readings.append(reading_of(said, at=at, meter=meter))
    if not readings:
        raise Refused("no_register", "no meter is in it whose fields we know by their names")
    return Telegram(topic=topic, payload=payload, utility=utility, sender=sender, readings=readings)


def _said(fields: Mapping[str, Any], known: Mapping[str, Measure]) -> Iterator[Said]:
    for name, value in fields.items():
        measure = known.get(name.lower())
        if measure is None:
            continue
        number = told.number(value, name=name)
        if number is not None:
            yield measure, number


def _meter(fields: Mapping[str, Any]) -> str | None:
    by_name = {name.lower(): name for name in fields}
    for known in METER_NAMES:
        if known in by_name:
            name = by_name[known]
            serial = str(fields[name]) if isinstance(fields[name], int) else told.text(fields, name)
            if serial:
                return serial
    return None
