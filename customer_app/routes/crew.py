"""The crew's phone: tickets in the order of need, and one ticket with its big buttons."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, ClassVar
from uuid import UUID, uuid4

from fastapi import APIRouter, Form
from starlette.responses import Response

from customer_app import tickets
from customer_app.dependencies import allowed
from customer_app.rendering import Page
from customer_app.tickets import Ticket, TicketLine
from customer_app.visit import Visit
from kernel.i18n import mark
from maintenance_tracker import operations as tracker_operations
from maintenance_tracker.operations import CrewMismatch, CrewMissing, StepRefused, TicketTaken

router = APIRouter()

PROMISES_H = (2, 4, 8, 24)
CAUSES = (
    mark("Pipe burst: clamp set"),
    mark("Joint leaked: renewed"),
    mark("Meter changed"),
    mark("Wire or clamp tightened"),
    mark("Transformer set right"),
    mark("Customer's own tap or pipe"),
    mark("Nothing found"),
)


@dataclass(frozen=True, slots=True)
class TicketsPage(Page):
    TEMPLATE: ClassVar[str] = "crew/tickets.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {"list": "crew/_list.html"}
    ACTIVE: ClassVar[str] = "/crew"

    mine: tuple[TicketLine, ...]
    waiting: tuple[TicketLine, ...]
    others: tuple[TicketLine, ...]
    done: tuple[TicketLine, ...]
    crew_missing: bool

    def topics(self) -> tuple[str, ...]:
        return ("tickets",)


@dataclass(frozen=True, slots=True)
class Promise:
    hours: int
    label: str


@dataclass(frozen=True, slots=True)
class TicketPage(Page):
    TEMPLATE: ClassVar[str] = "crew/ticket.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {"now": "crew/_ticket_now.html"}
    ACTIVE: ClassVar[str] = "/crew"

    ticket: Ticket
    may_work: bool
    problem: str
    client_id: str
    promises: tuple[Promise, ...]
    promise_at: str
    causes: tuple[str, ...]

    def topics(self) -> tuple[str, ...]:
        return ("tickets",)


@router.get("/crew")
def index(visit: Annotated[Visit, allowed("ticket.view", action="ticket.list")]) -> Response:
    """List the tickets: the crew's own first, then those to take."""
    crew_id = tickets.own_crew_id(visit)
    own, found = set[int](), tickets.lines(visit)
    if crew_id is not None:
        own = tickets.ids_of_crew(visit, crew_id=crew_id)
    page = TicketsPage(
        mine=tuple(one for one in found if one.ticket_id in own and one.state in ("taken", "started")),
        waiting=tuple(one for one in found if one.state == "open"),
        others=tuple(one for one in found if one.ticket_id not in own and one.state in ("taken", "started")),
        done=tuple(one for one in found if one.state == "finished"),
        crew_missing=crew_id is None and visit.may("ticket.work"),
    )
    return visit.show(page)


@router.get("/crew/tickets/{ticket_id}")
def show(
    ticket_id: int,
    visit: Annotated[
        Visit, allowed("ticket.view", action="ticket.view", object_kind="ticket", object_from="ticket_id")
    ],
) -> Response:
    """Show one ticket."""
    return visit.show(_page(visit, ticket_id=ticket_id))


@router.post("/crew/tickets/{ticket_id}/take")
def take(
    ticket_id: int,
    visit: Annotated[
        Visit, allowed("ticket.work", action="ticket.take", object_kind="ticket", object_from="ticket_id")
    ],
) -> Response:
    """Take the ticket for one's crew."""
    scope = {"utility_id": visit.utility_id, "ticket_id": ticket_id, "login_id": visit.signed_in.login_id}
    try:
        tracker_operations.take_ticket(visit.conn, **scope, actor=visit.actor, at=visit.now)
    except (StepRefused, CrewMissing) as error:
        return _refused(visit, ticket_id=ticket_id, error=error)
    return visit.go(f"/crew/tickets/{ticket_id}", said="ticket-taken")


@router.post("/crew/tickets/{ticket_id}/start")
def start(
    ticket_id: int,
    visit: Annotated[
        Visit, allowed("ticket.work", action="ticket.start", object_kind="ticket", object_from="ticket_id")
    ],
    client_id: Annotated[UUID | None, Form()] = None,
) -> Response:
    """Begin the work; the customers concerned are told."""
    scope = {"utility_id": visit.utility_id, "ticket_id": ticket_id, "login_id": visit.signed_in.login_id}
    try:
        tracker_operations.start_ticket(visit.conn, **scope, actor=visit.actor, at=visit.now, client_id=client_id)
    except (StepRefused, CrewMissing) as error:
        return _refused(visit, ticket_id=ticket_id, error=error)
    return visit.go(f"/crew/tickets/{ticket_id}", said="ticket-started")


