"""What money does when something happens: advances meet bills, payments bring supply back, commands report."""

from collections.abc import Mapping

import structlog
from psycopg import Connection
from psycopg.rows import TupleRow

from kernel.events import Event, Handler
from rating_engine.operations.payments import apply_advance
from rating_engine.operations.suspensions import re_evaluate, take_command_change
from rating_engine.store.settings_of_utility import scope_time
from rating_engine.store.suspensions import SuspensionUnknown

log = structlog.get_logger()

PURPOSES = {"suspension": False, "restoration": True}


def handlers() -> Mapping[str, Handler]:
    """Give the handler of each topic; each is idempotent and works at the utility time of its transaction's scope."""
    return {
        "bill.issued": _settle_from_advance,
        "bill.cancelled": _settle_from_advance,
        "payment.received": _look_at_supply,
        "command.changed": _take_command_change,
    }


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
