"""My details: who I am to the utility, my language, my password."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Form
from starlette.responses import Response

from customer_app import labels
from customer_app.dependencies import signed_in
from customer_app.rendering import Page
from customer_app.visit import SESSION_COOKIE, Visit
from kernel.clock import wall_now
from registry import operations as registry_operations
from registry import queries as registry_queries
from registry.operations import SignInRefused

router = APIRouter()

LEAST_PASSWORD_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of what the utility knows."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class MePage(Page):
    TEMPLATE: ClassVar[str] = "me/show.html"

    login_name: str
    display_name: str
    facts: tuple[Fact, ...]
    problem: str
    least_length: int


@router.get("/me")
def show(visit: Annotated[Visit, signed_in(action="login.view_own")]) -> Response:
    """Show what the utility knows of whoever is signed in."""
    return visit.show(_page(visit))


@router.post("/me/password")
def change_password(
    visit: Annotated[Visit, signed_in(action="login.change_password")],
    password: Annotated[str, Form(max_length=1000)],
    new_password: Annotated[str, Form(max_length=1000)],
    again: Annotated[str, Form(max_length=1000)],
) -> Response:
    """Change the password: the old one is asked for, and every other session of the login ends."""
    _ = visit.translate
    who = visit.signed_in
    if new_password != again:
        return visit.show(_page(visit, problem=_("The two new passwords are not the same.")), status=400)
    if len(new_password) < LEAST_PASSWORD_LENGTH:
        problem = _("The new password needs at least %(n)s characters.", n=LEAST_PASSWORD_LENGTH)
        return visit.show(_page(visit, problem=problem), status=400)
    proof = _sign_in(visit, password)
    if isinstance(proof, SignInRefused):
        return visit.show(_page(visit, problem=_("The old password is not right.")), status=403)
    registry_operations.change_password(
        visit.conn, utility_id=visit.utility_id, login_id=who.login_id, password=new_password
    )
    session = _sign_in(visit, new_password)
    assert not isinstance(session, SignInRefused), "the password was set a moment ago, in this transaction"
    response = visit.go("/me", said="password-changed")
    visit.set_cookie(response, SESSION_COOKIE, session.token)
    return response


def _sign_in(visit: Visit, password: str) -> registry_operations.NewSession | SignInRefused:
    return registry_operations.sign_in(
        visit.conn,
        utility_id=visit.utility_id,
        login_name=visit.signed_in.login_name,
        password=password,
        remote_address=visit.remote_address,
        wall_now=wall_now(),
    )


def _page(visit: Visit, *, problem: str = "") -> MePage:
    who = visit.signed_in
    return MePage(
        login_name=who.login_name,
        display_name=who.display_name,
        facts=_facts(visit),
        problem=problem,
        least_length=LEAST_PASSWORD_LENGTH,
    )


def _facts(visit: Visit) -> tuple[Fact, ...]:
    _ = visit.translate
    party_id = visit.signed_in.party_id
    if party_id is None:
        return ()
    visit.concerns(party_id=party_id, object_id=party_id)
    scope = {"utility_id": visit.utility_id, "party_id": party_id}
    party = registry_queries.party(visit.conn, **scope)
    points = registry_queries.points_of_party(visit.conn, **scope, at=visit.now)
    accounts = registry_queries.accounts_of_party(visit.conn, **scope)
    return (
        Fact(_("Name"), party.name),
        Fact(_("Customer number"), party.party_number),
        *(
            Fact(labels.service(_, point.service), f"{point.point_number}, {point.address} {point.building}")
            for point in points
        ),
        *(
            Fact(_("Account"), f"{account.account_number} ({_(labels.PAYMENT_METHODS[account.payment_method])})")
            for account in accounts
        ),
    )
