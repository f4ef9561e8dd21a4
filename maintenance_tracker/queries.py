"""What others and the pages read of tickets."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import queries as ingest
from ingest_gateway.queries import Anomaly
from maintenance_tracker.domain.states import State
from maintenance_tracker.store import crews as crew_store
from maintenance_tracker.store import incidents, labels, tickets, timeline
from maintenance_tracker.store.crews import Crew, CrewMissing
from maintenance_tracker.store.incidents import ShownPlace
from maintenance_tracker.store.labels import Label
from maintenance_tracker.store.tickets import Ticket, TicketUnknown
from maintenance_tracker.store.timeline import Entry
from registry import queries as registry
from registry.queries import Point

__all__ = [
    "Crew",
    "CrewMissing",
    "Entry",
    "Label",
    "MapPoint",
    "OpenTicket",
    "Point",
    "ShownPlace",
    "Ticket",
    "TicketCounts",
    "TicketUnknown",
    "TicketView",
    "Watched",
    "answers",
    "crew_of_login",
    "crews",
    "map_points",
    "open_tickets",
    "points_of_tickets",
    "ticket",
    "ticket_at_points",
    "ticket_counts",
    "tickets_of_points",
    "watch_list",
]


@dataclass(frozen=True, slots=True)
class OpenTicket:
    """A line of the crews' list; `address` is the point's, or of one of the points concerned."""

    ticket: Ticket
    zone_code: str
    zone_name: str
    address: str
    latitude: float | None
    longitude: float | None
    age: timedelta
    late: bool


@dataclass(frozen=True, slots=True)
class TicketView:
    """A ticket with its timeline, oldest entry first, the points concerned and the findings behind it."""

    ticket: Ticket
    entries: tuple[Entry, ...]
    points: tuple[Point, ...]
    anomaly_ids: tuple[int, ...]
    shown_at: tuple[int, ...]  # the points that show the trouble, the worst first; to staff alone
    place: ShownPlace | None  # where it is likely to lie; to staff alone


@dataclass(frozen=True, slots=True)
class Watched:
    """A weak finding that lasts and belongs to no ticket, with what was last said of it."""

    anomaly: Anomaly
    label: Label | None


@dataclass(frozen=True, slots=True)
class TicketCounts:
    """How many tickets are in each state; `late` of those at work are past their promise."""

    by_state: dict[State, int]
    at_work: int
    late: int


@dataclass(frozen=True, slots=True)
class MapPoint:
    """A point concerned by a ticket at work, where it lies."""

    ticket_id: int
    ticket_number: str
    kind: str
    priority: int
    state: State
    point_id: int
    point_number: str
    latitude: float
    longitude: float


def open_tickets(conn: Connection[TupleRow], *, utility_id: int, now: datetime) -> list[OpenTicket]:
    """List the tickets at work or finished and not yet confirmed, the most urgent and then the oldest first."""
    listed = tickets.in_states(conn, utility_id=utility_id, states=("open", "taken", "started", "finished"))
    place = tickets.first_points(conn, utility_id=utility_id, ticket_ids=[t.ticket_id for t in listed])
    points = {p.point_id: p for p in registry.points(conn, utility_id=utility_id, point_ids=set(place.values()))}
    zones = {zone.zone_id: zone for zone in registry.zones(conn, utility_id=utility_id)}
    lines: list[OpenTicket] = []
    for found in listed:
        point = points.get(place.get(found.ticket_id, 0))
        zone_id = found.zone_id or (point.zone_id if point else None)
        zone = None if zone_id is None else zones[zone_id]
        lines.append(
            OpenTicket(
                ticket=found,
                zone_code=zone.code if zone else "",
                zone_name=zone.name if zone else "",
                address=point.address + point.building if point else "",
                latitude=point.latitude if point else None,
                longitude=point.longitude if point else None,
                age=now - found.opened_at,
                late=found.state != "finished" and found.promised_at is not None and found.promised_at < now,
            )
        )
    return lines


def ticket(conn: Connection[TupleRow], *, utility_id: int, ticket_id: int) -> TicketView:
    """Give a ticket to staff, with what is not public.

    :raises TicketUnknown: if there is no such ticket
    """
    return _view(conn, utility_id=utility_id, ticket_id=ticket_id, private=True, point_ids=None)


def ticket_at_points(
    conn: Connection[TupleRow], *, utility_id: int, ticket_id: int, point_ids: Collection[int]
) -> TicketView:
    """Give a ticket to a customer: the public timeline, and of the points concerned only the customer's own.

    :raises TicketUnknown: if the ticket concerns none of these points
    """
    view = _view(conn, utility_id=utility_id, ticket_id=ticket_id, private=False, point_ids=point_ids)
    if not view.points:
        raise TicketUnknown(f"there is no ticket {ticket_id}; look it up in the list of tickets")
    return view


def tickets_of_points(
    conn: Connection[TupleRow], *, utility_id: int, point_ids: Collection[int], since: datetime
) -> list[Ticket]:
    """List the tickets that concern the points and are not closed, or were closed after `since`."""
    return tickets.of_points(conn, utility_id=utility_id, point_ids=point_ids, since=since)


def points_of_tickets(conn: Connection[TupleRow], *, utility_id: int, ticket_ids: Collection[int]) -> set[int]:
    """Give every point that one of the tickets concerns."""
    concerned = tickets.concerned(conn, utility_id=utility_id, ticket_ids=ticket_ids)
    return {point_id for point_ids in concerned.values() for point_id in point_ids}


def ticket_counts(conn: Connection[TupleRow], *, utility_id: int, now: datetime) -> TicketCounts:
    """Count the tickets by state, and those past their promise."""
    by_state = tickets.counts(conn, utility_id=utility_id)
    at_work = sum(by_state.get(state, 0) for state in ("open", "taken", "started"))
    return TicketCounts(by_state, at_work, tickets.late(conn, utility_id=utility_id, now=now))


def map_points(conn: Connection[TupleRow], *, utility_id: int) -> list[MapPoint]:
    """List the points of tickets at work, and those they concern, as far as it is known where they lie."""
    listed = tickets.in_states(conn, utility_id=utility_id, states=("open", "taken", "started"))
    concerned = tickets.concerned(conn, utility_id=utility_id, ticket_ids=[t.ticket_id for t in listed])
    for found in listed:
        own = concerned.setdefault(found.ticket_id, [])
        if found.point_id is not None and found.point_id not in own:
            own.append(found.point_id)
    every = {point_id for point_ids in concerned.values() for point_id in point_ids}
    points = {p.point_id: p for p in registry.points(conn, utility_id=utility_id, point_ids=every)}
    return [
        MapPoint(
            found.ticket_id,
            found.ticket_number,
            found.kind,
            found.priority,
            found.state,
            point.point_id,
            point.point_number,
            point.latitude,
            point.longitude,
        )
        for found in listed
        for point in (points[point_id] for point_id in concerned.get(found.ticket_id, []))
        if point.latitude is not None and point.longitude is not None
    ]


def watch_list(conn: Connection[TupleRow], *, utility_id: int) -> list[Watched]:
    """List the weak findings that last and are kept with no incident, for a person to judge, newest first."""
    listed = [one for one in ingest.open_anomalies(conn, utility_id=utility_id) if one.outlet == "watch"]
    ids = [one.anomaly_id for one in listed]
    followed = incidents.followed_anomalies(conn, utility_id=utility_id, anomaly_ids=ids)
    said = {one.anomaly_id: one for one in labels.of_anomalies(conn, utility_id=utility_id, anomaly_ids=ids)}
    return [Watched(one, said.get(one.anomaly_id)) for one in listed if one.anomaly_id not in followed]


def answers(conn: Connection[TupleRow], *, utility_id: int, since: datetime) -> list[Label]:
    """List what people said of weak findings since then, oldest first: what detectors can be tuned by."""
    return labels.answers(conn, utility_id=utility_id, since=since)


def crews(conn: Connection[TupleRow], *, utility_id: int) -> list[Crew]:
    """List the crews by name."""
    return crew_store.crews(conn, utility_id=utility_id)


def crew_of_login(conn: Connection[TupleRow], *, utility_id: int, login_id: int) -> Crew:
    """:raises CrewMissing: if the login belongs to no crew"""
    return crew_store.crew_of_login(conn, utility_id=utility_id, login_id=login_id)


def _view(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    ticket_id: int,
    private: bool,
    point_ids: Collection[int] | None,
) -> TicketView:
    found = tickets.ticket(conn, utility_id=utility_id, ticket_id=ticket_id)
    shown = set(tickets.point_ids(conn, utility_id=utility_id, ticket_id=ticket_id))
    if point_ids is not None:
        shown &= set(point_ids)
    behind: list[int] = []
    shown_at: list[int] = []
    place: ShownPlace | None = None
    if found.incident_id is not None and private:
        incident = {"utility_id": utility_id, "incident_id": found.incident_id}
        behind = incidents.anomaly_ids(conn, **incident)
        shown_at = incidents.points_shown(conn, **incident)
        place = incidents.place_of(conn, **incident)
    return TicketView(
        ticket=found,
        entries=tuple(timeline.entries(conn, utility_id=utility_id, ticket_id=ticket_id, private=private)),
        points=tuple(registry.points(conn, utility_id=utility_id, point_ids=shown)),
        anomaly_ids=tuple(behind),
        shown_at=tuple(shown_at),
        place=place,
    )
