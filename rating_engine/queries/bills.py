"""Bills for pages: lists, one bill with its lines, readings and arithmetic, what is owed and why."""

from dataclasses import dataclass
from datetime import date, datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from kernel.period import Period, local_date
from rating_engine.domain.bill_input import BillInput, from_json, use_text
from rating_engine.domain.use import use_units
from rating_engine.operations.bill_runs import utility_of
from rating_engine.store import bill_reads, bill_runs
from rating_engine.store import bills as store
from rating_engine.store import ledger as ledger_store
from rating_engine.store.bill_reads import BilledTotal, BillSummary
from rating_engine.store.bill_runs import BillRunRow
from rating_engine.store.bills import BillLine, BillRow
from rating_engine.store.ledger import OpenBill


@dataclass(frozen=True, slots=True)
class BillReading:
    """One meter's registers on a bill, as exact decimals in `unit`, each with when and how it was got."""

    meter_id: int
    serial: str
    unit: str
    opening: str
    opening_at: datetime
    opening_method: str
    closing: str
    closing_at: datetime
    closing_method: str
    use: str


@dataclass(frozen=True, slots=True)
class BillView:
    """A bill whole: its row, its lines, the readings it rests on, and what is still open on it."""

    bill: BillRow
    lines: list[BillLine]
    readings: list[BillReading]
    given: BillInput
    use: str
    unit: str
    open_minor: int


@dataclass(frozen=True, slots=True)
class OwedPart:
    """What one service of an unsettled bill comes to."""

    service: str
    total_minor: int


@dataclass(frozen=True, slots=True)
class OwedBill:
    """An unsettled bill, and what it is for."""

    bill: OpenBill
    is_overdue: bool
    parts: list[OwedPart]


@dataclass(frozen=True, slots=True)
class OwedSummary:
    """What an account owes and why; amounts in minor units."""

    account_id: int
    owed_minor: int
    overdue_minor: int
    advance_minor: int
    oldest_due_on: date | None
    bills: list[OwedBill]


def bills_of_account(
    conn: Connection[TupleRow], *, utility_id: int, account_id: int, limit: int = 60
) -> list[BillSummary]:
    """List an account's bills, the newest first, cancelled ones too."""
    return bill_reads.of_account(conn, utility_id=utility_id, account_id=account_id, limit=limit)


def bill_view(conn: Connection[TupleRow], *, utility_id: int, bill_id: int) -> BillView:
    """Show one bill whole.

    :raises BillUnknown: if the utility has no such bill
    """
    bill = store.bill(conn, utility_id=utility_id, bill_id=bill_id)
    given = from_json(bill.input)
    return BillView(
        bill=bill,
        lines=store.lines(conn, utility_id=utility_id, bill_id=bill_id),
        readings=readings_of(given),
        given=given,
        use=use_text(given.segments),
        unit=given.segments[0].unit if given.segments else "",
        open_minor=ledger_store.open_minor_of_bill(conn, utility_id=utility_id, bill_id=bill_id),
    )


def bill_id_of_number(conn: Connection[TupleRow], *, utility_id: int, bill_number: str) -> int:
    """:raises BillUnknown: if the utility has no bill of this number"""
    return store.id_of_number(conn, utility_id=utility_id, bill_number=bill_number)


def owed_by_account(conn: Connection[TupleRow], *, utility_id: int, account_id: int, at: datetime) -> OwedSummary:
    """Tell what the account owes and why, on the local day of `at`."""
    today = local_date(at, zone=utility_of(conn, utility_id=utility_id).zone)
    balance = ledger_store.balance_of_account(conn, utility_id=utility_id, account_id=account_id)
    unsettled = ledger_store.open_bills(conn, utility_id=utility_id, account_id=account_id)
    parts: dict[int, list[OwedPart]] = {}
    for part in bill_reads.services_of_bills(conn, utility_id=utility_id, bill_ids=[one.bill_id for one in unsettled]):
        parts.setdefault(part.bill_id, []).append(OwedPart(part.service, part.total_minor))
    return OwedSummary(
        account_id=account_id,
        owed_minor=balance.owed_minor,
        overdue_minor=sum(one.open_minor for one in unsettled if one.due_on < today),
        advance_minor=balance.advance_minor,
        oldest_due_on=unsettled[0].due_on if unsettled else None,
        bills=[OwedBill(one, one.due_on < today, parts.get(one.bill_id, [])) for one in unsettled],
    )


def billed_totals(conn: Connection[TupleRow], *, utility_id: int, period: Period) -> list[BilledTotal]:
    """Add up the bills issued in the period, by local month and service; cancelled ones are left out."""
    zone = utility_of(conn, utility_id=utility_id).zone
    return bill_reads.billed_totals(conn, utility_id=utility_id, zone=zone.key, period=period)


def recent_bill_runs(conn: Connection[TupleRow], *, utility_id: int, limit: int = 50) -> list[BillRunRow]:
    """List bill runs, the newest first, with what they did not bill and why."""
    return bill_runs.recent(conn, utility_id=utility_id, limit=limit)


def readings_of(given: BillInput) -> list[BillReading]:
    """Write the registers of a bill as decimals in the meter's unit."""
    return [
        BillReading(
            meter_id=one.meter_id,
            serial=one.serial,
            unit=one.unit,
            opening=_decimal(one.opening.register, scale=one.scale),
            opening_at=datetime.fromisoformat(one.opening.read_at),
            opening_method=one.opening.method,
            closing=_decimal(one.closing.register, scale=one.scale),
            closing_at=datetime.fromisoformat(one.closing.read_at),
            closing_method=one.closing.method,
            use=_decimal(use_units(one), scale=one.scale),
        )
        for one in given.segments
    ]


def _decimal(units: int, *, scale: int) -> str:
    # All the meter's decimals, also when they are zeros: that is how its dial reads.
    if scale >= 0:
        return str(units * 10**scale)
    whole, rest = divmod(units, 10**-scale)
    return f"{whole}.{rest:0{-scale}d}"
