"""Incidents: one fault in the world, with the findings it caused and the points that show it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from maintenance_tracker.domain.findings import IncidentScope
from maintenance_tracker.domain.place import PlaceGuess


class IncidentUnknown(Exception):
    """There is no such incident, or it was merged into another."""


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """An incident as it is kept, in utility time; `began_at` by the readings, the rest by their arrival."""

    incident_id: int
    service: str
    kind: str
    scope: IncidentScope
    network_id: int | None
    zone_id: int | None
    gateway_id: int | None
    meter_id: int | None
    began_at: datetime
    opened_at: datetime
    quiet_at: datetime | None
    over_at: datetime | None
    repaired_at: datetime | None  # when the crew finished


@dataclass(frozen=True, slots=True)
class Member:
    """A finding of an incident."""

    incident_id: int
    anomaly_id: int
    gateway_id: int | None  # the concentrator, where silence is the trouble
    holds: bool  # False: a weak one, kept with it
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ShownPlace:
    """Where an incident is likely to lie; None where that is not known."""

    place_meter_id: int | None
    place_latitude: float | None
    place_longitude: float | None
    place_radius_m: float | None


def tracked(conn: Connection[TupleRow], *, utility_id: int, over_since: datetime) -> list[IncidentRow]:
    """List the incidents that are not over, or were over or mended since then; hold their tickets for the transaction.

    Those that were merged away, and those whose ticket was cancelled, are no more.
    """
    with conn.cursor(row_factory=class_row(IncidentRow)) as cursor:
        return cursor.execute(
            """
            SELECT i.incident_id, i.service, i.kind, i.scope, i.network_id, i.zone_id, i.gateway_id, i.meter_id,
                   i.began_at, i.opened_at, i.quiet_at, i.over_at, t.finished_at AS repaired_at
            FROM incident AS i
            JOIN ticket AS t ON t.utility_id = i.utility_id AND t.incident_id = i.incident_id
            WHERE i.utility_id = %(utility_id)s AND i.merged_into IS NULL AND t.state <> 'cancelled'
                AND (i.over_at IS NULL OR i.over_at > %(over_since)s OR t.finished_at > %(over_since)s)
            ORDER BY t.ticket_id
            FOR UPDATE OF t
            """,
            {"utility_id": utility_id, "over_since": over_since},
        ).fetchall()


def members(conn: Connection[TupleRow], *, utility_id: int, incident_ids: Collection[int]) -> list[Member]:
    """List the findings of incidents in the order in which they joined."""
    with conn.cursor(row_factory=class_row(Member)) as cursor:
        return cursor.execute(
            """
            SELECT incident_id, anomaly_id, gateway_id, holds, ended_at FROM incident_anomaly
            WHERE utility_id = %(utility_id)s AND incident_id = ANY (%(incident_ids)s)
            ORDER BY joined_at, anomaly_id
            """,
            {"utility_id": utility_id, "incident_ids": list(incident_ids)},
        ).fetchall()


def opened_since(conn: Connection[TupleRow], *, utility_id: int, since: datetime) -> list[datetime]:
    """List when incidents were opened after `since`."""
    rows = conn.execute(
        """
        SELECT opened_at FROM incident
        WHERE utility_id = %(utility_id)s AND opened_at > %(since)s ORDER BY opened_at, incident_id
        """,
        {"utility_id": utility_id, "since": since},
    ).fetchall()
    return [opened_at for (opened_at,) in rows]


def insert(conn: Connection[TupleRow], *, utility_id: int, row: IncidentRow, point_id: int | None) -> int:
    """Write an incident under the next id and return that; the row's own id is left aside."""
    written = conn.execute(
        """
        INSERT INTO incident (utility_id, service, kind, scope, network_id, zone_id, gateway_id, meter_id, point_id,
            began_at, opened_at, last_found_at, quiet_at)
        VALUES (%(utility_id)s, %(service)s, %(kind)s, %(scope)s, %(network_id)s, %(zone_id)s, %(gateway_id)s,
            %(meter_id)s, %(point_id)s, %(began_at)s, %(opened_at)s, %(opened_at)s, %(quiet_at)s)
        RETURNING incident_id
        """,
        {
            "utility_id": utility_id,
            "service": row.service,
            "kind": row.kind,
            "scope": row.scope,
            "network_id": row.network_id,
            "zone_id": row.zone_id,
            "gateway_id": row.gateway_id,
            "meter_id": row.meter_id,
            "point_id": point_id,
            "began_at": row.began_at,
            "opened_at": row.opened_at,
            "quiet_at": row.quiet_at,
        },
    ).fetchone()
    assert written is not None, "an insert gives its row"
    return written[0]


