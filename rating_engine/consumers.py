"""What money does when something happens: advances meet bills, payments bring supply back, late data finds its bill."""

from collections.abc import Mapping
from datetime import date

import structlog
from psycopg import Connection
from psycopg.rows import TupleRow

from kernel.events import Event, Handler
from rating_engine.operations.adjustments import drop_candidate, look_again, look_at_bills
from rating_engine.operations.payments import apply_advance
from rating_engine.operations.suspensions import re_evaluate, take_command_change
from rating_engine.store.settings_of_utility import scope_time
from rating_engine.store.suspensions import SuspensionUnknown

log = structlog.get_logger()

PURPOSES = {"suspension": False, "restoration": True}


def handlers() -> Mapping[str, Handler]:
    """Give the handler of each topic; each is idempotent and works at the utility time of its transaction's scope."""
    return {
        "bill.issued": _take_bill,
        "bill.cancelled": _take_cancellation,
        "payment.received": _look_at_supply,
        "command.changed": _take_command_change,
        "use.repaired": _look_at_bills,
    }


def _take_bill(conn: Connection[TupleRow], event: Event) -> None:
    _settle_from_advance(conn, event)
    # A bill that opens where a candidate's bill closed has billed what was missing there.
    look_again(conn, utility_id=event.utility_id, account_id=event.payload["account_id"], at=scope_time(conn))


def _take_cancellation(conn: Connection[TupleRow], event: Event) -> None:
    _settle_from_advance(conn, event)
    at = scope_time(conn)
    drop_candidate(conn, utility_id=event.utility_id, bill_id=event.payload["bill_id"], at=at)
    look_again(conn, utility_id=event.utility_id, account_id=event.payload["account_id"], at=at)


def _look_at_bills(conn: Connection[TupleRow], event: Event) -> None:
    look_at_bills(
        conn,
        utility_id=event.utility_id,
        meter_ids=event.payload["meter_ids"],
        first=date.fromisoformat(event.payload["first"]),
        last=date.fromisoformat(event.payload["last"]),
        at=scope_time(conn),
    )


def _settle_from_advance(conn: Connection[TupleRow], event: Event) -> None:
    at, account_id = scope_time(conn), event.payload["account_id"]
    apply_advance(conn, utility_id=event.utility_id, account_id=account_id, at=at)
    re_evaluate(conn, utility_id=event.utility_id, account_id=account_id, at=at)


def _look_at_supply(conn: Connection[TupleRow], event: Event) -> None:
    re_evaluate(conn, utility_id=event.utility_id, account_id=event.payload["account_id"], at=scope_time(conn))


def _take_command_change(conn: Connection[TupleRow], event: Event) -> None:
    kind, _, number = event.payload["purpose"].partition(":")
    if kind not in PURPOSES or event.payload["state"] in ("queued", "sent"):
        return
    try:
        take_command_change(
            conn,
            utility_id=event.utility_id,
            suspension_id=int(number),
            command_id=event.payload["command_id"],
            state=event.payload["state"],
            is_restoration=PURPOSES[kind],
            at=scope_time(conn),
        )
    except SuspensionUnknown:
        log.warning("suspension.unknown", purpose=event.payload["purpose"], command_id=event.payload["command_id"])
