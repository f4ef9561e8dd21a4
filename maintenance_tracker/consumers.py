"""Consumer `tracker`: the checker's findings become incidents and tickets."""

from collections.abc import Mapping

from psycopg import Connection
from psycopg.rows import TupleRow

from kernel.events import Event, Handler
from maintenance_tracker.operations.tracking import track_closed, track_opened


def handlers() -> Mapping[str, Handler]:
    """Give what the tracker does with each topic."""
    return {"anomaly.opened": _opened, "anomaly.closed": _closed}


def _opened(conn: Connection[TupleRow], event: Event) -> None:
    track_opened(conn, utility_id=event.utility_id, anomaly_id=int(event.payload["anomaly_id"]))


def _closed(conn: Connection[TupleRow], event: Event) -> None:
    anomaly_id = int(event.payload["anomaly_id"])
    track_closed(conn, utility_id=event.utility_id, anomaly_id=anomaly_id, at=event.occurred_at)
