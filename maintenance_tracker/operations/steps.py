"""What crews and customers do with a ticket. Each step holds the ticket's row, is checked, and is on the timeline."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from maintenance_tracker.domain.kinds import policy
from maintenance_tracker.domain.states import CrewMismatch, RepairNotQuiet, Step, TicketTaken, after, check_reopen
from maintenance_tracker.operations.opening import utility_of
from maintenance_tracker.operations.rebasing import ask_rebase
from maintenance_tracker.operations.telling import NoticeKind, tell_customers, tell_screens
from maintenance_tracker.store import crews, incidents, tickets, timeline
from maintenance_tracker.store.tickets import Ticket, TicketUnknown
from registry import queries as registry


def take_ticket(
    conn: Connection[TupleRow], *, utility_id: int, ticket_id: int, login_id: int, actor: str, at: datetime
) -> Ticket:
    """Take a ticket for the login's crew. Of two crews one wins; taking one's own ticket again changes nothing.

    :raises TicketTaken: if another crew has it
    :raises StepRefused: if it is not open
    :raises CrewMissing: if the login belongs to no crew
    :raises TicketUnknown: if there is no such ticket
    """
    crew = crews.crew_of_login(conn, utility_id=utility_id, login_id=login_id)
    ticket = _hold(conn, utility_id=utility_id, ticket_id=ticket_id)
    if ticket.state in ("taken", "started"):
        if ticket.crew_id == crew.crew_id:
            return ticket
        raise TicketTaken(f"ticket {ticket.ticket_number} was taken by {ticket.crew_name}; choose another")
    moved = replace(_moved(ticket, step="take"), crew_id=crew.crew_id, crew_name=crew.name, taken_at=at)
    detail = {"crew": crew.name}
    return _write(conn, utility_id=utility_id, ticket=moved, entry="taken", actor=actor, at=at, detail=detail)


def release_ticket(
    conn: Connection[TupleRow], *, utility_id: int, ticket_id: int, login_id: int, note: str, actor: str, at: datetime
) -> Ticket:
    """Give a ticket back, so that another crew may take it.

    :raises CrewMismatch: if the login's crew does not have it
    :raises StepRefused: if it is neither taken nor started
    """
    ticket = _held_by_crew(conn, utility_id=utility_id, ticket_id=ticket_id, login_id=login_id, step="release")
    moved = replace(_moved(ticket, step="release"), crew_id=None, crew_name=None, taken_at=None, started_at=None)
    return _write(conn, utility_id=utility_id, ticket=moved, entry="released", actor=actor, at=at, note=note)


def start_ticket(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    ticket_id: int,
    login_id: int,
    actor: str,
    at: datetime,
    client_id: UUID | None = None,
) -> Ticket:
    """Begin the work and tell the customers. The same `client_id` again changes nothing.

    :raises CrewMismatch: if the login's crew does not have the ticket
    :raises StepRefused: if it is not taken
    """
    ticket = _hold(conn, utility_id=utility_id, ticket_id=ticket_id)  # first: the same step sent twice at once waits
    if client_id is not None and timeline.is_known(conn, utility_id=utility_id, client_id=client_id):
        return ticket
    ticket = _held_by_crew(conn, utility_id=utility_id, ticket_id=ticket_id, login_id=login_id, step="start")
    moved = replace(_moved(ticket, step="start"), started_at=at)
    written = _write(
        conn, utility_id=utility_id, ticket=moved, entry="started", actor=actor, at=at, client_id=client_id
    )
    _tell_all(conn, utility_id=utility_id, ticket=written, kind="repair.started", at=at)
    return written


def promise(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    ticket_id: int,
    promised_at: datetime,
    note: str,
    actor: str,
    at: datetime,
) -> Ticket:
    """Promise another time; earlier or later, everyone concerned sees it at once.

    :raises StepRefused: if the ticket is no longer at work
    """
    ticket = _hold(conn, utility_id=utility_id, ticket_id=ticket_id)
    moved = replace(_moved(ticket, step="promise"), promised_at=promised_at)
    before = None if ticket.promised_at is None else ticket.promised_at.isoformat()
    detail = {"promised_at": promised_at.isoformat(), "before": before}
    return _write(
        conn, utility_id=utility_id, ticket=moved, entry="promised", actor=actor, at=at, note=note, detail=detail
    )


def add_note(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    ticket_id: int,
    note: str,
    public: bool,
    client_id: UUID | None,
    actor: str,
    at: datetime,
) -> bool:
    """Add a note, in any state; False if the one with this `client_id` was added before.

    :raises TicketUnknown: if there is no such ticket
    """
    ticket = _hold(conn, utility_id=utility_id, ticket_id=ticket_id)
    added = timeline.add(
        conn,
        utility_id=utility_id,
        ticket_id=ticket_id,
        kind="note",
        at=at,
        actor=actor,
        note=note,
        public=public,
        detail={},
        client_id=client_id,
    )
    if added:
        tell_screens(conn, utility_id=utility_id, ticket=ticket, at=at)
    return added


def finish_ticket(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    ticket_id: int,
    login_id: int,
    cause: str,
    actor: str,
    at: datetime,
    client_id: UUID | None = None,
) -> Ticket:
    """Say that the work is done, and what the cause was; the customers are told. The same `client_id` changes nothing.

    :raises CrewMismatch: if the login's crew does not have the ticket
    :raises StepRefused: if the work was not started
    """
    ticket = _hold(conn, utility_id=utility_id, ticket_id=ticket_id)  # first: the same step sent twice at once waits
    if client_id is not None and timeline.is_known(conn, utility_id=utility_id, client_id=client_id):
        return ticket
    ticket = _held_by_crew(conn, utility_id=utility_id, ticket_id=ticket_id, login_id=login_id, step="finish")
    moved = replace(_moved(ticket, step="finish"), finished_at=at)
    written = _write(
        conn, utility_id=utility_id, ticket=moved, entry="finished", actor=actor, at=at, note=cause, client_id=client_id
    )
    _tell_all(conn, utility_id=utility_id, ticket=written, kind="repair.finished", at=at)
    if written.incident_id is not None:
        ask_rebase(conn, utility_id=utility_id, incident_id=written.incident_id, at=at)
    return written


def confirm_repair(
    conn: Connection[TupleRow], *, utility_id: int, ticket_id: int, party_id: int, actor: str, at: datetime
) -> Ticket:
    """Let a customer confirm that the repair holds, which closes the ticket; the first one's word is enough.

    :raises TicketUnknown: if the ticket concerns none of the party's points
    :raises RepairNotQuiet: if readings still show the trouble
    :raises StepRefused: if the crew has not finished
    """
    ticket = _hold(conn, utility_id=utility_id, ticket_id=ticket_id)
    _check_party(conn, utility_id=utility_id, ticket=ticket, party_id=party_id, at=at)
    moved = replace(_moved(ticket, step="confirm"), closed_at=at)
    if not ticket.quiet:
        raise RepairNotQuiet(
            f"ticket {ticket.ticket_number} cannot be confirmed: meters still show the trouble; wait for readings"
        )
    return _write(
        conn, utility_id=utility_id, ticket=moved, entry="confirmed", actor=actor, at=at, detail={"party_id": party_id}
    )


def reopen_ticket(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    ticket_id: int,
    party_id: int | None,
    note: str,
    actor: str,
    at: datetime,
) -> Ticket:
    """Say that the trouble is still there or came back; any crew may take the ticket again. `party_id` None: by staff.

    :raises TicketUnknown: if the ticket concerns none of the party's points
    :raises ReopenTooLate: if the repair was finished more than three days ago
    :raises StepRefused: if the crew has not finished
    """
    ticket = _hold(conn, utility_id=utility_id, ticket_id=ticket_id)
    if party_id is not None:
        _check_party(conn, utility_id=utility_id, ticket=ticket, party_id=party_id, at=at)
    moved = _moved(ticket, step="reopen")
    check_reopen(finished_at=ticket.finished_at, at=at, ticket_number=ticket.ticket_number)
    return write_reopened(conn, utility_id=utility_id, ticket=moved, note=note, actor=actor, at=at, detail={})


def cancel_ticket(
    conn: Connection[TupleRow], *, utility_id: int, ticket_id: int, reason: str, actor: str, at: datetime
) -> Ticket:
    """Drop a ticket on which no work has begun.

    :raises StepRefused: if work has begun
    """
    ticket = _hold(conn, utility_id=utility_id, ticket_id=ticket_id)
    moved = replace(_moved(ticket, step="cancel"), closed_at=at)
    return _write(conn, utility_id=utility_id, ticket=moved, entry="cancelled", actor=actor, at=at, note=reason)


def write_reopened(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    ticket: Ticket,
    note: str,
    actor: str,
    at: datetime,
    detail: Mapping[str, Any],
) -> Ticket:
    """Write a ticket as open again, with a new promise; the timeline keeps the first repair."""
    rule = policy(ticket.kind, settings=utility_of(conn, utility_id=utility_id).settings)
    moved = replace(
        ticket,
        state="open",
        crew_id=None,
        crew_name=None,
        promised_at=at + rule.promise,
        taken_at=None,
        started_at=None,
        finished_at=None,
        closed_at=None,
    )
    told = {**detail, "promised_at": (at + rule.promise).isoformat()}
    return _write(
        conn, utility_id=utility_id, ticket=moved, entry="reopened", actor=actor, at=at, note=note, detail=told
    )


def write_merged(
    conn: Connection[TupleRow], *, utility_id: int, ticket: Ticket, into: Ticket, actor: str, at: datetime
) -> Ticket:
    """Close a ticket whose trouble is another ticket's; one on which work has begun goes on, and names the other."""
    detail: Mapping[str, Any]
    if ticket.state not in ("open", "taken"):
        detail = {"code": "part_of", "ticket_id": into.ticket_id, "ticket_number": into.ticket_number}
        return _write(conn, utility_id=utility_id, ticket=ticket, entry="note", actor=actor, at=at, detail=detail)
    moved = replace(ticket, state="cancelled", closed_at=at)
    detail = {"code": "merged_into", "ticket_id": into.ticket_id, "ticket_number": into.ticket_number}
    return _write(conn, utility_id=utility_id, ticket=moved, entry="cancelled", actor=actor, at=at, detail=detail)


