"""A utility's own parameters of the detectors: each change is a row that stays."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One change; `value` None is the standard again. What is None of the rest fits every meter."""

    setting_id: int
    detector: str
    parameter: str
    value: float | None
    segment: str | None
    technology: str | None  # pulse, or other
    interval_s: int | None
    zone_id: int | None
    reason: str
    valid_from: datetime
    set_by: str


def in_force(conn: Connection[TupleRow], *, utility_id: int, at: datetime) -> list[SettingRow]:
    """List the newest change of each parameter for each sort of meters, in the order in which they were made."""
    with conn.cursor(row_factory=class_row(SettingRow)) as cursor:
        return cursor.execute(
            """
            SELECT setting_id, detector, parameter, value, segment, technology, interval_s, zone_id, reason,
                   valid_from, set_by
            FROM (
                SELECT DISTINCT ON (detector, parameter, segment, technology, interval_s, zone_id)
                       setting_id, detector, parameter, value, segment, technology, interval_s, zone_id, reason,
                       valid_from, set_by
                FROM checker_setting WHERE utility_id = %(utility_id)s AND valid_from <= %(at)s
                ORDER BY detector, parameter, segment, technology, interval_s, zone_id, setting_id DESC
            ) AS newest
            ORDER BY setting_id
            """,
            {"utility_id": utility_id, "at": at},
        ).fetchall()


def changes(conn: Connection[TupleRow], *, utility_id: int, limit: int) -> list[SettingRow]:
    """List what was changed last, newest first."""
    with conn.cursor(row_factory=class_row(SettingRow)) as cursor:
        return cursor.execute(
            """
            SELECT setting_id, detector, parameter, value, segment, technology, interval_s, zone_id, reason,
                   valid_from, set_by
            FROM checker_setting WHERE utility_id = %(utility_id)s
            ORDER BY setting_id DESC LIMIT %(limit)s
            """,
            {"utility_id": utility_id, "limit": limit},
        ).fetchall()


def insert(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    detector: str,
    parameter: str,
    value: float | None,
    segment: str | None,
    technology: str | None,
    interval_s: int | None,
    zone_id: int | None,
    reason: str,
    valid_from: datetime,
    set_by: str,
) -> int:
    """Write a change and return its id."""
    row = conn.execute(
        """
        INSERT INTO checker_setting (utility_id, detector, parameter, value, segment, technology, interval_s, zone_id,
            reason, valid_from, set_by)
        VALUES (%(utility_id)s, %(detector)s, %(parameter)s, %(value)s, %(segment)s, %(technology)s, %(interval_s)s,
            %(zone_id)s, %(reason)s, %(valid_from)s, %(set_by)s)
        RETURNING setting_id
        """,
        {
            "utility_id": utility_id,
            "detector": detector,
            "parameter": parameter,
            "value": value,
            "segment": segment,
            "technology": technology,
            "interval_s": interval_s,
            "zone_id": zone_id,
            "reason": reason,
            "valid_from": valid_from,
            "set_by": set_by,
        },
    ).fetchone()
    assert row is not None, "an insert gives its row"
    return row[0]
