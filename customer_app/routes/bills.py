"""My bills, and one bill with its arithmetic line by line."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter
from starlette.responses import Response

from customer_app import bill_pages, customers, slip_pages
from customer_app.bill_pages import BillDetail, BillEntry
from customer_app.dependencies import allowed
from customer_app.rendering import Page
from customer_app.slip_pages import SlipPage
from customer_app.visit import NotFound, Visit
from rating_engine import queries as rating_queries
from rating_engine.queries import BillView

router = APIRouter()


@dataclass(frozen=True, slots=True)
class BillsPage(Page):
    TEMPLATE: ClassVar[str] = "bills/list.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {"list": "bills/_list.html"}
    ACTIVE: ClassVar[str] = "/bills"

    bills: tuple[BillEntry, ...]

    def topics(self) -> tuple[str, ...]:
        return ("money",)


@dataclass(frozen=True, slots=True)
class BillPage(Page):
    TEMPLATE: ClassVar[str] = "bills/show.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {"bill": "bills/_bill.html"}
    ACTIVE: ClassVar[str] = "/bills"

    bill: BillDetail
    back: str

    def topics(self) -> tuple[str, ...]:
        return ("money",)


@router.get("/bills")
def index(visit: Annotated[Visit, allowed("bill.view_own", action="bill.list", object_kind="party")]) -> Response:
    """List the customer's bills, newest first."""
    visit.concerns(object_id=visit.own_party_id)
    return visit.show(BillsPage(bills=bill_pages.rows(visit, account_ids=customers.own_account_ids(visit))))


@router.get("/bills/{bill_id}")
def show(
    bill_id: int,
    visit: Annotated[Visit, allowed("bill.view_own", action="bill.view", object_kind="bill", object_from="bill_id")],
) -> Response:
    """Show one of the customer's bills."""
    detail = bill_pages.detail(visit, _own_bill(visit, bill_id), can_pay=visit.may("payment.pay_own"))
    return visit.show(BillPage(bill=detail, back="/bills"))


@router.get("/bills/{bill_id}/slip")
def slip(
    bill_id: int,
    visit: Annotated[
        Visit, allowed("bill.view_own", action="bill.print_slip", object_kind="bill", object_from="bill_id")
    ],
) -> Response:
    """Show the payment slip of one of the customer's bills, to print."""
    detail = slip_pages.detail(visit, _own_bill(visit, bill_id))
    return visit.show(SlipPage(slip=detail, back=f"/bills/{bill_id}", back_words=visit.translate("Bill")))


def _own_bill(visit: Visit, bill_id: int) -> BillView:
    """:raises NotFound: if the bill is not this customer's"""
    view = rating_queries.bill_view(visit.conn, utility_id=visit.utility_id, bill_id=bill_id)
    if view.bill.account_id not in customers.own_account_ids(visit):
        raise NotFound(f"bill {bill_id} is not this customer's")
    return view
