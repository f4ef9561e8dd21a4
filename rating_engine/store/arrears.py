"""What pages read of arrears and suspended supply: straight from SQL to what is shown."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

ARREARS_PAGE = """
    WITH open_bill AS (
        SELECT bill.account_id, bill.bill_id, bill.due_on, sum(line.amount_minor)::bigint AS open_minor
        FROM bill JOIN journal_line AS line USING (utility_id, bill_id)
        JOIN point USING (utility_id, point_id)
        WHERE bill.utility_id = %(utility_id)s AND bill.due_on < %(today)s
          AND line.ledger_account = 'receivable'
          AND (%(district_id)s::bigint IS NULL OR point.district_id = %(district_id)s)
          AND (%(service)s::text IS NULL OR bill.service = %(service)s)
        GROUP BY bill.account_id, bill.bill_id, bill.due_on HAVING sum(line.amount_minor) > 0
    ), overdue AS (
        SELECT account_id, count(*) AS bills, sum(open_minor)::bigint AS overdue_minor,
               min(due_on) AS oldest_due_on, array_agg(bill_id) AS bill_ids
        FROM open_bill GROUP BY account_id
    )
    SELECT overdue.account_id, account.account_number, party.party_id, party.name AS party_name,
           party.name_kana AS party_kana, account.payment_method, overdue.bills, overdue.overdue_minor,
           overdue.oldest_due_on, (%(today)s::date - overdue.oldest_due_on) AS days_overdue, taken.step,
           held.kinds AS holds, cut.suspension_id, cut.state AS suspension_state
    FROM overdue
    JOIN account ON account.utility_id = %(utility_id)s AND account.account_id = overdue.account_id
    JOIN party ON party.utility_id = %(utility_id)s AND party.party_id = account.party_id
    LEFT JOIN LATERAL (
        SELECT step FROM collection_step AS one
        WHERE one.utility_id = %(utility_id)s AND one.bill_id = ANY(overdue.bill_ids)
        ORDER BY array_position(ARRAY['suspension_notice', 'final_demand', 'reminder'], step), step_id LIMIT 1
    ) AS taken ON true
    LEFT JOIN LATERAL (
        SELECT coalesce(array_agg(kind ORDER BY hold_id), '{}') AS kinds FROM collection_hold AS one
        WHERE one.utility_id = %(utility_id)s AND one.account_id = overdue.account_id
          AND one.valid @> %(at)s::timestamptz
    ) AS held ON true
    LEFT JOIN LATERAL (
        SELECT suspension_id, state FROM suspension AS one
        WHERE one.utility_id = %(utility_id)s AND one.account_id = overdue.account_id
          AND one.state NOT IN ('withdrawn', 'restored')
        ORDER BY suspension_id DESC LIMIT 1
    ) AS cut ON true
    WHERE %(today)s::date - overdue.oldest_due_on >= %(least_days)s
      AND (%(step)s::text IS NULL OR coalesce(taken.step, 'none') = %(step)s)
    ORDER BY overdue.oldest_due_on, overdue.account_id LIMIT %(limit)s OFFSET %(offset)s
"""


@dataclass(frozen=True, slots=True)
class ArrearsRow:
    """An account with overdue bills, in minor units; `step` is the furthest taken."""

    account_id: int
    account_number: str
    party_id: int
    party_name: str
    party_kana: str
    payment_method: str
    bills: int
    overdue_minor: int
    oldest_due_on: date
    days_overdue: int
    step: str | None
    holds: list[str]
    suspension_id: int | None
    suspension_state: str | None


@dataclass(frozen=True, slots=True)
class AgeRow:
    """What is overdue of one service at one age, in minor units."""

    service: str
    age: str
    bills: int
    accounts: int
    open_minor: int


@dataclass(frozen=True, slots=True)
class SupplyRow:
    """A suspension under way at a customer's point, and the bills that end it when paid."""

    suspension_id: int
    point_id: int
    point_number: str
    service: str
    address: str
    state: str
    ordered_at: datetime
    suspended_at: datetime | None
    bills: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class VisitRow:
    """A point where somebody must go: to stop the supply (`visit_needed`) or to bring it back (`restoring`)."""

    suspension_id: int
    account_id: int
    party_id: int
    party_name: str
    point_number: str
    service: str
    address: str
    state: str
    since: datetime


