"""What Home Assistant is told of a meter, by MQTT discovery: https://www.home-assistant.io/integrations/mqtt."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

PREFIX = "homeassistant"  # Home Assistant's own default; its users may change it, we do not
UNITS = {"m3": "m³", "gal": "gal", "ft3": "ft³", "kWh": "kWh"}

Measure = Literal[
    "register",
    "export_register",
    "flow",
    "pressure_kpa",
    "voltage_1_v",
    "voltage_2_v",
    "voltage_3_v",
    "battery_pct",
    "read_at",
]

Measures = Mapping[Measure, int | float | str | None]

NAMES: Mapping[str, Mapping[str, str]] = {
    "en": {
        "water": "Water meter", "electricity": "Electricity meter", "register": "Meter reading",
        "export_register": "Meter reading, fed in", "flow": "Flow", "power": "Power", "pressure_kpa": "Pressure",
        "voltage_1_v": "Voltage", "voltage_2_v": "Voltage, phase 2", "voltage_3_v": "Voltage, phase 3",
        "battery_pct": "Battery", "read_at": "Read at",
    },
    "ja": {
        "water": "水道メーター", "electricity": "電気メーター", "register": "指示数",
        "export_register": "指示数（売電）", "flow": "流量", "power": "電力", "pressure_kpa": "水圧",
        "voltage_1_v": "電圧", "voltage_2_v": "電圧（第二相）", "voltage_3_v": "電圧（第三相）",
        "battery_pct": "電池", "read_at": "検針時刻",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class HomeMeter:
    """A meter as a home sees it; `register` and what it is counted in are the meter's own."""

    meter_id: int
    serial: str
    service: str
    unit: str
    scale: int


def home_name(home_id: int) -> str:
    """Name a home's login on the broker, which is also its part of the topics."""
    return f"suiden-home-{home_id}"


def topics_of(name: str) -> str:
    """Give the filter of everything that is published for a home."""
    return f"{PREFIX}/sensor/{name}/#"


def state_topic(name: str, meter_id: int) -> str:
    return f"{PREFIX}/sensor/{name}/{meter_id}/state"


def configurations(
    name: str, meter: HomeMeter, *, measures: Measures, utility: str, utility_name: str, locale: str
) -> dict[str, dict[str, Any]]:
    """Describe a sensor for each thing that the meter tells, by the topic it is published on."""
    words = NAMES.get(locale, NAMES["en"])
    device = {
        "identifiers": [f"suiden_{utility}_{meter.serial}"],
        "name": f"{words[meter.service]} {meter.serial}",
        "manufacturer": utility_name,
        "model": words[meter.service],
    }
    found: dict[str, dict[str, Any]] = {}
    for measure, told in measures.items():
        if told is None:
            continue
        found[f"{PREFIX}/sensor/{name}/{meter.meter_id}_{measure}/config"] = {
            "name": words["power" if measure == "flow" and meter.service == "electricity" else measure],
            "unique_id": f"suiden_{utility}_{meter.serial}_{measure}",
            "state_topic": state_topic(name, meter.meter_id),
            "value_template": f"{{{{ value_json.{measure} | default('None') }}}}",
            "device": device,
            "origin": {"name": "Suiden"},
            **_kind(measure, meter),
        }
    return found


def state(meter: HomeMeter, *, measures: Measures) -> dict[str, object]:
    """Give a meter's newest reading: registers exactly in the meter's unit, the rest as it was told."""
    found: dict[str, object] = {}
    for measure, told in measures.items():
        if told is None:
            continue
        is_register = measure in ("register", "export_register") and isinstance(told, int)
        found[measure] = Decimal(told).scaleb(meter.scale) if is_register else told
    return found


def _kind(measure: Measure, meter: HomeMeter) -> dict[str, str]:
    """Say what a sensor measures, in Home Assistant's words; litres an hour are no class of its own in all releases."""
    match measure:
        case "register" | "export_register":
            is_water = meter.service == "water"
            return {
                "device_class": "water" if is_water else "energy",
                "state_class": "total_increasing",
                "unit_of_measurement": UNITS[meter.unit],
            }
        case "flow" if meter.service == "water":
            return {"state_class": "measurement", "unit_of_measurement": "L/h"}
        case "flow":
            return {"device_class": "power", "state_class": "measurement", "unit_of_measurement": "W"}
        case "pressure_kpa":
            return {"device_class": "pressure", "state_class": "measurement", "unit_of_measurement": "kPa"}
        case "voltage_1_v" | "voltage_2_v" | "voltage_3_v":
            return {"device_class": "voltage", "state_class": "measurement", "unit_of_measurement": "V"}
        case "battery_pct":
            return {"device_class": "battery", "unit_of_measurement": "%", "entity_category": "diagnostic"}
        case "read_at":
            return {"device_class": "timestamp", "entity_category": "diagnostic"}
