"""Tickets for the field's programs, as JSON: the list, and the same steps as the crew's pages."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from customer_app import tickets
from customer_app.dependencies import allowed
from customer_app.visit import Visit
from maintenance_tracker import operations as tracker_operations

router = APIRouter()


class Step(BaseModel):
    """What may come with a step; the id is made where the step was taken, so that sending it twice is harmless."""

    note: str = Field(default="", max_length=2000)
    client_id: UUID | None = None
    public: bool = True


@router.get("/api/crew/tickets")
def index(visit: Annotated[Visit, allowed("ticket.view", action="ticket.list")]) -> Response:
    """List the tickets at work or finished and not yet confirmed."""
    return JSONResponse(tickets.for_robots(visit))


@router.post("/api/crew/tickets/{ticket_id}/take")
def take(
    ticket_id: int,
    visit: Annotated[
        Visit, allowed("ticket.work", action="ticket.take", object_kind="ticket", object_from="ticket_id")
    ],
) -> Response:
    """Take the ticket for one's crew."""
    scope = {"utility_id": visit.utility_id, "ticket_id": ticket_id, "login_id": visit.signed_in.login_id}
    done = tracker_operations.take_ticket(visit.conn, **scope, actor=visit.actor, at=visit.now)
    return _answer(done.ticket_id, done.state)


@router.post("/api/crew/tickets/{ticket_id}/start")
def start(
    ticket_id: int,
    visit: Annotated[
        Visit, allowed("ticket.work", action="ticket.start", object_kind="ticket", object_from="ticket_id")
    ],
    step: Step,
) -> Response:
    """Begin the work."""
    scope = {"utility_id": visit.utility_id, "ticket_id": ticket_id, "login_id": visit.signed_in.login_id}
    done = tracker_operations.start_ticket(
        visit.conn, **scope, actor=visit.actor, at=visit.now, client_id=step.client_id
    )
    return _answer(done.ticket_id, done.state)


@router.post("/api/crew/tickets/{ticket_id}/note")
def note(
    ticket_id: int,
    visit: Annotated[
        Visit, allowed("ticket.work", action="ticket.note", object_kind="ticket", object_from="ticket_id")
    ],
    step: Step,
) -> Response:
    """Add a note; `added` is false where it came before."""
    added = tracker_operations.add_note(
        visit.conn,
        utility_id=visit.utility_id,
        ticket_id=ticket_id,
        note=step.note,
        public=step.public,
        client_id=step.client_id,
        actor=visit.actor,
        at=visit.now,
    )
    return JSONResponse({"ticket_id": ticket_id, "added": added})


@router.post("/api/crew/tickets/{ticket_id}/finish")
def finish(
    ticket_id: int,
    visit: Annotated[
        Visit, allowed("ticket.work", action="ticket.finish", object_kind="ticket", object_from="ticket_id")
    ],
    step: Step,
) -> Response:
    """Say that the work is done; the note tells the cause."""
    scope = {"utility_id": visit.utility_id, "ticket_id": ticket_id, "login_id": visit.signed_in.login_id}
    done = tracker_operations.finish_ticket(
        visit.conn, **scope, cause=step.note, actor=visit.actor, at=visit.now, client_id=step.client_id
    )
    return _answer(done.ticket_id, done.state)


def _answer(ticket_id: int, state: str) -> Response:
    return JSONResponse({"ticket_id": ticket_id, "state": state})
