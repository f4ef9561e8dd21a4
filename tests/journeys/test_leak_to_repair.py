"""Water leaks behind a meter: the customer is told, the crew repairs, the customer follows it live and confirms."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from playwright.sync_api import Locator, Page, expect

from scripts.running_demo import RunningDemo
from tests.journeys.conftest import PHONE, Language, People, Person

pytestmark = [pytest.mark.journey, pytest.mark.browser, pytest.mark.timeout(600)]


@dataclass(frozen=True, slots=True)
class Home:
    """A family of the town that pays its own water, and its meter."""

    account_number: str
    meter: str


HOMES: dict[Language, Home] = {"ja": Home("3000006", "W-0004"), "en": Home("3000010", "W-0008")}
NOTE = "ポンプ室の止水栓 closed, waiting for a joint"
MORE = "Joint behind the meter renewed / 継手を交換"


def test_a_leak_becomes_a_ticket_that_is_repaired_and_confirmed(
    town: RunningDemo, people: People, add_customer: Callable[[str, str], None], language: Language
) -> None:
    home = HOMES[language]
    add_customer(f"leak-{language}", home.account_number)
    customer = people.sign_in(f"leak-{language}", language=language, size=PHONE)
    customer.mark()
    assert town.throw("leak", home.meter).startswith("leak at ")

    ticket_id = sees_the_suspicion(customer)
    crew = people.sign_in("crew", language=language, size=PHONE)
    repair(crew, ticket_id=ticket_id, customer=customer)
    confirm(customer)
    expect(crew.page.locator(f'a.job[href="/crew/tickets/{ticket_id}"]')).to_have_count(0)


def sees_the_suspicion(customer: Person) -> int:
    """Wait on the first page, without reloading it, until it tells of the leak and of the repair; open that."""
    _, page = customer.translate, customer.page
    expect(page.locator("#notices")).to_contain_text(_("Water may be leaking at your home"))
    repair = page.locator("#repairs a.list-item", has_text=_("Water flows without a pause"))
    expect(repair).to_contain_text(_("Reported"))
    assert customer.has_not_reloaded()
    repair.click()
    expect(state(page)).to_have_text(_("Reported"))
    customer.mark()
    return int(page.url.rpartition("/")[2])


def repair(crew: Person, *, ticket_id: int, customer: Person) -> None:
    """Take, start, note and finish on the crew's phone; each step shows on the customer's page by itself."""
    _, page, seen = crew.translate, crew.page, customer.page
    page.click(f'a.job[href="/crew/tickets/{ticket_id}"]')
    page.get_by_role("button", name=_("Take this ticket")).click()
    expect(state(seen)).to_have_text(_("Crew assigned"))
    page.get_by_role("button", name=_("Start work")).click()
    expect(state(seen)).to_have_text(_("Repair under way"))

    page.fill("#note", NOTE)
    page.get_by_role("button", name=_("Add the note")).click()
    expect(seen.locator("#repair .timeline")).to_contain_text(NOTE)

    finish = page.locator("details.action-card")
    finish.locator("summary").click()
    finish.get_by_text(_("Joint leaked: renewed")).click()
    page.fill("#more", MORE)
    finish.get_by_role("button", name=_("It is repaired")).click()
    expect(state(seen)).to_have_text(_("Repaired"))
    expect(seen.locator("#repair .timeline")).to_contain_text(MORE)
    assert customer.has_not_reloaded()


def confirm(customer: Person) -> None:
    """Wait until the meter is dry again, then say that it works."""
    _, page = customer.translate, customer.page
    answer = page.locator("#repair .card.warn")
    expect(answer).not_to_contain_text(_("The meters still see the trouble; please wait a little before you confirm."))
    assert customer.has_not_reloaded()
    answer.get_by_role("button", name=_("Yes, it works")).click()
    expect(state(page)).to_have_text(_("Confirmed by you"))
    page.goto("/home")
    expect(page.locator("#repairs a.list-item")).to_have_count(0)


def state(page: Page) -> Locator:
    """The badge that names the repair's state."""
    return page.locator("#repair .card-head .badge").first
