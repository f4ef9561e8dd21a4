"""Detectors and their parameters: shown in words, tried on the past, and only then changed."""

import re
import time
from datetime import timedelta

import httpx
import psycopg
import pytest

from customer_app import checker_trials
from ingest_gateway.queries.checker import detector_facts
from tests.integration.customer_app import town
from tests.integration.customer_app.conftest import Utility, sign_in
from tests.integration.customer_app.found import entered

BATTERY = "/operator/checker/low_battery/low_pct"


def over(client: httpx.Client, path: str) -> str:
    """Wait until a trial is over, as its page does; give the page."""
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s:
        text = client.get(path).text
        if "every 1s" not in text:
            return text
        time.sleep(0.2)
    raise AssertionError(f"{path} is not over")


@pytest.fixture
def weak_battery(utility: Utility) -> Utility:
    """A town in which a meter's battery has been at 20 % for ten days; the standard limit is 15 %."""
    with psycopg.connect(utility.database_url) as conn:
        entered(conn, utility)
        conn.execute("SET LOCAL session_replication_role = replica")  # readings are not to be changed otherwise
        conn.execute(
            """
            UPDATE reading SET battery_pct = 20
            WHERE meter_id = (SELECT meter_id FROM meter WHERE serial = 'W-customer') AND read_at > %(since)s
            """,
            {"since": town.NOW - timedelta(days=10)},
        )
    return utility


def test_every_detector_shows_its_rule_and_each_parameter_with_standard_unit_and_bounds(client: httpx.Client) -> None:
    sign_in(client, "operator")
    text = client.get("/operator/checker").text
    facts = detector_facts()
    assert facts
    for one in facts:
        assert f'id="{one.name}"' in text
        for parameter in one.parameters:
            assert f"<code>{parameter.name}</code>" in text
    assert "15 %" in text, "the standard limit of batteries"
    assert "1 – 80" in text


def test_a_change_shows_first_what_it_would_have_raised_and_only_then_is_put_in_force(
    client: httpx.Client, weak_battery: Utility
) -> None:
    token = sign_in(client, "operator")
    given = {"value": "25", "segment": "residential"}
    page = over(client, f"{BATTERY}/trial?value=25&segment=residential")
    assert re.search(r'<td>Battery nearly empty</td><td class="num">0</td><td class="num strong">1</td>', page)
    new = page.split("Would be new")[1].split("Would be gone")[0]
    assert "W-customer" in new
    form = {"csrf_token": token, "reason": "exchanged in rounds of a year", **given}
    assert client.post(BATTERY, data={**form, "reason": ""}).status_code == 400
    answer = client.post(BATTERY, data=form)
    assert answer.headers["location"] == "/operator/checker?detector=low_battery&said=parameter-changed"
    text = client.get("/operator/checker").text
    assert "<b>25 %</b>" in text
    assert "exchanged in rounds of a year" in text
    with psycopg.connect(weak_battery.database_url) as conn:
        row = entered(conn, weak_battery).execute("SELECT value, segment, set_by FROM checker_setting").fetchone()
        audit = conn.execute(
            "SELECT detail ->> 'reason' FROM audit_entry WHERE action = 'checker.change' AND detail ? 'setting_id'"
        ).fetchone()
    assert row == (25.0, "residential", "operator")
    assert audit == ("exchanged in rounds of a year",)


def test_what_was_not_tried_is_not_put_in_force(client: httpx.Client, utility: Utility) -> None:
    token = sign_in(client, "operator")
    form = {"csrf_token": token, "reason": "at once", "value": "12"}
    answer = client.post(BATTERY, data=form)
    assert answer.status_code == 303
    assert "/trial?value=12" in answer.headers["location"]
    with psycopg.connect(utility.database_url) as conn:
        assert entered(conn, utility).execute("SELECT count(*) FROM checker_setting").fetchone() == (0,)


@pytest.mark.parametrize("value", ["1e9", "nan", "many", ""])
def test_a_value_out_of_bounds_is_refused_before_anything_runs(client: httpx.Client, value: str) -> None:
    sign_in(client, "operator")
    answer = client.get(f"{BATTERY}/trial", params={"value": value})
    assert answer.status_code == 400
    assert "not a number within the bounds" in answer.text


def test_a_trial_that_takes_too_long_is_ended_and_says_so(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checker_trials, "LONGEST_S", 0.05)
    sign_in(client, "operator")
    assert "took too long" in over(client, f"{BATTERY}/trial?value=12")


def test_only_who_may_change_the_checker_may_try(client: httpx.Client) -> None:
    sign_in(client, "office")
    assert client.get(f"{BATTERY}/trial?value=12").status_code == 403
    sign_in(client, "operator")
    assert client.get("/operator/checker/low_battery/nothing").status_code == 404
