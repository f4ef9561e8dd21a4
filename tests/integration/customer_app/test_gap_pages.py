"""What did not come, on the pages: the operator's list, the meter, the customer's use, the office's adjustments."""

from datetime import timedelta

import httpx
import psycopg
import pytest

from ingest_gateway import operations as ingest
from kernel.database import Scope, enter_scope
from rating_engine.operations.adjustments import look_at_bills
from tests.integration.customer_app import town
from tests.integration.customer_app.conftest import Utility, sign_in

HOUR = timedelta(hours=1)
HOLE = (town.NOW.replace(minute=0) - 10 * HOUR, town.NOW.replace(minute=0) - 7 * HOUR)


@pytest.fixture
def meter_id(utility: Utility) -> int:
    with psycopg.connect(utility.database_url) as conn:
        return town.meters(conn, utility_id=utility.utility_id)["W-customer"]


@pytest.fixture
def gapped(utility: Utility, meter_id: int) -> int:
    """The customer's water meter has one gap of two readings, another that was filled, and was asked."""
    with psycopg.connect(utility.database_url) as conn:
        enter_scope(conn, scope=Scope(utility.utility_id, "test", town.NOW))
        command_id = ingest.queue_command(
            conn,
            utility_id=utility.utility_id,
            meter_id=meter_id,
            command="backfill",
            purpose="gap",
            expires_at=town.NOW + HOUR,
            arguments={"from": "2026-06-16T19:30:00Z", "to": "2026-06-16T21:30:00Z"},
            at=town.NOW - HOUR,
        )
        conn.execute(
            """
            INSERT INTO reading_gap (utility_id, meter_id, after_at, before_at, expected, missing, state, found_at,
                                     closed_at, asks, command_id)
            VALUES (%(utility)s, %(meter)s, %(from)s, %(to)s, 2, 2, 'open', %(now)s, NULL, 1, %(command)s),
                   (%(utility)s, %(meter)s, %(from)s::timestamptz - interval '3 days',
                    %(to)s::timestamptz - interval '3 days', 5, 0, 'filled', %(now)s, %(now)s, 0, NULL)
            """,
            {
                "utility": utility.utility_id,
                "meter": meter_id,
                "from": HOLE[0],
                "to": HOLE[1],
                "now": town.NOW,
                "command": command_id,
            },
        )
    return command_id


def test_a_meter_whose_data_has_all_landed_says_so(client: httpx.Client, meter_id: int) -> None:
    sign_in(client, "operator")
    text = client.get(f"/operator/meters/{meter_id}").text
    assert "all has landed" in text
    assert "Everything has landed." in client.get("/operator/gaps").text


def test_a_meter_shows_its_gaps_its_clock_and_how_it_was_asked(
    client: httpx.Client, utility: Utility, meter_id: int, gapped: int
) -> None:
    with psycopg.connect(utility.database_url) as conn:
        conn.execute("UPDATE meter_command SET state = 'unknown', expires_at = %s", [town.NOW - timedelta(minutes=10)])
        conn.execute(
            """
            INSERT INTO meter_clock (utility_id, meter_id, offset_s, is_steady, maxima_s, block_from, block_max_s,
                                     block_samples, last_s, sampled_at)
            VALUES (%s, %s, 300, true, '{300}', %s, 300, 1, 300, %s)
            """,
            [utility.utility_id, meter_id, town.NOW, town.NOW],
        )
    sign_in(client, "operator")
    text = client.get(f"/operator/meters/{meter_id}").text
    for word in (
        "2 readings missing",
        "5 readings came late",
        "5 min ahead",
        "never answered",
        "Wed 17 Jun 04:30 – Wed 17 Jun 06:30",
        "2 of 2",
        "nobody knows whether it was obeyed",
        "10 min ago",
    ):
        assert word in text, word
    overview = client.get("/operator/gaps").text
    assert "Clocks that are ahead" in overview
    assert "5 min ahead" in overview