def update(
    conn: Connection[TupleRow], *, utility_id: int, row: IncidentRow, point_id: int | None, found_at: datetime
) -> None:
    """Write how an incident stands; `found_at` is when it last changed by what was found."""
    conn.execute(
        """
        UPDATE incident SET kind = %(kind)s, scope = %(scope)s, zone_id = %(zone_id)s, gateway_id = %(gateway_id)s,
            meter_id = %(meter_id)s, point_id = %(point_id)s, began_at = %(began_at)s, quiet_at = %(quiet_at)s,
            over_at = %(over_at)s, last_found_at = greatest(last_found_at, %(found_at)s)
        WHERE utility_id = %(utility_id)s AND incident_id = %(incident_id)s
        """,
        {
            "utility_id": utility_id,
            "incident_id": row.incident_id,
            "kind": row.kind,
            "scope": row.scope,
            "zone_id": row.zone_id,
            "gateway_id": row.gateway_id,
            "meter_id": row.meter_id,
            "point_id": point_id,
            "began_at": row.began_at,
            "quiet_at": row.quiet_at,
            "over_at": row.over_at,
            "found_at": found_at,
        },
    )


def put_members(conn: Connection[TupleRow], *, utility_id: int, members: Sequence[Member], at: datetime) -> None:
    """Make findings those of their incident, wherever they were before."""
    conn.execute(
        """
        INSERT INTO incident_anomaly (utility_id, incident_id, anomaly_id, gateway_id, holds, joined_at)
        SELECT %(utility_id)s, given.incident_id, given.anomaly_id, given.gateway_id, given.holds, %(at)s
        FROM unnest(%(incident_ids)s::bigint[], %(anomaly_ids)s::bigint[], %(gateway_ids)s::bigint[],
                    %(holds)s::boolean[]) AS given (incident_id, anomaly_id, gateway_id, holds)
        ORDER BY given.anomaly_id
        ON CONFLICT (utility_id, anomaly_id) DO UPDATE
        SET incident_id = excluded.incident_id, holds = excluded.holds, joined_at = excluded.joined_at
        WHERE incident_anomaly.incident_id <> excluded.incident_id
        """,
        {
            "utility_id": utility_id,
            "incident_ids": [member.incident_id for member in members],
            "anomaly_ids": [member.anomaly_id for member in members],
            "gateway_ids": [member.gateway_id for member in members],
            "holds": [member.holds for member in members],
            "at": at,
        },
    )


def end_member(conn: Connection[TupleRow], *, utility_id: int, anomaly_id: int, at: datetime) -> None:
    """Note that a finding has ended."""
    conn.execute(
        """
        UPDATE incident_anomaly SET ended_at = %(at)s
        WHERE utility_id = %(utility_id)s AND anomaly_id = %(anomaly_id)s AND ended_at IS NULL
        """,
        {"utility_id": utility_id, "anomaly_id": anomaly_id, "at": at},
    )


def set_merged(conn: Connection[TupleRow], *, utility_id: int, incident_id: int, into: int, at: datetime) -> None:
    """Note that an incident is part of another."""
    conn.execute(
        """
        UPDATE incident SET merged_into = %(into)s, closed_at = %(at)s, quiet_at = coalesce(quiet_at, %(at)s)
        WHERE utility_id = %(utility_id)s AND incident_id = %(incident_id)s
        """,
        {"utility_id": utility_id, "incident_id": incident_id, "into": into, "at": at},
    )


def incident_of_anomaly(conn: Connection[TupleRow], *, utility_id: int, anomaly_id: int) -> int | None:
    """Tell to which incident a finding belongs."""
    row = conn.execute(
        "SELECT incident_id FROM incident_anomaly WHERE utility_id = %(utility_id)s AND anomaly_id = %(anomaly_id)s",
        {"utility_id": utility_id, "anomaly_id": anomaly_id},
    ).fetchone()
    return None if row is None else row[0]


def placed_anomalies(conn: Connection[TupleRow], *, utility_id: int, anomaly_ids: Collection[int]) -> set[int]:
    """Tell which of the findings belong to an incident or have a known reason."""
    rows = conn.execute(
        """
        SELECT anomaly_id FROM incident_anomaly
        WHERE utility_id = %(utility_id)s AND anomaly_id = ANY (%(anomaly_ids)s)
        UNION
        SELECT anomaly_id FROM anomaly_waiting
        WHERE utility_id = %(utility_id)s AND anomaly_id = ANY (%(anomaly_ids)s)
        ORDER BY anomaly_id
        """,
        {"utility_id": utility_id, "anomaly_ids": list(anomaly_ids)},
    ).fetchall()
    return {anomaly_id for (anomaly_id,) in rows}


