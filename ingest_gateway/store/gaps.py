"""Stretches without readings: found beside what is stored, counted again when late data comes, given up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from ingest_gateway.store.console import SILENT_INTERVALS


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time of one meter in which readings came."""

    meter_id: int
    from_at: datetime
    to_at: datetime


def touched(
    conn: Connection[TupleRow], *, utility_id: int, stretches: Sequence[Stretch]
) -> list[tuple[int, datetime, datetime]]:
    """List the gaps that are not filled and that the stretches reach into: meter, reading before, reading after.

    The last is infinity's stand-in, the end of the stretch, where the meter was silent until now.
    """
    return conn.execute(
        """
        SELECT g.meter_id, g.after_at, max(coalesce(g.before_at, s.to_at))
        FROM unnest(%(meter_ids)s::bigint[], %(from_at)s::timestamptz[], %(to_at)s::timestamptz[])
             AS s (meter_id, from_at, to_at)
        JOIN reading_gap g ON g.utility_id = %(utility_id)s AND g.meter_id = s.meter_id
            AND g.after_at < s.to_at AND coalesce(g.before_at, 'infinity') > s.from_at
        WHERE g.state <> 'filled' GROUP BY g.meter_id, g.after_at ORDER BY g.meter_id, g.after_at
        """,
        {"utility_id": utility_id, **_columns(stretches)},
    ).fetchall()


def worth_a_look(
    conn: Connection[TupleRow], *, utility_id: int, limit: int, at: datetime
) -> list[tuple[int, datetime, datetime]]:
    """List, as `touched` does, the open gaps that were asked for and are due again, and silences that have ended.

    What follows intake may be far behind it, and what came meanwhile shall not be asked for once more.
    """
    return conn.execute(
        """
        SELECT g.meter_id, g.after_at, coalesce(g.before_at, greatest(l.read_at, g.after_at))
        FROM reading_gap g
        LEFT JOIN meter_latest l ON l.utility_id = g.utility_id AND l.meter_id = g.meter_id
        WHERE g.utility_id = %(utility_id)s AND g.state = 'open'
          AND (g.next_ask_at <= %(at)s OR (g.before_at IS NULL AND l.read_at > g.after_at))
        ORDER BY g.next_ask_at NULLS FIRST, g.meter_id, g.after_at LIMIT %(limit)s
        """,
        {"utility_id": utility_id, "limit": limit, "at": at},
    ).fetchall()


def count_again(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    gaps: Sequence[tuple[int, datetime, datetime]],
    at: datetime,
) -> None:
    """Count what is missing in these gaps now; a silence ends with the last hole before the newest reading."""
    conn.execute(
        """
        WITH inside AS (
            SELECT g.meter_id, g.after_at, m.interval_s, r.read_at,
                   lag(r.read_at) OVER (PARTITION BY g.meter_id, g.after_at ORDER BY r.read_at) AS earlier_at
            FROM unnest(%(meter_ids)s::bigint[], %(after_at)s::timestamptz[], %(until)s::timestamptz[])
                 AS g (meter_id, after_at, until)
            JOIN meter m ON m.utility_id = %(utility_id)s AND m.meter_id = g.meter_id
            JOIN reading r ON r.utility_id = %(utility_id)s AND r.meter_id = g.meter_id
                AND r.read_at >= g.after_at AND r.read_at <= g.until
                AND r.read_at >= %(first)s AND r.read_at <= %(last)s
        ), stepped AS (
            SELECT meter_id, after_at, interval_s, read_at,
                   greatest(round(extract(epoch FROM read_at - earlier_at) / interval_s)::integer - 1, 0) AS holes
            FROM inside
        ), counted AS (
            SELECT meter_id, after_at, interval_s, sum(holes)::integer AS missing, max(read_at) AS newest,
                   max(read_at) FILTER (WHERE holes > 0) AS last_hole
            FROM stepped GROUP BY meter_id, after_at, interval_s
        ), ended AS (
            SELECT c.meter_id, c.after_at, c.missing, coalesce(g.before_at, c.last_hole, c.newest) AS before_at,
                   CASE WHEN g.before_at IS NOT NULL THEN g.expected
                        ELSE greatest(c.missing, 1, n.intervals - (c.last_hole IS NOT NULL)::integer) END AS expected
            FROM counted c
            CROSS JOIN LATERAL (
                SELECT round(extract(epoch FROM coalesce(c.last_hole, c.newest) - c.after_at) / c.interval_s)::integer
                    AS intervals) AS n
            JOIN reading_gap g ON g.utility_id = %(utility_id)s AND g.meter_id = c.meter_id AND g.after_at = c.after_at
            WHERE g.before_at IS NOT NULL OR c.newest > c.after_at
        )
        UPDATE reading_gap AS g
        SET before_at = e.before_at, missing = least(e.missing, e.expected), expected = e.expected,
            denials = CASE WHEN g.before_at IS NULL THEN 0 ELSE g.denials END,
            state = CASE WHEN e.missing = 0 THEN 'filled' ELSE g.state END,
            closed_at = CASE WHEN e.missing = 0 THEN %(at)s ELSE g.closed_at END
        FROM ended e
        WHERE g.utility_id = %(utility_id)s AND g.meter_id = e.meter_id AND g.after_at = e.after_at
          AND (g.before_at, g.missing, g.expected) IS DISTINCT FROM (e.before_at, e.missing, e.expected)
        """,
        {
            "utility_id": utility_id,
            "meter_ids": [meter_id for meter_id, _, _ in gaps],
            "after_at": [after_at for _, after_at, _ in gaps],
            "until": [until for _, _, until in gaps],
            "first": min(after_at for _, after_at, _ in gaps),
            "last": max(until for _, _, until in gaps),
            "at": at,
        },
    )


