"""What the checker found at one instant."""

from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from ingest_gateway.store.anomalies import Anomaly


def found_at(conn: Connection[TupleRow], *, utility_id: int, at: datetime) -> list[Anomaly]:
    """List the anomalies that could be known at that very instant, in the order in which they were written."""
    with conn.cursor(row_factory=class_row(Anomaly)) as cursor:
        return cursor.execute(
            """
            SELECT anomaly_id, scope, place_id, meter_id, point_id, zone_id, meter_ids, service, kind, outlet, score,
                   detector, setting_id, started_at, found_at, ended_at, evidence
            FROM anomaly WHERE utility_id = %(utility_id)s AND found_at = %(at)s ORDER BY anomaly_id
            """,
            {"utility_id": utility_id, "at": at},
        ).fetchall()