@router.post("/crew/tickets/{ticket_id}/release")
def release(
    ticket_id: int,
    visit: Annotated[
        Visit, allowed("ticket.work", action="ticket.release", object_kind="ticket", object_from="ticket_id")
    ],
    note: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Give the ticket back, so that another crew may take it."""
    scope = {"utility_id": visit.utility_id, "ticket_id": ticket_id, "login_id": visit.signed_in.login_id}
    try:
        tracker_operations.release_ticket(visit.conn, **scope, note=note.strip(), actor=visit.actor, at=visit.now)
    except (StepRefused, CrewMissing) as error:
        return _refused(visit, ticket_id=ticket_id, error=error)
    return visit.go("/crew", said="ticket-released")


@router.post("/crew/tickets/{ticket_id}/note")
def note(
    ticket_id: int,
    visit: Annotated[
        Visit, allowed("ticket.work", action="ticket.note", object_kind="ticket", object_from="ticket_id")
    ],
    note: Annotated[str, Form(min_length=1, max_length=2000)],
    client_id: Annotated[UUID | None, Form()] = None,
    private: Annotated[bool, Form()] = False,
) -> Response:
    """Add a note; unless it is for staff only, the customers concerned read it too."""
    tracker_operations.add_note(
        visit.conn,
        utility_id=visit.utility_id,
        ticket_id=ticket_id,
        note=note.strip(),
        public=not private,
        client_id=client_id,
        actor=visit.actor,
        at=visit.now,
    )
    return visit.go(f"/crew/tickets/{ticket_id}", said="saved")


@router.post("/crew/tickets/{ticket_id}/promise")
def promise(
    ticket_id: int,
    visit: Annotated[
        Visit, allowed("ticket.work", action="ticket.promise", object_kind="ticket", object_from="ticket_id")
    ],
    hours: Annotated[int | None, Form(ge=1, le=24 * 60)] = None,
    promised_at: Annotated[str, Form(max_length=40)] = "",
    note: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Promise a time by which it will be mended: hours from now, or a time on the utility's clock."""
    at = visit.now + timedelta(hours=hours) if hours else _local(visit, promised_at)
    if at is None or at <= visit.now:
        return visit.show(
            _page(visit, ticket_id=ticket_id, problem=visit.translate("Choose a time that is still to come.")),
            status=400,
        )
    try:
        tracker_operations.promise(
            visit.conn,
            utility_id=visit.utility_id,
            ticket_id=ticket_id,
            promised_at=at,
            note=note.strip(),
            actor=visit.actor,
            at=visit.now,
        )
    except StepRefused as error:
        return _refused(visit, ticket_id=ticket_id, error=error)
    return visit.go(f"/crew/tickets/{ticket_id}", said="ticket-promised")


@router.post("/crew/tickets/{ticket_id}/finish")
def finish(
    ticket_id: int,
    visit: Annotated[
        Visit, allowed("ticket.work", action="ticket.finish", object_kind="ticket", object_from="ticket_id")
    ],
    cause: Annotated[str, Form(max_length=2000)] = "",
    more: Annotated[str, Form(max_length=2000)] = "",
    client_id: Annotated[UUID | None, Form()] = None,
) -> Response:
    """Say that the work is done and what the cause was; the customers are told and confirm."""
    told = " ".join(part.strip() for part in (cause, more) if part.strip())
    if not told:
        problem = visit.translate("Say what the cause was: choose one or write it.")
        return visit.show(_page(visit, ticket_id=ticket_id, problem=problem), status=400)
    scope = {"utility_id": visit.utility_id, "ticket_id": ticket_id, "login_id": visit.signed_in.login_id}
    try:
        tracker_operations.finish_ticket(
            visit.conn, **scope, cause=told, actor=visit.actor, at=visit.now, client_id=client_id
        )
    except (StepRefused, CrewMissing) as error:
        return _refused(visit, ticket_id=ticket_id, error=error)
    return visit.go("/crew", said="ticket-finished")


def _page(visit: Visit, *, ticket_id: int, problem: str = "") -> TicketPage:
    _ = visit.translate
    return TicketPage(
        ticket=tickets.ticket(visit, ticket_id=ticket_id),
        may_work=visit.may("ticket.work"),
        problem=problem,
        client_id=str(uuid4()),
        promises=tuple(Promise(hours, _("in %(n)s h", n=hours)) for hours in PROMISES_H),
        promise_at=visit.formats.local(visit.now + timedelta(hours=3)).strftime("%Y-%m-%dT%H:00"),
        causes=tuple(_(cause) for cause in CAUSES),
    )


def _refused(visit: Visit, *, ticket_id: int, error: Exception) -> Response:
    """Say kindly that somebody was faster, with the ticket as it stands now."""
    _ = visit.translate
    visit.concerns(refused=type(error).__name__)
    match error:
        case TicketTaken():
            crew = tickets.ticket(visit, ticket_id=ticket_id).line.crew
            problem = _("%(crew)s was a moment faster and has this ticket. Please choose another.", crew=crew)
        case CrewMismatch():
            problem = _("This ticket belongs to another crew.")
        case CrewMissing():
            problem = _("Your login belongs to no crew yet. Ask the office to put it into one.")
        case _:
            problem = _("The ticket has moved on meanwhile. This is how it stands now.")
    return visit.show(_page(visit, ticket_id=ticket_id, problem=problem), status=409)


def _local(visit: Visit, text: str) -> datetime | None:
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        return None
    return given if given.tzinfo else given.replace(tzinfo=visit.utility.zone)
