"""What the checker found and what of it lasts."""

from collections.abc import Collection
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.store import anomalies as store
from ingest_gateway.store import anomalies_together
from ingest_gateway.store.anomalies import Anomaly, AnomalyUnknown

__all__ = [
    "Anomaly",
    "AnomalyUnknown",
    "anomalies",
    "anomalies_found_at",
    "anomalies_of_meter",
    "anomalies_of_points",
    "anomaly",
    "open_anomalies",
]


def anomaly(conn: Connection[TupleRow], *, utility_id: int, anomaly_id: int) -> Anomaly:
    """:raises AnomalyUnknown: if the utility has no such anomaly"""
    return store.anomaly(conn, utility_id=utility_id, anomaly_id=anomaly_id)


def anomalies(conn: Connection[TupleRow], *, utility_id: int, anomaly_ids: Collection[int]) -> list[Anomaly]:
    """List the anomalies of these ids, oldest first."""
    return store.by_ids(conn, utility_id=utility_id, anomaly_ids=anomaly_ids)


def open_anomalies(conn: Connection[TupleRow], *, utility_id: int) -> list[Anomaly]:
    """List what has not ended, newest first."""
    return store.open_ones(conn, utility_id=utility_id)


def anomalies_of_points(
    conn: Connection[TupleRow], *, utility_id: int, point_ids: Collection[int], since: datetime
) -> list[Anomaly]:
    """List the points' anomalies that are open or ended after `since`, newest first."""
    return store.of_points(conn, utility_id=utility_id, point_ids=point_ids, since=since)


def anomalies_found_at(conn: Connection[TupleRow], *, utility_id: int, at: datetime) -> list[Anomaly]:
    """List the anomalies that could be known at that very instant, in the order in which they were written."""
    return anomalies_together.found_at(conn, utility_id=utility_id, at=at)


def anomalies_of_meter(conn: Connection[TupleRow], *, utility_id: int, meter_id: int, since: datetime) -> list[Anomaly]:
    """List what a meter has or shows, its zone's and its concentrator's too, open or ended after `since`."""
    return store.of_meter(conn, utility_id=utility_id, meter_id=meter_id, since=since)
