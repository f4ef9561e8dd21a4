"""Take the README's pictures, one a role: `make screenshots`, or `scripts/screenshots.py ADDRESS` of a running demo.

Without an address a demo is started with a town of its own, in which two things are broken.
"""

import re
import sys
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from scripts import find_browser, running_demo
from suiden.founding import DEMO_PASSWORD

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "screenshots"
LARGEST_BYTES = 300_000
PATIENCE_MS = 150_000  # a week of the town
BURST_ZONE = "W2"
LEAK_METER = "W-0008"
ALONE = {"SUIDEN_TOWN_CREW": "0", "SUIDEN_TOWN_RESIDENTS": "0"}  # what is broken and unpaid stays so
PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 860}


def customer_home(page: Page) -> None:
    """Wait for the leak at the customer's home, then for an hour of the day at which much was used."""
    expect(page.locator("#repairs a.list-item").first).to_be_visible()
    expect(page.locator("#use .figure-big").first).to_have_text(re.compile(r"^(1,\d|[5-9])\d\d\D*$"))


def customer_use(page: Page) -> None:
    """Show a year of electricity."""
    page.goto("/use")
    page.get_by_role("link", name="Electricity").click()
    page.get_by_role("link", name="Year", exact=True).click()
    expect(page.get_by_role("link", name="Year", exact=True)).to_have_attribute("aria-current", re.compile("."))


def crew_ticket(page: Page) -> None:
    """Take a ticket if none is the crew's own yet, and show the list."""
    expect(page.locator("a.job").nth(1)).to_be_visible()
    if page.locator("#tickets > section").count() < 2:
        page.locator("a.job").first.click()
        page.locator('form[action$="/take"] button').click()
        page.goto("/crew")


def operator_console(page: Page) -> None:
    """Wait until the burst is found, and seen in the zone's chart."""
    expect(page.locator("#anomalies a.list-item", has_text=BURST_ZONE).first).to_be_visible()
    expect(page.locator("#water figure", has_text=BURST_ZONE).locator(".badge.is-bad, .badge.is-warn")).to_be_visible()


def office_customer(page: Page) -> None:
    """Find somebody whose supply was stopped, and open the proof of it."""
    page.fill("#q", "3000004")
    page.locator("#found a.list-item").first.click()
    proof = page.locator("#collection .suspension details").first
    proof.locator("summary").click()
    page.locator("#collection").scroll_into_view_if_needed()


def handheld_route(page: Page) -> None:
    """Open the first meter of the route."""
    page.locator("#stops li").first.click()


@dataclass(frozen=True, slots=True)
class Picture:
    """A page as one role sees it."""

    name: str
    login_name: str
    language: str
    theme: str
    size: ViewportSize
    sharpness: int  # pixels of the picture for one of the page
    go: Callable[[Page], None]


PICTURES = (
    Picture("operator", "operator", "en", "dark", DESK, 1, operator_console),
    Picture("office", "office", "en", "light", DESK, 1, office_customer),
    Picture("crew", "crew", "en", "light", PHONE, 2, crew_ticket),
    Picture("customer-phone", "customer", "ja", "light", PHONE, 2, customer_home),
    Picture("customer-desk", "customer", "en", "light", DESK, 1, customer_use),
    Picture("handheld", "reader", "ja", "light", PHONE, 2, handheld_route),
)


class PictureTooLarge(Exception):
    """A picture would weigh too much in the repository."""


def main() -> int:
    """Take every picture; the exit code is 0 when all are there."""
    given = sys.argv[1] if len(sys.argv) > 1 else ""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with _address(given) as url, sync_playwright() as playwright:
        no_sandbox = ["--no-sandbox"]  # Chromium has none for root
        browser = playwright.chromium.launch(executable_path=find_browser.find_browser(), args=no_sandbox)
        expect.set_options(timeout=PATIENCE_MS)
        for picture in PICTURES:
            path = FOLDER / f"{picture.name}.png"
            path.write_bytes(_take(browser, picture, url=url))
            print(f"{path.relative_to(Path.cwd())}: {path.stat().st_size // 1000} kB", flush=True)
        browser.close()
    return 0


@contextmanager
def _address(given: str):
    if given:
        yield given
        return
    print("starting a demo of our own, about a minute", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        demo = running_demo.start(Path(folder) / "town", environment=ALONE)
        try:
            demo.throw("leak", LEAK_METER)
            demo.throw("burst", BURST_ZONE)
            yield demo.url
        finally:
            demo.stop()


def _take(browser: Browser, picture: Picture, *, url: str) -> bytes:
    """:raises PictureTooLarge: if it would weigh too much"""
    context = browser.new_context(
        viewport=picture.size, device_scale_factor=picture.sharpness, base_url=url, reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto("/login")
    page.fill("#login_name", picture.login_name)
    page.fill("#password", DEMO_PASSWORD)
    page.click("form.fields button")
    page.wait_for_url(lambda address: urlsplit(address).path != "/login")
    _prefer(page, "locale", picture.language)
    _prefer(page, "theme", picture.theme)
    picture.go(page)
    page.wait_for_load_state("load")
    expect(page.locator(".toast")).to_have_count(0)
    raw = page.screenshot()
    context.close()
    if len(raw) > LARGEST_BYTES:
        raise PictureTooLarge(f"{picture.name} would be {len(raw)} bytes, at most {LARGEST_BYTES} are kept")
    return raw


def _prefer(page: Page, what: str, choice: str) -> None:
    """Choose a language or colours by the page's own form."""
    attribute = {"locale": "lang", "theme": "data-theme"}[what]
    if page.get_attribute("html", attribute) == choice:
        return
    button = page.locator(f'button[name="{what}"][value="{choice}"]')
    if what == "theme":
        page.locator("details.menu summary").click()
    button.click()
    expect(page.locator("html")).to_have_attribute(attribute, re.compile(f"^{choice}$"))


if __name__ == "__main__":
    sys.exit(main())
