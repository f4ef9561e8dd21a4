"""What the checker found: one row from its beginning to its end."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import Jsonb

from ingest_gateway.domain.checking.findings import Finding, Kind, Outlet, Scope, instant


class AnomalyUnknown(Exception):
    """The utility has no such anomaly."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """`started_at` and `ended_at` by the readings, `found_at` by their arrival; `ended_at` None while it lasts."""

    anomaly_id: int
    scope: Scope
    place_id: int  # the meter's, the zone's or the concentrator's id
    meter_id: int | None  # of a meter's alone
    point_id: int | None
    zone_id: int | None
    meter_ids: Sequence[int]  # that show it, the worst first
    service: str
    kind: Kind
    outlet: Outlet
    score: float
    detector: str
    setting_id: int  # of the newest of the utility's own parameters then; 0: none
    started_at: datetime
    found_at: datetime
    ended_at: datetime | None
    evidence: Mapping[str, Any]

    @property
    def litres_per_hour(self) -> float | None:
        """Give what a leak behind a meter lets run all the time; None for what is none."""
        rate_lph = self.evidence.get("rate_lph")
        return None if self.kind != "household_leak" or rate_lph is None else float(rate_lph)

    def litres_so_far(self, *, at: datetime) -> float | None:
        """Tell what a leak behind a meter has let run until it ended or until `at`; None for what is none."""
        if self.litres_per_hour is None:
            return None
        lasted = (self.ended_at or max(at, self.started_at)) - self.started_at
        return self.litres_per_hour * lasted.total_seconds() / 3600


def insert(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    finding: Finding,
    point_id: int | None,
    zone_id: int | None,
    service: str,
    setting_id: int,
) -> int | None:
    """Write what began and return its id; None if it was written before, or the place has an open one of the kind."""
    row = conn.execute(
        """
        INSERT INTO anomaly (utility_id, scope, place_id, meter_id, point_id, zone_id, meter_ids, service, kind, outlet,
            score, detector, setting_id, started_at, found_at, evidence)
        VALUES (%(utility_id)s, %(scope)s, %(place_id)s, %(meter_id)s, %(point_id)s, %(zone_id)s, %(meter_ids)s,
            %(service)s, %(kind)s, %(outlet)s, %(score)s, %(detector)s, %(setting_id)s, %(started_at)s, %(found_at)s,
            %(evidence)s)
        ON CONFLICT DO NOTHING
        RETURNING anomaly_id
        """,
        {
            "utility_id": utility_id,
            "scope": finding.scope,
            "place_id": finding.place_id,
            "meter_id": finding.place_id if finding.scope == "meter" else None,
            "point_id": point_id,
            "zone_id": zone_id,
            "meter_ids": list(finding.meter_ids),
            "service": service,
            "kind": finding.kind,
            "outlet": finding.outlet,
            "score": finding.score,
            "detector": finding.detector,
            "setting_id": setting_id,
            "started_at": instant(finding.since_s),
            "found_at": instant(finding.at_s),
            "evidence": Jsonb(dict(finding.evidence)),
        },
    ).fetchone()
    return None if row is None else row[0]


def end(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    scope: Scope,
    place_id: int,
    kind: str,
    detector: str,
    ended_at: datetime,
    known_at: datetime,
    evidence: Mapping[str, Any],
) -> int | None:
    """End what the detector, of whatever version, has open of the kind at the place, if it was found before `known_at`.

    Adds to its evidence. Returns its id; None if none is open.
    """
    row = conn.execute(
        """
        UPDATE anomaly SET ended_at = greatest(%(ended_at)s, started_at), evidence = evidence || %(evidence)s
        WHERE utility_id = %(utility_id)s AND scope = %(scope)s AND place_id = %(place_id)s AND kind = %(kind)s
            AND split_part(detector, ' ', 1) = split_part(%(detector)s, ' ', 1)
            AND ended_at IS NULL AND found_at < %(known_at)s
        RETURNING anomaly_id
        """,
        {
            "utility_id": utility_id,
            "scope": scope,
            "place_id": place_id,
            "kind": kind,
            "detector": detector,
            "ended_at": ended_at,
            "known_at": known_at,
            "evidence": Jsonb(dict(evidence)),
        },
    ).fetchone()
    return None if row is None else row[0]


def anomaly(conn: Connection[TupleRow], *, utility_id: int, anomaly_id: int) -> Anomaly:
    """:raises AnomalyUnknown: if the utility has no such anomaly"""
    with conn.cursor(row_factory=class_row(Anomaly)) as cursor:
        found = cursor.execute(
            """
            SELECT anomaly_id, scope, place_id, meter_id, point_id, zone_id, meter_ids, service, kind, outlet, score,
                   detector, setting_id, started_at, found_at, ended_at, evidence
            FROM anomaly WHERE utility_id = %(utility_id)s AND anomaly_id = %(anomaly_id)s
            """,
            {"utility_id": utility_id, "anomaly_id": anomaly_id},
        ).fetchone()
    if found is None:
        raise AnomalyUnknown(f"utility {utility_id} has no anomaly {anomaly_id}; look it up in the list of anomalies")
    return found


def open_ones(conn: Connection[TupleRow], *, utility_id: int) -> list[Anomaly]:
    """List what has not ended, newest first."""
    with conn.cursor(row_factory=class_row(Anomaly)) as cursor:
        return cursor.execute(
            """
            SELECT anomaly_id, scope, place_id, meter_id, point_id, zone_id, meter_ids, service, kind, outlet, score,
                   detector, setting_id, started_at, found_at, ended_at, evidence
            FROM anomaly WHERE utility_id = %(utility_id)s AND ended_at IS NULL
            ORDER BY found_at DESC, anomaly_id DESC
            """,
            {"utility_id": utility_id},
        ).fetchall()


def of_points(
    conn: Connection[TupleRow], *, utility_id: int, point_ids: Collection[int], since: datetime
) -> list[Anomaly]:
    """List the points' anomalies that are open or ended after `since`, newest first."""
    with conn.cursor(row_factory=class_row(Anomaly)) as cursor:
        return cursor.execute(
            """
            SELECT anomaly_id, scope, place_id, meter_id, point_id, zone_id, meter_ids, service, kind, outlet, score,
                   detector, setting_id, started_at, found_at, ended_at, evidence
            FROM anomaly
            WHERE utility_id = %(utility_id)s AND point_id = ANY (%(point_ids)s)
                AND (ended_at IS NULL OR ended_at > %(since)s)
            ORDER BY found_at DESC, anomaly_id DESC
            """,
            {"utility_id": utility_id, "point_ids": list(point_ids), "since": since},
        ).fetchall()