def find(
    conn: Connection[TupleRow], *, utility_id: int, stretches: Sequence[Stretch], oldest: datetime, at: datetime
) -> int:
    """Note where readings in the stretches and those next to them stand more than an interval and a half apart.

    Gaps that end before `oldest` are left out: nobody keeps what was in them. Return how many are new.
    """
    found = conn.execute(
        """
        WITH stretch AS MATERIALIZED (
            SELECT s.number, s.meter_id, m.interval_s, s.from_at, s.to_at
            FROM unnest(%(meter_ids)s::bigint[], %(from_at)s::timestamptz[], %(to_at)s::timestamptz[])
                 WITH ORDINALITY AS s (meter_id, from_at, to_at, number)
            JOIN meter m ON m.utility_id = %(utility_id)s AND m.meter_id = s.meter_id
        ), known AS (
            SELECT s.number, s.meter_id, s.interval_s, r.read_at
            FROM stretch s
            JOIN reading r ON r.utility_id = %(utility_id)s AND r.meter_id = s.meter_id
                AND r.read_at > s.from_at AND r.read_at <= s.to_at AND r.read_at > %(first)s AND r.read_at <= %(last)s
            UNION ALL
            SELECT s.number, s.meter_id, s.interval_s, before.read_at
            FROM stretch s CROSS JOIN LATERAL (
                SELECT r.read_at FROM reading r
                WHERE r.utility_id = %(utility_id)s AND r.meter_id = s.meter_id AND r.read_at <= s.from_at
                  AND r.read_at > %(first)s - interval '60 days'
                ORDER BY r.read_at DESC LIMIT 1) AS before
            UNION ALL
            SELECT s.number, s.meter_id, s.interval_s, after.read_at
            FROM stretch s CROSS JOIN LATERAL (
                SELECT r.read_at FROM reading r
                WHERE r.utility_id = %(utility_id)s AND r.meter_id = s.meter_id AND r.read_at > s.to_at
                  AND r.read_at <= %(last)s + interval '60 days'
                ORDER BY r.read_at LIMIT 1) AS after
        ), pair AS (
            SELECT meter_id, interval_s, lag(read_at) OVER (PARTITION BY number ORDER BY read_at) AS after_at,
                   read_at AS before_at
            FROM known
        ), hole AS (
            SELECT DISTINCT meter_id, after_at, before_at,
                   round(extract(epoch FROM before_at - after_at) / interval_s)::integer - 1 AS missing
            FROM pair WHERE before_at - after_at >= make_interval(secs => 1.5 * interval_s) AND before_at > %(oldest)s
        )
        INSERT INTO reading_gap (utility_id, meter_id, after_at, before_at, expected, missing, found_at)
        SELECT %(utility_id)s, h.meter_id, h.after_at, h.before_at, h.missing, h.missing, %(at)s
        FROM hole h
        WHERE EXISTS (SELECT FROM installation i
                      WHERE i.utility_id = %(utility_id)s AND i.meter_id = h.meter_id
                        AND i.valid @> h.after_at AND i.valid @> h.before_at)
          AND NOT EXISTS (SELECT FROM reading_gap g
                          WHERE g.utility_id = %(utility_id)s AND g.meter_id = h.meter_id
                            AND g.after_at <= h.after_at AND coalesce(g.before_at, 'infinity') >= h.before_at)
        ORDER BY h.meter_id, h.after_at
        ON CONFLICT DO NOTHING
        """,
        {
            "utility_id": utility_id,
            **_columns(stretches),
            "first": min(one.from_at for one in stretches),
            "last": max(one.to_at for one in stretches),
            "oldest": oldest,
            "at": at,
        },
    )
    return found.rowcount


