"""Bills that late data makes wrong: each becomes one candidate for an adjustment, and none once it is right again."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import queries as ingest
from kernel.period import local_days
from rating_engine.domain.adjustments import BilledSpan, as_now
from rating_engine.domain.bill_input import BillInput, as_json, from_json, hash_of, rate_input, use_of
from rating_engine.domain.cycles import DEFAULT_READING_MAX_AGE_DAYS
from rating_engine.domain.decimals import plain
from rating_engine.domain.use import RegisterPoint, RegisterRanBackwards
from rating_engine.operations.bill_runs import utility_of
from rating_engine.operations.tariffs import pinned_tariff
from rating_engine.store import adjustments as store
from rating_engine.store.adjustments import NewCandidate, StandingBill
from registry.queries import Utility


def look_at_bills(
    conn: Connection[TupleRow], *, utility_id: int, meter_ids: Collection[int], first: date, last: date, at: datetime
) -> int:
    """Compare the bills that rest on readings of these meters and local days with what they would be now.

    A bill whose use or total would change becomes a candidate; one that would not has none. Return how many have one.
    The meters are those that the bill names: an exchange that was entered after it is for a person to see.
    """
    utility = utility_of(conn, utility_id=utility_id)
    days = local_days(first, last + timedelta(days=1), zone=utility.zone)
    # A register is used for an end of a bill as long after as it may be old.
    reach = days.end + _longest_age(utility)
    bills = store.bills_touched(conn, utility_id=utility_id, meter_ids=meter_ids, first=days.start, last=reach)
    return _look(conn, utility=utility, bills=bills, at=at)


def look_again(conn: Connection[TupleRow], *, utility_id: int, account_id: int, at: datetime) -> int:
    """Look at an account's candidates and the bills after theirs once more, because a bill came or went."""
    ends = store.open_ends(conn, utility_id=utility_id, account_id=account_id)
    if ends is None:
        return 0
    meter_ids, first, last = ends
    bills = store.bills_touched(conn, utility_id=utility_id, meter_ids=meter_ids, first=first, last=last)
    return _look(conn, utility=utility_of(conn, utility_id=utility_id), bills=bills, at=at)


def drop_candidate(conn: Connection[TupleRow], *, utility_id: int, bill_id: int, at: datetime) -> None:
    """Close the candidate of a bill that was cancelled: billing it again takes the registers as they are."""
    store.make_void(conn, utility_id=utility_id, bill_ids=[bill_id], at=at)


def _look(conn: Connection[TupleRow], *, utility: Utility, bills: Sequence[StandingBill], at: datetime) -> int:
    """Look at bills, by point and the oldest first, so that each opens with what the one before it would close with."""
    registers = _registers(conn, utility=utility, bills=bills)
    handed_over: dict[tuple[int, datetime], dict[int, RegisterPoint]] = {}
    right: list[int] = []
    found = 0
    for bill in bills:
        given, start, end = from_json(bill.input), bill.period.lower, bill.period.upper
        assert start is not None, "billed periods have both ends"
        assert end is not None, "billed periods have both ends"
        billed = BilledSpan(given, start, end, follows=bill.follows)
        now = as_now(billed, registers=registers, handed_over=handed_over.get((bill.point_id, start), {}))
        handed_over[bill.point_id, end] = {one.meter_id: one.closing for one in now.segments}
        candidate = None if now is given else _compared(conn, utility=utility, bill=bill, given=given, now=now)
        if candidate is None:
            right.append(bill.bill_id)
        else:
            store.keep(conn, utility_id=utility.utility_id, candidate=candidate, at=at)
            found += 1
    if right:
        store.make_void(conn, utility_id=utility.utility_id, bill_ids=right, at=at)
    return found


def _compared(
    conn: Connection[TupleRow], *, utility: Utility, bill: StandingBill, given: BillInput, now: BillInput
) -> NewCandidate | None:
    """Rate the bill by what is known now; None if neither its billed quantity nor its total would change."""
    pinned = pinned_tariff(
        conn, utility_id=utility.utility_id, tariff_code=bill.tariff_code, version=bill.tariff_version
    )
    digits = pinned.tariff.quantity.decimals
    before = use_of(given, tariff=pinned.tariff).quantity
    quantity_after, total_after_minor, problem = None, None, ""
    try:
        after = use_of(now, tariff=pinned.tariff).quantity
        total_after_minor = rate_input(now, tariff=pinned.tariff).total_minor
        if (after, total_after_minor) == (before, bill.total_minor):
            return None
        quantity_after = plain(after, digits=digits)
    except RegisterRanBackwards as error:
        problem = str(error)
    return NewCandidate(
        bill_id=bill.bill_id,
        account_id=bill.account_id,
        input=as_json(now) if not problem else bill.input,
        input_hash=hash_of(as_json(now) if not problem else bill.input),
        unit=pinned.tariff.quantity.unit,
        quantity_before=plain(before, digits=digits),
        quantity_after=quantity_after,
        currency=bill.currency,
        total_before_minor=bill.total_minor,
        total_after_minor=total_after_minor,
        problem=problem,
    )


def _registers(
    conn: Connection[TupleRow], *, utility: Utility, bills: Sequence[StandingBill]
) -> dict[tuple[int, datetime], RegisterPoint]:
    """Read the registers at both ends of the bills, one query for each instant."""
    wanted: dict[datetime, set[int]] = {}
    for bill in bills:
        meter_ids = {int(one["meter_id"]) for one in bill.input["segments"]}
        for end in (bill.period.lower, bill.period.upper):
            assert end is not None, "billed periods have both ends"
            wanted.setdefault(end, set()).update(meter_ids)
    found: dict[tuple[int, datetime], RegisterPoint] = {}
    for end, meter_ids in wanted.items():
        registers = ingest.registers_at(
            conn, utility_id=utility.utility_id, meter_ids=sorted(meter_ids), at=end, max_age=_longest_age(utility)
        )
        for meter_id, known in registers.items():
            found[meter_id, end] = RegisterPoint(known.register, known.read_at.isoformat(), known.method)
    return found


def _longest_age(utility: Utility) -> timedelta:
    """Tell how old a register may be that a bill is made from, of whatever service."""
    cycles = utility.settings.get("cycles", {}).values()
    given = [float(one["reading_max_age_days"]) for one in cycles if one and "reading_max_age_days" in one]
    return timedelta(days=max([DEFAULT_READING_MAX_AGE_DAYS, *given]))
