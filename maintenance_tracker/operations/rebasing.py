"""After a repair the checker learns anew what is usual."""

from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import queries as ingest
from kernel import events
from maintenance_tracker.store import incidents

REBASE = "baseline.rebase"


def ask_rebase(conn: Connection[TupleRow], *, utility_id: int, incident_id: int, at: datetime) -> None:
    """Ask the checker to take the baselines of a mended incident's meters and zones anew."""
    ids = incidents.anomaly_ids(conn, utility_id=utility_id, incident_id=incident_id)
    found = ingest.anomalies(conn, utility_id=utility_id, anomaly_ids=ids)
    meter_ids = {one.meter_id for one in found if one.meter_id is not None}
    meter_ids |= {meter_id for one in found for meter_id in one.meter_ids}
    events.publish(
        conn,
        utility_id=utility_id,
        topic=REBASE,
        key=f"incident:{incident_id}",
        payload={
            "incident_id": incident_id,
            "kinds": sorted({one.kind for one in found}),
            "meter_ids": sorted(meter_ids),
            "zone_ids": sorted({one.zone_id for one in found if one.scope == "zone" and one.zone_id is not None}),
        },
        occurred_at=at,
    )