def note_silence(conn: Connection[TupleRow], *, utility_id: int, slack: timedelta, limit: int, at: datetime) -> int:
    """Note for installed meters that have a line to us and are silent that readings are missing from here on.

    At most `limit` at once; the rest are found the next time.
    """
    found = conn.execute(
        """
        INSERT INTO reading_gap (utility_id, meter_id, after_at, expected, missing, found_at)
        SELECT l.utility_id, l.meter_id, l.read_at, n.missing, n.missing, %(at)s
        FROM installation i
        JOIN meter m ON m.utility_id = i.utility_id AND m.meter_id = i.meter_id
        JOIN meter_latest l ON l.utility_id = i.utility_id AND l.meter_id = i.meter_id
        CROSS JOIN LATERAL (
            SELECT greatest(floor(extract(epoch FROM %(at)s - l.read_at) / m.interval_s)::integer, 1) AS missing) AS n
        WHERE i.utility_id = %(utility_id)s AND upper_inf(i.valid) AND i.valid @> l.read_at
          AND l.read_at < %(at)s::timestamptz - make_interval(secs => %(intervals)s * m.interval_s) - %(slack)s
          AND EXISTS (SELECT FROM sender_meter sm JOIN sender s USING (utility_id, sender_id)
                      WHERE sm.utility_id = i.utility_id AND sm.meter_id = i.meter_id AND s.active)
          AND NOT EXISTS (SELECT FROM reading_gap g
                          WHERE g.utility_id = l.utility_id AND g.meter_id = l.meter_id AND g.before_at IS NULL
                            AND g.after_at = l.read_at)
        ORDER BY l.meter_id LIMIT %(limit)s
        ON CONFLICT DO NOTHING
        """,
        {"utility_id": utility_id, "intervals": SILENT_INTERVALS, "slack": slack, "limit": limit, "at": at},
    )
    return found.rowcount


def give_up(conn: Connection[TupleRow], *, utility_id: int, oldest: datetime, most_denials: int, at: datetime) -> int:
    """Call lost what no meter keeps any more, and what one answered so often without sending it; return how many.

    A silence that goes on is never given up: it is not known yet what will be missing.
    """
    conn.execute(
        """
        UPDATE reading_gap AS g SET denials = g.denials + 1, command_id = NULL
        FROM meter_command c
        WHERE g.utility_id = %(utility_id)s AND g.state = 'open' AND g.next_ask_at <= %(at)s
          AND c.utility_id = g.utility_id AND c.command_id = g.command_id AND c.state IN ('done', 'failed')
        """,
        {"utility_id": utility_id, "at": at},
    )
    lost = conn.execute(
        """
        UPDATE reading_gap SET state = 'lost', closed_at = %(at)s
        WHERE utility_id = %(utility_id)s AND state = 'open'
          AND before_at IS NOT NULL AND (denials >= %(most_denials)s OR before_at <= %(oldest)s)
        """,
        {"utility_id": utility_id, "most_denials": most_denials, "oldest": oldest, "at": at},
    )
    return lost.rowcount


def forget_closed(conn: Connection[TupleRow], *, utility_id: int, before: datetime) -> int:
    """Delete what was filled or lost before an instant; return how many."""
    gone = conn.execute(
        "DELETE FROM reading_gap WHERE utility_id = %(utility_id)s AND state <> 'open' AND closed_at < %(before)s",
        {"utility_id": utility_id, "before": before},
    )
    return gone.rowcount


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


def _columns(stretches: Sequence[Stretch]) -> dict[str, list[int] | list[datetime]]:
    return {
        "meter_ids": [one.meter_id for one in stretches],
        "from_at": [one.from_at for one in stretches],
        "to_at": [one.to_at for one in stretches],
    }
