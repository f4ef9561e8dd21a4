"""Collection policy, steps taken for unpaid bills, and holds."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import Jsonb

from rating_engine.domain.collections import Step, StepTaken, UnpaidBill
from rating_engine.domain.collections_policy import (
    CollectionPolicy,
    HoldKind,
    default_policy,
    policy_document,
    read_policy,
)


class HoldUnknown(LookupError):
    """The utility has no such hold, or it was lifted before."""


@dataclass(frozen=True, slots=True)
class Hold:
    """What holds collection back; `valid_to` None while it has no end."""

    hold_id: int
    account_id: int
    kind: HoldKind
    valid_from: datetime
    valid_to: datetime | None
    reason: str
    set_by: str


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step that was taken for a bill, as pages show it; `seen_at` is when the party opened the notice."""

    step_id: int
    bill_id: int
    bill_number: str
    step: Step
    taken_at: datetime
    payable_until: date
    notice_id: int | None
    seen_at: datetime | None


def policy_at(conn: Connection[TupleRow], *, utility_id: int, at: datetime) -> CollectionPolicy:
    """Give the policy in force: the preset where the utility has decided nothing.

    :raises PolicyUnusable: if the stored one cannot be read
    """
    row = conn.execute(
        """
        SELECT policy FROM collection_policy WHERE utility_id = %(utility_id)s AND valid_from <= %(at)s
        ORDER BY version DESC LIMIT 1
        """,
        {"utility_id": utility_id, "at": at},
    ).fetchone()
    return default_policy() if row is None else read_policy(row[0])


def insert_policy(
    conn: Connection[TupleRow], *, utility_id: int, policy: CollectionPolicy, changed_by: str, at: datetime
) -> int:
    """Write the next version of the policy and return its number."""
    row = conn.execute(
        """
        INSERT INTO collection_policy (utility_id, version, policy, valid_from, changed_by)
        SELECT %(utility_id)s, coalesce(max(version), 0) + 1, %(policy)s, %(at)s, %(changed_by)s
        FROM collection_policy WHERE utility_id = %(utility_id)s
        RETURNING version
        """,
        {"utility_id": utility_id, "policy": Jsonb(policy_document(policy)), "at": at, "changed_by": changed_by},
    ).fetchone()
    assert row is not None, "an aggregate gives one row, and so does its insert"
    return row[0]


def unpaid_bills(conn: Connection[TupleRow], *, utility_id: int, account_id: int, zone: ZoneInfo) -> list[UnpaidBill]:
    """List the account's bills with something open and the steps taken for each, the one due first first."""
    steps = _steps_of_unpaid(conn, utility_id=utility_id, account_id=account_id, zone=zone)
    rows = conn.execute(
        """
        SELECT bill.bill_id, bill.bill_number, bill.point_id, bill.service, bill.due_on, owed.open_minor
        FROM (
            SELECT bill_id, sum(amount_minor)::bigint AS open_minor FROM journal_line
            WHERE utility_id = %(utility_id)s AND account_id = %(account_id)s AND ledger_account = 'receivable'
            GROUP BY bill_id HAVING sum(amount_minor) > 0
        ) AS owed
        JOIN bill ON bill.utility_id = %(utility_id)s AND bill.bill_id = owed.bill_id
        ORDER BY bill.due_on, bill.bill_id
        """,
        {"utility_id": utility_id, "account_id": account_id},
    ).fetchall()
    return [
        UnpaidBill(
            bill_id=bill_id,
            bill_number=bill_number,
            point_id=point_id,
            service=service,
            due_on=due_on,
            open_minor=open_minor,
            steps=steps.get(bill_id, {}),
        )
        for bill_id, bill_number, point_id, service, due_on, open_minor in rows
    ]


def insert_step(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    account_id: int,
    bill_id: int,
    step: Step,
    payable_until: date,
    notice_id: int | None,
    at: datetime,
) -> None:
    """Write a step; a bill takes each once (constraint collection_step_once)."""
    conn.execute(
        """
        INSERT INTO collection_step (utility_id, account_id, bill_id, step, taken_at, payable_until, notice_id)
        VALUES (%(utility_id)s, %(account_id)s, %(bill_id)s, %(step)s, %(at)s, %(payable_until)s, %(notice_id)s)
        """,
        {
            "utility_id": utility_id,
            "account_id": account_id,
            "bill_id": bill_id,
            "step": step,
            "at": at,
            "payable_until": payable_until,
            "notice_id": notice_id,
        },
    )


def steps_of_account(conn: Connection[TupleRow], *, utility_id: int, account_id: int) -> list[StepRow]:
    """List the steps taken for an account, newest first."""
    with conn.cursor(row_factory=class_row(StepRow)) as cursor:
        return cursor.execute(
            """
            SELECT step.step_id, step.bill_id, bill.bill_number, step.step, step.taken_at, step.payable_until,
                   step.notice_id, notice.seen_at
            FROM collection_step AS step JOIN bill USING (utility_id, bill_id)
            LEFT JOIN notice USING (utility_id, notice_id)
            WHERE step.utility_id = %(utility_id)s AND step.account_id = %(account_id)s
            ORDER BY step.taken_at DESC, step.step_id DESC
            """,
            {"utility_id": utility_id, "account_id": account_id},
        ).fetchall()


