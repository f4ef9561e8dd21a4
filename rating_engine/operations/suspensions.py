"""Suspensions: ordered with proof, checked again as the command leaves, ended by payment."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.operations import GuardVerdict, QueuedCommand
from rating_engine.domain import suspension_guards as rules
from rating_engine.domain.collections import UnpaidBill
from rating_engine.domain.collections_policy import CollectionPolicy
from rating_engine.domain.suspension import OPEN_STATES
from rating_engine.operations import suspension_moves as moves
from rating_engine.operations.guards import look
from rating_engine.store import collections as collections_store
from rating_engine.store import settings_of_utility
from rating_engine.store import suspensions as store
from rating_engine.store.payments import lock_accounts
from rating_engine.store.settings_of_utility import UtilityFacts
from rating_engine.store.suspensions import SuspensionRow
from registry import queries as registry

NOT_DONE = ("failed", "refused", "expired", "unknown", "cancelled")


class SuspensionRefused(Exception):
    """A guard speaks against the suspension; the message names which."""


def order_suspension(
    conn: Connection[TupleRow],
    *,
    facts: UtilityFacts,
    account_id: int,
    point_id: int,
    bills: Sequence[UnpaidBill],
    policy: CollectionPolicy,
    at: datetime,
) -> int | None:
    """Order the suspension of a point for these bills if every guard passes; None if one does not.

    The account must be locked, and the point have no suspension under way.
    """
    guards = look(
        conn,
        facts=facts,
        account_id=account_id,
        point_id=point_id,
        bills=bills,
        policy=policy,
        suspension_id=None,
        at=at,
    )
    if not rules.all_pass(guards):
        return None
    enforced = rules.enforced(bills, today=facts.today(at))
    proof = rules.proof(guards, at=at)
    suspension_id = store.insert(
        conn,
        utility_id=facts.utility_id,
        account_id=account_id,
        point_id=point_id,
        debt_minor=sum(bill.open_minor for bill in enforced),
        bill_ids=[bill.bill_id for bill in enforced],
        proof={"ordered": proof},
        at=at,
    )
    store.record(
        conn, utility_id=facts.utility_id, suspension_id=suspension_id, state="ordered", at=at, detail={"proof": proof}
    )
    row = store.suspension(conn, utility_id=facts.utility_id, suspension_id=suspension_id)
    moves.announce_order(conn, facts=facts, row=row, at=at)
    moves.command_stop(conn, facts=facts, row=row, policy=policy, at=at)
    return suspension_id


def release_guard(conn: Connection[TupleRow], command: QueuedCommand, at: datetime) -> GuardVerdict:
    """Check all guards again as a stopping command leaves, with the account locked until it is marked as sent.

    Not allowed, the suspension is withdrawn, or the supply restored where a command had left before. The proof is kept.
    """
    if not command.purpose.startswith("suspension:"):
        return GuardVerdict(allowed=True, reason="", proof={})
    utility_id, suspension_id = command.utility_id, int(command.purpose.removeprefix("suspension:"))
    account_id = store.account_of(conn, utility_id=utility_id, suspension_id=suspension_id)
    lock_accounts(conn, utility_id=utility_id, account_ids=[account_id])
    row = store.suspension(conn, utility_id=utility_id, suspension_id=suspension_id)
    if row.state not in ("ordered", "commanded") or row.stop_command_id != command.command_id:
        return GuardVerdict(allowed=False, reason=f"the suspension is {row.state}", proof={"state": row.state})
    facts = settings_of_utility.facts(conn, utility_id=utility_id)
    policy = collections_store.policy_at(conn, utility_id=utility_id, at=at)
    guards = _look_again(conn, facts=facts, row=row, policy=policy, at=at)
    proof = rules.proof(guards, at=at)
    is_again = row.state == "commanded"
    allowed = rules.reason_stands(guards) if is_again else rules.all_pass(guards)
    reason = "" if allowed else rules.refusal(guards)
    name = "released" if allowed else "refused"
    store.add_proof(conn, utility_id=utility_id, suspension_id=suspension_id, name=name, proof=proof)
    moves.move(
        conn,
        facts=facts,
        row=row,
        trigger="released" if allowed else "lapsed",
        policy=policy,
        at=at,
        detail={"proof": proof, "reason": reason, "command_id": command.command_id},
    )
    return GuardVerdict(allowed=allowed, reason=reason, proof=proof)


def re_evaluate(conn: Connection[TupleRow], *, utility_id: int, account_id: int, at: datetime) -> list[SuspensionRow]:
    """Ask of each suspension under way whether its reason still stands; withdraw it or bring the supply back if not.

    :raises AccountMissing: if the utility has no such account
    """
    lock_accounts(conn, utility_id=utility_id, account_ids=[account_id])
    open_rows = [
        row for row in store.of_account(conn, utility_id=utility_id, account_id=account_id) if row.state in OPEN_STATES
    ]
    if not open_rows:
        return []
    facts = settings_of_utility.facts(conn, utility_id=utility_id)
    policy = collections_store.policy_at(conn, utility_id=utility_id, at=at)
    return [_re_evaluate_one(conn, facts=facts, row=row, policy=policy, at=at) for row in open_rows]


def take_command_change(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    suspension_id: int,
    command_id: int,
    state: str,
    is_restoration: bool,
    at: datetime,
) -> None:
    """Take in what became of a command. Only an answer `done` counts as done; unknown is not done.

    :raises SuspensionUnknown: if the utility has no such suspension
    """
    account_id = store.account_of(conn, utility_id=utility_id, suspension_id=suspension_id)
    lock_accounts(conn, utility_id=utility_id, account_ids=[account_id])
    row = store.suspension(conn, utility_id=utility_id, suspension_id=suspension_id)
    facts = settings_of_utility.facts(conn, utility_id=utility_id)
    policy = collections_store.policy_at(conn, utility_id=utility_id, at=at)
    detail = {"command_id": command_id, "command_state": state}
    if state == "done":
        trigger = "opened" if is_restoration else "closed"
        if _can_move(conn, facts=facts, row=row, trigger=trigger):
            moves.move(conn, facts=facts, row=row, trigger=trigger, policy=policy, at=at, detail=detail)
        # Money may have come while the command was on its way.
        re_evaluate(conn, utility_id=utility_id, account_id=account_id, at=at)
    elif state in NOT_DONE and is_restoration and row.state == "restoring" and row.restore_command_id == command_id:
        _restoration_lost(conn, facts=facts, row=row, policy=policy, at=at, detail=detail)
    elif state in NOT_DONE and not is_restoration and row.stop_command_id == command_id:
        _stop_lost(conn, facts=facts, row=row, policy=policy, at=at, detail=detail)


def record_visit(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    suspension_id: int,
    outcome: Literal["closed", "opened"],
    by: str,
    at: datetime,
) -> SuspensionRow:
    """Record what was done by hand at the point; before closing, the guards must still stand.

    :raises SuspensionUnknown: if the utility has no such suspension
    :raises SuspensionRefused: if a guard speaks against closing
    :raises MoveUnknown: if the suspension is in no state for it
    """
    account_id = store.account_of(conn, utility_id=utility_id, suspension_id=suspension_id)
    lock_accounts(conn, utility_id=utility_id, account_ids=[account_id])
    row = store.suspension(conn, utility_id=utility_id, suspension_id=suspension_id)
    facts = settings_of_utility.facts(conn, utility_id=utility_id)
    policy = collections_store.policy_at(conn, utility_id=utility_id, at=at)
    detail: dict[str, Any] = {"by": by, "visit": outcome}
    if outcome == "closed":
        guards = _look_again(conn, facts=facts, row=row, policy=policy, at=at)
        detail["proof"] = rules.proof(guards, at=at)
        if not rules.reason_stands(guards):
            raise SuspensionRefused(f"suspension {suspension_id}: {rules.refusal(guards)}")
    return moves.move(conn, facts=facts, row=row, trigger=outcome, policy=policy, at=at, detail=detail)


def _look_again(
    conn: Connection[TupleRow], *, facts: UtilityFacts, row: SuspensionRow, policy: CollectionPolicy, at: datetime
) -> tuple[rules.Guard, ...]:
    unpaid = collections_store.unpaid_bills(
        conn, utility_id=facts.utility_id, account_id=row.account_id, zone=facts.zone
    )
    return look(
        conn,
        facts=facts,
        account_id=row.account_id,
        point_id=row.point_id,
        bills=[bill for bill in unpaid if bill.bill_id in row.bill_ids],
        policy=policy,
        suspension_id=row.suspension_id,
        at=at,
    )


def _re_evaluate_one(
    conn: Connection[TupleRow], *, facts: UtilityFacts, row: SuspensionRow, policy: CollectionPolicy, at: datetime
) -> SuspensionRow:
    if row.state == "restoring":
        is_due = at >= row.changed_at + timedelta(minutes=policy.retry_minutes)
        if row.restore_command_id is None and is_due:
            detail = {"again": True}
            store.record(
                conn,
                utility_id=facts.utility_id,
                suspension_id=row.suspension_id,
                state="restoring",
                at=at,
                detail=detail,
            )
            moves.command_restore(conn, facts=facts, row=row, policy=policy, at=at)
        return row
    reason = _why_lapsed(conn, facts=facts, row=row, policy=policy, at=at)
    if reason is None:
        return row
    return moves.move(conn, facts=facts, row=row, trigger="lapsed", policy=policy, at=at, detail={"reason": reason})


def _why_lapsed(
    conn: Connection[TupleRow], *, facts: UtilityFacts, row: SuspensionRow, policy: CollectionPolicy, at: datetime
) -> str | None:
    """Tell why a suspension has no reason any more, or None while it has."""
    utility_id, today = facts.utility_id, facts.today(at)
    unpaid = collections_store.unpaid_bills(conn, utility_id=utility_id, account_id=row.account_id, zone=facts.zone)
    owed_minor = sum(bill.open_minor for bill in unpaid if bill.bill_id in row.bill_ids)
    overdue_minor = sum(bill.open_minor for bill in unpaid if bill.days_overdue(today) > 0)
    if owed_minor == 0 and (policy.restore_when == "order_paid" or overdue_minor == 0):
        return "paid"
    if not row.may_be_off and owed_minor < policy.smallest_debt_minor:
        return "debt below the smallest"
    holds = {
        hold.kind for hold in collections_store.holds_at(conn, utility_id=utility_id, account_id=row.account_id, at=at)
    }
    if lifting := sorted(holds & set(policy.restoring_holds) if row.may_be_off else holds):
        return f"hold: {', '.join(lifting)}"
    supplied = registry.accounts_at_points(conn, utility_id=utility_id, point_ids=[row.point_id], at=at)
    if not any(found.account_id == row.account_id for found in supplied):
        return "the debtor is no longer supplied here"
    return None


def _can_move(
    conn: Connection[TupleRow], *, facts: UtilityFacts, row: SuspensionRow, trigger: Literal["opened", "closed"]
) -> bool:
    """A late answer about a suspension that has ended may find another one under way at the point: that one decides."""
    if trigger == "closed" and row.state == "withdrawn":
        return not store.open_points(conn, utility_id=facts.utility_id, point_ids=[row.point_id])
    return not (trigger == "opened" and row.state in ("ordered", "commanded", "visit_needed"))


def _stop_lost(
    conn: Connection[TupleRow],
    *,
    facts: UtilityFacts,
    row: SuspensionRow,
    policy: CollectionPolicy,
    at: datetime,
    detail: Mapping[str, Any],
) -> None:
    """The command came to nothing, or nobody knows: order again, send somebody, or give up, as the guards say."""
    if row.state not in ("ordered", "commanded"):
        return
    guards = _look_again(conn, facts=facts, row=row, policy=policy, at=at)
    happened = store.events_of(conn, utility_id=facts.utility_id, suspension_ids=[row.suspension_id])
    attempts = sum(1 for event in happened if event.state == "ordered")
    if not rules.reason_stands(guards):
        trigger = "lapsed"
    elif rules.all_pass(guards) and attempts < policy.attempts:
        trigger = "ordered_again"
    else:
        trigger = "lost"
    told = {**detail, "proof": rules.proof(guards, at=at), "attempts": attempts}
    moves.move(conn, facts=facts, row=row, trigger=trigger, policy=policy, at=at, detail=told)


def _restoration_lost(
    conn: Connection[TupleRow],
    *,
    facts: UtilityFacts,
    row: SuspensionRow,
    policy: CollectionPolicy,
    at: datetime,
    detail: Mapping[str, Any],
) -> None:
    """Try again: at once when nothing was heard, later when the meter said no; after some times ask for a visit."""
    happened = store.events_of(conn, utility_id=facts.utility_id, suspension_ids=[row.suspension_id])
    attempts = sum(1 for event in happened if event.state == "restoring")
    store.set_restore_command(conn, utility_id=facts.utility_id, suspension_id=row.suspension_id, command_id=None)
    told = {**detail, "attempts": attempts, "visit": attempts >= policy.attempts}
    store.record(
        conn,
        utility_id=facts.utility_id,
        suspension_id=row.suspension_id,
        state="restoring",
        at=at,
        detail=told,
    )
    if detail["command_state"] not in ("failed", "refused"):
        moves.command_restore(conn, facts=facts, row=row, policy=policy, at=at)
