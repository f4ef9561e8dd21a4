"""Moving in and out: opening and closing agreements at a point."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, ClassVar

from fastapi import APIRouter, Form
from starlette.responses import Response

from customer_app.dependencies import allowed
from customer_app.rendering import Page
from customer_app.visit import NotFound, Visit
from kernel.period import local_date
from kernel.text import clean
from registry import operations as registry_operations
from registry import queries as registry_queries
from registry.queries import Account, Agreement

router = APIRouter()

BACK_DAYS = 62  # a move may be told late; what is older needs bills to be cancelled first


@dataclass(frozen=True, slots=True)
class MovePage(Page):
    TEMPLATE: ClassVar[str] = "office/move.html"
    ACTIVE: ClassVar[str] = "/office"

    name: str
    back: str
    account_id: int
    account_number: str
    agreement_id: int
    point_number: str
    tariff: str
    day: str
    first_day: str
    last_day: str
    problem: str


@router.get("/office/accounts/{account_id}/agreements/{agreement_id}/close")
def ask_close(
    account_id: int,
    agreement_id: int,
    visit: Annotated[
        Visit,
        allowed("agreement.change", action="agreement.prepare", object_kind="agreement", object_from="agreement_id"),
    ],
) -> Response:
    """Ask for the last day of an agreement."""
    account = _account(visit, account_id)
    return visit.show(_page(visit, account, agreement=_agreement(visit, account_id, agreement_id)))


@router.post("/office/accounts/{account_id}/agreements/{agreement_id}/close")
def close(
    account_id: int,
    agreement_id: int,
    visit: Annotated[
        Visit,
        allowed("agreement.change", action="agreement.close", object_kind="agreement", object_from="agreement_id"),
    ],
    day: Annotated[date, Form()],
) -> Response:
    """End an agreement at the end of a day; its roles at the point end with it."""
    account = _account(visit, account_id)
    agreement = _agreement(visit, account_id, agreement_id)
    at = _midnight(visit, day + timedelta(days=1))
    if not agreement.valid_from < at or not _is_near(visit, day):
        problem = visit.translate("Choose a day of the last two months, after the agreement began.")
        return visit.show(_page(visit, account, agreement=agreement, problem=problem), status=400)
    registry_operations.close_agreement(visit.conn, utility_id=visit.utility_id, agreement_id=agreement_id, at=at)
    for role in ("user", "payer"):
        registry_operations.end_party_at_point(
            visit.conn, utility_id=visit.utility_id, point_id=agreement.point_id, role=role, at=at
        )
    visit.concerns(day=day.isoformat(), point_number=agreement.point_number)
    return visit.go(f"/office/customers/{account.party_id}", said="agreement-closed")


@router.get("/office/accounts/{account_id}/agreements/new")
def ask_open(
    account_id: int,
    visit: Annotated[
        Visit, allowed("agreement.change", action="agreement.prepare", object_kind="account", object_from="account_id")
    ],
) -> Response:
    """Ask which point the customer moves into, and from which day."""
    return visit.show(_page(visit, _account(visit, account_id), agreement=None))


@router.post("/office/accounts/{account_id}/agreements")
def open_one(
    account_id: int,
    visit: Annotated[
        Visit, allowed("agreement.change", action="agreement.open", object_kind="account", object_from="account_id")
    ],
    point_number: Annotated[str, Form(max_length=64)],
    day: Annotated[date, Form()],
) -> Response:
    """Begin an agreement at a point, by the tariff and size that the point had before."""
    account = _account(visit, account_id)
    before = _last_at_point(visit, clean(point_number))
    if before is None or not _is_near(visit, day):
        problem = visit.translate("No such point, or the day is too far away.")
        page = _page(visit, account, agreement=None, problem=problem, point_number=point_number)
        return visit.show(page, status=400)
    at = _midnight(visit, day)
    scope = {"utility_id": visit.utility_id, "point_id": before.point_id}
    try:
        with visit.conn.transaction():
            agreement_id = registry_operations.open_agreement(
                visit.conn,
                **scope,
                account_id=account_id,
                tariff_code=before.tariff_code,
                customer_class=before.customer_class,
                size_mm=before.size_mm,
                capacity_a=before.capacity_a,
                at=at,
            )
    except registry_operations.AgreementOverlaps:
        problem = visit.translate("The point has an agreement on that day; close it first.")
        page = _page(visit, account, agreement=None, problem=problem, point_number=point_number)
        return visit.show(page, status=409)
    for role in ("user", "payer"):
        registry_operations.set_party_at_point(visit.conn, **scope, party_id=account.party_id, role=role, at=at)
    visit.concerns(agreement_id=agreement_id, point_number=before.point_number, day=day.isoformat())
    return visit.go(f"/office/customers/{account.party_id}", said="agreement-opened")


def _account(visit: Visit, account_id: int) -> Account:
    account = registry_queries.account(visit.conn, utility_id=visit.utility_id, account_id=account_id)
    visit.concerns(party_id=account.party_id)
    return account


def _agreement(visit: Visit, account_id: int, agreement_id: int) -> Agreement:
    """:raises NotFound: if it is not one of the account's that lasts"""
    for one in registry_queries.agreements_of_account(visit.conn, utility_id=visit.utility_id, account_id=account_id):
        if one.agreement_id == agreement_id and one.valid_to is None:
            return one
    raise NotFound(f"agreement {agreement_id} is not one of account {account_id}")


def _last_at_point(visit: Visit, point_number: str) -> Agreement | None:
    """Give the newest agreement of the point with this number."""
    try:
        point = registry_queries.point_by_number(visit.conn, utility_id=visit.utility_id, point_number=point_number)
    except registry_queries.PointUnknown:
        return None
    found = registry_queries.agreements_of_point(visit.conn, utility_id=visit.utility_id, point_id=point.point_id)
    return max(found, key=lambda one: one.valid_from, default=None)


def _midnight(visit: Visit, day: date) -> datetime:
    return datetime.combine(day, time(), visit.utility.zone)


def _is_near(visit: Visit, day: date) -> bool:
    today = local_date(visit.now, zone=visit.utility.zone)
    return today - timedelta(days=BACK_DAYS) <= day <= today + timedelta(days=BACK_DAYS)


def _page(
    visit: Visit, account: Account, *, agreement: Agreement | None, problem: str = "", point_number: str = ""
) -> MovePage:
    party = registry_queries.party(visit.conn, utility_id=visit.utility_id, party_id=account.party_id)
    today = local_date(visit.now, zone=visit.utility.zone)
    return MovePage(
        name=party.name,
        back=f"/office/customers/{account.party_id}",
        account_id=account.account_id,
        account_number=account.account_number,
        agreement_id=agreement.agreement_id if agreement else 0,
        point_number=agreement.point_number if agreement else point_number,
        tariff=agreement.tariff_code if agreement else "",
        day=today.isoformat(),
        first_day=(today - timedelta(days=BACK_DAYS)).isoformat(),
        last_day=(today + timedelta(days=BACK_DAYS)).isoformat(),
        problem=problem,
    )
