"""The decoder of what wmbusmeters publishes for a decoded telegram."""

import math
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from ingest_gateway.domain.measures import exact
from ingest_gateway.domain.told import read_object
from ingest_gateway.domain.wire import Refused, Telegram, TotalReading

# In this order: the first total that the telegram has. A meter's total never comes from a target or a tariff's part.
TOTALS = (("total_m3", "m3"), ("total_energy_consumption_kwh", "kWh"))
EXPORT_TOTALS = ("total_energy_production_kwh",)
FLOWS = (("volume_flow_m3h", Decimal(1000)), ("current_power_consumption_kw", Decimal(1000)))
VOLTAGES = ("voltage_at_phase_1_v", "voltage_at_phase_2_v", "voltage_at_phase_3_v")
STATUS_FLAGS = {
    "TAMPER": "tamper",
    "LEAKING": "leak",
    "LEAK": "leak",
    "BURST": "burst",
    "BURSTING": "burst",
    "REVERSE_FLOW": "backflow",
    "BACKFLOW": "backflow",
    "DRY": "dry",
    "LOW_BATTERY": "battery_low",
    "BATTERY_LOW": "battery_low",
    "POWER_LOW": "battery_low",
}


def decode(*, topic: str, payload: bytes, utility: str, sender: str) -> Telegram:
    """Read one telegram.

    :raises Refused: if it is not a decoded telegram, or has no total that we know
    """
    told = read_object(payload)
    if told.get("_", "telegram") != "telegram" or not {"id", "timestamp", "media"} <= told.keys():
        raise Refused("unknown_format", "not a decoded telegram: it needs id, media and timestamp")
    total, unit = _total(told)
    reading = TotalReading(
        at=_instant(told["timestamp"]),
        meter=_text(told, "id"),
        flow=_flow(told),
        voltage_v=_voltages(told),
        flags=_flags(told),
        unit=unit,
        total=total,
        export_total=next((_number(told, name) for name in EXPORT_TOTALS if name in told), None),
    )
    return Telegram(topic=topic, payload=payload, utility=utility, sender=sender, readings=[reading])


def _total(told: Mapping[str, Any]) -> tuple[Decimal, str]:
    for name, unit in TOTALS:
        total = _number(told, name)
        if total is not None:
            return total, unit
    raise Refused("no_register", f"none of {', '.join(name for name, _ in TOTALS)} is in the telegram")


def _number(told: Mapping[str, Any], name: str) -> Decimal | None:
    number = told.get(name)
    if number is None or number == "null":
        return None
    if isinstance(number, bool) or not isinstance(number, int | Decimal):
        raise Refused("malformed", f"{name} is not a number")
    return exact(Decimal(number), name=name)


def _text(told: Mapping[str, Any], name: str) -> str:
    text = told[name]
    if not isinstance(text, str):
        raise Refused("malformed", f"{name} is not a text")
    return text


def _instant(stamp: object) -> datetime:
    try:
        instant = msgspec.convert(stamp, datetime)
    except msgspec.ValidationError as error:
        raise Refused("malformed", f"timestamp: {error}") from error
    if instant.tzinfo is None:
        raise Refused("malformed", "the timestamp does not say its time zone")
    return instant


def _flow(told: Mapping[str, Any]) -> float | None:
    for name, factor in FLOWS:
        flow = _number(told, name)
        if flow is not None:
            try:
                return _float(flow * factor)
            except ArithmeticError as error:
                raise Refused("out_of_range", f"{name} is {flow}") from error
    return None


def _voltages(told: Mapping[str, Any]) -> list[float | None] | None:
    voltages = [_number(told, name) for name in VOLTAGES]
    if all(voltage is None for voltage in voltages):
        return None
    return [None if voltage is None else _float(voltage) for voltage in voltages]


def _float(number: Decimal) -> float:
    found = float(number)
    if not math.isfinite(found):
        raise Refused("out_of_range", f"{number} is more than any meter shows")
    return found


def _flags(told: Mapping[str, Any]) -> list[str] | None:
    status = told.get("status")
    if not isinstance(status, str):
        return None
    words = [word for word in status.upper().split() if word != "OK"][:32]
    return [STATUS_FLAGS.get(word, "other") for word in words] or None
