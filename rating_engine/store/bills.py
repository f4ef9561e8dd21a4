"""Bills and their lines: written once, read back, cancelled by a row of their own."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg import Connection, errors
from psycopg.rows import TupleRow, class_row
from psycopg.types.range import TimestamptzRange

from kernel.database import range_of
from kernel.period import Period


class AlreadyBilled(Exception):
    """The agreement is billed for a part of this period; cancel that bill first."""


class AlreadyCancelled(Exception):
    """The bill was cancelled before."""


class BillUnknown(LookupError):
    """The utility has no such bill."""


@dataclass(frozen=True, slots=True)
class NewBill:
    """A bill to be written, with its lines in the order of the columns of bill_line."""

    bill_number: str
    bill_run_id: int | None
    account_id: int
    agreement_id: int
    point_id: int
    kind: str
    revision: int
    service: str
    period: Period
    issued_at: datetime
    due_on: date
    currency: str
    total_minor: int
    tax_minor: int
    tariff_code: str
    tariff_version: int
    input: dict[str, Any]
    input_hash: bytes
    lines_hash: bytes
    lines: Sequence[Sequence[str | int]]


@dataclass(frozen=True, slots=True)
class BillRow:
    """One bill as stored, with the time of its cancellation, if any."""

    bill_id: int
    bill_number: str
    bill_run_id: int | None
    account_id: int
    agreement_id: int
    point_id: int
    kind: str
    revision: int
    service: str
    period: TimestamptzRange
    issued_at: datetime
    due_on: date
    currency: str
    total_minor: int
    tax_minor: int
    tariff_code: str
    tariff_version: int
    input: dict[str, Any]
    input_hash: bytes
    lines_hash: bytes
    cancelled_at: datetime | None
    cancelled_by: str | None
    cancel_reason: str | None


@dataclass(frozen=True, slots=True)
class BillLine:
    """One printed line; amounts in minor units, quantity and unit price as exact decimals."""

    line_number: int
    service: str
    item: str
    label: str
    quantity: str
    unit: str
    unit_price: str
    amount_minor: int
    tax_rate: str
    arithmetic: str


@dataclass(frozen=True, slots=True)
class EarlierBill:
    """What a run must know of bills before: who was billed, until when, from which registers."""

    for_agreement_id: int  # the agreement that was asked about; the bill may be of the one before it at the point
    bill_id: int
    bill_number: str
    agreement_id: int
    point_id: int
    period: TimestamptzRange
    revision: int
    is_cancelled: bool
    input: dict[str, Any]


# Rows travel as one JSON document: made and read in C at both ends, three times as fast as arrays of text.
INSERT_BILLS = """
    INSERT INTO bill (utility_id, bill_number, bill_run_id, account_id, agreement_id, point_id, kind, revision, service,
                      period, issued_at, due_on, currency, total_minor, tax_minor, tariff_code, tariff_version, input,
                      input_hash, lines_hash)
    SELECT %(utility_id)s, g.bill_number, g.bill_run_id, g.account_id, g.agreement_id, g.point_id, g.kind, g.revision,
           g.service, tstzrange(g.starts, g.ends, '[)'), g.issued_at, g.due_on, g.currency, g.total_minor, g.tax_minor,
           g.tariff_code, g.tariff_version, g.input, g.input_hash, g.lines_hash
    FROM ROWS FROM (json_to_recordset(%(bills)s::json) AS (
        bill_number text, bill_run_id bigint, account_id bigint, agreement_id bigint, point_id bigint, kind text,
        revision integer, service text, starts timestamptz, ends timestamptz, issued_at timestamptz, due_on date,
        currency text, total_minor bigint, tax_minor bigint, tariff_code text, tariff_version integer, input jsonb,
        input_hash bytea, lines_hash bytea
    )) WITH ORDINALITY AS g (
        bill_number, bill_run_id, account_id, agreement_id, point_id, kind, revision, service, starts, ends, issued_at,
        due_on, currency, total_minor, tax_minor, tariff_code, tariff_version, input, input_hash, lines_hash, number)
    ORDER BY g.number
    RETURNING bill_number, bill_id
"""

INSERT_LINES = """
    INSERT INTO bill_line (utility_id, bill_id, line_number, service, item, label, quantity, unit, unit_price,
                           amount_minor, tax_rate, arithmetic)
    SELECT %(utility_id)s, (g.line ->> 0)::bigint, (g.line ->> 1)::integer, g.line ->> 2, g.line ->> 3, g.line ->> 4,
           g.line ->> 5, g.line ->> 6, g.line ->> 7, (g.line ->> 8)::bigint, g.line ->> 9, g.line ->> 10
    FROM json_array_elements(%(lines)s::json) AS g (line)
