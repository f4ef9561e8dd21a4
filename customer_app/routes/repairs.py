"""Repairs that touch my supply: one timeline, live, and my word whether it works again."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Form
from starlette.responses import Response

from customer_app import repairs
from customer_app.dependencies import allowed
from customer_app.rendering import Page
from customer_app.repairs import RepairDetail, RepairSummary, WorkRow
from customer_app.visit import Visit
from kernel.text import clean
from maintenance_tracker import operations as tracker_operations

router = APIRouter()


@dataclass(frozen=True, slots=True)
class RepairsPage(Page):
    TEMPLATE: ClassVar[str] = "repairs/list.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {"all": "repairs/_all.html"}
    ACTIVE: ClassVar[str] = "/repairs"

    repairs: tuple[RepairSummary, ...]
    over: tuple[RepairSummary, ...]
    works: tuple[WorkRow, ...]

    def topics(self) -> tuple[str, ...]:
        return ("repairs",)


@dataclass(frozen=True, slots=True)
class RepairPage(Page):
    TEMPLATE: ClassVar[str] = "repairs/show.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {"repair": "repairs/_repair.html"}
    ACTIVE: ClassVar[str] = "/repairs"

    repair: RepairDetail

    def topics(self) -> tuple[str, ...]:
        return ("repairs",)


@router.get("/repairs")
def index(
    visit: Annotated[Visit, allowed("repair.view_own", action="ticket.list_own", object_kind="party")],
) -> Response:
    """List repairs and planned works at the customer's points."""
    visit.concerns(object_id=visit.own_party_id)
    under_way, over = repairs.listed(visit)
    return visit.show(RepairsPage(repairs=under_way, over=over, works=repairs.planned(visit)))


@router.get("/repairs/{ticket_id}")
def show(
    ticket_id: int,
    visit: Annotated[
        Visit, allowed("repair.view_own", action="ticket.view_own", object_kind="ticket", object_from="ticket_id")
    ],
) -> Response:
    """Show one repair with its timeline."""
    return visit.show(RepairPage(repair=repairs.detail(visit, ticket_id=ticket_id)))


@router.post("/repairs/{ticket_id}/confirm")
def confirm(
    ticket_id: int,
    visit: Annotated[
        Visit, allowed("repair.view_own", action="ticket.confirm", object_kind="ticket", object_from="ticket_id")
    ],
) -> Response:
    """Take the customer's word that it works again; the ticket is closed."""
    tracker_operations.confirm_repair(
        visit.conn,
        utility_id=visit.utility_id,
        ticket_id=ticket_id,
        party_id=visit.own_party_id,
        actor=visit.actor,
        at=visit.now,
    )
    return visit.go(f"/repairs/{ticket_id}", said="confirmed")


@router.post("/repairs/{ticket_id}/reopen")
def reopen(
    ticket_id: int,
    visit: Annotated[
        Visit, allowed("repair.view_own", action="ticket.reopen", object_kind="ticket", object_from="ticket_id")
    ],
    note: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Take the customer's word that it is still broken; a crew comes again."""
    tracker_operations.reopen_ticket(
        visit.conn,
        utility_id=visit.utility_id,
        ticket_id=ticket_id,
        party_id=visit.own_party_id,
        note=clean(note),
        actor=visit.actor,
        at=visit.now,
    )
    return visit.go(f"/repairs/{ticket_id}", said="reopened")
