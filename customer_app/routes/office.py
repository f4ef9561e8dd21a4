"""The counter: one search box, and all of one customer on one screen."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar
from uuid import uuid4

from fastapi import APIRouter
from starlette.responses import Response

from customer_app import bill_pages, collection_pages, office_customer, slip_pages
from customer_app.bill_pages import BillDetail
from customer_app.collection_pages import Story
from customer_app.dependencies import allowed
from customer_app.office_customer import AccountCard, NoticeLine, Person, PlaceLine, RepairLine
from customer_app.rendering import Page
from customer_app.slip_pages import SlipPage
from customer_app.visit import Visit
from kernel.i18n import mark
from kernel.text import clean
from rating_engine import queries as rating_queries
from registry import queries as registry_queries
from registry.queries import Change, CustomerMatch

router = APIRouter()

FOUND_SHOWN = 30
CHANGES_SHOWN = 30
LONGEST_SEARCH = 100
MATCHED = {
    "number": mark("by number"),
    "phone": mark("by phone or e-mail"),
    "name": mark("by name"),
    "address": mark("by address"),
}


@dataclass(frozen=True, slots=True)
class FoundLine:
    path: str
    name: str
    kana: str
    number: str
    address: str
    phone: str
    points: str
    accounts: str
    matched: str
    is_former: bool


@dataclass(frozen=True, slots=True)
class SearchPage(Page):
    TEMPLATE: ClassVar[str] = "office/search.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {"found": "office/_found.html"}
    ACTIVE: ClassVar[str] = "/office"

    text: str
    found: tuple[FoundLine, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class ChangeLine:
    at: str
    actor: str
    what: str
    fields: tuple[tuple[str, str, str], ...]  # name, before, after


@dataclass(frozen=True, slots=True)
class CustomerPage(Page):
    TEMPLATE: ClassVar[str] = "office/customer.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {
        "accounts": "office/_accounts.html",
        "collection": "office/_collection.html",
    }
    ACTIVE: ClassVar[str] = "/office"

    person: Person
    places: tuple[PlaceLine, ...]
    accounts: tuple[AccountCard, ...]
    stories: tuple[Story, ...]
    notices: tuple[NoticeLine, ...]
    repairs: tuple[RepairLine, ...]
    changes: tuple[ChangeLine, ...]
    holds: tuple[tuple[str, str], ...]
    form_id: str
    may_take: bool
    may_decide: bool
    may_change: bool

    def topics(self) -> tuple[str, ...]:
        return tuple(f"account:{account.account_id}" for account in self.accounts)


@dataclass(frozen=True, slots=True)
class OfficeBillPage(Page):
    TEMPLATE: ClassVar[str] = "office/bill.html"
    ACTIVE: ClassVar[str] = "/office"

    bill: BillDetail
    back: str
    name: str


@router.get("/office")
def search(visit: Annotated[Visit, allowed("customer.find", action="customer.find")], q: str = "") -> Response:
    """Find customers by whatever the person at the counter knows."""
    text = clean(q)[:LONGEST_SEARCH]
    found: list[CustomerMatch] = []
    if text:
        visit.concerns(text=text)
        found = registry_queries.find_customers(
            visit.conn, utility_id=visit.utility_id, text=text, limit=FOUND_SHOWN + 1
        )
    page = SearchPage(
        text=text,
        found=tuple(_found(visit, one) for one in found[:FOUND_SHOWN]),
        more=len(found) > FOUND_SHOWN,
    )
    return visit.show(page)


@router.get("/office/customers/{party_id}")
def show(
    party_id: int,
    visit: Annotated[
        Visit, allowed("customer.view", action="customer.view", object_kind="party", object_from="party_id")
    ],
) -> Response:
    """Show a customer: what they owe and why, where they live, what was said and done."""
    scope = {"utility_id": visit.utility_id}
    party = registry_queries.party(visit.conn, **scope, party_id=party_id)
    visit.concerns(party_id=party_id)
    wanted = visit.fragment
    whole = wanted == ""
    accounts = registry_queries.accounts_of_party(visit.conn, **scope, party_id=party_id)
    points = registry_queries.points_of_party(visit.conn, **scope, party_id=party_id, at=visit.now) if whole else []
    page = CustomerPage(
        person=office_customer.person(visit, party),
        places=office_customer.places(visit, points),
        accounts=tuple(office_customer.account_card(visit, account) for account in accounts),
        stories=tuple(
            collection_pages.story(visit, account_id=one.account_id, account_number=one.account_number)
            for one in accounts
        )
        if wanted in ("", "collection") and visit.may("collection.view")
        else (),
        notices=office_customer.notices(visit, party_id=party_id) if whole else (),
        repairs=office_customer.repairs(visit, points=points) if whole else (),
        changes=_changes(visit, party_id=party_id, points=points) if whole else (),
        holds=tuple((code, visit.translate(words)) for code, words in collection_pages.HOLDS.items()),
        form_id=str(uuid4()),
        may_take=visit.may("payment.take"),
        may_decide=visit.may("collection.decide"),
        may_change=visit.may("agreement.change"),
    )
    return visit.show(page)


@router.get("/office/bills/{bill_id}")
def bill(
    bill_id: int,
    visit: Annotated[Visit, allowed("bill.view", action="bill.view", object_kind="bill", object_from="bill_id")],
) -> Response:
    """Show a bill with its arithmetic, as its customer sees it."""
    view = rating_queries.bill_view(visit.conn, utility_id=visit.utility_id, bill_id=bill_id)
    account = registry_queries.account(visit.conn, utility_id=visit.utility_id, account_id=view.bill.account_id)
    party = registry_queries.party(visit.conn, utility_id=visit.utility_id, party_id=account.party_id)
    visit.concerns(party_id=account.party_id)
    page = OfficeBillPage(
        bill=bill_pages.detail(visit, view, can_pay=False, under="/office"),
        back=f"/office/customers/{account.party_id}",
        name=party.name,
    )
    return visit.show(page)


@router.get("/office/bills/{bill_id}/slip")
def slip(
    bill_id: int,
    visit: Annotated[Visit, allowed("bill.view", action="bill.print_slip", object_kind="bill", object_from="bill_id")],
) -> Response:
    """Show the payment slip of a bill, to print and hand over or post."""
    view = rating_queries.bill_view(visit.conn, utility_id=visit.utility_id, bill_id=bill_id)
    account = registry_queries.account(visit.conn, utility_id=visit.utility_id, account_id=view.bill.account_id)
    visit.concerns(party_id=account.party_id)
    detail = slip_pages.detail(visit, view)
    return visit.show(SlipPage(slip=detail, back=f"/office/bills/{bill_id}", back_words=visit.translate("Bill")))


def _found(visit: Visit, one: CustomerMatch) -> FoundLine:
    return FoundLine(
        path=f"/office/customers/{one.party_id}",
        name=one.name,
        kana=one.name_kana,
        number=one.party_number,
        address=one.address,
        phone=one.phone,
        points=", ".join(one.point_numbers[:3]) + (" …" if len(one.point_numbers) > 3 else ""),
        accounts=", ".join(one.account_numbers[:3]),
        matched=visit.translate(MATCHED[one.matched]),
        is_former=one.is_former,
    )


def _changes(visit: Visit, *, party_id: int, points: list[Any]) -> tuple[ChangeLine, ...]:
    """List what was changed about the customer and their points, newest first, before and after."""
    _ = visit.translate
    wanted = [(_("Customer"), "party", {"party_id": party_id})]
    wanted += [(point.point_number, "point", {"point_id": point.point_id}) for point in points]
    found: list[tuple[str, Change]] = []
    for what, table, key in wanted:
        found += [
            (what, change)
            for change in registry_queries.history_of(visit.conn, utility_id=visit.utility_id, table=table, key=key)
        ]
    found.sort(key=lambda pair: pair[1].change_id, reverse=True)
    return tuple(
        ChangeLine(
            at=visit.formats.datetime(change.changed_at),
            actor=change.actor,
            what=f"{what}: {_('added') if change.before is None else _('changed')}",
            fields=tuple(
                (name, "" if old is None else str(old), "" if new is None else str(new))
                for name, (old, new) in change.changed_fields.items()
                if change.before is not None and not name.startswith("search_")
            ),
        )
        for what, change in found[:CHANGES_SHOWN]
    )
