"""Incidents: one fault in the world, with the findings it caused."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from maintenance_tracker.domain.states import State


@dataclass(frozen=True, slots=True)
class KnownIncident:
    """The newest incident of a kind at a place, with its ticket."""

    incident_id: int
    ticket_id: int
    state: State
    finished_at: datetime | None


def insert(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    service: str,
    kind: str,
    zone_id: int | None,
    point_id: int | None,
    at: datetime,
) -> int:
    """Write an incident and return its id."""
    row = conn.execute(
        """
        INSERT INTO incident (utility_id, service, kind, zone_id, point_id, opened_at, last_found_at)
        VALUES (%(utility_id)s, %(service)s, %(kind)s, %(zone_id)s, %(point_id)s, %(at)s, %(at)s)
        RETURNING incident_id
        """,
        {
            "utility_id": utility_id,
            "service": service,
            "kind": kind,
            "zone_id": zone_id,
            "point_id": point_id,
            "at": at,
        },
    ).fetchone()
    assert row is not None, "an insert gives its row"
    return row[0]


def newest(
    conn: Connection[TupleRow], *, utility_id: int, kind: str, zone_id: int | None, point_id: int | None
) -> KnownIncident | None:
    """Find the newest incident of the kind at the place, and hold its ticket until the transaction ends."""
    with conn.cursor(row_factory=class_row(KnownIncident)) as cursor:
        return cursor.execute(
            """
            SELECT i.incident_id, t.ticket_id, t.state, t.finished_at
            FROM incident AS i
            JOIN ticket AS t ON t.utility_id = i.utility_id AND t.incident_id = i.incident_id
            WHERE i.utility_id = %(utility_id)s AND i.kind = %(kind)s
                AND i.zone_id IS NOT DISTINCT FROM %(zone_id)s AND i.point_id IS NOT DISTINCT FROM %(point_id)s
            ORDER BY i.incident_id DESC LIMIT 1
            FOR UPDATE OF t
            """,
            {"utility_id": utility_id, "kind": kind, "zone_id": zone_id, "point_id": point_id},
        ).fetchone()


def incident_of_anomaly(conn: Connection[TupleRow], *, utility_id: int, anomaly_id: int) -> int | None:
    """Tell to which incident a finding was joined."""
    row = conn.execute(
        "SELECT incident_id FROM incident_anomaly WHERE utility_id = %(utility_id)s AND anomaly_id = %(anomaly_id)s",
        {"utility_id": utility_id, "anomaly_id": anomaly_id},
    ).fetchone()
    return None if row is None else row[0]


def join(conn: Connection[TupleRow], *, utility_id: int, incident_id: int, anomaly_id: int, at: datetime) -> None:
    """Join a finding to an incident, which is no longer quiet."""
    conn.execute(
        """
        INSERT INTO incident_anomaly (utility_id, incident_id, anomaly_id)
        VALUES (%(utility_id)s, %(incident_id)s, %(anomaly_id)s)
        """,
        {"utility_id": utility_id, "incident_id": incident_id, "anomaly_id": anomaly_id},
    )
    conn.execute(
        """
        UPDATE incident SET last_found_at = greatest(last_found_at, %(at)s), quiet_at = NULL
        WHERE utility_id = %(utility_id)s AND incident_id = %(incident_id)s
        """,
        {"utility_id": utility_id, "incident_id": incident_id, "at": at},
    )


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


def set_quiet(conn: Connection[TupleRow], *, utility_id: int, incident_id: int, at: datetime) -> bool:
    """Note that no finding of the incident is open; tell whether that was news."""
    changed = conn.execute(
        """
        UPDATE incident SET quiet_at = %(at)s
        WHERE utility_id = %(utility_id)s AND incident_id = %(incident_id)s AND quiet_at IS NULL
        """,
        {"utility_id": utility_id, "incident_id": incident_id, "at": at},
    )
    return changed.rowcount == 1


def set_closed(conn: Connection[TupleRow], *, utility_id: int, incident_id: int, closed_at: datetime | None) -> None:
    """Close an incident, or open it again with None."""
    conn.execute(
        """
        UPDATE incident SET closed_at = %(closed_at)s
        WHERE utility_id = %(utility_id)s AND incident_id = %(incident_id)s
        """,
        {"utility_id": utility_id, "incident_id": incident_id, "closed_at": closed_at},
    )