def followed_anomalies(conn: Connection[TupleRow], *, utility_id: int, anomaly_ids: Collection[int]) -> set[int]:
    """Tell which of the findings belong to an incident that is not over, and whose ticket was not cancelled."""
    rows = conn.execute(
        """
        SELECT m.anomaly_id FROM incident_anomaly AS m
        JOIN incident AS i ON i.utility_id = m.utility_id AND i.incident_id = m.incident_id
        JOIN ticket AS t ON t.utility_id = i.utility_id AND t.incident_id = i.incident_id
        WHERE m.utility_id = %(utility_id)s AND m.anomaly_id = ANY (%(anomaly_ids)s)
            AND i.over_at IS NULL AND t.state <> 'cancelled'
        ORDER BY m.anomaly_id
        """,
        {"utility_id": utility_id, "anomaly_ids": list(anomaly_ids)},
    ).fetchall()
    return {anomaly_id for (anomaly_id,) in rows}


def anomaly_ids(conn: Connection[TupleRow], *, utility_id: int, incident_id: int) -> list[int]:
    """List the findings of an incident."""
    rows = conn.execute(
        """
        SELECT anomaly_id FROM incident_anomaly
        WHERE utility_id = %(utility_id)s AND incident_id = %(incident_id)s ORDER BY anomaly_id
        """,
        {"utility_id": utility_id, "incident_id": incident_id},
    ).fetchall()
    return [anomaly_id for (anomaly_id,) in rows]


def set_closed(conn: Connection[TupleRow], *, utility_id: int, incident_id: int, closed_at: datetime | None) -> None:
    """Close an incident, or open it again with None."""
    conn.execute(
        """
        UPDATE incident SET closed_at = %(closed_at)s
        WHERE utility_id = %(utility_id)s AND incident_id = %(incident_id)s
        """,
        {"utility_id": utility_id, "incident_id": incident_id, "closed_at": closed_at},
    )


def set_points(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    incident_id: int,
    points: Sequence[tuple[int, int]],
    place: PlaceGuess | None,
) -> None:
    """Write which points show the trouble, as (point, meter) with the worst first, and where it is likely to lie."""
    conn.execute(
        "DELETE FROM incident_point WHERE utility_id = %(utility_id)s AND incident_id = %(incident_id)s",
        {"utility_id": utility_id, "incident_id": incident_id},
    )
    conn.execute(
        """
        INSERT INTO incident_point (utility_id, incident_id, point_id, meter_id, rank)
        SELECT %(utility_id)s, %(incident_id)s, given.point_id, given.meter_id, given.rank
        FROM unnest(%(point_ids)s::bigint[], %(meter_ids)s::bigint[]) WITH ORDINALITY
             AS given (point_id, meter_id, rank)
        ON CONFLICT DO NOTHING
        """,
        {
            "utility_id": utility_id,
            "incident_id": incident_id,
            "point_ids": [point_id for point_id, _ in points],
            "meter_ids": [meter_id for _, meter_id in points],
        },
    )
    centre = None if place is None else place.centre
    conn.execute(
        """
        UPDATE incident SET place_meter_id = %(meter_id)s, place_latitude = %(latitude)s,
            place_longitude = %(longitude)s, place_radius_m = %(radius_m)s
        WHERE utility_id = %(utility_id)s AND incident_id = %(incident_id)s
        """,
        {
            "utility_id": utility_id,
            "incident_id": incident_id,
            "meter_id": None if place is None else place.nearest,
            "latitude": None if centre is None else centre.latitude,
            "longitude": None if centre is None else centre.longitude,
            "radius_m": None if place is None else place.radius_m,
        },
    )


def points_shown(conn: Connection[TupleRow], *, utility_id: int, incident_id: int) -> list[int]:
    """List the points that show the trouble, the worst first."""
    rows = conn.execute(
        """
        SELECT point_id FROM incident_point
        WHERE utility_id = %(utility_id)s AND incident_id = %(incident_id)s ORDER BY rank, point_id
        """,
        {"utility_id": utility_id, "incident_id": incident_id},
    ).fetchall()
    return [point_id for (point_id,) in rows]


def place_of(conn: Connection[TupleRow], *, utility_id: int, incident_id: int) -> ShownPlace:
    """:raises IncidentUnknown: if there is no such incident"""
    with conn.cursor(row_factory=class_row(ShownPlace)) as cursor:
        found = cursor.execute(
            """
            SELECT place_meter_id, place_latitude, place_longitude, place_radius_m FROM incident
            WHERE utility_id = %(utility_id)s AND incident_id = %(incident_id)s
            """,
            {"utility_id": utility_id, "incident_id": incident_id},
        ).fetchone()
    if found is None:
        raise IncidentUnknown(f"there is no incident {incident_id}; look it up in the list of tickets")
    return found
