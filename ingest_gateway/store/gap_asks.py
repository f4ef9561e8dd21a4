"""Whom to ask for what is missing: candidates by meter, what is being asked, what was asked."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from ingest_gateway.domain.gaps import Candidate, OpenGap

PURPOSE = "gap"


def lock(conn: Connection[TupleRow], *, utility_id: int) -> bool:
    """Let one transaction at a time work on the utility's gaps; false if another does."""
    row = conn.execute(
        "SELECT pg_try_advisory_xact_lock(hashtextextended('gaps', %(utility_id)s))", {"utility_id": utility_id}
    ).fetchone()
    return row is not None and row[0]


def wait_for_lock(conn: Connection[TupleRow], *, utility_id: int) -> None:
    """Wait until no other transaction works on the utility's gaps: two that count the same ones stop each other."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('gaps', %(utility_id)s))", {"utility_id": utility_id})


def open_totals(conn: Connection[TupleRow], *, utility_id: int) -> tuple[int, int]:
    """Count the gaps that are open, and the readings missing in them."""
    row = conn.execute(
        """
        SELECT count(*), coalesce(sum(missing), 0)::bigint FROM reading_gap
        WHERE utility_id = %(utility_id)s AND state = 'open'
        """,
        {"utility_id": utility_id},
    ).fetchone()
    assert row is not None, "an aggregate gives one row"
    return row[0], row[1]


def open_by_sender(conn: Connection[TupleRow], *, utility_id: int) -> dict[int, int]:
    """Count the backfills that are queued or sent and not answered, by the sender that hears for the meter."""
    rows = conn.execute(
        """
        SELECT heard.sender_id, count(*) FROM meter_command c
        CROSS JOIN LATERAL (
            SELECT min(sm.sender_id) AS sender_id
            FROM sender_meter sm JOIN sender s USING (utility_id, sender_id)
            WHERE sm.utility_id = c.utility_id AND sm.meter_id = c.meter_id AND s.active
              AND s.kind <> 'import') AS heard
        WHERE c.utility_id = %(utility_id)s AND c.state IN ('queued', 'sent') AND c.command = 'backfill'
          AND heard.sender_id IS NOT NULL
        GROUP BY heard.sender_id ORDER BY heard.sender_id
        """,
        {"utility_id": utility_id},
    ).fetchall()
    return dict(rows)


def candidates(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    grace: timedelta,
    slack: timedelta,
    silent_intervals: int,
    per_sender: int,
    limit: int,
    at: datetime,
) -> list[Candidate]:
    """List meters that may be asked now and have no order under way, longest due first, a few of each sender.

    A sender is heard if a message of its, or a reading of the meter, came within the time in which some must.
    """
    with conn.cursor(row_factory=class_row(Candidate)) as cursor:
        return cursor.execute(
            """
            WITH due AS (
                SELECT g.meter_id, min(coalesce(g.next_ask_at, g.found_at + %(grace)s)) AS due_at
                FROM reading_gap g
                WHERE g.utility_id = %(utility_id)s AND g.state = 'open'
                  AND coalesce(g.next_ask_at, g.found_at + %(grace)s) <= %(at)s
                GROUP BY g.meter_id
            ), ranked AS (
                SELECT due.meter_id, m.interval_s, s.sender_id, due.due_at,
                       greatest(q.seen_at, l.received_at)
                           >= %(at)s::timestamptz - make_interval(secs => %(intervals)s * m.interval_s) - %(slack)s
                           AS sender_is_heard,
                       row_number() OVER (PARTITION BY s.sender_id ORDER BY due.due_at, due.meter_id) AS turn
                FROM due
                JOIN meter m ON m.utility_id = %(utility_id)s AND m.meter_id = due.meter_id
                CROSS JOIN LATERAL (
                    SELECT min(sm.sender_id) AS sender_id
                    FROM sender_meter sm JOIN sender s USING (utility_id, sender_id)
                    WHERE sm.utility_id = %(utility_id)s AND sm.meter_id = due.meter_id AND s.active
                      AND s.kind <> 'import') AS s
                LEFT JOIN sender_sequence q ON q.utility_id = %(utility_id)s AND q.sender_id = s.sender_id
                LEFT JOIN meter_latest l ON l.utility_id = %(utility_id)s AND l.meter_id = due.meter_id
                WHERE s.sender_id IS NOT NULL
                  AND NOT EXISTS (SELECT FROM meter_command c
                                  WHERE c.utility_id = %(utility_id)s AND c.meter_id = due.meter_id
                                    AND c.state IN ('queued', 'sent'))
            )
            SELECT meter_id, interval_s, sender_id, coalesce(sender_is_heard, false) AS sender_is_heard
            FROM ranked WHERE turn <= %(per_sender)s ORDER BY due_at, meter_id LIMIT %(limit)s
            """,
            {
                "utility_id": utility_id,
                "grace": grace,
                "slack": slack,
                "intervals": silent_intervals,
                "per_sender": per_sender,
                "limit": limit,
                "at": at,
            },
        ).fetchall()


def open_gaps(
    conn: Connection[TupleRow], *, utility_id: int, meter_ids: Sequence[int], grace: timedelta, at: datetime
) -> dict[int, list[OpenGap]]:
    """List the gaps for which these meters may be asked now, by meter, oldest first."""
    with conn.cursor(row_factory=class_row(OpenGap)) as cursor:
        rows = cursor.execute(
            """
            SELECT meter_id, after_at, before_at, asks FROM reading_gap
            WHERE utility_id = %(utility_id)s AND meter_id = ANY(%(meter_ids)s) AND state = 'open'
              AND coalesce(next_ask_at, found_at + %(grace)s) <= %(at)s
            ORDER BY meter_id, after_at
            """,
            {"utility_id": utility_id, "meter_ids": list(meter_ids), "grace": grace, "at": at},
        ).fetchall()
    gaps: dict[int, list[OpenGap]] = {}
    for gap in rows:
        gaps.setdefault(gap.meter_id, []).append(gap)
    return gaps


def note_asked(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    gaps: Sequence[OpenGap],
    command_id: int,
    next_ask_at: datetime,
) -> None:
    """Note that a meter was asked for these gaps, and when it may be asked again."""
    conn.execute(
        """
        UPDATE reading_gap AS g
        SET asks = g.asks + 1, next_ask_at = %(next_ask_at)s, command_id = %(command_id)s
        FROM unnest(%(meter_ids)s::bigint[], %(after_at)s::timestamptz[]) AS a (meter_id, after_at)
        WHERE g.utility_id = %(utility_id)s AND g.meter_id = a.meter_id AND g.after_at = a.after_at AND g.state = 'open'
        """,
        {
            "utility_id": utility_id,
            "next_ask_at": next_ask_at,
            "command_id": command_id,
            "meter_ids": [gap.meter_id for gap in gaps],
            "after_at": [gap.after_at for gap in gaps],
        },
    )