def test_the_list_names_who_is_silent_and_what_was_asked(
    client: httpx.Client, utility: Utility, meter_id: int, gapped: int
) -> None:
    with psycopg.connect(utility.database_url) as conn:
        other = town.meters(conn, utility_id=utility.utility_id)["E-neighbour"]
        conn.execute(
            """
            INSERT INTO reading_gap (utility_id, meter_id, after_at, expected, missing, found_at)
            SELECT utility_id, meter_id, read_at, 7, 7, %s FROM meter_latest WHERE meter_id = %s
            """,
            [town.NOW, other],
        )
    sign_in(client, "operator")
    text = client.get("/operator/gaps?fragment=all").text
    assert "<html" not in text
    assert text.index("E-neighbour") < text.index("W-customer"), "the silent one first"
    for word in ("silent", "about to be asked", "not asked yet", "9 readings missing"):
        assert word in text, word
    sign_in(client, "crew")
    assert client.get("/operator/gaps").status_code == 403


def test_an_order_on_its_way_shows_its_age_and_when_it_is_given_up(
    client: httpx.Client, utility: Utility, meter_id: int, gapped: int
) -> None:
    with psycopg.connect(utility.database_url) as conn:
        conn.execute(
            "UPDATE meter_command SET state = 'sent', sends = 3, sent_at = %s", [town.NOW - timedelta(minutes=20)]
        )
    sign_in(client, "operator")
    text = client.get(f"/operator/meters/{meter_id}").text
    for word in ("sent, not answered yet", "20 min ago, sent 3 times", "given up"):
        assert word in text, word


def test_a_customer_is_told_whether_all_readings_have_arrived(client: httpx.Client, utility: Utility) -> None:
    sign_in(client, "customer")
    assert "All readings have arrived." in client.get("/use").text


def test_a_customer_is_told_of_readings_that_have_not_arrived(
    client: httpx.Client, utility: Utility, gapped: int
) -> None:
    sign_in(client, "customer")
    texts = [client.get(path).text for path in ("/use", *_points(utility))]
    assert any("2 readings have not arrived yet" in text for text in texts)


def test_a_bill_that_late_data_would_change_stands_on_the_office_s_list(
    client: httpx.Client, utility: Utility, meter_id: int
) -> None:
    with psycopg.connect(utility.database_url) as conn:
        enter_scope(conn, scope=Scope(utility.utility_id, "test", town.NOW))
        row = conn.execute(
            "SELECT upper(period), bill_number FROM bill WHERE point_id = (SELECT point_id FROM installation"
            " WHERE meter_id = %s) ORDER BY upper(period) DESC LIMIT 1",
            [meter_id],
        ).fetchone()
        assert row is not None
        end, bill_number = row
        register = conn.execute(
            "SELECT register FROM reading WHERE meter_id = %s AND read_at = %s", [meter_id, end]
        ).fetchone()
        assert register is not None
        conn.execute(
            """
            INSERT INTO reading_revision (utility_id, meter_id, read_at, register, method, reason, decided_by,
                                          decided_at)
            VALUES (%s, %s, %s, %s, 'edited', 'misread', 'office', %s)
            """,
            [utility.utility_id, meter_id, end, register[0] + 7000, town.NOW],
        )
        day = (end - HOUR).astimezone(town.TOKYO).date()
        found = look_at_bills(
            conn, utility_id=utility.utility_id, meter_ids=[meter_id], first=day, last=day, at=town.NOW
        )
        assert found == 1
    sign_in(client, "office")
    text = client.get("/office/adjustments").text
    for word in (bill_number, "山田 花子", "m³", "1 open"):
        assert word in text, word
    sign_in(client, "crew")
    assert client.get("/office/adjustments").status_code == 403


def _points(utility: Utility) -> list[str]:
    with psycopg.connect(utility.database_url) as conn:
        return [f"/use?point={point_id}" for point_id in town.points(conn, utility_id=utility.utility_id).values()]
