"""Files of readings brought to a page: tried, taken in once, told line by line."""

import httpx
import psycopg

from customer_app.dependencies import FORM_BYTES
from tests.integration.customer_app import town
from tests.integration.customer_app.conftest import Utility, sign_in

AT = town.NOW.strftime("%Y-%m-%dT%H:%M:00Z")
GOOD = f"W-customer,{AT},99999999"
BAD = f"<b>W-NONE</b>,{AT},1"


def bring(client: httpx.Client, token: str, *rows: str, name: str = "april.csv", **fields: str) -> httpx.Response:
    content = "\n".join(["serial,read_at,register", *rows]).encode()
    data = {"csrf_token": token, **fields}
    return client.post("/operator/files", data=data, files={"file": (name, content, "text/csv")})


def count(utility: Utility) -> int:
    with psycopg.connect(utility.database_url) as conn:
        row = conn.execute("SELECT count(*) FROM intake_batch WHERE source = 'file'").fetchone()
    assert row is not None
    return row[0]


def test_a_trial_shows_each_refused_line_and_stores_nothing(client: httpx.Client, utility: Utility) -> None:
    token = sign_in(client, "operator")
    answer = bring(client, token, GOOD, BAD, is_trial="true")
    assert answer.status_code == 200
    assert "A trial of april.csv: nothing was stored." in answer.text
    assert "1 would be stored, 0 are stored already, 1 would be refused." in answer.text
    assert "unknown meter" in answer.text
    assert "&lt;b&gt;W-NONE&lt;/b&gt;" in answer.text
    assert "No file came yet." in answer.text
    assert count(utility) == 0


def test_a_file_is_taken_in_once_by_the_web_s_own_role(client: httpx.Client, utility: Utility) -> None:
    token = sign_in(client, "operator")
    first = bring(client, token, GOOD, BAD)
    assert "april.csv is taken in." in first.text
    assert "1 stored, 0 had been stored before, 1 refused." in first.text
    assert "/operator/rejected?topic=file/" in first.text
    again = bring(client, token, GOOD, BAD, name="renamed.csv")
    assert again.status_code == 422
    assert "This file came before, as april.csv by operator on" in again.text
    assert count(utility) == 1
    with psycopg.connect(utility.database_url) as conn:
        audited = conn.execute(
            "SELECT detail ->> 'name', detail ->> 'stored' FROM audit_entry WHERE action = 'readings.import'"
            " AND detail ? 'stored'"
        ).fetchall()
    assert audited == [("april.csv", "1")]


def test_a_file_that_cannot_be_understood_says_where_and_names_no_folder_of_ours(
    client: httpx.Client, utility: Utility
) -> None:
    token = sign_in(client, "operator")
    answer = client.post(
        "/operator/files", data={"csrf_token": token}, files={"file": ("../x.xlsx", b"PK\x03\x04broken", "text/csv")}
    )
    assert answer.status_code == 422
    assert "x.xlsx is no whole Excel file" in answer.text
    assert "/tmp" not in answer.text
    assert client.post("/operator/files", data={"csrf_token": token}).status_code == 400


def test_a_form_that_is_longer_than_any_of_ours_is_refused_before_it_is_read(client: httpx.Client) -> None:
    token = sign_in(client, "operator")
    answer = bring(client, token, "x" * FORM_BYTES)
    assert answer.status_code == 413
    assert "Longer ones are for the command suiden import." in answer.text

    def endless() -> list[bytes]:
        return [b"csrf_token=", token.encode()]

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.post("/operator/files", content=iter(endless()), headers=headers).status_code == 413


def test_who_may_look_and_not_replay_sees_no_form(client: httpx.Client, utility: Utility) -> None:
    with psycopg.connect(utility.database_url) as conn:
        conn.execute("DELETE FROM role_right WHERE role = 'operator' AND granted = 'reject.replay'")
    sign_in(client, "operator")
    text = client.get("/operator/files").text
    assert "No file came yet." in text
    assert 'type="file"' not in text
