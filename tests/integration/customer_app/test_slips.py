"""Payment slips: the page as it is printed, and the bars on it as a store reads them."""

import io
import re

import httpx
import numpy as np
import psycopg
import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Browser

from rating_engine.domain.slip import check_digit
from tests.integration.customer_app import town
from tests.integration.customer_app.conftest import Utility, sign_in


def bills_of(utility: Utility, house: str) -> list[tuple[int, int, int]]:
    """Give bill, total and account of a house's bills, the newest first."""
    with psycopg.connect(utility.database_url) as conn:
        account_id = town.accounts(conn, utility_id=utility.utility_id)[house]
        return conn.execute(
            "SELECT bill_id, total_minor, account_id FROM bill WHERE utility_id=%s AND account_id=%s ORDER BY 1 DESC",
            (utility.utility_id, account_id),
        ).fetchall()


def test_the_printed_bars_say_what_the_bill_says(client: httpx.Client, utility: Utility, browser: Browser) -> None:
    """A picture of the page, as Chromium lays it out for paper, is read by another's reader."""
    sign_in(client, "customer")
    bill_id, total, account_id = bills_of(utility, "customer")[0]
    page = browser.new_page(viewport={"width": 1200, "height": 1600})
    page.context.add_cookies(
        [{"name": "suiden_session", "value": client.cookies["suiden_session"], "url": str(client.base_url)}]
    )
    page.emulate_media(media="print")
    page.goto(f"{client.base_url}/bills/{bill_id}/slip")
    bars = page.locator(".bars svg").bounding_box()
    assert bars is not None
    assert bars["width"] / 96 * 25.4 <= 60, "wider than stores allow"
    assert bars["height"] / 96 * 25.4 >= 10, "lower than stores ask for"
    page.evaluate("document.documentElement.style.zoom = 4")
    picture = np.asarray(Image.open(io.BytesIO(page.locator(".bars").screenshot())).convert("L"))
    (found,) = zxingcpp.read_barcodes(picture)
    digits = found.bytes.decode("ascii").replace("\x1d", "")
    assert found.content_type == zxingcpp.ContentType.GS1
    assert digits[:29] == f"91990001{account_id:010d}{bill_id:011d}"
    assert digits[37:43] == f"{total:06d}"
    assert int(digits[43]) == check_digit(digits[:43])
    assert not page.locator(".bar").is_visible(), "the menu is no part of the sheet"
    page.close()


@pytest.mark.parametrize(("login", "under"), [("customer", ""), ("office", "/office")])
def test_the_slip_is_found_from_its_bill(client: httpx.Client, utility: Utility, login: str, under: str) -> None:
    sign_in(client, login)
    bill_id = bills_of(utility, "customer")[0][0]
    path = f"{under}/bills/{bill_id}/slip"
    assert f'href="{path}"' in client.get(f"{under}/bills/{bill_id}").text
    sheet = client.get(path)
    assert sheet.status_code == 200
    assert "〒190-0182" in sheet.text
    assert "山田 花子" in sheet.text
    assert re.search(r"\(91\)990001-\d{22}<br>\d{6}-\d-\d{6}-\d", sheet.text)


def test_a_neighbours_slip_is_nobody_elses(client: httpx.Client, utility: Utility) -> None:
    sign_in(client, "customer")
    assert client.get(f"/bills/{bills_of(utility, 'neighbour')[0][0]}/slip").status_code == 404


def test_a_slip_that_stores_would_not_take_says_why(client: httpx.Client, utility: Utility) -> None:
    with psycopg.connect(utility.database_url) as conn:
        conn.execute("UPDATE utility SET settings = settings - 'slip'")
    sign_in(client, "customer")
    sheet = client.get(f"/bills/{bills_of(utility, 'customer')[0][0]}/slip").text
    assert "Stores do not take payments" in sheet
    assert "<svg role" not in sheet