def of_meter(conn: Connection[TupleRow], *, utility_id: int, meter_id: int, since: datetime) -> list[Anomaly]:
    """List the anomalies that a meter has or shows and that are open or ended after `since`, newest first."""
    with conn.cursor(row_factory=class_row(Anomaly)) as cursor:
        return cursor.execute(
            """
            SELECT anomaly_id, scope, place_id, meter_id, point_id, zone_id, meter_ids, service, kind, outlet, score,
                   detector, setting_id, started_at, found_at, ended_at, evidence
            FROM anomaly
            WHERE utility_id = %(utility_id)s AND (meter_id = %(meter_id)s OR %(meter_id)s = ANY (meter_ids))
                AND (ended_at IS NULL OR ended_at > %(since)s)
            ORDER BY found_at DESC, anomaly_id DESC
            """,
            {"utility_id": utility_id, "meter_id": meter_id, "since": since},
        ).fetchall()


def by_ids(conn: Connection[TupleRow], *, utility_id: int, anomaly_ids: Collection[int]) -> list[Anomaly]:
    """List the anomalies of these ids, oldest first."""
    with conn.cursor(row_factory=class_row(Anomaly)) as cursor:
        return cursor.execute(
            """
            SELECT anomaly_id, scope, place_id, meter_id, point_id, zone_id, meter_ids, service, kind, outlet, score,
                   detector, setting_id, started_at, found_at, ended_at, evidence
            FROM anomaly WHERE utility_id = %(utility_id)s AND anomaly_id = ANY (%(anomaly_ids)s)
            ORDER BY found_at, anomaly_id
            """,
            {"utility_id": utility_id, "anomaly_ids": list(anomaly_ids)},
        ).fetchall()
