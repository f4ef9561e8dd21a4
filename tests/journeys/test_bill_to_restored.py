"""A bill stays unpaid: supply is stopped by itself, the customer sees why, pays by card, and supply comes back."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from customer_app.collection_pages import GUARDS
from simulators.card_provider import WORDS
from tests.journeys.conftest import DESK, PHONE, Language, People, Person

pytestmark = [pytest.mark.journey, pytest.mark.browser, pytest.mark.timeout(600)]


@dataclass(frozen=True, slots=True)
class Debtor:
    """Somebody of the town who has not paid for electricity since winter."""

    login_name: str
    account_number: str


DEBTORS: dict[Language, Debtor] = {"ja": Debtor("customer2", "3000004"), "en": Debtor("unpaid-en", "3000005")}


def test_an_unpaid_supply_is_stopped_and_comes_back_when_paid_by_card(
    people: People, add_customer: Callable[[str, str], None], language: Language
) -> None:
    debtor = DEBTORS[language]
    if debtor.login_name != "customer2":  # which the demo has by itself
        add_customer(debtor.login_name, debtor.account_number)
    customer = people.sign_in(debtor.login_name, language=language, size=PHONE)
    office = people.sign_in("office", language=language, size=DESK)
    customer.mark()

    sees_why(customer)
    finds_the_proof(office, account_number=debtor.account_number)
    pays_by_card(customer)
    sees_supply_again(customer)
    _, page = office.translate, office.page
    expect(page.locator("#collection .suspension").first).to_contain_text(_("supply back"))
    expect(page.locator("#accounts .badge.is-bad")).to_have_count(0)
    assert office.has_not_reloaded()


def sees_why(customer: Person) -> None:
    """Wait on the first page, without reloading it, until it tells that supply is stopped and what to do."""
    _, page = customer.translate, customer.page
    stopped = page.locator("#supply .card.alarm", has_text=_("%(service)s is stopped", service=_("Electricity")))
    expect(stopped).to_contain_text(
        _("As soon as your payment reaches us, supply comes back by itself, at any hour. You need not call.")
    )
    assert customer.has_not_reloaded()


def finds_the_proof(office: Person, *, account_number: str) -> None:
    """Find the customer by account number, and read what each guard saw before the stop was ordered and sent."""
    _, page = office.translate, office.page
    page.fill("#q", account_number)
    page.locator("#found a.list-item").click()
    office.mark()
    suspension = page.locator("#collection .suspension").first
    expect(suspension).to_contain_text(_("supply stopped"))
    for title in (_("When it was ordered"), _("When the command left")):
        proof = suspension.locator("details", has_text=_("Proof: %(title)s", title=title))
        proof.locator("summary").click()
        passed = proof.locator("tbody tr", has=page.locator(".badge.is-good"))
        expect(passed).to_have_count(len(GUARDS))
        for asks in GUARDS.values():
            expect(passed.filter(has_text=_(asks))).to_have_count(1)


def pays_by_card(customer: Person) -> None:
    """Pay all that is open, on the card provider's own page."""
    _, page = customer.translate, customer.page
    ours = urlsplit(page.url).netloc
    page.locator("#supply .card.alarm a.button").click()
    page.get_by_role("button", name=_("On to the card page")).click()
    words = WORDS[customer.language]
    expect(page.get_by_role("heading", name=words["title"])).to_be_visible()
    assert urlsplit(page.url).netloc != ours, "card numbers are typed elsewhere"
    page.get_by_role("button", name=words["pay"], exact=True).click()
    expect(page.get_by_role("heading", name=_("Paid. Thank you!"))).to_be_visible()


def sees_supply_again(customer: Person) -> None:
    """Wait on the first page, without reloading it, until supply is back."""
    _, page = customer.translate, customer.page
    page.get_by_role("link", name=_("To the first page")).click()
    customer.mark()
    expect(page.locator("#supply")).to_contain_text(_("Your supply is on again"))
    expect(page.locator("#owed .card.warn")).to_have_count(0)  # the next bill may have come, and is not overdue
    assert customer.has_not_reloaded()
