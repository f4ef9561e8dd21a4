"""The decoder of the notifications of Shelly's meters (second generation and later)."""

from collections.abc import Iterator, Mapping
from typing import Any

from ingest_gateway.domain import told
from ingest_gateway.domain.measures import EXPORT_WH, FLOW, TOTAL_WH, VOLTAGE, Measure, Said, reading_of
from ingest_gateway.domain.suiden_json import MAX_READINGS
from ingest_gateway.domain.wire import Refused, Telegram, WireReading

# Of each component that measures: its fields. A counter may stand in an object, as aenergy.total.
_EM = {
    "total_act_power": FLOW,
    "a_voltage": VOLTAGE[0],
    "b_voltage": VOLTAGE[1],
    "c_voltage": VOLTAGE[2],
}
_PM = {
    "apower": FLOW,
    "voltage": VOLTAGE[0],
    "aenergy.total": TOTAL_WH,
    "ret_aenergy.total": EXPORT_WH,
}
METERS: Mapping[str, Mapping[str, Measure]] = {
    "em": _EM,
    "emdata": {"total_act": TOTAL_WH, "total_act_ret": EXPORT_WH},
    "em1": {"act_power": FLOW, "voltage": VOLTAGE[0]},
    "em1data": {"total_act_energy": TOTAL_WH, "total_act_ret_energy": EXPORT_WH},
    "pm1": _PM,
    "switch": _PM,
}
WHOLE_DEVICE = ("em", "emdata", "pm1")  # the first of them is the device itself; else one of its channels

# Components that measure nothing of a supply; a message about these alone is right, and holds no reading.
OTHERS = frozenset(
    {
        *("ble", "bthome", "bthomedevice", "bthomesensor", "blutrv", "boolean", "button", "cct", "cloud", "cover"),
        *("cury", "devicepower", "enum", "eth", "group", "humidity", "illuminance", "input", "knx", "light", "matter"),
        *("modbus", "mqtt", "number", "object", "plugs_ui", "rgb", "rgbw", "schedule", "script", "service", "smoke"),
        *("sys", "temperature", "text", "thermostat", "ui", "voltmeter", "webhook", "wifi", "ws", "zigbee"),
    }
)


def decode(*, topic: str, payload: bytes, utility: str, sender: str) -> Telegram:
    """Read one notification: a reading of each meter in it, none where it tells of other things alone.

    :raises Refused: if it is no notification, or tells only of what nobody knows
    """
    frame = told.read_object(payload)
    device, method = told.text(frame, "src"), told.text(frame, "method")
    if not device or method not in ("NotifyStatus", "NotifyFullStatus", "NotifyEvent"):
        raise Refused("unknown_format", "not a notification: it needs src and a method that notifies")
    params = told.member(frame, "params")
    said: dict[str, list[Said]] = {}
    if method != "NotifyEvent":
        for component, status in params.items():
            for meter, measured in _measured(component, status, device=device):
                said.setdefault(meter, []).append(measured)
    if len(said) > MAX_READINGS:
        raise Refused("too_large", f"more than {MAX_READINGS} meters")
    readings: list[WireReading] = []
    if said:
        seconds = told.number(params.get("ts"), name="ts")
        if seconds is None:
            raise Refused("malformed", "ts is missing: when was it?")
        at = told.unix_instant(seconds, name="ts")
        readings = [reading_of(measures, at=at, meter=meter) for meter, measures in said.items()]
    elif unknown := _unknown(params, method=method):
        raise Refused("unknown_format", f"nothing is known of the component {unknown[:80]}")
    return Telegram(topic=topic, payload=payload, utility=utility, sender=sender, readings=readings)


def _measured(component: str, status: object, *, device: str) -> Iterator[tuple[str, Said]]:
    kind, _, channel = component.partition(":")
    fields, found = METERS.get(kind), told.as_object(status)
    if fields is None or found is None:
        return
    meter = device if kind in WHOLE_DEVICE and channel == "0" else f"{device}:{channel[:20]}"
    for path, measure in fields.items():
        number = _number(found, path)
        if number is not None:
            yield meter, (measure, number)


def _number(status: Mapping[str, Any], path: str) -> Any:
    name, _, inner = path.partition(".")
    if inner:
        return told.number(told.member(status, name).get(inner), name=path)
    return told.number(status.get(name), name=name)


def _unknown(params: Mapping[str, Any], *, method: str) -> str | None:
    """Give the first component that we know nothing of."""
    if method == "NotifyEvent":
        return None
    for component in params:
        kind = component.partition(":")[0]
        if kind != "ts" and kind not in OTHERS and kind not in METERS:
            return component
    return None
