"""An operator wants a detector to speak sooner: tries it on the last month, then puts it in force."""

import re

import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import DESK, PHONE, Language, People, Person

pytestmark = [pytest.mark.journey, pytest.mark.browser, pytest.mark.timeout(600)]

PARAMETER = "/operator/checker/low_battery/low_pct"
VALUES: dict[Language, str] = {"ja": "20", "en": "25"}
REASONS: dict[Language, str] = {"ja": "冬の前に交換したい", "en": "exchanged before winter"}


def test_a_parameter_is_tried_on_the_last_month_and_then_put_in_force(people: People, language: Language) -> None:
    operator = people.sign_in("operator", language=language, size=PHONE if language == "ja" else DESK)
    chooses_a_value(operator)
    sees_what_it_would_have_raised(operator)
    puts_it_in_force(operator)


def chooses_a_value(operator: Person) -> None:
    """Go from the list of detectors to the one parameter, and give it another value for homes alone."""
    _, page = operator.translate, operator.page
    page.goto("/operator/checker")
    change = page.locator(f'a[href="{PARAMETER}"]')
    if not change.is_visible():  # a detector with values of its own stands open
        page.get_by_role("heading", name=_("A battery is nearly empty")).click()
    change.click()
    page.fill("#value", VALUES[operator.language])
    page.select_option("#segment", "residential")
    page.get_by_role("button", name=_("See what it would have raised last month")).click()


def sees_what_it_would_have_raised(operator: Person) -> None:
    """Wait for the trial, on the page that follows it by itself; until then nothing can be put in force."""
    _, page = operator.translate, operator.page
    expect(page).to_have_url(re.compile(r"/trial\?"))
    expect(page.get_by_role("heading", name=_("What it would have raised"))).to_be_visible()


def puts_it_in_force(operator: Person) -> None:
    """Give the reason, and find value and reason in the list of detectors."""
    _, page = operator.translate, operator.page
    reason = REASONS[operator.language]
    page.fill("#reason", reason)
    page.get_by_role("button", name=_("Put in force from now on")).click()
    expect(page.get_by_text(_("The value is in force."))).to_be_visible()
    own = page.locator("#low_battery")
    expect(own.get_by_text(f"{VALUES[operator.language]} %", exact=True)).to_be_visible()
    expect(page.get_by_text(reason)).to_be_visible()
