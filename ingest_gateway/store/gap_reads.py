"""Gaps as pages and the gateway's health show them: of one meter, counted, and the list of meters that wait."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row


@dataclass(frozen=True, slots=True)
class MeterGap:
    """A stretch without readings; `missing` of `expected` are still missing. `before_at` None: it goes on."""

    meter_id: int
    after_at: datetime
    before_at: datetime | None
    expected: int
    missing: int
    state: str
    found_at: datetime
    closed_at: datetime | None
    asks: int
    next_ask_at: datetime | None
    command_id: int | None


def of_meter(conn: Connection[TupleRow], *, utility_id: int, meter_id: int, limit: int) -> list[MeterGap]:
    """List a meter's gaps, the open ones first, then the newest."""
    with conn.cursor(row_factory=class_row(MeterGap)) as cursor:
        return cursor.execute(
            """
            SELECT meter_id, after_at, before_at, expected, missing, state, found_at, closed_at, asks, next_ask_at,
                   command_id
            FROM reading_gap WHERE utility_id = %(utility_id)s AND meter_id = %(meter_id)s
            ORDER BY state <> 'open', after_at DESC LIMIT %(limit)s
            """,
            {"utility_id": utility_id, "meter_id": meter_id, "limit": limit},
        ).fetchall()


@dataclass(frozen=True, slots=True)
class GapCounts:
    """How many gaps there are of each state, and how many readings are missing, came late, or are lost."""

    open: int
    filled: int
    lost: int
    readings_missing: int
    readings_filled: int
    readings_lost: int


def counts(conn: Connection[TupleRow], *, utility_id: int, meter_id: int | None) -> GapCounts:
    """Count the gaps of one meter, or of all."""
    with conn.cursor(row_factory=class_row(GapCounts)) as cursor:
        found = cursor.execute(
            """
            SELECT count(*) FILTER (WHERE state = 'open') AS open, count(*) FILTER (WHERE state = 'filled') AS filled,
                   count(*) FILTER (WHERE state = 'lost') AS lost,
                   coalesce(sum(missing) FILTER (WHERE state = 'open'), 0)::bigint AS readings_missing,
                   coalesce(sum(expected - missing), 0)::bigint AS readings_filled,
                   coalesce(sum(missing) FILTER (WHERE state = 'lost'), 0)::bigint AS readings_lost
            FROM reading_gap
            WHERE utility_id = %(utility_id)s AND (%(meter_id)s::bigint IS NULL OR meter_id = %(meter_id)s)
            """,
            {"utility_id": utility_id, "meter_id": meter_id},
        ).fetchone()
    assert found is not None, "an aggregate gives one row"
    return found


@dataclass(frozen=True, slots=True)
class GapRow:
    """A meter with open gaps, for the operator's list; `silent_since` where no reading came since."""

    meter_id: int
    serial: str
    kind: str
    interval_s: int
    address: str
    zone_code: str
    senders: str
    gaps: int
    missing: int
    first_after_at: datetime
    silent_since: datetime | None
    asks: int
    next_ask_at: datetime | None
    command_id: int | None
    command_state: str | None
    asked_at: datetime | None


def open_by_meter(conn: Connection[TupleRow], *, utility_id: int, limit: int) -> list[GapRow]:
    """List the meters with open gaps, the silent ones first, then those with the most readings missing."""
    with conn.cursor(row_factory=class_row(GapRow)) as cursor:
        return cursor.execute(
            """
            SELECT g.meter_id, m.serial, m.kind, m.interval_s, coalesce(p.address, '') AS address,
                   coalesce(z.code, '') AS zone_code, coalesce(said.names, '') AS senders, g.gaps, g.missing,
                   g.first_after_at, CASE WHEN g.silent_since >= l.read_at THEN g.silent_since END AS silent_since,
                   g.asks, g.next_ask_at, c.command_id, c.state AS command_state, c.queued_at AS asked_at
            FROM (SELECT meter_id, count(*) AS gaps, sum(missing)::bigint AS missing, min(after_at) AS first_after_at,
                         max(after_at) FILTER (WHERE before_at IS NULL) AS silent_since, max(asks) AS asks,
                         min(next_ask_at) AS next_ask_at
                  FROM reading_gap WHERE utility_id = %(utility_id)s AND state = 'open' GROUP BY meter_id) AS g
            JOIN meter m ON m.utility_id = %(utility_id)s AND m.meter_id = g.meter_id
            LEFT JOIN meter_latest l ON l.utility_id = m.utility_id AND l.meter_id = m.meter_id
            LEFT JOIN installation i ON i.utility_id = m.utility_id AND i.meter_id = m.meter_id AND upper_inf(i.valid)
            LEFT JOIN point p ON p.utility_id = i.utility_id AND p.point_id = i.point_id
            LEFT JOIN zone z ON z.utility_id = p.utility_id AND z.zone_id = p.zone_id
            LEFT JOIN LATERAL (
                SELECT string_agg(s.name, ', ' ORDER BY s.name) AS names
                FROM sender_meter sm JOIN sender s USING (utility_id, sender_id)
                WHERE sm.utility_id = m.utility_id AND sm.meter_id = m.meter_id AND s.active) AS said ON true
            LEFT JOIN LATERAL (
                SELECT o.command_id, o.state, o.queued_at FROM meter_command o
                WHERE o.utility_id = m.utility_id AND o.meter_id = m.meter_id AND o.command = 'backfill'
                ORDER BY o.command_id DESC LIMIT 1) AS c ON true
            ORDER BY coalesce(g.silent_since < l.read_at, true), g.missing DESC, m.serial LIMIT %(limit)s
            """,
            {"utility_id": utility_id, "limit": limit},
        ).fetchall()
