"""Bills whose registers may have changed, and the candidates for an adjustment that come of it."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg.types.range import TimestamptzRange


@dataclass(frozen=True, slots=True)
class StandingBill:
    """A bill that was not cancelled; `follows` says that another one of its point ends where it begins."""

    bill_id: int
    account_id: int
    point_id: int
    period: TimestamptzRange
    currency: str
    total_minor: int
    tariff_code: str
    tariff_version: int
    input: dict[str, Any]
    follows: bool


@dataclass(frozen=True, slots=True)
class NewCandidate:
    """What a bill would be now; `quantity_after` and `total_after_minor` None: it cannot be rated, see `problem`."""

    bill_id: int
    account_id: int
    input: dict[str, Any]
    input_hash: bytes
    unit: str
    quantity_before: str
    quantity_after: str | None
    currency: str
    total_before_minor: int
    total_after_minor: int | None
    problem: str


def bills_touched(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    meter_ids: Collection[int],
    first: datetime,
    last: datetime,
) -> list[StandingBill]:
    """List the meters' points' standing bills that begin or end after `first` and up to `last`, by point and time.

    A reading inside a billed time changes no bill: only the registers at its ends count.
    """
    with conn.cursor(row_factory=class_row(StandingBill)) as cursor:
        return cursor.execute(
            """
            SELECT DISTINCT ON (b.point_id, lower(b.period), b.bill_id)
                   b.bill_id, b.account_id, b.point_id, b.period, b.currency, b.total_minor, b.tariff_code,
                   b.tariff_version, b.input,
                   EXISTS (SELECT FROM bill e
                           WHERE e.utility_id = b.utility_id AND e.point_id = b.point_id AND e.kind <> 'adjustment'
                             AND upper(e.period) = lower(b.period)
                             AND NOT EXISTS (SELECT FROM bill_cancellation g
                                             WHERE g.utility_id = e.utility_id AND g.bill_id = e.bill_id)) AS follows
            FROM unnest(%(meter_ids)s::bigint[]) AS m (meter_id)
            JOIN installation i ON i.utility_id = %(utility_id)s AND i.meter_id = m.meter_id
            JOIN bill b ON b.utility_id = %(utility_id)s AND b.point_id = i.point_id AND b.period && i.valid
            WHERE b.kind <> 'adjustment' AND upper(b.period) > %(first)s
              AND (upper(b.period) <= %(last)s OR (lower(b.period) > %(first)s AND lower(b.period) <= %(last)s))
              AND NOT EXISTS (SELECT FROM bill_cancellation g
                              WHERE g.utility_id = b.utility_id AND g.bill_id = b.bill_id)
            ORDER BY b.point_id, lower(b.period), b.bill_id
            """,
            {"utility_id": utility_id, "meter_ids": list(meter_ids), "first": first, "last": last},
        ).fetchall()


def open_ends(
    conn: Connection[TupleRow], *, utility_id: int, account_id: int
) -> tuple[list[int], datetime, datetime] | None:
    """Give the meters of an account's open candidates, and from when to when their bills go; None if it has none."""
    row = conn.execute(
        """
        SELECT array_agg(DISTINCT i.meter_id ORDER BY i.meter_id), min(lower(b.period)), max(upper(b.period))
        FROM adjustment_candidate c
        JOIN bill b ON b.utility_id = c.utility_id AND b.bill_id = c.bill_id
        JOIN installation i ON i.utility_id = b.utility_id AND i.point_id = b.point_id AND i.valid && b.period
        WHERE c.utility_id = %(utility_id)s AND c.account_id = %(account_id)s AND c.state = 'open'
        """,
        {"utility_id": utility_id, "account_id": account_id},
    ).fetchone()
    return None if row is None or row[0] is None else (row[0], row[1], row[2])