"""


def insert(conn: Connection[TupleRow], *, utility_id: int, bills: Sequence[NewBill]) -> dict[str, int]:
    """Write bills with their lines in two statements; return bill ids by number.

    :raises AlreadyBilled: if a bill overlaps an earlier one; the transaction must then be rolled back
    """
    try:
        rows = conn.execute(
            INSERT_BILLS, {"utility_id": utility_id, "bills": json.dumps([_row(bill) for bill in bills])}
        ).fetchall()
    except (errors.ExclusionViolation, errors.UniqueViolation) as error:
        if error.diag.constraint_name not in ("bill_periods_disjoint", "bill_once"):
            raise
        raise AlreadyBilled(str(error.diag.message_primary)) from error
    ids: dict[str, int] = dict(rows)
    lines = [
        (ids[bill.bill_number], number, *line) for bill in bills for number, line in enumerate(bill.lines, start=1)
    ]
    conn.execute(INSERT_LINES, {"utility_id": utility_id, "lines": json.dumps(lines)})
    return ids


def bill(conn: Connection[TupleRow], *, utility_id: int, bill_id: int) -> BillRow:
    """:raises BillUnknown: if the utility has no such bill"""
    with conn.cursor(row_factory=class_row(BillRow)) as cursor:
        found = cursor.execute(
            """
            SELECT bill.bill_id, bill.bill_number, bill.bill_run_id, bill.account_id, bill.agreement_id, bill.point_id,
                   bill.kind, bill.revision, bill.service, bill.period, bill.issued_at, bill.due_on, bill.currency,
                   bill.total_minor, bill.tax_minor, bill.tariff_code, bill.tariff_version, bill.input, bill.input_hash,
                   bill.lines_hash, gone.cancelled_at, gone.cancelled_by, gone.reason AS cancel_reason
            FROM bill LEFT JOIN bill_cancellation AS gone USING (utility_id, bill_id)
            WHERE bill.utility_id = %(utility_id)s AND bill.bill_id = %(bill_id)s
            """,
            {"utility_id": utility_id, "bill_id": bill_id},
        ).fetchone()
    if found is None:
        raise BillUnknown(f"there is no bill {bill_id}")
    return found


def id_of_number(conn: Connection[TupleRow], *, utility_id: int, bill_number: str) -> int:
    """:raises BillUnknown: if the utility has no bill of this number"""
    row = conn.execute(
        "SELECT bill_id FROM bill WHERE utility_id = %(utility_id)s AND bill_number = %(bill_number)s",
        {"utility_id": utility_id, "bill_number": bill_number},
    ).fetchone()
    if row is None:
        raise BillUnknown(f"there is no bill {bill_number}")
    return row[0]


def lines(conn: Connection[TupleRow], *, utility_id: int, bill_id: int) -> list[BillLine]:
    """List a bill's lines as printed."""
    with conn.cursor(row_factory=class_row(BillLine)) as cursor:
        return cursor.execute(
            """
            SELECT line_number, service, item, label, quantity, unit, unit_price, amount_minor, tax_rate, arithmetic
            FROM bill_line WHERE utility_id = %(utility_id)s AND bill_id = %(bill_id)s ORDER BY line_number
            """,
            {"utility_id": utility_id, "bill_id": bill_id},
        ).fetchall()


def overlapping(
    conn: Connection[TupleRow], *, utility_id: int, agreement_ids: Collection[int], period: Period
) -> list[EarlierBill]:
    """List the agreements' bills, cancelled ones too, that share time with the period; adjustments are left out."""
    with conn.cursor(row_factory=class_row(EarlierBill)) as cursor:
        return cursor.execute(
            """
            SELECT bill.agreement_id AS for_agreement_id, bill.bill_id, bill.bill_number, bill.agreement_id,
                   bill.point_id, bill.period, bill.revision, gone.bill_id IS NOT NULL AS is_cancelled, bill.input
            FROM bill LEFT JOIN bill_cancellation AS gone USING (utility_id, bill_id)
            WHERE bill.utility_id = %(utility_id)s AND bill.agreement_id = ANY(%(agreement_ids)s)
              AND bill.period && %(period)s AND bill.kind <> 'adjustment'
            ORDER BY bill.agreement_id, bill.revision, bill.bill_id
            """,
            {"utility_id": utility_id, "agreement_ids": list(agreement_ids), "period": range_of(period)},
        ).fetchall()


