"""Meters, where they hang, and the senders that speak for them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from registry.book import PointRole, RegisterUnit, Segment, SenderKind, Service
from registry.domain.unknown import MeterUnknown
from registry.store.rows import frozen_row


@dataclass(frozen=True, slots=True)
class KnownMeter:
    """What intake must know of a meter; point and zone are None while it is in stock."""

    meter_id: int
    serial: str
    kind: Service
    unit: RegisterUnit
    scale: int
    digits: int
    interval_s: int
    phases: int
    nominal_v: float | None
    has_pressure: bool
    has_actuator: bool
    point_id: int | None
    zone_id: int | None
    sender_names: tuple[str, ...]
    technology: str  # ultrasonic, electromagnetic, pulse, electronic, …
    role: PointRole  # of the point; customer while it is in stock
    segment: Segment
    may_export: bool
    concentrator_id: int | None  # the first active concentrator that may speak for it


@dataclass(frozen=True, slots=True)
class Sender:
    """A credential, and the meters it may speak for."""

    sender_id: int
    name: str
    kind: SenderKind
    active: bool
    meter_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class InstalledMeter:
    """A meter's time at a point, `valid_to` None while it lasts; registers in the meter's least digit."""

    installation_id: int
    meter_id: int
    serial: str
    point_id: int
    kind: Service
    unit: RegisterUnit
    scale: int
    digits: int
    valid_from: datetime
    valid_to: datetime | None
    opening_register: int
    closing_register: int | None
    interval_s: int
    has_actuator: bool


def known_meters(conn: Connection[TupleRow], *, utility_id: int) -> list[KnownMeter]:
    """List every meter with the point where it hangs now and the active senders that may speak for it."""
    with conn.cursor(row_factory=frozen_row(KnownMeter)) as cursor:
        return cursor.execute(
            """
            SELECT m.meter_id, m.serial, m.kind, m.unit, m.scale, m.digits, m.interval_s, m.phases, m.nominal_v,
                   m.has_pressure, m.has_actuator, i.point_id, p.zone_id,
                   coalesce(s.names, '{}') AS sender_names, m.technology, coalesce(p.role, 'customer') AS role,
                   coalesce(p.segment, 'residential') AS segment, coalesce(p.may_export, false) AS may_export,
                   s.concentrator_id
            FROM meter m
            LEFT JOIN installation i
                   ON i.utility_id = m.utility_id AND i.meter_id = m.meter_id AND upper_inf(i.valid)
            LEFT JOIN point p ON p.utility_id = i.utility_id AND p.point_id = i.point_id
            LEFT JOIN (
                SELECT sm.meter_id, array_agg(s.name ORDER BY s.name) AS names,
                       min(s.sender_id) FILTER (WHERE s.kind = 'concentrator') AS concentrator_id
                FROM sender_meter sm
                JOIN sender s ON s.utility_id = sm.utility_id AND s.sender_id = sm.sender_id
                WHERE sm.utility_id = %(utility_id)s AND s.active
                GROUP BY sm.meter_id
            ) AS s ON s.meter_id = m.meter_id
            WHERE m.utility_id = %(utility_id)s
            ORDER BY m.meter_id
            """,
            {"utility_id": utility_id},
        ).fetchall()


def senders(conn: Connection[TupleRow], *, utility_id: int) -> list[Sender]:
    """List the senders by name, inactive ones too."""
    with conn.cursor(row_factory=frozen_row(Sender)) as cursor:
        return cursor.execute(
            """
            SELECT s.sender_id, s.name, s.kind, s.active, coalesce(m.ids, '{}') AS meter_ids
            FROM sender s
            LEFT JOIN (
                SELECT sender_id, array_agg(meter_id ORDER BY meter_id) AS ids FROM sender_meter
                WHERE utility_id = %(utility_id)s GROUP BY sender_id
            ) AS m ON m.sender_id = s.sender_id
            WHERE s.utility_id = %(utility_id)s
            ORDER BY s.name
            """,
            {"utility_id": utility_id},
        ).fetchall()


def meter_at_point(
    conn: Connection[TupleRow], *, utility_id: int, point_id: int, at: datetime
) -> InstalledMeter | None:
    """Find the meter that hangs at the point at `at`."""
    found = meters_at_points(conn, utility_id=utility_id, point_ids=[point_id], at=at)
    return found[0] if found else None


def meters_at_points(
    conn: Connection[TupleRow], *, utility_id: int, point_ids: Collection[int], at: datetime
) -> list[InstalledMeter]:
    """List the meters that hang at the points at `at`, by point."""
    with conn.cursor(row_factory=class_row(InstalledMeter)) as cursor:
        return cursor.execute(
            """
            SELECT i.installation_id, i.meter_id, m.serial, i.point_id, m.kind, m.unit, m.scale, m.digits,
                   lower(i.valid) AS valid_from, upper(i.valid) AS valid_to, i.opening_register, i.closing_register,
                   m.interval_s, m.has_actuator
            FROM installation i
            JOIN meter m ON m.utility_id = i.utility_id AND m.meter_id = i.meter_id
            WHERE i.utility_id = %(utility_id)s AND i.point_id = ANY(%(point_ids)s)
              AND i.valid @> %(at)s::timestamptz
            ORDER BY i.point_id, i.installation_id
            """,
            {"utility_id": utility_id, "point_ids": list(point_ids), "at": at},
        ).fetchall()


def meters_of_parties(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    party_ids: Collection[int],
    roles: Collection[str],
    at: datetime,
) -> dict[int, frozenset[int]]:
    """Give the meters that hang at `at` where each party has one of these roles; a party without one is left out."""
    rows = conn.execute(
        """
        SELECT pp.party_id, array_agg(DISTINCT i.meter_id)
        FROM point_party pp
        JOIN installation i ON i.utility_id = pp.utility_id AND i.point_id = pp.point_id
             AND i.valid @> %(at)s::timestamptz
        WHERE pp.utility_id = %(utility_id)s AND pp.party_id = ANY(%(party_ids)s) AND pp.role = ANY(%(roles)s)
          AND pp.valid @> %(at)s::timestamptz
        GROUP BY pp.party_id ORDER BY pp.party_id
        """,
        {"utility_id": utility_id, "party_ids": list(party_ids), "roles": list(roles), "at": at},
    ).fetchall()
    return {party_id: frozenset(meter_ids) for party_id, meter_ids in rows}


def installations_of_point(conn: Connection[TupleRow], *, utility_id: int, point_id: int) -> list[InstalledMeter]:
    """List all meters that ever hung at the point, oldest first."""
    with conn.cursor(row_factory=class_row(InstalledMeter)) as cursor:
        return cursor.execute(
            """
            SELECT i.installation_id, i.meter_id, m.serial, i.point_id, m.kind, m.unit, m.scale, m.digits,
                   lower(i.valid) AS valid_from, upper(i.valid) AS valid_to, i.opening_register, i.closing_register,
                   m.interval_s, m.has_actuator
            FROM installation i
            JOIN meter m ON m.utility_id = i.utility_id AND m.meter_id = i.meter_id
            WHERE i.utility_id = %(utility_id)s AND i.point_id = %(point_id)s
            ORDER BY lower(i.valid), i.installation_id
            """,
            {"utility_id": utility_id, "point_id": point_id},
        ).fetchall()


def installations_of_meters(
    conn: Connection[TupleRow], *, utility_id: int, meter_ids: Collection[int]
) -> list[InstalledMeter]:
    """List where the meters ever hung, by meter, oldest first."""
    with conn.cursor(row_factory=class_row(InstalledMeter)) as cursor:
        return cursor.execute(
            """
            SELECT i.installation_id, i.meter_id, m.serial, i.point_id, m.kind, m.unit, m.scale, m.digits,
                   lower(i.valid) AS valid_from, upper(i.valid) AS valid_to, i.opening_register, i.closing_register,
                   m.interval_s, m.has_actuator
            FROM installation i
            JOIN meter m ON m.utility_id = i.utility_id AND m.meter_id = i.meter_id
            WHERE i.utility_id = %(utility_id)s AND i.meter_id = ANY(%(meter_ids)s)
            ORDER BY i.meter_id, lower(i.valid), i.installation_id
            """,
            {"utility_id": utility_id, "meter_ids": list(meter_ids)},
        ).fetchall()


def point_of_meter(conn: Connection[TupleRow], *, utility_id: int, meter_id: int, at: datetime) -> int | None:
    """Tell at which point the meter hangs at `at`; None while it is in stock."""
    row = conn.execute(
        """
        SELECT point_id FROM installation
        WHERE utility_id = %(utility_id)s AND meter_id = %(meter_id)s AND valid @> %(at)s::timestamptz
        """,
        {"utility_id": utility_id, "meter_id": meter_id, "at": at},
    ).fetchone()
    return None if row is None else row[0]


def points_of_meters(
    conn: Connection[TupleRow], *, utility_id: int, meter_ids: Collection[int], at: datetime
) -> dict[int, int]:
    """Tell at which point each of the meters hangs at `at`; meters in stock are left out."""
    rows = conn.execute(
        """
        SELECT meter_id, point_id FROM installation
        WHERE utility_id = %(utility_id)s AND meter_id = ANY(%(meter_ids)s) AND valid @> %(at)s::timestamptz
        ORDER BY meter_id
        """,
        {"utility_id": utility_id, "meter_ids": list(meter_ids), "at": at},
    ).fetchall()
    return dict(rows)


def meter_by_serial(conn: Connection[TupleRow], *, utility_id: int, serial: str) -> int:
    """:raises MeterUnknown: if the utility has no meter of this serial"""
    row = conn.execute(
        "SELECT meter_id FROM meter WHERE utility_id = %(utility_id)s AND serial = %(serial)s",
        {"utility_id": utility_id, "serial": serial},
    ).fetchone()
    if row is None:
        raise MeterUnknown(f"meter {serial} is not in the registry of this utility; enter it in the stock first")
    return row[0]
