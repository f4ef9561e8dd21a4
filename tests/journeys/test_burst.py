"""A main bursts: many meters lose pressure, and one ticket is about all of them."""

import re

import pytest
from playwright.sync_api import expect

from scripts.running_demo import RunningDemo
from tests.journeys.conftest import DESK, PHONE, Language, People, Person

pytestmark = [pytest.mark.journey, pytest.mark.browser, pytest.mark.timeout(600)]

ZONES: dict[Language, str] = {"ja": "W3", "en": "W2"}
MANY_HOMES = 5
ATTEMPTS = 3


def test_a_burst_is_one_ticket_for_many_homes_until_it_is_repaired(
    town: RunningDemo, people: People, language: Language
) -> None:
    zone = ZONES[language]
    operator = people.sign_in("operator", language=language, size=DESK)
    crew = people.sign_in("crew", language=language, size=PHONE)
    operator.mark()
    assert town.throw("burst", zone).startswith("burst at ")

    sees_pressure_fall(operator, zone=zone)
    finds_one_ticket(crew, zone=zone)
    repairs(crew)
    sees_pressure_back(operator, zone=zone)


def said_of_a_main(person: Person) -> re.Pattern[str]:
    """Give what a burst may be called: the town's zones have no meter at their inlet that would tell."""
    said = (person.translate(text) for text in ("Burst pipe", "Low water pressure", "A valve is closed"))
    return re.compile("|".join(map(re.escape, said)))


def sees_pressure_fall(operator: Person, *, zone: str) -> None:
    """Wait in the control room, without reloading it, until the zone's pressure is too low."""
    page = operator.page
    low = page.locator("#anomalies a.list-item", has_text=said_of_a_main(operator)).filter(has_text=zone)
    expect(low.first).to_be_visible()
    assert operator.has_not_reloaded()


def finds_one_ticket(crew: Person, *, zone: str) -> None:
    """See many homes gather on the zone's one ticket, and open it."""
    _, page = crew.translate, crew.page
    ticket = page.locator("a.job", has_text=said_of_a_main(crew)).filter(has_text=zone)
    expect(ticket).to_have_count(1)
    ticket.click()
    homes = page.locator("#ticket-now details.numbers li")
    expect(homes.nth(MANY_HOMES - 1)).to_be_attached()
    page.go_back()
    expect(ticket).to_have_count(1)
    ticket.click()


def repairs(crew: Person) -> None:
    """Take, start and finish, again if the checker finds it still broken, until the meters are back to normal.

    In the town a fault ends a moment after a person has finished; a meter that falls in that moment reopens the ticket.
    """
    _, page = crew.translate, crew.page
    path, back_to_normal = page.url, _("The meters are back to normal.")
    for _attempt in range(ATTEMPTS):
        page.get_by_role("button", name=_("Take this ticket")).click()
        page.get_by_role("button", name=_("Start work")).click()
        finish = page.locator("details.action-card")
        finish.locator("summary").click()
        finish.get_by_text(_("Pipe burst: clamp set")).click()
        finish.get_by_role("button", name=_("It is repaired")).click()
        page.wait_for_url(re.compile(r"/crew(\?|$)"))
        page.goto(path)
        now = page.locator("#ticket-now")
        expect(now.get_by_text(back_to_normal).or_(now.locator(".badge", has_text=_("Reported")))).to_be_visible()
        if now.get_by_text(back_to_normal).is_visible():
            return
        page.goto(path)
    raise AssertionError(f"{path} was reopened {ATTEMPTS} times")


def sees_pressure_back(operator: Person, *, zone: str) -> None:
    """Wait in the control room until the zone is off the list."""
    page = operator.page
    low = page.locator("#anomalies a.list-item", has_text=said_of_a_main(operator)).filter(has_text=zone)
    expect(low).to_have_count(0)
    assert operator.has_not_reloaded()
