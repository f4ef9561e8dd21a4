"""Money at the counter: payments with their receipts, what holds collection back, and visits that were made."""

import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, ClassVar, Literal, get_args
from uuid import UUID, uuid4

from fastapi import APIRouter, Form
from starlette.responses import Response

from customer_app import labels
from customer_app.dependencies import allowed
from customer_app.rendering import Page
from customer_app.visit import NotFound, Visit
from kernel import money as kernel_money
from kernel.text import clean
from rating_engine import operations as rating_operations
from rating_engine import queries as rating_queries
from rating_engine.operations import HoldKind
from rating_engine.queries import PaymentView
from registry import queries as registry_queries
from registry.queries import Account

router = APIRouter()

MOST_MINOR = 10**12
PAYMENTS_SEARCHED = 500


@dataclass(frozen=True, slots=True)
class PayPage(Page):
    TEMPLATE: ClassVar[str] = "office/pay.html"
    ACTIVE: ClassVar[str] = "/office"

    account_id: int
    account_number: str
    name: str
    back: str
    owed: str
    amount: str
    step: str
    form_id: str
    problem: str
    currency: str


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    bill_number: str
    amount: str


@dataclass(frozen=True, slots=True)
class ReceiptPage(Page):
    TEMPLATE: ClassVar[str] = "office/receipt.html"
    ACTIVE: ClassVar[str] = "/office"

    number: str
    name: str
    account_number: str
    amount: str
    paid: str
    channel: str
    taken_by: str
    lines: tuple[ReceiptLine, ...]
    advance: str
    left: str
    back: str


@router.get("/office/accounts/{account_id}/pay")
def ask(
    account_id: int,
    visit: Annotated[
        Visit, allowed("payment.take", action="payment.prepare", object_kind="account", object_from="account_id")
    ],
) -> Response:
    """Show the form for a payment at the counter."""
    return visit.show(_pay_page(visit, _account(visit, account_id), form_id=str(uuid4())))


@router.post("/office/accounts/{account_id}/payments")
def take(
    account_id: int,
    visit: Annotated[
        Visit, allowed("payment.take", action="payment.take", object_kind="account", object_from="account_id")
    ],
    amount: Annotated[str, Form(max_length=40)],
    form_id: Annotated[UUID, Form()],
) -> Response:
    """Take the money; the same form sent twice is one payment."""
    account = _account(visit, account_id)
    amount_minor = read_amount(amount, currency=visit.utility.currency)
    if amount_minor is None:
        page = _pay_page(
            visit,
            account,
            form_id=str(form_id),
            amount=amount,
            problem=visit.translate("Write an amount above zero, in digits."),
        )
        return visit.show(page, status=400)
    taken = rating_operations.take_payment(
        visit.conn,
        utility_id=visit.utility_id,
        account_id=account_id,
        channel="counter",
        external_id=f"form-{form_id}",
        amount_minor=amount_minor,
        paid_at=visit.now,
        taken_by=visit.actor,
        at=visit.now,
    )
    visit.concerns(payment_id=taken.payment_id, amount_minor=amount_minor, is_new=taken.is_new)
    return visit.go(f"/office/accounts/{account_id}/payments/{taken.payment_id}", said="payment-taken")


@router.get("/office/accounts/{account_id}/payments/{payment_id}")
def receipt(
    account_id: int,
    payment_id: int,
    visit: Annotated[
        Visit, allowed("payment.take", action="payment.receipt", object_kind="payment", object_from="payment_id")
    ],
) -> Response:
    """Show the receipt of a payment, to be printed."""
    account = _account(visit, account_id)
    found = rating_queries.payments_of_account(
        visit.conn, utility_id=visit.utility_id, account_id=account_id, limit=PAYMENTS_SEARCHED
    )
    paid = visit.found(next((one for one in found if one.payment.payment_id == payment_id), None))
    return visit.show(_receipt(visit, account, paid))


@router.post("/office/accounts/{account_id}/holds")
def set_hold(
    account_id: int,
    visit: Annotated[
        Visit, allowed("collection.decide", action="hold.set", object_kind="account", object_from="account_id")
    ],
    kind: Annotated[str, Form(max_length=40)],
    reason: Annotated[str, Form(min_length=1, max_length=1000)],
    until: Annotated[date | str, Form()] = "",
) -> Response:
    """Hold collection back, with the reason."""
    account = _account(visit, account_id)
    hold_kind = visit.found(next((one for one in get_args(HoldKind) if one == kind), None))
    hold_id = rating_operations.set_hold(
        visit.conn,
        utility_id=visit.utility_id,
        account_id=account_id,
        kind=hold_kind,
        reason=clean(reason),
        set_by=visit.actor,
        until=_end_of(visit, until) if isinstance(until, date) else None,
        at=visit.now,
    )
    visit.concerns(hold_id=hold_id, kind=kind, reason=clean(reason))
    return visit.go(f"/office/customers/{account.party_id}", said="hold-set")


