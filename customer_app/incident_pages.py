"""Incidents, ready to print: one fault with its findings, the points that show it, and where it is likely to lie."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from customer_app import anomaly_texts, labels, spoken, tickets
from customer_app.anomaly_texts import AnomalyText
from customer_app.tickets import TicketLine, TimelineLine
from customer_app.visit import NotFound, Visit
from ingest_gateway import queries as ingest_queries
from maintenance_tracker import queries as tracker_queries
from maintenance_tracker.queries import Point, ShownPlace, TicketView
from registry import queries as registry_queries

AT_WORK = ("open", "taken", "started")
MOST_POINTS = 200  # that a list shows
METRES_PER_DEGREE = 111_320.0
LEAST_SPAN_M = 120.0
PLAN_WIDTH, PLAN_HEIGHT, PLAN_MARGIN = 100.0, 62.0, 6.0


@dataclass(frozen=True, slots=True)
class PointLine:
    """A point that shows the trouble, or whose customers are told of it."""

    number: str
    address: str
    rank: str  # among those that show it, the worst first; empty: it does not
    path: str


@dataclass(frozen=True, slots=True)
class Other:
    """Another incident that this one may be a part of."""

    ticket_id: int
    words: str


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident, ready to print."""

    ticket_id: int
    line: TicketLine
    ticket_path: str
    sentence: str
    findings: tuple[AnomalyText, ...]
    place: str
    map_path: str
    plan: Markup | None
    points: tuple[PointLine, ...]
    more_points: int
    timeline: tuple[TimelineLine, ...]
    others: tuple[Other, ...]
    can_split: bool
    can_reopen: bool


def listed(visit: Visit) -> tuple[TicketLine, ...]:
    """List the incidents at work or waiting for the customers' word, the most urgent first."""
    found = tracker_queries.open_tickets(visit.conn, utility_id=visit.utility_id, now=visit.now)
    return tuple(tickets.line(visit, one) for one in found if one.ticket.incident_id is not None)


def incident(visit: Visit, *, ticket_id: int) -> Incident:
    """Lay one incident out.

    :raises TicketUnknown: if there is no such ticket
    :raises NotFound: if people opened it and the checker found nothing
    """
    view = tracker_queries.ticket(visit.conn, utility_id=visit.utility_id, ticket_id=ticket_id)
    if view.ticket.incident_id is None:
        raise NotFound(f"ticket {view.ticket.ticket_number} has no incident behind it")
    told = tickets.ticket(visit, ticket_id=ticket_id)
    found = ingest_queries.anomalies(visit.conn, utility_id=visit.utility_id, anomaly_ids=view.anomaly_ids)
    leading = next((one for one in found if one.kind == view.ticket.kind), found[0] if found else None)
    shown = registry_queries.points(visit.conn, utility_id=visit.utility_id, point_ids=view.shown_at)
    by_id = {one.point_id: one for one in [*view.points, *shown]}
    worst = [by_id[point_id] for point_id in view.shown_at if point_id in by_id]
    points = [*worst, *(one for one in view.points if one.point_id not in set(view.shown_at))]
    return Incident(
        ticket_id=ticket_id,
        line=told.line,
        ticket_path=told.line.path,
        sentence="" if leading is None else spoken.sentence(visit, leading, is_shared=len(worst) > 1),
        findings=anomaly_texts.described(visit, found),
        place=_place(visit, view.place),
        map_path=_map_path(view.place),
        plan=plan(visit, worst=worst, told=view.points, place=view.place),
        points=_points(visit, points[:MOST_POINTS], worst=len(worst)),
        more_points=max(0, len(points) - MOST_POINTS),
        timeline=told.timeline,
        others=_others(visit, view),
        can_split=len(found) > 1 and view.ticket.state in AT_WORK,
        can_reopen=view.ticket.state in ("finished", "confirmed"),
    )


