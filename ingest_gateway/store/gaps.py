"""Stretches without readings: found beside what is stored, counted again when late data comes, given up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg import Connection
from psycopg.rows import TupleRow

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


def end_with_installation(conn: Connection[TupleRow], *, utility_id: int, at: datetime) -> int:
    """End the silence of meters that were taken down, with what was missing until then; return how many."""
    ended = conn.execute(
        """
        UPDATE reading_gap AS g
        SET before_at = greatest(gone.removed_at, g.after_at + interval '1 second'), missing = gone.missing,
            expected = greatest(gone.missing, 1), state = CASE gone.missing WHEN 0 THEN 'filled' ELSE 'lost' END,
            closed_at = %(at)s
        FROM (
            SELECT o.meter_id, o.after_at, r.removed_at,
                   greatest(floor(extract(epoch FROM r.removed_at - o.after_at) / m.interval_s)::integer, 0) AS missing
            FROM reading_gap o
            JOIN meter m ON m.utility_id = o.utility_id AND m.meter_id = o.meter_id
            CROSS JOIN LATERAL (
                SELECT max(upper(i.valid)) AS removed_at, bool_or(upper_inf(i.valid)) AS hangs
                FROM installation i WHERE i.utility_id = o.utility_id AND i.meter_id = o.meter_id) AS r
            WHERE o.utility_id = %(utility_id)s AND o.state = 'open' AND o.before_at IS NULL AND NOT r.hangs
        ) AS gone
        WHERE g.utility_id = %(utility_id)s AND g.meter_id = gone.meter_id AND g.after_at = gone.after_at
        """,
        {"utility_id": utility_id, "at": at},
    )
    return ended.rowcount


def forget_closed(conn: Connection[TupleRow], *, utility_id: int, before: datetime) -> int:
    """Delete what was filled or lost before an instant; return how many."""
    gone = conn.execute(
        "DELETE FROM reading_gap WHERE utility_id = %(utility_id)s AND state <> 'open' AND closed_at < %(before)s",
        {"utility_id": utility_id, "before": before},
    )
    return gone.rowcount


def _columns(stretches: Sequence[Stretch]) -> dict[str, list[int] | list[datetime]]:
    return {
        "meter_ids": [one.meter_id for one in stretches],
        "from_at": [one.from_at for one in stretches],
        "to_at": [one.to_at for one in stretches],
    }