def due_accounts(conn: Connection[TupleRow], *, utility_id: int, today: date) -> list[int]:
    """List accounts with an overdue bill that is not settled, or with a suspension under way, by id."""
    rows = conn.execute(
        """
        SELECT account_id FROM bill
        WHERE utility_id = %(utility_id)s AND due_on < %(today)s AND total_minor > 0
          AND (SELECT sum(amount_minor) FROM journal_line
               WHERE journal_line.utility_id = bill.utility_id AND journal_line.bill_id = bill.bill_id
                 AND ledger_account = 'receivable') > 0
        UNION
        SELECT account_id FROM suspension
        WHERE utility_id = %(utility_id)s AND state NOT IN ('withdrawn', 'restored')
        ORDER BY account_id
        """,
        {"utility_id": utility_id, "today": today},
    ).fetchall()
    return [account_id for (account_id,) in rows]


def insert_hold(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    account_id: int,
    kind: HoldKind,
    reason: str,
    set_by: str,
    valid_from: datetime,
    valid_to: datetime | None,
) -> int:
    """Write a hold and return its id."""
    row = conn.execute(
        """
        INSERT INTO collection_hold (utility_id, account_id, kind, valid, reason, set_by)
        VALUES (%(utility_id)s, %(account_id)s, %(kind)s,
                tstzrange(%(valid_from)s::timestamptz, %(valid_to)s::timestamptz, '[)'), %(reason)s, %(set_by)s)
        RETURNING hold_id
        """,
        {
            "utility_id": utility_id,
            "account_id": account_id,
            "kind": kind,
            "valid_from": valid_from,
            "valid_to": valid_to,
            "reason": reason,
            "set_by": set_by,
        },
    ).fetchone()
    assert row is not None, "an insert without a condition returns its row"
    return row[0]


def account_of_hold(conn: Connection[TupleRow], *, utility_id: int, hold_id: int) -> int:
    """:raises HoldUnknown: if the utility has no such hold"""
    row = conn.execute(
        "SELECT account_id FROM collection_hold WHERE utility_id = %(utility_id)s AND hold_id = %(hold_id)s",
        {"utility_id": utility_id, "hold_id": hold_id},
    ).fetchone()
    if row is None:
        raise HoldUnknown(f"there is no hold {hold_id}")
    return row[0]


def end_hold(conn: Connection[TupleRow], *, utility_id: int, hold_id: int, at: datetime) -> None:
    """Let a hold end now; one that began at this very moment ends a microsecond later, for no time is empty.

    :raises HoldUnknown: if it has ended before
    """
    ended = conn.execute(
        """
        UPDATE collection_hold
        SET valid = tstzrange(
            lower(valid), greatest(%(at)s::timestamptz, lower(valid) + interval '1 microsecond'), '[)')
        WHERE utility_id = %(utility_id)s AND hold_id = %(hold_id)s
          AND (upper_inf(valid) OR upper(valid) > %(at)s)
        """,
        {"utility_id": utility_id, "hold_id": hold_id, "at": at},
    )
    if ended.rowcount == 0:
        raise HoldUnknown(f"hold {hold_id} has ended before")


def holds_at(conn: Connection[TupleRow], *, utility_id: int, account_id: int, at: datetime) -> list[Hold]:
    """List what holds collection back at `at`, by id."""
    return [
        hold
        for hold in holds_of_account(conn, utility_id=utility_id, account_id=account_id)
        if hold.valid_from <= at and (hold.valid_to is None or at < hold.valid_to)
    ]


def holds_of_account(conn: Connection[TupleRow], *, utility_id: int, account_id: int) -> list[Hold]:
    """List all holds of an account, past ones too, by id."""
    with conn.cursor(row_factory=class_row(Hold)) as cursor:
        return cursor.execute(
            """
            SELECT hold_id, account_id, kind, lower(valid) AS valid_from, upper(valid) AS valid_to, reason, set_by
            FROM collection_hold WHERE utility_id = %(utility_id)s AND account_id = %(account_id)s ORDER BY hold_id
            """,
            {"utility_id": utility_id, "account_id": account_id},
        ).fetchall()


def _steps_of_unpaid(
    conn: Connection[TupleRow], *, utility_id: int, account_id: int, zone: ZoneInfo
) -> dict[int, dict[Step, StepTaken]]:
    # Served: the notice reached one channel at least, and that channel did not give it back.
    rows = conn.execute(
        """
        SELECT step.bill_id, step.step, step.taken_at, step.payable_until,
               EXISTS (SELECT 1 FROM notice_delivery AS delivery
                       WHERE delivery.utility_id = step.utility_id AND delivery.notice_id = step.notice_id
                         AND delivery.state IN ('sent', 'delivered')
                         AND NOT EXISTS (SELECT 1 FROM notice_delivery AS later
                                         WHERE later.utility_id = delivery.utility_id
                                           AND later.notice_id = delivery.notice_id
                                           AND later.channel = delivery.channel
                                           AND later.delivery_id > delivery.delivery_id
                                           AND later.state IN ('failed', 'returned')))
        FROM collection_step AS step
        WHERE step.utility_id = %(utility_id)s AND step.account_id = %(account_id)s ORDER BY step.step_id
        """,
        {"utility_id": utility_id, "account_id": account_id},
    ).fetchall()
    found: dict[int, dict[Step, StepTaken]] = {}
    for bill_id, step, taken_at, payable_until, served in rows:
        taken = StepTaken(
            step=step, taken_on=taken_at.astimezone(zone).date(), payable_until=payable_until, served=served
        )
        found.setdefault(bill_id, {})[step] = taken
    return found
