"""What the checker found, as its customers read it: in one sentence, in their language, with what it costs."""

import httpx
import psycopg
import pytest

from maintenance_tracker import operations as tracker_operations
from tests.integration.customer_app import found
from tests.integration.customer_app.conftest import Utility, sign_in
from tests.integration.customer_app.found import entered

SAID = {
    "en": ("Water has flowed without a pause since Sunday 23:00, about 14 litres an hour, ¥", "Please look at taps"),
    "ja": ("日曜日 23:00 から水が止まらずに流れています。毎時およそ14リットルで", "蛇口・トイレ・給湯器"),
    "zh": ("从星期日 23:00起，水一直在不停地流，每小时约 14 升", "请检查水龙头"),
}


def track(utility: Utility, anomaly_id: int) -> None:
    with psycopg.connect(utility.database_url) as conn:
        entered(conn, utility)
        tracker_operations.track_opened(conn, utility_id=utility.utility_id, anomaly_id=anomaly_id)


@pytest.mark.parametrize("locale", SAID)
def test_a_leak_is_told_at_home_in_the_customers_language_with_what_it_costs(
    client: httpx.Client, utility: Utility, locale: str
) -> None:
    track(utility, found.finding(utility, serial="W-customer"))
    token = sign_in(client, "customer")
    client.post("/preferences", data={"csrf_token": token, "locale": locale, "next": "/home"})
    home, notices, repairs = (client.get(path).text for path in ("/home", "/notices", "/repairs"))
    assert f'<html lang="{locale}"' in home
    for sentence in SAID[locale]:
        assert sentence in home, sentence
    assert SAID[locale][1] in notices
    path = repairs.split('href="/repairs/')[1].split('"')[0]
    assert SAID[locale][0][:20] in client.get(f"/repairs/{path}").text
    assert "%(" not in home + notices


def test_weak_findings_and_those_of_others_are_told_to_nobody(client: httpx.Client, utility: Utility) -> None:
    found.finding(utility, serial="W-customer", outlet="watch")
    found.finding(utility, serial="W-neighbour")
    sign_in(client, "customer")
    assert "Water may be leaking at your home" not in client.get("/home").text


def test_staff_choose_among_the_languages_of_staff_pages(client: httpx.Client) -> None:
    sign_in(client, "operator")
    assert 'value="zh"' not in client.get("/me").text
    sign_in(client, "customer")
    assert 'value="zh"' in client.get("/me").text
