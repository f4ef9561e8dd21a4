"""What Home Assistant is told follows its discovery format, and says of a meter what the meter says."""

import re

import msgspec
import pytest

from ingest_gateway.domain import home_assistant as words
from ingest_gateway.domain.home_assistant import HomeMeter, Measures

WATER = HomeMeter(7, "W-0001", "water", "m3", -3)
POWER = HomeMeter(8, "E.0001", "electricity", "kWh", -3)
TOLD: Measures = {
    "register": 123_456, "export_register": None, "flow": 12.5, "pressure_kpa": 301.5, "voltage_1_v": None,
    "voltage_2_v": None, "voltage_3_v": None, "battery_pct": 88, "read_at": "2026-04-01T00:15:00+00:00",
}  # fmt: skip
# As in https://www.home-assistant.io/integrations/mqtt: <prefix>/<component>/<node_id>/<object_id>/config
TOPIC = re.compile(r"homeassistant/sensor/[a-zA-Z0-9_-]+/[a-zA-Z0-9_-]+/config")


def described(meter: HomeMeter, *, measures: Measures = TOLD, locale: str = "en") -> dict[str, dict[str, object]]:
    return words.configurations(
        "suiden-home-3", meter, measures=measures, utility="hinode", utility_name="Hinode", locale=locale
    )


@pytest.mark.parametrize("meter", [WATER, POWER])
def test_every_topic_is_one_that_home_assistant_looks_at_and_is_within_the_homes_own(meter: HomeMeter) -> None:
    own = words.topics_of("suiden-home-3").removesuffix("#")
    for topic, told in described(meter).items():
        assert TOPIC.fullmatch(topic)
        assert topic.startswith(own)
        assert str(told["state_topic"]).startswith(own)


def test_what_the_meter_does_not_tell_has_no_sensor() -> None:
    names = [str(told["name"]) for told in described(WATER).values()]
    assert names == ["Meter reading", "Flow", "Pressure", "Battery", "Read at"]


@pytest.mark.parametrize(
    ("meter", "device_class", "unit"), [(WATER, "water", "m³"), (POWER, "energy", "kWh")], ids=["water", "power"]
)
def test_the_register_is_a_total_that_home_assistants_energy_page_takes(
    meter: HomeMeter, device_class: str, unit: str
) -> None:
    (told,) = [told for topic, told in described(meter).items() if topic.endswith("_register/config")]
    assert (told["device_class"], told["state_class"], told["unit_of_measurement"]) == (
        device_class, "total_increasing", unit,
    )  # fmt: skip


def test_each_sensor_is_known_by_an_id_of_its_own_and_all_are_one_device() -> None:
    sensors = [*described(WATER).values(), *described(POWER).values()]
    assert len({told["unique_id"] for told in sensors}) == len(sensors)
    assert len({msgspec.json.encode(told["device"]) for told in sensors}) == 2


def test_a_register_is_told_exactly_in_the_meters_unit() -> None:
    for register, text in ((123_456, b"123.456"), (0, b"0.000"), (123_456_789_012_345_678, b"123456789012345.678")):
        told = words.state(WATER, measures={"register": register})
        assert msgspec.json.Encoder(decimal_format="number").encode(told) == b'{"register":' + text + b"}"


def test_a_meter_of_every_unit_and_language_is_described() -> None:
    for unit in words.UNITS:
        assert described(HomeMeter(1, "x", "water", unit, 0), locale="fr")
    assert words.NAMES["en"].keys() == words.NAMES["ja"].keys()
    assert "水圧" in [told["name"] for told in described(WATER, locale="ja").values()]
