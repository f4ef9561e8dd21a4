"""Incidents: one fault in the world, with its findings, the points it touches and where it is likely to lie."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Form
from starlette.responses import Response

from customer_app import incident_pages
from customer_app.dependencies import allowed
from customer_app.incident_pages import Incident
from customer_app.rendering import Page
from customer_app.tickets import TicketLine
from customer_app.visit import Visit
from kernel.text import clean
from maintenance_tracker import operations as tracker_operations

router = APIRouter()


@dataclass(frozen=True, slots=True)
class IncidentsPage(Page):
    TEMPLATE: ClassVar[str] = "operator/incidents.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {"list": "operator/_incident_list.html"}
    ACTIVE: ClassVar[str] = "/operator/incidents"

    incidents: tuple[TicketLine, ...]

    def topics(self) -> tuple[str, ...]:
        return ("tickets",)


@dataclass(frozen=True, slots=True)
class IncidentPage(Page):
    TEMPLATE: ClassVar[str] = "operator/incident.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {"now": "operator/_incident_now.html"}
    ACTIVE: ClassVar[str] = "/operator/incidents"

    incident: Incident
    may_judge: bool

    def topics(self) -> tuple[str, ...]:
        return ("tickets",)


@router.get("/operator/incidents")
def index(visit: Annotated[Visit, allowed("anomaly.view", action="incident.list")]) -> Response:
    """List the incidents that are not over."""
    return visit.show(IncidentsPage(incidents=incident_pages.listed(visit)))


@router.get("/operator/incidents/{ticket_id}")
def show(
    ticket_id: int,
    visit: Annotated[
        Visit, allowed("anomaly.view", action="incident.view", object_kind="ticket", object_from="ticket_id")
    ],
) -> Response:
    """Show one incident."""
    page = IncidentPage(
        incident=incident_pages.incident(visit, ticket_id=ticket_id), may_judge=visit.may("anomaly.judge")
    )
    return visit.show(page)


@router.post("/operator/incidents/{ticket_id}/merge")
def merge(
    ticket_id: int,
    visit: Annotated[
        Visit, allowed("anomaly.judge", action="incident.merge", object_kind="ticket", object_from="ticket_id")
    ],
    into: Annotated[int, Form()],
) -> Response:
    """Say that this incident is part of another."""
    visit.concerns(into=into)
    tracker_operations.merge_tickets(
        visit.conn, utility_id=visit.utility_id, ticket_id=ticket_id, into=into, actor=visit.actor, at=visit.now
    )
    return visit.go(f"/operator/incidents/{into}", said="incidents-merged")


@router.post("/operator/incidents/{ticket_id}/split")
def split(
    ticket_id: int,
    visit: Annotated[
        Visit, allowed("anomaly.judge", action="incident.split", object_kind="ticket", object_from="ticket_id")
    ],
    anomaly_ids: Annotated[list[int], Form(min_length=1, max_length=1000)],
) -> Response:
    """Say that some of the findings are another fault."""
    visit.concerns(anomaly_ids=anomaly_ids)
    new = tracker_operations.split_ticket(
        visit.conn,
        utility_id=visit.utility_id,
        ticket_id=ticket_id,
        anomaly_ids=anomaly_ids,
        actor=visit.actor,
        at=visit.now,
    )
    return visit.go(f"/operator/incidents/{new.ticket_id}", said="incident-split")


@router.post("/operator/incidents/{ticket_id}/reopen")
def reopen(
    ticket_id: int,
    visit: Annotated[
        Visit, allowed("anomaly.judge", action="incident.reopen", object_kind="ticket", object_from="ticket_id")
    ],
    note: Annotated[str, Form(min_length=1, max_length=1000)],
) -> Response:
    """Say that the fault is still there; any crew may take the ticket again."""
    tracker_operations.reopen_ticket(
        visit.conn,
        utility_id=visit.utility_id,
        ticket_id=ticket_id,
        party_id=None,
        note=clean(note),
        actor=visit.actor,
        at=visit.now,
    )
    return visit.go(f"/operator/incidents/{ticket_id}", said="incident-reopened")
