"""Zones, points, and what parties are to points."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from registry.book import PartyRole, Service, Supply, ZoneKind
from registry.domain.unknown import PointUnknown
from registry.store.rows import frozen_row


@dataclass(frozen=True, slots=True)
class Zone:
    """A district, a district metered area, a feeder or a transformer."""

    zone_id: int
    code: str
    name: str
    kind: ZoneKind
    parent_zone_id: int | None


@dataclass(frozen=True, slots=True)
class Point:
    """A supply point with its zones' codes."""

    point_id: int
    point_number: str
    service: Service
    zone_id: int
    zone_code: str
    district_id: int
    district_code: str
    postcode: str
    address: str
    building: str
    latitude: float | None
    longitude: float | None
    supply: Supply
    supply_since: datetime | None


@dataclass(frozen=True, slots=True)
class PointOfParty(Point):
    """A point, and all that the party is to it at that time."""

    roles: tuple[PartyRole, ...]


@dataclass(frozen=True, slots=True)
class PartyAtPoint:
    """One role of one party at one point; `locale` is the party's language."""

    party_id: int
    point_id: int
    role: PartyRole
    locale: str


def zones(conn: Connection[TupleRow], *, utility_id: int) -> list[Zone]:
    """List all zones by code."""
    with conn.cursor(row_factory=class_row(Zone)) as cursor:
        return cursor.execute(
            """
            SELECT zone_id, code, name, kind, parent_zone_id FROM zone
            WHERE utility_id = %(utility_id)s ORDER BY code
            """,
            {"utility_id": utility_id},
        ).fetchall()


def point(conn: Connection[TupleRow], *, utility_id: int, point_id: int) -> Point:
    """:raises PointUnknown: if the utility has no such point"""
    found = points(conn, utility_id=utility_id, point_ids=[point_id])
    if not found:
        raise PointUnknown(f"point {point_id} is not in the registry of this utility")
    return found[0]


def point_by_number(conn: Connection[TupleRow], *, utility_id: int, point_number: str) -> Point:
    """:raises PointUnknown: if the utility has no point of this number"""
    row = conn.execute(
        "SELECT point_id FROM point WHERE utility_id = %(utility_id)s AND point_number = %(point_number)s",
        {"utility_id": utility_id, "point_number": point_number},
    ).fetchone()
    if row is None:
        raise PointUnknown(f"no point of this utility has the number {point_number}")
    return point(conn, utility_id=utility_id, point_id=row[0])


def points(conn: Connection[TupleRow], *, utility_id: int, point_ids: Collection[int]) -> list[Point]:
    """List those of the points that the utility has, by number."""
    with conn.cursor(row_factory=class_row(Point)) as cursor:
        return cursor.execute(
            """
            SELECT p.point_id, p.point_number, p.service, p.zone_id, z.code AS zone_code, p.district_id,
                   d.code AS district_code, p.postcode, p.address, p.building, p.latitude, p.longitude, p.supply,
                   p.supply_since
            FROM point p
            JOIN zone z ON z.utility_id = p.utility_id AND z.zone_id = p.zone_id
            JOIN zone d ON d.utility_id = p.utility_id AND d.zone_id = p.district_id
            WHERE p.utility_id = %(utility_id)s AND p.point_id = ANY(%(point_ids)s)
            ORDER BY p.point_number
            """,
            {"utility_id": utility_id, "point_ids": list(point_ids)},
        ).fetchall()


def points_in_zone(conn: Connection[TupleRow], *, utility_id: int, zone_id: int) -> list[Point]:
    """List the points of a zone, of the zones under it, or of a district, by number."""
    with conn.cursor(row_factory=class_row(Point)) as cursor:
        return cursor.execute(
            """
            WITH RECURSIVE wanted AS (
                SELECT zone_id FROM zone WHERE utility_id = %(utility_id)s AND zone_id = %(zone_id)s
                UNION
                SELECT below.zone_id FROM zone below JOIN wanted ON below.parent_zone_id = wanted.zone_id
                WHERE below.utility_id = %(utility_id)s
            )
            SELECT p.point_id, p.point_number, p.service, p.zone_id, z.code AS zone_code, p.district_id,
                   d.code AS district_code, p.postcode, p.address, p.building, p.latitude, p.longitude, p.supply,
                   p.supply_since
            FROM point p
            JOIN zone z ON z.utility_id = p.utility_id AND z.zone_id = p.zone_id
            JOIN zone d ON d.utility_id = p.utility_id AND d.zone_id = p.district_id
            WHERE p.utility_id = %(utility_id)s
              AND (p.zone_id IN (SELECT zone_id FROM wanted) OR p.district_id IN (SELECT zone_id FROM wanted))
            ORDER BY p.point_number
            """,
            {"utility_id": utility_id, "zone_id": zone_id},
        ).fetchall()


def points_of_party(conn: Connection[TupleRow], *, utility_id: int, party_id: int, at: datetime) -> list[PointOfParty]:
    """List the points at which the party has a role at `at`, by number."""
    with conn.cursor(row_factory=frozen_row(PointOfParty)) as cursor:
        return cursor.execute(
            """
            SELECT p.point_id, p.point_number, p.service, p.zone_id, z.code AS zone_code, p.district_id,
                   d.code AS district_code, p.postcode, p.address, p.building, p.latitude, p.longitude, p.supply,
                   p.supply_since, mine.roles
            FROM (
                SELECT point_id, array_agg(DISTINCT role ORDER BY role) AS roles FROM point_party
                WHERE utility_id = %(utility_id)s AND party_id = %(party_id)s AND valid @> %(at)s::timestamptz
                GROUP BY point_id
            ) AS mine
            JOIN point p ON p.utility_id = %(utility_id)s AND p.point_id = mine.point_id
            JOIN zone z ON z.utility_id = p.utility_id AND z.zone_id = p.zone_id
            JOIN zone d ON d.utility_id = p.utility_id AND d.zone_id = p.district_id
            ORDER BY p.point_number
            """,
            {"utility_id": utility_id, "party_id": party_id, "at": at},
        ).fetchall()


def parties_at_points(
    conn: Connection[TupleRow], *, utility_id: int, point_ids: Collection[int], at: datetime
) -> list[PartyAtPoint]:
    """List who is what at these points at `at`."""
    with conn.cursor(row_factory=class_row(PartyAtPoint)) as cursor:
        return cursor.execute(
            """
            SELECT pp.party_id, pp.point_id, pp.role, p.locale
            FROM point_party pp
            JOIN party p ON p.utility_id = pp.utility_id AND p.party_id = pp.party_id
            WHERE pp.utility_id = %(utility_id)s AND pp.point_id = ANY(%(point_ids)s)
              AND pp.valid @> %(at)s::timestamptz
            ORDER BY pp.point_id, pp.party_id, pp.role
            """,
            {"utility_id": utility_id, "point_ids": list(point_ids), "at": at},
        ).fetchall()


def set_supply(conn: Connection[TupleRow], *, utility_id: int, point_id: int, supply: Supply, at: datetime) -> bool:
    """Record what flows since `at`; tell whether it was news. Older word than what is known changes nothing."""
    row = conn.execute(
        """
        UPDATE point SET supply = %(supply)s, supply_since = %(at)s
        WHERE utility_id = %(utility_id)s AND point_id = %(point_id)s AND supply <> %(supply)s
          AND (supply_since IS NULL OR supply_since <= %(at)s)
        RETURNING point_id
        """,
        {"utility_id": utility_id, "point_id": point_id, "supply": supply, "at": at},
    ).fetchone()
    return row is not None