def _hold(conn: Connection[TupleRow], *, utility_id: int, ticket_id: int) -> Ticket:
    tickets.hold(conn, utility_id=utility_id, ticket_id=ticket_id)
    return tickets.ticket(conn, utility_id=utility_id, ticket_id=ticket_id)


def _held_by_crew(conn: Connection[TupleRow], *, utility_id: int, ticket_id: int, login_id: int, step: Step) -> Ticket:
    crew = crews.crew_of_login(conn, utility_id=utility_id, login_id=login_id)
    ticket = _hold(conn, utility_id=utility_id, ticket_id=ticket_id)
    after(step, state=ticket.state, ticket_number=ticket.ticket_number)
    if ticket.crew_id != crew.crew_id:
        raise CrewMismatch(f"ticket {ticket.ticket_number} belongs to {ticket.crew_name}; only they can {step} it")
    return ticket


def _moved(ticket: Ticket, *, step: Step) -> Ticket:
    return replace(ticket, state=after(step, state=ticket.state, ticket_number=ticket.ticket_number))


def _check_party(conn: Connection[TupleRow], *, utility_id: int, ticket: Ticket, party_id: int, at: datetime) -> None:
    own = {p.point_id for p in registry.points_of_party(conn, utility_id=utility_id, party_id=party_id, at=at)}
    if own.isdisjoint(tickets.point_ids(conn, utility_id=utility_id, ticket_id=ticket.ticket_id)):
        raise TicketUnknown(f"there is no ticket {ticket.ticket_id}; look it up in the list of tickets")


def _write(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    ticket: Ticket,
    entry: timeline.EntryKind,
    actor: str,
    at: datetime,
    note: str = "",
    detail: Mapping[str, Any] | None = None,
    client_id: UUID | None = None,
) -> Ticket:
    tickets.set_state(conn, utility_id=utility_id, ticket=ticket)
    if ticket.incident_id is not None:
        incidents.set_closed(conn, utility_id=utility_id, incident_id=ticket.incident_id, closed_at=ticket.closed_at)
    timeline.add(
        conn,
        utility_id=utility_id,
        ticket_id=ticket.ticket_id,
        kind=entry,
        at=at,
        actor=actor,
        note=note,
        public=True,
        detail=detail or {},
        client_id=client_id,
    )
    tell_screens(conn, utility_id=utility_id, ticket=ticket, at=at)
    return ticket


def _tell_all(conn: Connection[TupleRow], *, utility_id: int, ticket: Ticket, kind: NoticeKind, at: datetime) -> None:
    point_ids = tickets.point_ids(conn, utility_id=utility_id, ticket_id=ticket.ticket_id)
    tell_customers(conn, utility_id=utility_id, ticket=ticket, kind=kind, point_ids=point_ids, more={}, at=at)