def latest_before(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    agreement_ids: Sequence[int],
    point_ids: Sequence[int],
    before: Sequence[datetime],
    limit: int,
) -> list[EarlierBill]:
    """List for each agreement its point's last bills that ended at or before its time, newest first, none cancelled."""
    with conn.cursor(row_factory=class_row(EarlierBill)) as cursor:
        return cursor.execute(
            """
            SELECT given.agreement_id AS for_agreement_id, found.*
            FROM unnest(%(agreement_ids)s::bigint[], %(point_ids)s::bigint[], %(before)s::timestamptz[])
                 AS given (agreement_id, point_id, before)
            CROSS JOIN LATERAL (
                SELECT bill.bill_id, bill.bill_number, bill.agreement_id, bill.point_id, bill.period, bill.revision,
                       false AS is_cancelled, bill.input
                FROM bill
                WHERE bill.utility_id = %(utility_id)s AND bill.point_id = given.point_id
                  AND upper(bill.period) <= given.before AND bill.kind <> 'adjustment'
                  AND NOT EXISTS (SELECT 1 FROM bill_cancellation AS gone
                                  WHERE gone.utility_id = bill.utility_id AND gone.bill_id = bill.bill_id)
                ORDER BY upper(bill.period) DESC, bill.bill_id DESC LIMIT %(limit)s
            ) AS found
            ORDER BY given.agreement_id, upper(found.period) DESC, found.bill_id DESC
            """,
            {
                "utility_id": utility_id,
                "agreement_ids": list(agreement_ids),
                "point_ids": list(point_ids),
                "before": list(before),
                "limit": limit,
            },
        ).fetchall()


def highest_revision(conn: Connection[TupleRow], *, utility_id: int, agreement_id: int, period: Period) -> int:
    """Tell the highest revision of the agreement's bills in the period; 0 if there is none."""
    row = conn.execute(
        """
        SELECT coalesce(max(revision), 0) FROM bill
        WHERE utility_id = %(utility_id)s AND agreement_id = %(agreement_id)s AND period = %(period)s
          AND kind <> 'adjustment'
        """,
        {"utility_id": utility_id, "agreement_id": agreement_id, "period": range_of(period)},
    ).fetchone()
    assert row is not None, "an aggregate gives one row"
    return row[0]


def period_of_run(conn: Connection[TupleRow], *, utility_id: int, bill_id: int) -> TimestamptzRange | None:
    """Give the period of the run that made the bill; None if no run did."""
    row = conn.execute(
        """
        SELECT run.period FROM bill JOIN bill_run AS run USING (utility_id, bill_run_id)
        WHERE bill.utility_id = %(utility_id)s AND bill.bill_id = %(bill_id)s
        """,
        {"utility_id": utility_id, "bill_id": bill_id},
    ).fetchone()
    return None if row is None else row[0]


def insert_cancellation(
    conn: Connection[TupleRow], *, utility_id: int, bill_id: int, by: str, reason: str, at: datetime
) -> None:
    """:raises AlreadyCancelled: if the bill was cancelled before"""
    row = conn.execute(
        """
        INSERT INTO bill_cancellation (utility_id, bill_id, cancelled_at, cancelled_by, reason)
        VALUES (%(utility_id)s, %(bill_id)s, %(at)s, %(by)s, %(reason)s)
        ON CONFLICT (utility_id, bill_id) DO NOTHING RETURNING bill_id
        """,
        {"utility_id": utility_id, "bill_id": bill_id, "by": by, "reason": reason, "at": at},
    ).fetchone()
    if row is None:
        raise AlreadyCancelled(f"bill {bill_id} was cancelled before")


def as_period(stored: TimestamptzRange) -> Period:
    """Give a stored range, both of whose ends are set, as a period."""
    assert stored.lower is not None, "billed periods have both ends"
    assert stored.upper is not None, "billed periods have both ends"
    return Period(stored.lower, stored.upper)


def _row(new: NewBill) -> dict[str, object]:
    return {
        "bill_number": new.bill_number,
        "bill_run_id": new.bill_run_id,
        "account_id": new.account_id,
        "agreement_id": new.agreement_id,
        "point_id": new.point_id,
        "kind": new.kind,
        "revision": new.revision,
        "service": new.service,
        "starts": new.period.start.isoformat(),
        "ends": new.period.end.isoformat(),
        "issued_at": new.issued_at.isoformat(),
        "due_on": new.due_on.isoformat(),
        "currency": new.currency,
        "total_minor": new.total_minor,
        "tax_minor": new.tax_minor,
        "tariff_code": new.tariff_code,
        "tariff_version": new.tariff_version,
        "input": new.input,
        "input_hash": f"\\x{new.input_hash.hex()}",
        "lines_hash": f"\\x{new.lines_hash.hex()}",
    }