def visits_to_make(conn: Connection[TupleRow], *, utility_id: int) -> list[VisitRow]:
    """List the suspensions that only a visit moves on: supply to be brought back first, then the oldest."""
    with conn.cursor(row_factory=class_row(VisitRow)) as cursor:
        return cursor.execute(
            """
            SELECT suspension.suspension_id, suspension.account_id, party.party_id, party.name AS party_name,
                   point.point_number, point.service, point.address, suspension.state, asked.since
            FROM suspension
            JOIN account USING (utility_id, account_id)
            JOIN party USING (utility_id, party_id)
            JOIN point USING (utility_id, point_id)
            JOIN LATERAL (
                SELECT min(event.happened_at) AS since FROM suspension_event AS event
                WHERE event.utility_id = suspension.utility_id AND event.suspension_id = suspension.suspension_id
                  AND event.state = suspension.state
                  AND (event.state = 'visit_needed' OR event.detail @> '{"visit": true}')
            ) AS asked ON asked.since IS NOT NULL
            WHERE suspension.utility_id = %(utility_id)s AND suspension.state IN ('visit_needed', 'restoring')
            ORDER BY suspension.state, asked.since, suspension.suspension_id
            """,
            {"utility_id": utility_id},
        ).fetchall()


def arrears_page(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    today: date,
    at: datetime,
    district_id: int | None,
    service: str | None,
    least_days: int,
    step: str | None,
    limit: int,
    offset: int,
) -> list[ArrearsRow]:
    """List accounts with overdue bills, the one overdue longest first; a filter that is None lets all pass."""
    with conn.cursor(row_factory=class_row(ArrearsRow)) as cursor:
        return cursor.execute(
            ARREARS_PAGE,
            {
                "utility_id": utility_id,
                "today": today,
                "at": at,
                "district_id": district_id,
                "service": service,
                "least_days": least_days,
                "step": step,
                "limit": limit,
                "offset": offset,
            },
        ).fetchall()


def overdue_bills(conn: Connection[TupleRow], *, utility_id: int, today: date) -> list[tuple[str, int, date, int]]:
    """List overdue bills as (service, account, due date, minor units open)."""
    return conn.execute(
        """
        SELECT bill.service, bill.account_id, bill.due_on, sum(line.amount_minor)::bigint
        FROM bill JOIN journal_line AS line USING (utility_id, bill_id)
        WHERE bill.utility_id = %(utility_id)s AND bill.due_on < %(today)s AND line.ledger_account = 'receivable'
        GROUP BY bill.bill_id, bill.service, bill.account_id, bill.due_on HAVING sum(line.amount_minor) > 0
        ORDER BY bill.due_on, bill.bill_id
        """,
        {"utility_id": utility_id, "today": today},
    ).fetchall()


def supply_under_suspension(conn: Connection[TupleRow], *, utility_id: int, account_id: int) -> list[SupplyRow]:
    """List suspensions of an account under way, with what is still open of the debt each enforces."""
    with conn.cursor(row_factory=class_row(SupplyRow)) as cursor:
        return cursor.execute(
            """
            SELECT suspension.suspension_id, suspension.point_id, point.point_number, point.service, point.address,
                   suspension.state, suspension.ordered_at, suspension.suspended_at,
                   coalesce((
                       SELECT jsonb_agg(jsonb_build_object('bill_id', owed.bill_id, 'bill_number', owed.bill_number,
                              'due_on', owed.due_on, 'open_minor', owed.open_minor) ORDER BY owed.due_on, owed.bill_id)
                       FROM (
                           SELECT bill.bill_id, bill.bill_number, bill.due_on,
                                  sum(line.amount_minor)::bigint AS open_minor
                           FROM bill JOIN journal_line AS line USING (utility_id, bill_id)
                           WHERE bill.utility_id = suspension.utility_id AND bill.bill_id = ANY(suspension.bill_ids)
                             AND line.ledger_account = 'receivable'
                           GROUP BY bill.bill_id, bill.bill_number, bill.due_on HAVING sum(line.amount_minor) > 0
                       ) AS owed
                   ), '[]') AS bills
            FROM suspension JOIN point USING (utility_id, point_id)
            WHERE suspension.utility_id = %(utility_id)s AND suspension.account_id = %(account_id)s
              AND suspension.state NOT IN ('withdrawn', 'restored')
            ORDER BY suspension.suspension_id
            """,
            {"utility_id": utility_id, "account_id": account_id},
        ).fetchall()
