"""The counter for programs, as JSON: open bills, and payments taken there."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import JSONResponse, Response

from customer_app.dependencies import allowed
from customer_app.visit import Visit
from rating_engine import operations as rating_operations
from rating_engine import queries as rating_queries
from registry import queries as registry_queries

router = APIRouter()


class CounterPayment(BaseModel):
    """Money that came to the counter; the id is the counter's own, so that sending it twice is one payment."""

    account_number: str = Field(max_length=64)
    amount_minor: int = Field(gt=0, lt=10**12)
    external_id: str = Field(min_length=1, max_length=200)
    paid_at: AwareDatetime


@router.get("/api/office/open-bills")
def open_bills(
    visit: Annotated[Visit, allowed("bill.view", action="bill.list_open")],
    limit: Annotated[int, Query(ge=1, le=5000)] = 500,
) -> Response:
    """List the bills that are not settled, the oldest due first."""
    found = rating_queries.open_bills_of_all(visit.conn, utility_id=visit.utility_id, limit=limit)
    return JSONResponse(
        [
            {
                "bill_id": bill.bill_id,
                "bill_number": bill.bill_number,
                "account_number": bill.account_number,
                "payment_method": bill.payment_method,
                "service": bill.service,
                "issued_at": bill.issued_at.isoformat(),
                "due_on": bill.due_on.isoformat(),
                "open_minor": bill.open_minor,
            }
            for bill in found
        ]
    )


@router.post("/api/office/counter-payments")
def take(
    visit: Annotated[Visit, allowed("payment.take", action="payment.take", object_kind="account")],
    payment: CounterPayment,
) -> Response:
    """Take a payment; a second time under the same id gives the first's result."""
    account = registry_queries.account_by_number(
        visit.conn, utility_id=visit.utility_id, account_number=payment.account_number
    )
    visit.concerns(party_id=account.party_id, object_id=account.account_id)
    taken = rating_operations.take_payment(
        visit.conn,
        utility_id=visit.utility_id,
        account_id=account.account_id,
        channel="counter",
        external_id=payment.external_id,
        amount_minor=payment.amount_minor,
        # The counter's clock may be a moment ahead of the utility's.
        paid_at=min(payment.paid_at, visit.now),
        taken_by=visit.actor,
        at=visit.now,
    )
    visit.concerns(payment_id=taken.payment_id, amount_minor=taken.amount_minor, is_new=taken.is_new)
    return JSONResponse(
        {
            "payment_id": taken.payment_id,
            "amount_minor": taken.amount_minor,
            "advance_minor": taken.advance_minor,
            "is_new": taken.is_new,
        }
    )
