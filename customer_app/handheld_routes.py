"""The route of a meter reader: the meters of a district, street by street, with what each is expected to show."""

from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from customer_app.formats import UNIT_SIGNS
from customer_app.visit import Visit
from ingest_gateway import queries as ingest_queries
from ingest_gateway.queries import LatestReading
from kernel.period import local_date
from registry import queries as registry_queries
from registry.queries import InstalledMeter, Point

USE_DAYS = 60  # over which the usual use is taken
SILENT_DAYS = 3
MOST_TIMES_USUAL = 3
LEAST_SHARE_OF_USUAL = 5  # a fifth


@dataclass(frozen=True, slots=True)
class Stop:
    """One meter to read; registers in its least digit."""

    meter_id: int
    serial: str
    point_number: str
    service: str
    address: str
    name: str
    kana: str
    unit: str
    unit_sign: str
    scale: int
    digits: int
    last_register: int | None
    last_read_at: str | None
    expected_low: int
    expected_high: int
    message: str


def stops(visit: Visit, *, district: str) -> list[dict[str, Any]]:
    """List the meters of a district by address.

    :raises NotFound: if there is no such district
    """
    scope = {"utility_id": visit.utility_id}
    zones = registry_queries.zones(visit.conn, **scope)
    zone = visit.found(next((one for one in zones if one.kind == "district" and one.code == district), None))
    points = {
        point.point_id: point for point in registry_queries.points_in_zone(visit.conn, **scope, zone_id=zone.zone_id)
    }
    meters = registry_queries.meters_at_points(visit.conn, **scope, point_ids=list(points), at=visit.now)
    meter_ids = [meter.meter_id for meter in meters]
    latest = ingest_queries.latest(visit.conn, **scope, meter_ids=meter_ids)
    usual = _usual(visit, meter_ids)
    people = _people(visit, point_ids=list(points))
    found = [
        _stop(
            visit,
            meter,
            point=points[meter.point_id],
            latest=latest.get(meter.meter_id),
            per_day=usual.get(meter.meter_id, 0.0),
            person=people.get(meter.point_id, ("", "")),
        )
        for meter in meters
    ]
    return [asdict(stop) for stop in sorted(found, key=lambda stop: (stop.address, stop.point_number))]


def _usual(visit: Visit, meter_ids: list[int]) -> dict[int, float]:
    """Tell what each meter counts on a day, on the average of the last weeks."""
    today = local_date(visit.now, zone=visit.utility.zone)
    months = ingest_queries.monthly_use(
        visit.conn,
        utility_id=visit.utility_id,
        meter_ids=meter_ids,
        first=today - timedelta(days=USE_DAYS),
        end=today,
    )
    used: dict[int, int] = defaultdict(int)
    for month in months:
        used[month.meter_id] += month.use_units
    return {meter_id: units / USE_DAYS for meter_id, units in used.items()}


def _people(visit: Visit, *, point_ids: list[int]) -> dict[int, tuple[str, str]]:
    """Give name and kana of who uses each point."""
    there = registry_queries.parties_at_points(
        visit.conn, utility_id=visit.utility_id, point_ids=point_ids, at=visit.now
    )
    user_at = {one.point_id: one.party_id for one in there if one.role == "user"}
    parties = {
        party.party_id: party
        for party in registry_queries.parties(
            visit.conn, utility_id=visit.utility_id, party_ids=sorted(set(user_at.values()))
        )
    }
    return {point_id: (parties[p].name, parties[p].name_kana) for point_id, p in user_at.items() if p in parties}


def _stop(
    visit: Visit,
    meter: InstalledMeter,
    *,
    point: Point,
    latest: LatestReading | None,
    per_day: float,
    person: tuple[str, str],
) -> Stop:
    last = meter.opening_register if latest is None or latest.register is None else latest.register
    days = 1.0 if latest is None else max(1.0, (visit.now - latest.read_at) / timedelta(days=1))
    least_step = 10 ** max(0, -meter.scale)  # a whole unit: what the dial shows without its decimals
    low = last + int(per_day * days / LEAST_SHARE_OF_USUAL) if days > 1.0 else last
    return Stop(
        meter_id=meter.meter_id,
        serial=meter.serial,
        point_number=point.point_number,
        service=point.service,
        address=f"{point.address} {point.building}".strip(),
        name=person[0],
        kana=person[1],
        unit=meter.unit,
        unit_sign=UNIT_SIGNS.get(meter.unit, meter.unit),
        scale=meter.scale,
        digits=meter.digits,
        last_register=last,
        last_read_at=latest.read_at.isoformat() if latest else None,
        expected_low=max(0, low - low % least_step),
        expected_high=last + int(per_day * (days + 1) * MOST_TIMES_USUAL) + 10 * least_step,
        message=_message(visit, point, latest),
    )


def _message(visit: Visit, point: Point, latest: LatestReading | None) -> str:
    _ = visit.translate
    if point.supply == "off":
        return _("Supply is stopped here.")
    if latest is None:
        return _("The meter has sent nothing yet.")
    if visit.now - latest.read_at > timedelta(days=SILENT_DAYS):
        return _("No radio since %(day)s: read it.", day=visit.formats.date(visit.formats.local(latest.read_at).date()))
    return ""