@router.post("/office/accounts/{account_id}/holds/{hold_id}/release")
def release_hold(
    account_id: int,
    hold_id: int,
    visit: Annotated[
        Visit, allowed("collection.decide", action="hold.release", object_kind="account", object_from="account_id")
    ],
) -> Response:
    """Let a hold end now."""
    account = _account(visit, account_id)
    story = rating_queries.collection_story(
        visit.conn, utility_id=visit.utility_id, account_id=account_id, at=visit.now
    )
    if all(hold.hold_id != hold_id for hold in story.holds):
        raise NotFound(f"hold {hold_id} is not one of account {account_id}")
    rating_operations.release_hold(visit.conn, utility_id=visit.utility_id, hold_id=hold_id, at=visit.now)
    visit.concerns(hold_id=hold_id)
    return visit.go(f"/office/customers/{account.party_id}", said="hold-released")


@router.post("/office/suspensions/{suspension_id}/visit")
def record_visit(
    suspension_id: int,
    visit: Annotated[
        Visit,
        allowed("collection.decide", action="suspension.visit", object_kind="suspension", object_from="suspension_id"),
    ],
    outcome: Annotated[Literal["closed", "opened"], Form()],
) -> Response:
    """Record what was done by hand at a point that no command reaches."""
    visit.concerns(outcome=outcome)
    rating_operations.record_visit(
        visit.conn,
        utility_id=visit.utility_id,
        suspension_id=suspension_id,
        outcome=outcome,
        by=visit.actor,
        at=visit.now,
    )
    return visit.go("/office/arrears", said="visit-recorded")


def read_amount(text: str, *, currency: str) -> int | None:
    """Read an amount as people write it: ¥12,300 or １２３００; None if it is none, or not above zero."""
    plain = unicodedata.normalize("NFKC", text).replace(",", "").replace("円", "").strip().lstrip("¥$€ ")
    try:
        amount = Decimal(plain).scaleb(kernel_money.minor_digits(currency))
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount != amount.to_integral_value() or not 0 < amount < MOST_MINOR:
        return None
    return int(amount)


def _account(visit: Visit, account_id: int) -> Account:
    account = registry_queries.account(visit.conn, utility_id=visit.utility_id, account_id=account_id)
    visit.concerns(party_id=account.party_id)
    return account


def _end_of(visit: Visit, day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), visit.utility.zone)


def _pay_page(visit: Visit, account: Account, *, form_id: str, amount: str = "", problem: str = "") -> PayPage:
    party = registry_queries.party(visit.conn, utility_id=visit.utility_id, party_id=account.party_id)
    balance = rating_queries.balance_of_account(visit.conn, utility_id=visit.utility_id, account_id=account.account_id)
    digits = kernel_money.minor_digits(visit.utility.currency)
    return PayPage(
        account_id=account.account_id,
        account_number=account.account_number,
        name=party.name,
        back=f"/office/customers/{account.party_id}",
        owed=visit.formats.money(balance.owed_minor),
        amount=amount or (str(Decimal(balance.owed_minor).scaleb(-digits)) if balance.owed_minor > 0 else ""),
        step=str(Decimal(1).scaleb(-digits)),
        form_id=form_id,
        problem=problem,
        currency=visit.utility.currency,
    )


def _receipt(visit: Visit, account: Account, paid: PaymentView) -> ReceiptPage:
    formats = visit.formats
    party = registry_queries.party(visit.conn, utility_id=visit.utility_id, party_id=account.party_id)
    balance = rating_queries.balance_of_account(visit.conn, utility_id=visit.utility_id, account_id=account.account_id)
    return ReceiptPage(
        number=str(paid.payment.payment_id),
        name=party.name,
        account_number=account.account_number,
        amount=formats.money(paid.payment.amount_minor),
        paid=formats.full_datetime(paid.payment.paid_at),
        channel=labels.channel(visit.translate, paid.payment.channel),
        taken_by=paid.payment.taken_by,
        lines=tuple(ReceiptLine(part.bill_number, formats.money(part.amount_minor)) for part in paid.allocations),
        advance=formats.money(paid.advance_minor) if paid.advance_minor else "",
        left=formats.money(balance.owed_minor),
        back=f"/office/customers/{account.party_id}",
    )
