"""Moving a suspension from state to state, with the command, the record and the word to others that belong to it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import operations as gateway
from kernel import events
from rating_engine.domain import suspension as rules
from rating_engine.domain.collections_policy import CollectionPolicy
from rating_engine.domain.suspension import Trigger
from rating_engine.store import suspensions as store
from rating_engine.store.payments import lock_accounts
from rating_engine.store.settings_of_utility import UtilityFacts
from rating_engine.store.suspensions import SuspensionRow
from registry import operations as registry
from registry import queries as registry_queries

STOP: dict[str, Literal["valve.close", "relay.open"]] = {"water": "valve.close", "electricity": "relay.open"}
RESTORE: dict[str, Literal["valve.open", "relay.close"]] = {"water": "valve.open", "electricity": "relay.close"}


def stop_purpose(suspension_id: int) -> str:
    """Name what a stopping command is for."""
    return f"suspension:{suspension_id}"


def restore_purpose(suspension_id: int) -> str:
    """Name what a restoring command is for."""
    return f"restoration:{suspension_id}"


def move(
    conn: Connection[TupleRow],
    *,
    facts: UtilityFacts,
    row: SuspensionRow,
    trigger: Trigger,
    policy: CollectionPolicy,
    at: datetime,
    detail: Mapping[str, Any],
) -> SuspensionRow:
    """Move a suspension by its table and do what the new state asks for; the account must be locked.

    :raises MoveUnknown: if the table has no such move
    """
    before = rules.Suspension(state=row.state, may_be_off=row.may_be_off)
    after = rules.move(before, trigger)
    if after.state == row.state and trigger != "ordered_again":
        return row
    store.set_state(
        conn, utility_id=facts.utility_id, suspension_id=row.suspension_id, state=after.state, at=at, detail=detail
    )
    if after.state in ("withdrawn", "restoring") and trigger == "lapsed":
        purpose = stop_purpose(row.suspension_id)
        gateway.cancel_commands(conn, utility_id=facts.utility_id, purpose=purpose, at=at)
    _tell_others(conn, facts=facts, row=row, state=after.state, at=at)
    match after.state:
        case "ordered":
            command_stop(conn, facts=facts, row=row, policy=policy, at=at)
        case "restoring":
            command_restore(conn, facts=facts, row=row, policy=policy, at=at)
        case "suspended":
            _tell_supply(conn, facts=facts, row=row, is_on=False, at=at)
        case "restored":
            _tell_supply(conn, facts=facts, row=row, is_on=True, at=at)
        case _:
            pass
    return store.suspension(conn, utility_id=facts.utility_id, suspension_id=row.suspension_id)


def command_stop(
    conn: Connection[TupleRow], *, facts: UtilityFacts, row: SuspensionRow, policy: CollectionPolicy, at: datetime
) -> None:
    """Queue the command that stops the supply; where no valve can be commanded, ask for a visit."""
    meter = registry_queries.meter_at_point(conn, utility_id=facts.utility_id, point_id=row.point_id, at=at)
    if meter is None or not meter.has_actuator:
        current = store.suspension(conn, utility_id=facts.utility_id, suspension_id=row.suspension_id)
        reason = {"reason": "no valve or relay to command"}
        move(conn, facts=facts, row=current, trigger="lost", policy=policy, at=at, detail=reason)
        return
    command_id = gateway.queue_command(
        conn,
        utility_id=facts.utility_id,
        meter_id=meter.meter_id,
        command=STOP[meter.kind],
        purpose=stop_purpose(row.suspension_id),
        expires_at=at + timedelta(hours=policy.command_hours),
        arguments={},
        at=at,
    )
    store.set_stop_command(conn, utility_id=facts.utility_id, suspension_id=row.suspension_id, command_id=command_id)


def command_restore(
    conn: Connection[TupleRow], *, facts: UtilityFacts, row: SuspensionRow, policy: CollectionPolicy, at: datetime
) -> None:
    """Queue the command that brings the supply back, at any hour; where none can be, note that a visit is needed."""
    meter = registry_queries.meter_at_point(conn, utility_id=facts.utility_id, point_id=row.point_id, at=at)
    if meter is None or not meter.has_actuator:
        store.record(
            conn,
            utility_id=facts.utility_id,
            suspension_id=row.suspension_id,
            state="restoring",
            at=at,
            detail={"visit": True, "reason": "no valve or relay to command"},
        )
        return
    command_id = gateway.queue_command(
        conn,
        utility_id=facts.utility_id,
        meter_id=meter.meter_id,
        command=RESTORE[meter.kind],
        purpose=restore_purpose(row.suspension_id),
        expires_at=at + timedelta(hours=policy.command_hours),
        arguments={},
        at=at,
    )
    store.set_restore_command(conn, utility_id=facts.utility_id, suspension_id=row.suspension_id, command_id=command_id)


def announce_order(conn: Connection[TupleRow], *, facts: UtilityFacts, row: SuspensionRow, at: datetime) -> None:
    """Tell other packages of a new order."""
    _tell_others(conn, facts=facts, row=row, state="ordered", at=at)


def _tell_others(
    conn: Connection[TupleRow], *, facts: UtilityFacts, row: SuspensionRow, state: rules.State, at: datetime
) -> None:
    events.publish(
        conn,
        utility_id=facts.utility_id,
        topic="suspension.changed",
        key=f"account:{row.account_id}",
        payload={
            "suspension_id": row.suspension_id,
            "account_id": row.account_id,
            "point_id": row.point_id,
            "state": state,
        },
        occurred_at=at,
    )


def _tell_supply(
    conn: Connection[TupleRow], *, facts: UtilityFacts, row: SuspensionRow, is_on: bool, at: datetime
) -> None:
    """Record what flows, and tell the debtor and those who live there; only the debtor is told the debt."""
    utility_id = facts.utility_id
    registry.set_supply(conn, utility_id=utility_id, point_id=row.point_id, supply="on" if is_on else "off", at=at)
    point = registry_queries.point(conn, utility_id=utility_id, point_id=row.point_id)
    account = lock_accounts(conn, utility_id=utility_id, account_ids=[row.account_id])[row.account_id]
    there = registry_queries.parties_at_points(conn, utility_id=utility_id, point_ids=[row.point_id], at=at)
    about = {
        "suspension_id": row.suspension_id,
        "point_id": row.point_id,
        "point_number": point.point_number,
        "service": point.service,
        "address": point.address,
        "on": facts.today(at).isoformat(),
    }
    debt = {"debt_minor": row.debt_minor, "currency": facts.currency}
    users = {found.party_id for found in there if found.role == "user"} - {account.party_id}
    for party_id in [account.party_id, *sorted(users)]:
        is_debtor = party_id == account.party_id
        registry.write_notice(
            conn,
            utility_id=utility_id,
            party_id=party_id,
            account_id=row.account_id if is_debtor else None,
            kind="supply.restored" if is_on else "supply.suspended",
            subject_key=stop_purpose(row.suspension_id),
            parameters=about | debt if is_debtor else about,
            at=at,
        )
