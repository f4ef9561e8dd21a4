"""From findings to incidents: one fault in the world, one ticket, whatever the number of meters that show it."""

from collections.abc import Collection
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import queries as ingest
from ingest_gateway.queries import Anomaly
from maintenance_tracker.operations.recording import record
from maintenance_tracker.operations.tracked import findings_of, load, reasons_at
from maintenance_tracker.store import incidents, tickets, waiting


def track_opened(conn: Connection[TupleRow], *, utility_id: int, anomaly_id: int) -> int | None:
    """Join a finding to its incident's ticket, opening or reopening one where needed; return the ticket's id.

    What was found at the same instant is taken with it, so that the order of events within it does not matter. None:
    it has a known reason, or is one of the watch list.

    :raises AnomalyUnknown: if there is no such finding
    """
    anomaly = ingest.anomaly(conn, utility_id=utility_id, anomaly_id=anomaly_id)
    if not incidents.placed_anomalies(conn, utility_id=utility_id, anomaly_ids=[anomaly_id]):
        together = ingest.anomalies_found_at(conn, utility_id=utility_id, at=anomaly.found_at)
        ids = [one.anomaly_id for one in together]
        known = incidents.placed_anomalies(conn, utility_id=utility_id, anomaly_ids=ids)
        new = [one for one in together if one.anomaly_id not in known]
        track(conn, utility_id=utility_id, anomalies=new, at=anomaly.found_at)
    incident_id = incidents.incident_of_anomaly(conn, utility_id=utility_id, anomaly_id=anomaly_id)
    if incident_id is None:
        return None
    return tickets.of_incident(conn, utility_id=utility_id, incident_id=incident_id)


def track(conn: Connection[TupleRow], *, utility_id: int, anomalies: Collection[Anomaly], at: datetime) -> None:
    """Group findings of one instant with what is known, and write what that changes."""
    reasons = reasons_at(conn, utility_id=utility_id, anomalies=anomalies, at=at)
    tracked = load(conn, utility_id=utility_id, at=at, reasons=reasons)
    findings, sizes = findings_of(conn, utility_id=utility_id, anomalies=anomalies)
    tracked.grouping.sizes = sizes
    waited = set(tracked.grouping.waiting)
    changes = tracked.grouping.step(at_s=int(at.timestamp()), opened=findings)
    record(conn, utility_id=utility_id, tracked=tracked, changes=changes, waited=waited)


def track_closed(conn: Connection[TupleRow], *, utility_id: int, anomaly_id: int, at: datetime) -> None:
    """Note the incident as quiet when the last of its findings has ended. The ticket stays: people close it."""
    waiting.remove(conn, utility_id=utility_id, anomaly_ids=[anomaly_id])
    if incidents.incident_of_anomaly(conn, utility_id=utility_id, anomaly_id=anomaly_id) is None:
        return
    tracked = load(conn, utility_id=utility_id, at=at)
    waited = set(tracked.grouping.waiting)
    changes = tracked.grouping.step(at_s=int(at.timestamp()), opened=(), ended=[anomaly_id])
    incidents.end_member(conn, utility_id=utility_id, anomaly_id=anomaly_id, at=at)
    record(conn, utility_id=utility_id, tracked=tracked, changes=changes, waited=waited)


def settle(conn: Connection[TupleRow], *, utility_id: int, at: datetime) -> int:
    """Let the time pass: what was quiet for long is over, what outlasted its known reason is tracked.

    Return how much changed.
    """
    waited = {row.anomaly_id for row in waiting.waiting(conn, utility_id=utility_id)}
    anomalies = ingest.anomalies(conn, utility_id=utility_id, anomaly_ids=waited)
    reasons = reasons_at(conn, utility_id=utility_id, anomalies=anomalies, at=at) if anomalies else []
    tracked = load(conn, utility_id=utility_id, at=at, reasons=reasons)
    changes = tracked.grouping.advance(at_s=int(at.timestamp()))
    record(conn, utility_id=utility_id, tracked=tracked, changes=changes, waited=waited)
    return len(changes)
