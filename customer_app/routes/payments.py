"""Paying by card, and what I have paid."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Form
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from customer_app import card_checkout, customers, labels, money
from customer_app.card_checkout import Order, ProviderAway
from customer_app.dependencies import allowed
from customer_app.money import Owed, OwedBill
from customer_app.rendering import Page
from customer_app.visit import NotFound, Visit
from rating_engine import operations as rating_operations
from rating_engine import queries as rating_queries
from rating_engine.queries import Intent, PaymentView

router = APIRouter()

SHOWN = 100


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A payment, and the bills that it settled."""

    paid: str
    channel: str
    amount: str
    settled: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PaymentsPage(Page):
    TEMPLATE: ClassVar[str] = "payments/list.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {"list": "payments/_list.html"}
    ACTIVE: ClassVar[str] = "/payments"

    payments: tuple[PaymentRow, ...]

    def topics(self) -> tuple[str, ...]:
        return ("money",)


@dataclass(frozen=True, slots=True)
class PayPage(Page):
    TEMPLATE: ClassVar[str] = "payments/new.html"
    ACTIVE: ClassVar[str] = "/bills"

    account: Owed
    bill: OwedBill | None
    amount: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class IntentPage(Page):
    TEMPLATE: ClassVar[str] = "payments/show.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {"state": "payments/_state.html"}
    ACTIVE: ClassVar[str] = "/bills"

    intent_id: int
    account_id: int
    state: str
    waiting: bool
    amount: str
    still_owed: str

    def topics(self) -> tuple[str, ...]:
        return ("money",)


class AfterCommit(Response):
    """An answer made once the transaction is committed and its connection is back: for calls that may take long."""

    def __init__(self, make: Callable[[], Response]) -> None:
        super().__init__()
        self._make = make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await run_in_threadpool(self._make)
        await response(scope, receive, send)


@router.get("/payments")
def index(
    visit: Annotated[Visit, allowed("payment.pay_own", action="payment.list", object_kind="party")],
) -> Response:
    """List what the customer has paid, newest first."""
    visit.concerns(object_id=visit.own_party_id)
    return visit.show(PaymentsPage(payments=_payments(visit)))


@router.get("/payments/new")
def new(
    visit: Annotated[Visit, allowed("payment.pay_own", action="payment.offer", object_kind="account")],
    account: int,
    bill: int | None = None,
) -> Response:
    """Ask whether to pay all that is due on an account, or one bill."""
    visit.concerns(object_id=account)
    owed = visit.found(next((one for one in money.owed(visit) if one.account_id == account), None))
    chosen = next((one for one in owed.bills if one.bill_id == bill), None)
    if owed.total_minor <= 0 or not owed.can_pay:
        return visit.go("/payments")
    amount_minor = chosen.open_minor if chosen else owed.total_minor
    return visit.show(PayPage(owed, chosen, visit.formats.money(amount_minor), amount_minor))


@router.post("/payments")
def begin(
    visit: Annotated[Visit, allowed("payment.pay_own", action="payment.begin", object_kind="account")],
    account: Annotated[int, Form()],
    amount_minor: Annotated[int, Form(gt=0, lt=10**12)],
) -> Response:
    """Begin a card payment, then lead to the provider's page; nobody types a card number here."""
    visit.concerns(object_id=account, amount_minor=amount_minor)
    owed = visit.found(next((one for one in money.owed(visit) if one.account_id == account), None))
    if not owed.can_pay or amount_minor > owed.total_minor:
        return visit.go(f"/payments/new?account={account}", said="amount-changed")
    intent = rating_operations.begin_card_payment(
        visit.conn, utility_id=visit.utility_id, account_id=account, amount_minor=amount_minor, at=visit.now
    )
    visit.concerns(intent_id=intent.intent_id)
    base = (visit.services.settings.public_url or str(visit.request.base_url)).rstrip("/")
    order = Order(
        intent_id=intent.intent_id,
        amount_minor=amount_minor,
        currency=visit.utility.currency,
        return_url=f"{base}/payments/{intent.intent_id}",
        webhook_url=f"{base}/webhooks/card",
    )
    card_url = visit.services.settings.card_url
    language = visit.locale

    def to_provider() -> Response:
        try:
            address = card_checkout.open_checkout(order, card_url=card_url)
        except ProviderAway:
            return RedirectResponse(f"/payments/new?account={account}&said=card-away", status_code=303)
        separator = "&" if "?" in address else "?"
        return RedirectResponse(f"{address}{separator}lang={language}", status_code=303)

    return AfterCommit(to_provider)


@router.get("/payments/{intent_id}")
def show(
    intent_id: int,
    visit: Annotated[
        Visit, allowed("payment.pay_own", action="payment.view", object_kind="payment_intent", object_from="intent_id")
    ],
) -> Response:
    """Tell how a card payment stands; the provider leads back here before it has told us."""
    intent = rating_queries.card_intent(visit.conn, utility_id=visit.utility_id, intent_id=intent_id)
    if intent.account_id not in customers.own_account_ids(visit):
        raise NotFound(f"payment {intent_id} is not this customer's")
    return visit.show(_intent_page(visit, intent))


def _intent_page(visit: Visit, intent: Intent) -> IntentPage:
    balance = rating_queries.balance_of_account(visit.conn, utility_id=visit.utility_id, account_id=intent.account_id)
    return IntentPage(
        intent_id=intent.intent_id,
        account_id=intent.account_id,
        state=intent.state,
        waiting=intent.state in ("open", "pending"),
        amount=visit.formats.money(intent.amount_minor),
        still_owed=visit.formats.money(balance.owed_minor) if balance.owed_minor > 0 else "",
    )


def _payments(visit: Visit) -> tuple[PaymentRow, ...]:
    views = [
        view
        for account_id in customers.own_account_ids(visit)
        for view in rating_queries.payments_of_account(
            visit.conn, utility_id=visit.utility_id, account_id=account_id, limit=SHOWN
        )
    ]
    views.sort(key=lambda view: (view.payment.paid_at, view.payment.payment_id), reverse=True)
    return tuple(_payment(visit, view) for view in views)


def _payment(visit: Visit, view: PaymentView) -> PaymentRow:
    _, formats = visit.translate, visit.formats
    settled = [
        _("%(amount)s for bill %(number)s", amount=formats.money(part.amount_minor), number=part.bill_number)
        for part in view.allocations
    ]
    if view.advance_minor:
        settled.append(_("%(amount)s in advance, for your next bill", amount=formats.money(view.advance_minor)))
    return PaymentRow(
        paid=formats.full_datetime(view.payment.paid_at),
        channel=labels.channel(_, view.payment.channel),
        amount=formats.money(view.payment.amount_minor),
        settled=tuple(settled),
    )