def keep(conn: Connection[TupleRow], *, utility_id: int, candidate: NewCandidate, at: datetime) -> None:
    """Keep a candidate: one a bill, changed where it says something else, and none where the same was accepted."""
    conn.execute(
        """
        INSERT INTO adjustment_candidate AS c (utility_id, bill_id, account_id, found_at, changed_at, input, input_hash,
                                               unit, quantity_before, quantity_after, currency, total_before_minor,
                                               total_after_minor, problem)
        SELECT %(utility_id)s, %(bill_id)s, %(account_id)s, %(at)s, %(at)s, %(input)s::jsonb, %(input_hash)s, %(unit)s,
               %(quantity_before)s, %(quantity_after)s, %(currency)s, %(total_before_minor)s, %(total_after_minor)s,
               %(problem)s
        WHERE NOT EXISTS (SELECT FROM adjustment_candidate o
                          WHERE o.utility_id = %(utility_id)s AND o.bill_id = %(bill_id)s AND o.state = 'accepted'
                            AND o.input_hash = %(input_hash)s)
        ON CONFLICT (utility_id, bill_id) WHERE state = 'open' DO UPDATE
        SET changed_at = excluded.changed_at, input = excluded.input, input_hash = excluded.input_hash,
            quantity_after = excluded.quantity_after, total_after_minor = excluded.total_after_minor,
            problem = excluded.problem
        WHERE c.input_hash <> excluded.input_hash OR c.problem <> excluded.problem
        """,
        {
            "utility_id": utility_id,
            "bill_id": candidate.bill_id,
            "account_id": candidate.account_id,
            "input": json.dumps(candidate.input),
            "input_hash": candidate.input_hash,
            "unit": candidate.unit,
            "quantity_before": candidate.quantity_before,
            "quantity_after": candidate.quantity_after,
            "currency": candidate.currency,
            "total_before_minor": candidate.total_before_minor,
            "total_after_minor": candidate.total_after_minor,
            "problem": candidate.problem,
            "at": at,
        },
    )


def make_void(conn: Connection[TupleRow], *, utility_id: int, bill_ids: Collection[int], at: datetime) -> None:
    """Close the open candidates of bills that are right again, or cancelled."""
    conn.execute(
        """
        UPDATE adjustment_candidate SET state = 'void', changed_at = %(at)s
        WHERE utility_id = %(utility_id)s AND bill_id = ANY(%(bill_ids)s) AND state = 'open'
        """,
        {"utility_id": utility_id, "bill_ids": list(bill_ids), "at": at},
    )


@dataclass(frozen=True, slots=True)
class AdjustmentCandidate:
    """A bill that would be another now, with whose it is; amounts in minor units."""

    candidate_id: int
    bill_id: int
    bill_number: str
    account_id: int
    account_number: str
    party_id: int
    party_name: str
    service: str
    period: TimestamptzRange
    issued_at: datetime
    found_at: datetime
    changed_at: datetime
    unit: str
    quantity_before: str
    quantity_after: str | None
    currency: str
    total_before_minor: int
    total_after_minor: int | None
    problem: str
    is_followed: (
        bool  # a later bill of the point opens where this one closes: its own candidate takes off what it took up
    )


def open_ones(conn: Connection[TupleRow], *, utility_id: int, limit: int) -> list[AdjustmentCandidate]:
    """List the open candidates, the newest finding first."""
    with conn.cursor(row_factory=class_row(AdjustmentCandidate)) as cursor:
        return cursor.execute(
            """
            SELECT c.candidate_id, c.bill_id, b.bill_number, c.account_id, a.account_number, p.party_id,
                   p.name AS party_name, b.service, b.period, b.issued_at, c.found_at, c.changed_at, c.unit,
                   c.quantity_before, c.quantity_after, c.currency, c.total_before_minor, c.total_after_minor,
                   c.problem,
                   EXISTS (SELECT FROM bill n
                           WHERE n.utility_id = b.utility_id AND n.point_id = b.point_id AND n.kind <> 'adjustment'
                             AND lower(n.period) = upper(b.period) AND upper(n.period) > upper(b.period)
                             AND NOT EXISTS (SELECT FROM bill_cancellation g
                                             WHERE g.utility_id = n.utility_id AND g.bill_id = n.bill_id))
                       AS is_followed
            FROM adjustment_candidate c
            JOIN bill b USING (utility_id, bill_id)
            JOIN account a ON a.utility_id = c.utility_id AND a.account_id = c.account_id
            JOIN party p ON p.utility_id = a.utility_id AND p.party_id = a.party_id
            WHERE c.utility_id = %(utility_id)s AND c.state = 'open'
            ORDER BY c.found_at DESC, b.point_id, lower(b.period), c.candidate_id LIMIT %(limit)s
            """,
            {"utility_id": utility_id, "limit": limit},
        ).fetchall()


def count_open(conn: Connection[TupleRow], *, utility_id: int) -> int:
    row = conn.execute(
        "SELECT count(*) FROM adjustment_candidate WHERE utility_id = %(utility_id)s AND state = 'open'",
        {"utility_id": utility_id},
    ).fetchone()
    assert row is not None, "an aggregate gives one row"
    return row[0]
