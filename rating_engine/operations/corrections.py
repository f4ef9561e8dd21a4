"""Corrections: a bill is cancelled by rows of its own, and billed again as the next revision."""

from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from kernel.events import publish
from rating_engine.domain.ledger import JournalEntry, JournalLine, reverse
from rating_engine.operations.bill_runs import check_totals, cycle_for, utility_of
from rating_engine.operations.billing import Cycled, rate_agreements
from rating_engine.operations.issuing import Issued, issue
from rating_engine.operations.ledger import post
from rating_engine.store import bills as store
from rating_engine.store import ledger as ledger_store
from rating_engine.store.bills import BillRow
from rating_engine.store.payments import lock_accounts
from registry import queries as registry
from registry.operations import write_notice


class BillStands(Exception):
    """The bill is not cancelled; only a cancelled bill is billed again."""


class NotBillable(Exception):
    """The period cannot be billed again; the message says why."""


def cancel_bill(
    conn: Connection[TupleRow], *, utility_id: int, bill_id: int, by: str, reason: str, at: datetime
) -> None:
    """Cancel a bill whole: its entry is reversed, and what was paid on it becomes the account's advance.

    :raises BillUnknown: if the utility has no such bill
    :raises AlreadyCancelled: if it was cancelled before
    """
    bill = store.bill(conn, utility_id=utility_id, bill_id=bill_id)
    account = lock_accounts(conn, utility_id=utility_id, account_ids=[bill.account_id])[bill.account_id]
    store.insert_cancellation(conn, utility_id=utility_id, bill_id=bill_id, by=by, reason=reason, at=at)
    entry = _reversal(conn, utility_id=utility_id, bill=bill, at=at)
    if entry is not None:
        post(conn, utility_id=utility_id, entry=entry)
    publish(
        conn,
        utility_id=utility_id,
        topic="bill.cancelled",
        key=f"account:{bill.account_id}",
        payload={"bill_id": bill_id, "account_id": bill.account_id},
        occurred_at=at,
    )
    write_notice(
        conn,
        utility_id=utility_id,
        party_id=account.party_id,
        account_id=bill.account_id,
        kind="bill.cancelled",
        subject_key=f"bill:{bill_id}",
        parameters={
            "bill_id": bill_id,
            "bill_number": bill.bill_number,
            "service": bill.service,
            "total_minor": bill.total_minor,
            "currency": bill.currency,
        },
        at=at,
    )


def rebill(conn: Connection[TupleRow], *, utility_id: int, bill_id: int, at: datetime) -> Issued:
    """Bill a cancelled bill's agreement and period again, from the registers and the tariff as they are now.

    :raises BillUnknown: if the utility has no such bill
    :raises BillStands: if the bill is not cancelled
    :raises NotBillable: if the agreement or its registers no longer allow a bill
    :raises AlreadyBilled: if the period was billed again before
    """
    bill = store.bill(conn, utility_id=utility_id, bill_id=bill_id)
    if bill.cancelled_at is None:
        raise BillStands(f"bill {bill.bill_number} stands; cancel it first")
    lock_accounts(conn, utility_id=utility_id, account_ids=[bill.account_id])
    cycled = _cycle_of_bill(conn, utility_id=utility_id, bill=bill)
    period = store.as_period(bill.period)
    agreement = next(
        (
            one
            for one in registry.agreements_in_period(
                conn,
                utility_id=utility_id,
                district_id=registry.point(conn, utility_id=utility_id, point_id=bill.point_id).district_id,
                service=cycled.service,
                period=period,
            )
            if one.agreement_id == bill.agreement_id
        ),
        None,
    )
    if agreement is None:
        raise NotBillable(f"agreement {bill.agreement_id} did not hold in the period of bill {bill.bill_number}")
    rated, excluded = rate_agreements(conn, cycled=cycled, agreements=[agreement])
    if excluded:
        raise NotBillable(f"{excluded[0].reason}: {excluded[0].detail}")
    check_totals(rated)
    revision = 1 + store.highest_revision(
        conn, utility_id=utility_id, agreement_id=bill.agreement_id, period=agreement.valid
    )
    first_number = bill.bill_number.removesuffix(f"-{bill.revision}") if bill.revision > 1 else bill.bill_number
    [issued] = issue(
        conn,
        cycled=cycled,
        rated=rated,
        number_of=lambda _one, _index: f"{first_number}-{revision}",
        bill_run_id=bill.bill_run_id,
        revision=revision,
        at=at,
    )
    return issued


def _cycle_of_bill(conn: Connection[TupleRow], *, utility_id: int, bill: BillRow) -> Cycled:
    """Give the cycle that the bill was made for; a bill of a part of a cycle stays one."""
    assert bill.service in ("water", "electricity"), "the services that are billed"
    utility = utility_of(conn, utility_id=utility_id)
    district = registry.point(conn, utility_id=utility_id, point_id=bill.point_id).district_code
    cycle = cycle_for(utility, service=bill.service, district_code=district)
    run = store.period_of_run(conn, utility_id=utility_id, bill_id=bill.bill_id)
    period = store.as_period(bill.period if run is None else run)
    return Cycled(utility, cycle, period, bill.service)


def _reversal(conn: Connection[TupleRow], *, utility_id: int, bill: BillRow, at: datetime) -> JournalEntry | None:
    posted = ledger_store.lines_of_entry(conn, utility_id=utility_id, entry_key=f"bill:{bill.bill_id}")
    if not posted:
        return None
    still_open = ledger_store.open_minor_of_bill(conn, utility_id=utility_id, bill_id=bill.bill_id)
    lines = [line for line in reverse(posted) if line.ledger_account != "receivable"]
    receivable = JournalLine("receivable", -still_open, account_id=bill.account_id, bill_id=bill.bill_id)
    paid = bill.total_minor - still_open
    # What was paid on the bill stays the customer's: it waits as an advance for the next bill.
    advance = JournalLine("advance", -paid, account_id=bill.account_id)
    return JournalEntry(
        entry_key=f"bill_cancellation:{bill.bill_id}",
        kind="bill_cancellation",
        posted_at=at,
        lines=tuple(line for line in (receivable, advance, *lines) if line.amount_minor),
    )
