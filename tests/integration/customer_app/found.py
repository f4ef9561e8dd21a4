"""Findings for these tests, as the checker writes them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from kernel.database import Scope, enter_scope
from tests.integration.customer_app import town
from tests.integration.customer_app.conftest import Utility

LEAK = {"rate_lph": 14.2, "rest_lph": 0.0, "limit_lph": 3.0}
SUNDAY_NIGHT = datetime.fromisoformat("2026-06-14T14:00:00+00:00")  # 23:00 in Tokyo


def entered(conn: Connection[TupleRow], utility: Utility) -> Connection[TupleRow]:
    """Enter the utility's scope, as a process does."""
    enter_scope(conn, scope=Scope(utility.utility_id, "test", town.NOW))
    return conn


def finding(
    utility: Utility,
    *,
    serial: str,
    kind: str = "household_leak",
    outlet: str = "ticket",
    evidence: Mapping[str, Any] = LEAK,
    started_at: datetime = SUNDAY_NIGHT,
    scope: str = "meter",
) -> int:
    """Write what the checker found at a meter, or in its zone, and give its id."""
    with psycopg.connect(utility.database_url) as conn:
        row = (
            entered(conn, utility)
            .execute(
                """
                INSERT INTO anomaly (utility_id, scope, place_id, meter_id, point_id, zone_id, meter_ids, service, kind,
                    outlet, score, detector, setting_id, started_at, found_at, evidence)
                SELECT m.utility_id, %(scope)s, CASE %(scope)s WHEN 'meter' THEN m.meter_id ELSE p.zone_id END,
                    CASE %(scope)s WHEN 'meter' THEN m.meter_id END, CASE %(scope)s WHEN 'meter' THEN p.point_id END,
                    p.zone_id, ARRAY[m.meter_id], m.kind, %(kind)s, %(outlet)s, 2.5, %(detector)s, 0, %(started_at)s,
                    %(found_at)s, %(evidence)s
                FROM meter AS m
                JOIN installation AS i ON i.utility_id = m.utility_id AND i.meter_id = m.meter_id
                JOIN point AS p ON p.utility_id = i.utility_id AND p.point_id = i.point_id
                WHERE m.serial = %(serial)s RETURNING anomaly_id
                """,
                {
                    "scope": scope,
                    "serial": serial,
                    "kind": kind,
                    "outlet": outlet,
                    "detector": f"{kind} 1",
                    "started_at": started_at,
                    "found_at": started_at + timedelta(hours=20),
                    "evidence": Jsonb(dict(evidence)),
                },
            )
            .fetchone()
        )
    assert row is not None
    return row[0]
