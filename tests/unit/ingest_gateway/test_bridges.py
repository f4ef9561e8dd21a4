"""The setting that says who speaks for formats whose topics do not."""

from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from ingest_gateway.domain.decoders import Bridge
from ingest_gateway.settings import GatewaySettings
from suiden.settings import SettingMissing, load

SETTING = "SUIDEN_GATEWAY_BRIDGES"


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SETTING, raising=False)
    monkeypatch.delenv("SUIDEN_GATEWAY_SUBSCRIPTIONS", raising=False)


def test_wmbusmeters_is_bridged_where_nothing_is_set() -> None:
    settings = GatewaySettings()
    assert settings.bridges == {"wmbusmeters": Bridge("hinode", "wmbus-bridge")}
    assert "wmbusmeters/#" in settings.subscriptions
    assert not any(topic.startswith("tele/") for topic in settings.subscriptions)


def test_what_is_bridged_is_subscribed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        SETTING,
        '{"tasmota": {"utility": "hinode", "sender": "+", "zone": "Asia/Tokyo"},'
        ' "sparkplug": {"utility": "hinode", "sender": "plant"}, "csv": {"zone": "Asia/Tokyo"}}',
    )
    settings = GatewaySettings()
    assert settings.bridges["tasmota"] == Bridge("hinode", "+", ZoneInfo("Asia/Tokyo"))
    assert settings.bridges["csv"] == Bridge(zone=ZoneInfo("Asia/Tokyo"))
    assert set(settings.subscriptions) == {
        "suiden/+/+/+/up",
        "suiden/+/+/+/up/cbor",
        "suiden/+/+/+/up/csv/#",
        "spBv1.0/+/NBIRTH/+",
        "spBv1.0/+/NDATA/+",
        "spBv1.0/+/DBIRTH/+/+",
        "spBv1.0/+/DDATA/+/+",
        "tele/+/SENSOR",
    }


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ('{"tasmoto": {"utility": "hinode", "sender": "x"}}', "no format is named 'tasmoto'"),
        ('{"tasmota": {"utility": "hinode"}}', "needs a utility and a sender"),
        ('{"tasmota": {"utility": "hinode", "sender": "x", "zon": "UTC"}}', "a bridge has sender, utility, zone"),
        ('{"tasmota": {"utility": "hinode", "sender": "x", "zone": "Atlantis"}}', "zone"),
        ('{"csv": {"sender": "x"}}', "names its utility and sender itself"),
    ],
)
def test_a_bridge_that_would_go_unread_is_refused(monkeypatch: pytest.MonkeyPatch, told: str, why: str) -> None:
    monkeypatch.setenv(SETTING, told)
    with pytest.raises(ValidationError, match=why):
        GatewaySettings()
    with pytest.raises(SettingMissing, match=f"^the environment is not complete: {SETTING}: [^;]*"):
        load(GatewaySettings)


def test_a_bridge_that_is_no_json_is_told_by_the_name_of_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "{tasmota")
    with pytest.raises(SettingMissing, match=f"{SETTING} is not JSON"):
        load(GatewaySettings)
