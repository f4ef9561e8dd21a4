"""Payment slips of bills."""

from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from rating_engine.domain.slip import Slip, make_slip, settings_from
from rating_engine.queries.bills import BillView
from rating_engine.store import settings_of_utility


def slip_of_bill(conn: Connection[TupleRow], *, utility_id: int, view: BillView, at: datetime) -> Slip:
    """Make the payment slip of a bill as it stands at `at`; a cancelled bill has nothing open.

    :raises SlipSettingsUnusable: if the utility's setting `slip` cannot be understood
    """
    utility = settings_of_utility.facts(conn, utility_id=utility_id)
    bill = view.bill
    return make_slip(
        settings=settings_from(utility.settings),
        currency=bill.currency,
        account_id=bill.account_id,
        bill_id=bill.bill_id,
        total_minor=bill.total_minor,
        tax_minor=bill.tax_minor,
        open_minor=0 if bill.cancelled_at is not None else view.open_minor,
        due_on=bill.due_on,
        today=utility.today(at),
    )
