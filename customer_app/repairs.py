"""Repairs that touch a customer's supply, ready to print."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from customer_app import customers, labels, spoken
from customer_app.visit import Visit
from maintenance_tracker import queries as tracker_queries
from maintenance_tracker.queries import Entry, Ticket, TicketView
from registry import queries as registry_queries
from registry.queries import PlannedWork, PointOfParty

TOLD_AFTER = timedelta(days=60)
WORKS_TOLD = timedelta(days=7)
AT_WORK = frozenset({"open", "taken", "started"})
STEPS = ("open", "taken", "started", "finished")
LOOKS = {"finished": "is-good", "confirmed": "is-good", "reopened": "is-bad", "promised": "is-warn"}


@dataclass(frozen=True, slots=True)
class RepairSummary:
    """A repair in a list."""

    ticket_id: int
    number: str
    service: str
    title: str
    state: str
    look: str
    noticed: str
    expected: str
    late: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One of the four steps of a repair; `mark` is done, now or empty."""

    label: str
    mark: str


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One thing that happened."""

    at: str
    title: str
    expected: str
    text: str
    look: str


@dataclass(frozen=True, slots=True)
class RepairDetail:
    """One repair, all that its customers see."""

    summary: RepairSummary
    steps: tuple[Step, ...]
    rows: tuple[TimelineRow, ...]
    address: str
    homes: str
    said: str  # what is wrong, in one sentence
    can_answer: bool
    still_wrong: str


@dataclass(frozen=True, slots=True)
class WorkRow:
    """A planned work."""

    title: str
    when: str
    kind: str
    state: str
    look: str


def open_near(visit: Visit, *, points: list[PointOfParty]) -> tuple[RepairSummary, ...]:
    """List the repairs under way at the customer's points, those that wait for the customer's word included."""
    tickets = _tickets(visit, points=points, since=visit.now)
    return tuple(_summary(visit, ticket) for ticket in tickets if ticket.closed_at is None)


def listed(visit: Visit) -> tuple[tuple[RepairSummary, ...], tuple[RepairSummary, ...]]:
    """List the repairs under way, and those of the last weeks."""
    tickets = _tickets(visit, points=customers.own_points(visit), since=visit.now - TOLD_AFTER)
    under_way = tuple(_summary(visit, ticket) for ticket in tickets if ticket.closed_at is None)
    over = tuple(_summary(visit, ticket) for ticket in tickets if ticket.closed_at is not None)
    return under_way, over


def detail(visit: Visit, *, ticket_id: int) -> RepairDetail:
    """Lay one repair out.

    :raises TicketUnknown: if it touches none of the customer's points
    """
    view = tracker_queries.ticket_at_points(
        visit.conn, utility_id=visit.utility_id, ticket_id=ticket_id, point_ids=customers.own_point_ids(visit)
    )
    _ = visit.translate
    ticket = view.ticket
    return RepairDetail(
        summary=_summary(visit, ticket),
        steps=_steps(visit, ticket),
        rows=tuple(_row(visit, entry) for entry in reversed(view.entries)),
        address=_address(view),
        homes=_("%(n)s homes", n=ticket.affected) if ticket.affected > 1 else "",
        said=spoken.of_repair(visit, ticket=ticket, point_ids=customers.own_point_ids(visit)),
        can_answer=ticket.state == "finished",
        still_wrong=_("The meters still see the trouble; please wait a little before you confirm.")
        if ticket.state == "finished" and not ticket.quiet
        else "",
    )


def planned(visit: Visit, *, over_since: timedelta = WORKS_TOLD) -> tuple[WorkRow, ...]:
    """List works where the customer lives: to come, under way, and those over for no longer than this."""
    works = registry_queries.works_at_points(
        visit.conn, utility_id=visit.utility_id, point_ids=customers.own_point_ids(visit), at=visit.now
    )
    ended = [(work, work.finished_at or work.cancelled_at) for work in works]
    return tuple(work_row(visit, work) for work, at in ended if at is None or visit.now - at <= over_since)


def _tickets(visit: Visit, *, points: list[PointOfParty], since: datetime) -> list[Ticket]:
    return tracker_queries.tickets_of_points(
        visit.conn, utility_id=visit.utility_id, point_ids=[point.point_id for point in points], since=since
    )


def _summary(visit: Visit, ticket: Ticket) -> RepairSummary:
    _ = visit.translate
    state, look = labels.ticket_state(_, ticket.state)
    at_work = ticket.state in AT_WORK
    expected = ""
    if at_work and ticket.promised_at is not None:
        expected = _("Expected by %(at)s", at=visit.formats.datetime(ticket.promised_at))
    elif ticket.finished_at is not None:
        expected = _("Repaired %(at)s", at=visit.formats.datetime(ticket.finished_at))
    return RepairSummary(
        ticket_id=ticket.ticket_id,
        number=ticket.ticket_number,
        service=ticket.service,
        title=labels.fault(_, ticket.kind),
        state=state,
        look=look,
        noticed=_("Noticed %(at)s", at=visit.formats.datetime(ticket.opened_at)),
        expected=expected,
        late=at_work and ticket.promised_at is not None and ticket.promised_at < visit.now,
    )


def _steps(visit: Visit, ticket: Ticket) -> tuple[Step, ...]:
    reached = len(STEPS) if ticket.state == "confirmed" else STEPS.index(ticket.state) if ticket.state in STEPS else -1
    return tuple(
        Step(
            labels.ticket_state(visit.translate, state)[0],
            "done"
            if number < reached or ticket.state in ("finished", "confirmed")
            else "now"
            if number == reached
            else "",
        )
        for number, state in enumerate(STEPS)
    )


def _row(visit: Visit, entry: Entry) -> TimelineRow:
    _ = visit.translate
    expected = ""
    promised_at = entry.detail.get("promised_at")
    if promised_at:
        expected = _("Expected by %(at)s", at=visit.formats.datetime(datetime.fromisoformat(str(promised_at))))
    return TimelineRow(
        at=visit.formats.datetime(entry.happened_at),
        title=labels.timeline(_, entry.kind),
        expected=expected,
        text=entry.note,
        look=LOOKS.get(entry.kind, ""),
    )


def _address(view: TicketView) -> str:
    return ", ".join(sorted({f"{point.address} {point.building}".strip() for point in view.points}))


def work_row(visit: Visit, work: PlannedWork) -> WorkRow:
    """Write a planned work as it stands: whether it began, and whether it ended earlier or later than planned."""
    _ = visit.translate
    start, end = visit.formats.datetime(work.planned_from), visit.formats.datetime(work.planned_to)
    if work.cancelled_at is not None:
        state, look = _("called off"), ""
    elif work.finished_at is not None:
        at = visit.formats.datetime(work.finished_at)
        if work.finished_at < work.planned_to:
            state = _("finished %(at)s, earlier than planned", at=at)
        elif work.finished_at > work.planned_to:
            state = _("finished %(at)s, later than planned", at=at)
        else:
            state = _("finished %(at)s", at=at)
        look = "is-good"
    elif work.started_at is not None:
        is_late = visit.now > work.planned_to
        state, look = (_("takes longer than planned"), "is-bad") if is_late else (_("under way"), "is-info is-live")
    else:
        state, look = _("planned"), "is-warn"
    return WorkRow(work.title, f"{start} – {end}", labels.work(_, work.kind), state, look)
