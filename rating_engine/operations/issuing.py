"""Writing rated bills: bill, lines, journal, event and notice, in a few statements for many bills."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg import Connection
from psycopg.rows import TupleRow

from kernel.events import NewEvent, publish_all
from kernel.period import local_date
from rating_engine.domain.bill_input import as_json, hash_of, lines_as_json
from rating_engine.domain.ledger import JournalEntry, JournalLine, LedgerAccount
from rating_engine.domain.rate import Rating
from rating_engine.operations.billing import Cycled, Rated
from rating_engine.operations.ledger import post_all
from rating_engine.store import bills as store
from rating_engine.store.bills import NewBill
from registry.operations import NewNotice, write_notices

REVENUE: dict[str, LedgerAccount] = {
    "water": "revenue_water",
    "sewerage": "revenue_sewerage",
    "electricity": "revenue_electricity",
}


@dataclass(frozen=True, slots=True)
class Issued:
    """One bill that was written."""

    bill_id: int
    bill_number: str
    agreement_id: int
    account_id: int
    total_minor: int


def issue(
    conn: Connection[TupleRow],
    *,
    cycled: Cycled,
    rated: Sequence[Rated],
    number_of: Callable[[Rated, int], str],
    bill_run_id: int | None,
    revision: int,
    at: datetime,
) -> list[Issued]:
    """Write the bills; `number_of` gives each its number from its place in `rated`.

    :raises AlreadyBilled: if a bill overlaps an earlier one; the transaction must then be rolled back
    """
    if not rated:
        return []
    utility_id = cycled.utility.utility_id
    new = [
        _bill(one, cycled=cycled, number=number_of(one, index), bill_run_id=bill_run_id, revision=revision, at=at)
        for index, one in enumerate(rated)
    ]
    ids = store.insert(conn, utility_id=utility_id, bills=new)
    entries = [
        entry
        for one, bill in zip(rated, new, strict=True)
        if (entry := bill_entry(one.rating, bill_id=ids[bill.bill_number], account_id=bill.account_id, at=at))
    ]
    post_all(conn, utility_id=utility_id, entries=entries)
    issued = [
        Issued(ids[bill.bill_number], bill.bill_number, bill.agreement_id, bill.account_id, bill.total_minor)
        for bill in new
    ]
    publish_all(conn, utility_id=utility_id, events=[_event(one, at=at) for one in issued])
    notices = [_notice(one, bill=bill, issued=done) for one, bill, done in zip(rated, new, issued, strict=True)]
    write_notices(conn, utility_id=utility_id, notices=notices, at=at)
    return issued


def bill_entry(rating: Rating, *, bill_id: int, account_id: int, at: datetime) -> JournalEntry | None:
    """Make the entry of a bill: the customer owes, services earn, tax is owed on; None if the bill is nothing."""
    earned: dict[LedgerAccount, int] = {}
    for service in rating.services:
        revenue = REVENUE.get(service.service, "revenue_fee")
        earned[revenue] = earned.get(revenue, 0) - (service.total_minor - service.tax_minor)
        earned["tax_payable"] = earned.get("tax_payable", 0) - service.tax_minor
    lines = [JournalLine("receivable", rating.total_minor, account_id=account_id, bill_id=bill_id)]
    lines += [JournalLine(account, amount, bill_id=bill_id) for account, amount in earned.items()]
    kept = tuple(line for line in lines if line.amount_minor)
    return JournalEntry(f"bill:{bill_id}", "bill", at, kept) if kept else None


def _bill(one: Rated, *, cycled: Cycled, number: str, bill_run_id: int | None, revision: int, at: datetime) -> NewBill:
    agreement, rating = one.agreement, one.rating
    given = as_json(one.given)
    lines = lines_as_json(rating.lines)
    return NewBill(
        bill_number=number,
        bill_run_id=bill_run_id,
        account_id=agreement.account_id,
        agreement_id=agreement.agreement_id,
        point_id=agreement.point_id,
        kind="final" if agreement.valid.end < cycled.period.end else "regular",
        revision=revision,
        service=cycled.service,
        period=agreement.valid,
        issued_at=at,
        due_on=local_date(at, zone=cycled.utility.zone) + timedelta(days=cycled.cycle.due_days),
        currency=one.pinned.tariff.currency,
        total_minor=rating.total_minor,
        tax_minor=rating.tax_minor,
        tariff_code=one.pinned.tariff.code,
        tariff_version=one.pinned.version,
        input=given,
        input_hash=hash_of(given),
        lines_hash=hash_of(lines),
        lines=lines,
    )


def _event(issued: Issued, *, at: datetime) -> NewEvent:
    return NewEvent(
        topic="bill.issued",
        key=f"account:{issued.account_id}",
        payload={"bill_id": issued.bill_id, "account_id": issued.account_id},
        occurred_at=at,
    )


def _notice(one: Rated, *, bill: NewBill, issued: Issued) -> NewNotice:
    return NewNotice(
        party_id=one.agreement.party_id,
        account_id=issued.account_id,
        kind="bill.issued",
        subject_key=f"bill:{issued.bill_id}",
        parameters={
            "bill_id": issued.bill_id,
            "bill_number": issued.bill_number,
            "service": bill.service,
            "total_minor": bill.total_minor,
            "currency": bill.currency,
            "due_on": bill.due_on.isoformat(),
            "first_day": one.given.first_day,
            "end_day": one.given.end_day,
        },
    )
