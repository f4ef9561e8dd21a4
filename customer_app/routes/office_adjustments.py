"""Bills that would be others by what is known now, for the office to decide on."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, ClassVar

from fastapi import APIRouter
from starlette.responses import Response

from customer_app import labels
from customer_app.dependencies import allowed
from customer_app.rendering import Page
from customer_app.visit import Visit
from kernel import money as kernel_money
from kernel.period import Period
from rating_engine.queries import adjustments
from rating_engine.queries.adjustments import AdjustmentCandidate

router = APIRouter()

SHOWN = 200


@dataclass(frozen=True, slots=True)
class CandidateLine:
    """One bill that would be another now."""

    bill_path: str
    bill_number: str
    customer_path: str
    name: str
    account_number: str
    service: str
    period: str
    quantity: str
    amount: str
    change: str
    look: str
    problem: str
    note: str
    found: str


@dataclass(frozen=True, slots=True)
class AdjustmentsPage(Page):
    TEMPLATE: ClassVar[str] = "office/adjustments.html"
    ACTIVE: ClassVar[str] = "/office/adjustments"

    lines: tuple[CandidateLine, ...]
    count: str
    is_cut: bool


@router.get("/office/adjustments")
def show(visit: Annotated[Visit, allowed("bill.view", action="adjustment.list")]) -> Response:
    """List the candidates for an adjustment, the newest finding first."""
    found = adjustments.adjustment_candidates(visit.conn, utility_id=visit.utility_id, limit=SHOWN)
    count = adjustments.open_candidates(visit.conn, utility_id=visit.utility_id)
    page = AdjustmentsPage(
        lines=tuple(_line(visit, one) for one in found),
        count=visit.formats.number(count),
        is_cut=count > len(found),
    )
    return visit.show(page)


def _line(visit: Visit, one: AdjustmentCandidate) -> CandidateLine:
    _, formats = visit.translate, visit.formats
    assert one.period.lower is not None, "billed periods have both ends"
    assert one.period.upper is not None, "billed periods have both ends"
    amount, change, look = _amounts(visit, one)
    return CandidateLine(
        bill_path=f"/office/bills/{one.bill_id}",
        bill_number=one.bill_number,
        customer_path=f"/office/customers/{one.party_id}",
        name=one.party_name,
        account_number=one.account_number,
        service=labels.service(_, one.service),
        period=formats.period(Period(one.period.lower, one.period.upper)),
        quantity=_quantity(visit, one),
        amount=amount,
        change=change,
        look=look,
        problem=one.problem,
        note=_("the next bill has taken it up") if one.is_followed else "",
        found=formats.datetime(one.found_at),
    )


def _quantity(visit: Visit, one: AdjustmentCandidate) -> str:
    unit = visit.formats.unit(one.unit)
    after = "?" if one.quantity_after is None else _plain(visit, one.quantity_after)
    return f"{_plain(visit, one.quantity_before)} → {after} {unit}"


def _plain(visit: Visit, quantity: str) -> str:
    amount = Decimal(quantity)
    exponent = amount.as_tuple().exponent
    return visit.formats.number(amount, decimals=-exponent if isinstance(exponent, int) and exponent < 0 else 0)


def _amounts(visit: Visit, one: AdjustmentCandidate) -> tuple[str, str, str]:
    def written(minor: int) -> str:
        return kernel_money.format_minor(minor, currency=one.currency, locale=visit.formats.locale)

    if one.total_after_minor is None:
        return written(one.total_before_minor), visit.translate("to be looked at"), "is-bad"
    change = one.total_after_minor - one.total_before_minor
    sign = "+" if change > 0 else ""
    amounts = f"{written(one.total_before_minor)} → {written(one.total_after_minor)}"
    return amounts, f"{sign}{written(change)}", "is-warn" if change > 0 else "is-info"
