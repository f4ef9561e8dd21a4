"""What a customer owes, why, and whether supply was stopped for it; ready to print."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from customer_app import customers, labels
from customer_app.visit import Visit
from kernel.period import Period, local_date
from rating_engine import queries as rating_queries
from rating_engine.queries import OpenBill, SupplyExplanation

BACK_TOLD = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class OwedBill:
    """One unpaid bill."""

    bill_id: int
    service: str
    service_name: str
    period: str
    open: str
    open_minor: int
    due: str
    look: str  # class of the badge
    due_text: str


@dataclass(frozen=True, slots=True)
class Owed:
    """All that a customer owes on one account."""

    account_id: int
    account_number: str
    total: str
    total_minor: int
    due: str
    due_text: str
    overdue: bool
    bills: tuple[OwedBill, ...]
    advance: str
    can_pay: bool


@dataclass(frozen=True, slots=True)
class Stopped:
    """A supply that is stopped, about to be, or back again."""

    title: str
    why: str
    what_now: str
    look: str  # class of the card
    icon: str
    pay: str  # what to pay, where paying helps
    account_id: int


def owed(visit: Visit) -> tuple[Owed, ...]:
    """List the customer's accounts with what is owed on each."""
    found: list[Owed] = []
    for account in customers.own_accounts(visit):
        scope = {"utility_id": visit.utility_id, "account_id": account.account_id}
        bills = rating_queries.open_bills(visit.conn, **scope)
        balance = rating_queries.balance_of_account(visit.conn, **scope)
        if account.closed_at is not None and not bills:
            continue
        total_minor = sum(bill.open_minor for bill in bills)
        first_due = min((bill.due_on for bill in bills), default=None)
        found.append(
            Owed(
                account_id=account.account_id,
                account_number=account.account_number,
                total=visit.formats.money(total_minor),
                total_minor=total_minor,
                due=visit.formats.date(first_due) if first_due else "",
                due_text=due_text(visit, first_due)[0] if first_due else "",
                overdue=first_due is not None and first_due < today(visit),
                bills=tuple(_owed_bill(visit, bill) for bill in bills),
                advance=visit.formats.money(balance.advance_minor) if balance.advance_minor else "",
                can_pay=bool(visit.services.settings.card_url) and visit.may("payment.pay_own") and total_minor > 0,
            )
        )
    return tuple(found)


def stopped(visit: Visit) -> tuple[Stopped, ...]:
    """Tell of each supply that is off, going off or coming back, and of those that came back lately."""
    found: list[Stopped] = []
    for account in customers.own_accounts(visit):
        scope = {"utility_id": visit.utility_id, "account_id": account.account_id}
        explained = rating_queries.explain_supply(visit.conn, **scope, at=visit.now)
        found += [_stopped(visit, one, account_id=account.account_id) for one in explained]
        story = rating_queries.collection_story(visit.conn, **scope, at=visit.now)
        busy = {one.point_id for one in explained}
        for row in (view.suspension for view in story.suspensions):
            if row.point_id not in busy and row.restored_at and visit.now - row.restored_at < BACK_TOLD:
                busy.add(row.point_id)
                found.append(_back(visit, account_id=account.account_id, restored_at=row.restored_at))
    return tuple(found)


def today(visit: Visit) -> date:
    return local_date(visit.now, zone=visit.utility.zone)


def due_text(visit: Visit, due_on: date) -> tuple[str, str]:
    """Say how far away a due date is, and the class of its badge."""
    _ = visit.translate
    days = (due_on - today(visit)).days
    if days < 0:
        return _("%(n)s days overdue", n=-days), "is-bad"
    if days == 0:
        return _("due today"), "is-warn"
    return _("due in %(n)s days", n=days), "is-warn" if days <= 5 else "is-info"


def period_of(visit: Visit, bill: OpenBill) -> str:
    return visit.formats.period(Period(bill.period.lower, bill.period.upper))  # type: ignore[arg-type]


def _owed_bill(visit: Visit, bill: OpenBill) -> OwedBill:
    text, look = due_text(visit, bill.due_on)
    return OwedBill(
        bill_id=bill.bill_id,
        service=bill.service,
        service_name=labels.service(visit.translate, bill.service),
        period=period_of(visit, bill),
        open=visit.formats.money(bill.open_minor),
        open_minor=bill.open_minor,
        due=visit.formats.date(bill.due_on),
        due_text=text,
        look=look,
    )


def _stopped(visit: Visit, told: SupplyExplanation, *, account_id: int) -> Stopped:
    _ = visit.translate
    service = labels.service(_, told.service)
    debt = visit.formats.money(told.to_pay_minor)
    since = visit.formats.full_datetime(told.since) if told.since else ""
    restores = _("As soon as your payment reaches us, supply comes back by itself, at any hour. You need not call.")
    match told.reason:
        case "announced":
            title = _("%(service)s will be stopped", service=service)
            until = visit.formats.date(told.pay_by) if told.pay_by else ""
            why = _("%(debt)s is unpaid. Without payment by %(day)s we must stop supply.", debt=debt, day=until)
            now, look, icon = (
                _("Pay and nothing is stopped. If you cannot pay at once, please call us."),
                "warn",
                "alert",
            )
        case "suspended":
            title = _("%(service)s is stopped", service=service)
            why = _("Stopped on %(at)s because %(debt)s was not paid.", at=since, debt=debt)
            now, look, icon = restores, "alarm", "alert"
        case "restoring":
            title = _("%(service)s is coming back", service=service)
            why = _("Thank you, your payment is here. The meter has been told to open; this takes a few minutes.")
            now, look, icon = _("Please close taps and switch off heaters and stoves."), "good", "clock"
        case _other:
            title = _("%(service)s is being stopped", service=service)
            why = _("%(debt)s is unpaid, and the last day to pay has passed.", debt=debt)
            now, look, icon = _("Pay now and the stop is called off."), "alarm", "alert"
    if told.payment_under_way and look != "good":
        now = _("A payment of yours is under way. We wait for it.")
    return Stopped(title, why, now, look, icon, "" if look == "good" else debt, account_id)


def _back(visit: Visit, *, account_id: int, restored_at: datetime) -> Stopped:
    _ = visit.translate
    why = _("Supply came back on %(at)s.", at=visit.formats.full_datetime(restored_at))
    return Stopped(_("Your supply is on again"), why, _("Thank you for your payment."), "good", "check", "", account_id)
