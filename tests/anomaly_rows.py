"""Findings of the checker, written as they stand in the store."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain.checking.findings import Finding, Kind, Outlet, Scope
from ingest_gateway.store import anomalies


def write_anomaly(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    kind: Kind,
    place_id: int,
    at: datetime,
    scope: Scope = "meter",
    point_id: int | None = None,
    zone_id: int | None = None,
    meter_ids: tuple[int, ...] | None = None,
    service: str = "water",
    outlet: Outlet = "ticket",
    evidence: Mapping[str, Any] | None = None,
) -> int:
    """Write an open anomaly that began and was found at `at`; return its id."""
    shown = ((place_id,) if scope == "meter" else ()) if meter_ids is None else meter_ids
    finding = Finding(
        kind=kind,
        opened=True,
        scope=scope,
        place_id=place_id,
        at_s=int(at.timestamp()),
        since_s=int(at.timestamp()),
        outlet=outlet,
        score=1.0,
        meter_ids=shown,
        detector="test 1",
        evidence=evidence or {},
    )
    anomaly_id = anomalies.insert(
        conn,
        utility_id=utility_id,
        finding=finding,
        point_id=point_id,
        zone_id=zone_id,
        service=service,
        setting_id=0,
    )
    assert anomaly_id is not None, "the place has no open one of the kind"
    return anomaly_id
