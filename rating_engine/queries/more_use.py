"""What more use would cost: a point's newest bill, rated again with it on top."""

from dataclasses import dataclass, replace
from decimal import Decimal

from psycopg import Connection
from psycopg.rows import TupleRow

from rating_engine.domain.bill_input import BillInput, from_json, rate_input
from rating_engine.operations.tariffs import pinned_tariff
from rating_engine.store import bill_reads
from rating_engine.store import bills as store

BASE_UNITS = {"m3": Decimal(1000), "kWh": Decimal(1000)}  # litres or Wh in one unit of a register


@dataclass(frozen=True, slots=True)
class MoreUse:
    """What more use would have cost on the bill; the steps that the customer has reached are in it."""

    bill_id: int
    currency: str
    amount_minor: int  # a month, taxes in


def cost_of_more_use(
    conn: Connection[TupleRow], *, utility_id: int, point_id: int, base_units_a_month: float
) -> MoreUse | None:
    """Tell what so many litres or Wh more a month would cost at the point.

    None where the point has no bill to start from, or its meter counts in another unit.
    """
    bill_id = bill_reads.newest_of_point(conn, utility_id=utility_id, point_id=point_id)
    if bill_id is None:
        return None
    bill = store.bill(conn, utility_id=utility_id, bill_id=bill_id)
    given = from_json(bill.input)
    months = len(given.months)
    with_it = _with_more(given, base_units=Decimal(base_units_a_month) * months)
    if with_it is None:
        return None
    pinned = pinned_tariff(conn, utility_id=utility_id, tariff_code=bill.tariff_code, version=bill.tariff_version)
    more_minor = (
        rate_input(with_it, tariff=pinned.tariff).total_minor - rate_input(given, tariff=pinned.tariff).total_minor
    )
    return MoreUse(bill_id, bill.currency, more_minor // months)


def _with_more(given: BillInput, *, base_units: Decimal) -> BillInput | None:
    """Let the last meter of the bill end higher by so many litres or Wh."""
    if not given.segments or given.segments[-1].unit not in BASE_UNITS:
        return None
    *before, last = given.segments
    more = int((base_units / BASE_UNITS[last.unit]).scaleb(-last.scale))
    closing = replace(last.closing, register=(last.closing.register + more) % 10**last.digits)
    return replace(given, segments=(*before, replace(last, closing=closing)))
