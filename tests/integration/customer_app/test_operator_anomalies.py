"""What the checker found, on the control room's pages: in plain words, with what it rests on."""

import re

import httpx
import pytest

from tests.integration.customer_app import found
from tests.integration.customer_app.conftest import Utility, sign_in


def test_a_leak_is_told_in_plain_words_in_three_languages_with_what_it_costs(
    client: httpx.Client, utility: Utility
) -> None:
    anomaly_id = found.finding(utility, serial="W-customer")
    sign_in(client, "operator")
    text = client.get(f"/operator/anomalies/{anomaly_id}").text
    said = re.search(
        r"Water has flowed without a pause since Sunday 23:00, about 14 litres an hour, ¥([\d,]+) a month", text
    )
    assert said, "the sentence in English"
    # 10.2 m3 a month more, at the price of the block that the customer is in, with the sewerage that goes with it.
    assert 1000 < int(said[1].replace(",", "")) < 6000
    assert "日曜日 23:00" in text
    assert "星期日 23:00" in text


def test_a_finding_shows_its_readings_what_is_usual_its_limit_and_its_parameters(
    client: httpx.Client, utility: Utility
) -> None:
    anomaly_id = found.finding(utility, serial="W-customer")
    sign_in(client, "operator")
    text = client.get(f"/operator/anomalies/{anomaly_id}").text
    for shown in ('class="line-1"', 'class="limit"', 'class="moment began"', "standard values"):
        assert shown in text, shown
    for shown in ("household_leak 1", "日の出町1丁目2番3号", "W-customer", "2.5 times the limit"):
        assert shown in text, shown
    assert client.get("/operator/anomalies/999999").status_code == 404


def test_what_the_detector_wrote_without_words_is_shown_as_it_stands(client: httpx.Client, utility: Utility) -> None:
    told = {"volts": 94.1, "usual_v": 101.3, "limit_v": 96.2, "odd_thing_kpa": 12.5, "flag": True, "text": "x"}
    anomaly_id = found.finding(utility, serial="E-customer", kind="voltage_sag", evidence=told)
    sign_in(client, "operator")
    text = client.get(f"/operator/anomalies/{anomaly_id}").text
    for shown in (
        "94.1 V, usually 101.3 V, limit 96.2 V",
        "odd thing kpa",
        "12.5 kPa",
        "94.1 V where 101.3 V is usual",
    ):
        assert shown in text, shown


@pytest.mark.parametrize("scope", ["meter", "zone"])
def test_every_kind_has_its_words_and_its_page(client: httpx.Client, utility: Utility, scope: str) -> None:
    kinds = {
        "W-customer": "pipe_burst slow_leak household_leak stuck_meter backflow tamper sensor_drift pressure_sag "
        "valve_closure low_battery silent_meter",
        "E-customer": "voltage_sag voltage_swell phase_loss outage theft unregistered_export",
    }
    sign_in(client, "operator")
    for serial, names in kinds.items():
        for kind in names.split():
            evidence = {"limit_v": 90.0} if kind.startswith("voltage") else {}
            anomaly_id = found.finding(utility, serial=serial, kind=kind, scope=scope, evidence=evidence)
            page = client.get(f"/operator/anomalies/{anomaly_id}")
            assert page.status_code == 200, kind
            assert "%(" not in page.text, kind
            assert f"<h1>{kind.replace('_', ' ')}" not in page.text, f"{kind} is shown as a code"


def test_many_findings_of_one_kind_in_one_zone_are_one_line(client: httpx.Client, utility: Utility) -> None:
    for kind in ("sensor_drift", "stuck_meter"):
        for serial in ("W-customer", "W-neighbour"):
            found.finding(utility, serial=serial, kind=kind)
    found.finding(utility, serial="W-customer", kind="stuck_meter", scope="zone")
    sign_in(client, "operator")
    text = client.get("/operator?fragment=anomalies").text
    assert text.count("list-item") == 3, "two sensors, and one line of three meters that stand still"
    assert "2 meters" in text
    path = next(path for path in re.findall(r'list-item" href="([^"]+)"', text) if "kind=" in path).replace(
        "&amp;", "&"
    )
    assert client.get(path).text.count("list-item") == 3


def test_the_list_is_narrowed_to_a_kind(client: httpx.Client, utility: Utility) -> None:
    found.finding(utility, serial="W-customer")
    found.finding(utility, serial="E-customer", kind="outage", evidence={})
    sign_in(client, "operator")
    text = client.get("/operator/anomalies?kind=outage").text
    assert text.count("list-item") == 1
    assert "Water flows without a pause <span" in text, "the other kind is one choice away"