def plan(visit: Visit, *, worst: Sequence[Point], told: Sequence[Point], place: ShownPlace | None) -> Markup | None:
    """Draw where the points lie, north up, with the circle in which the fault is likely to be."""
    known = [one for one in worst if one.latitude is not None]
    ids = {one.point_id for one in known}
    around = [one for one in told if one.latitude is not None and one.point_id not in ids]
    if len(known) + len(around) < 2:
        return None
    scale = _Scale.of([*known, *around], place)
    body = [_dot(scale, one, look="point-told") for one in around]
    for rank, one in enumerate(known):
        body.append(_dot(scale, one, look="point-worst" if rank < 3 else "point-shows"))
    if place is not None and place.place_latitude is not None and place.place_longitude is not None:
        x, y = scale.at(place.place_latitude, place.place_longitude)
        radius = max(2.0, (place.place_radius_m or 0.0) * scale.per_metre)
        body.insert(0, f'<circle class="guess" cx="{x:.2f}" cy="{y:.2f}" r="{radius:.2f}"/>')
    _ = visit.translate
    title = _("Where the points lie; the circle is where the fault is likely to be.")
    return Markup(
        f'<svg class="plan" role="img" viewBox="0 0 {PLAN_WIDTH:g} {PLAN_HEIGHT:g}">'
        f"<title>{escape(title)}</title>{''.join(body)}</svg>"
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    """From degrees to the plan; one scale both ways, the middle in the middle."""

    latitude: float
    longitude: float
    per_metre: float

    @classmethod
    def of(cls, points: Sequence[Point], place: ShownPlace | None) -> "_Scale":
        latitudes = [one.latitude for one in points if one.latitude is not None]
        longitudes = [one.longitude for one in points if one.longitude is not None]
        if place is not None and place.place_latitude is not None and place.place_longitude is not None:
            north = (place.place_radius_m or 0.0) / METRES_PER_DEGREE
            east = north / math.cos(math.radians(place.place_latitude))
            latitudes += [place.place_latitude - north, place.place_latitude + north]
            longitudes += [place.place_longitude - east, place.place_longitude + east]
        latitude = (min(latitudes) + max(latitudes)) / 2
        longitude = (min(longitudes) + max(longitudes)) / 2
        north_m = max(LEAST_SPAN_M, (max(latitudes) - min(latitudes)) * METRES_PER_DEGREE)
        wide = (max(longitudes) - min(longitudes)) * METRES_PER_DEGREE * math.cos(math.radians(latitude))
        east_m = max(LEAST_SPAN_M, wide)
        free_x, free_y = PLAN_WIDTH - 2 * PLAN_MARGIN, PLAN_HEIGHT - 2 * PLAN_MARGIN
        return cls(latitude, longitude, min(free_x / east_m, free_y / north_m))

    def at(self, latitude: float, longitude: float) -> tuple[float, float]:
        east_m = (longitude - self.longitude) * METRES_PER_DEGREE * math.cos(math.radians(self.latitude))
        north_m = (latitude - self.latitude) * METRES_PER_DEGREE
        return PLAN_WIDTH / 2 + east_m * self.per_metre, PLAN_HEIGHT / 2 - north_m * self.per_metre


def _dot(scale: _Scale, point: Point, *, look: str) -> str:
    assert point.latitude is not None, "only points that lie somewhere are drawn"
    assert point.longitude is not None, "a latitude comes with a longitude"
    x, y = scale.at(point.latitude, point.longitude)
    radius = 1.5 if look == "point-worst" else 1.0
    words = escape(f"{point.point_number} {point.address}")
    return f'<circle class="{look}" cx="{x:.2f}" cy="{y:.2f}" r="{radius}"><title>{words}</title></circle>'


def _place(visit: Visit, place: ShownPlace | None) -> str:
    if place is None or place.place_meter_id is None:
        return ""
    hung = registry_queries.installations_of_meters(
        visit.conn, utility_id=visit.utility_id, meter_ids=[place.place_meter_id]
    )
    serial = hung[-1].serial if hung else "–"
    if place.place_radius_m is None:
        return visit.translate("near meter %(serial)s, which shows it most", serial=serial)
    metres = max(10, round(place.place_radius_m / 10) * 10)
    return visit.translate(
        "within about %(n)s m, near meter %(serial)s, which shows it most",
        n=visit.formats.number(metres),
        serial=serial,
    )


def _map_path(place: ShownPlace | None) -> str:
    if place is None or place.place_latitude is None or place.place_longitude is None:
        return ""
    return f"geo:{place.place_latitude:.6f},{place.place_longitude:.6f}"


def _points(visit: Visit, points: Sequence[Point], *, worst: int) -> tuple[PointLine, ...]:
    hung = registry_queries.meters_at_points(
        visit.conn, utility_id=visit.utility_id, point_ids=[one.point_id for one in points], at=visit.now
    )
    meters = {meter.point_id: meter.meter_id for meter in hung}
    return tuple(
        PointLine(
            number=point.point_number,
            address=f"{point.address} {point.building}".strip(),
            rank=str(rank) if rank <= worst else "",
            path=f"/operator/meters/{meters[point.point_id]}" if point.point_id in meters else "",
        )
        for rank, point in enumerate(points, start=1)
    )


def _others(visit: Visit, view: TicketView) -> tuple[Other, ...]:
    found = tracker_queries.open_tickets(visit.conn, utility_id=visit.utility_id, now=visit.now)
    return tuple(
        Other(
            one.ticket.ticket_id,
            f"{one.ticket.ticket_number} · {labels.fault(visit.translate, one.ticket.kind)} · {one.zone_code}",
        )
        for one in found
        if one.ticket.incident_id is not None
        and one.ticket.ticket_id != view.ticket.ticket_id
        and one.ticket.service == view.ticket.service
        and one.ticket.state in AT_WORK
    )
