"""Collecting what is overdue: reminder, final demand, notice of suspension, suspension; holds that stop it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from rating_engine.domain.collections import NOTICE_KIND, NextStep, Step, UnpaidBill, next_step
from rating_engine.domain.collections_policy import HOLD_KINDS, CollectionPolicy, HoldKind
from rating_engine.domain.suspension_guards import enforced
from rating_engine.operations.suspensions import order_suspension, re_evaluate
from rating_engine.store import collections as store
from rating_engine.store import intents as intent_store
from rating_engine.store import settings_of_utility
from rating_engine.store import suspensions as suspension_store
from rating_engine.store.payments import PayingAccount, lock_accounts
from rating_engine.store.settings_of_utility import UtilityFacts
from registry import operations as registry
from registry import queries as registry_queries


class HoldUnusable(ValueError):
    """A hold needs a known kind, a reason, and an end after its beginning if it has one."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """What was done for an account: (bill, step) sent, suspensions ordered."""

    account_id: int
    steps: tuple[tuple[int, Step], ...]
    ordered: tuple[int, ...]


def accounts_due_for_collection(conn: Connection[TupleRow], *, utility_id: int, at: datetime) -> list[int]:
    """List accounts with an overdue bill or a suspension under way, by id; each is advanced in its own transaction."""
    today = settings_of_utility.facts(conn, utility_id=utility_id).today(at)
    return store.due_accounts(conn, utility_id=utility_id, today=today)


def advance_collections(conn: Connection[TupleRow], *, utility_id: int, account_id: int, at: datetime) -> Advanced:
    """Take the next step for each overdue bill of an account, and order suspensions that every guard lets pass.

    Nothing is sent while a hold stands or a payment is under way. Doing it twice does nothing the second time.

    :raises AccountMissing: if the utility has no such account
    """
    account = lock_accounts(conn, utility_id=utility_id, account_ids=[account_id])[account_id]
    facts = settings_of_utility.facts(conn, utility_id=utility_id)
    policy = store.policy_at(conn, utility_id=utility_id, at=at)
    re_evaluate(conn, utility_id=utility_id, account_id=account_id, at=at)
    if store.holds_at(conn, utility_id=utility_id, account_id=account_id, at=at) or intent_store.in_flight(
        conn, utility_id=utility_id, account_id=account_id, card_pages=policy.card_pages, at=at
    ):
        return Advanced(account_id=account_id, steps=(), ordered=())
    today = facts.today(at)
    unpaid = store.unpaid_bills(conn, utility_id=utility_id, account_id=account_id, zone=facts.zone)
    overdue = [bill for bill in unpaid if bill.days_overdue(today) > 0]
    steps: list[tuple[int, Step]] = []
    for bill in overdue:
        step = next_step(bill, today=today, policy=policy)
        if step is not None:
            _send(conn, facts=facts, account=account, bill=bill, step=step, at=at)
            steps.append((bill.bill_id, step.step))
    ordered = _order(conn, facts=facts, account_id=account_id, bills=overdue, policy=policy, at=at)
    return Advanced(account_id=account_id, steps=tuple(steps), ordered=ordered)


def set_hold(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    account_id: int,
    kind: HoldKind,
    reason: str,
    set_by: str,
    until: datetime | None,
    at: datetime,
) -> int:
    """Hold collection back from now on; an order not yet carried out is withdrawn. Return the hold's id.

    :raises HoldUnusable: if the kind is not known, the reason is empty, or the end is not after now
    :raises AccountMissing: if the utility has no such account
    """
    if kind not in HOLD_KINDS or not reason.strip() or (until is not None and until <= at):
        raise HoldUnusable(
            f"hold '{kind}': give one of {', '.join(HOLD_KINDS)}, a reason, and an end after now or none"
        )
    lock_accounts(conn, utility_id=utility_id, account_ids=[account_id])
    hold_id = store.insert_hold(
        conn,
        utility_id=utility_id,
        account_id=account_id,
        kind=kind,
        reason=reason.strip(),
        set_by=set_by,
        valid_from=at,
        valid_to=until,
    )
    re_evaluate(conn, utility_id=utility_id, account_id=account_id, at=at)
    return hold_id


def release_hold(conn: Connection[TupleRow], *, utility_id: int, hold_id: int, at: datetime) -> None:
    """Let a hold end now.

    :raises HoldUnknown: if there is no such hold, or it has ended
    """
    account_id = store.account_of_hold(conn, utility_id=utility_id, hold_id=hold_id)
    lock_accounts(conn, utility_id=utility_id, account_ids=[account_id])
    store.end_hold(conn, utility_id=utility_id, hold_id=hold_id, at=at)


def decide_policy(
    conn: Connection[TupleRow], *, utility_id: int, policy: CollectionPolicy, changed_by: str, at: datetime
) -> int:
    """Put a collection policy in force from now on; return its version. `frozen` stops every suspension at once."""
    return store.insert_policy(conn, utility_id=utility_id, policy=policy, changed_by=changed_by, at=at)


def _send(
    conn: Connection[TupleRow],
    *,
    facts: UtilityFacts,
    account: PayingAccount,
    bill: UnpaidBill,
    step: NextStep,
    at: datetime,
) -> None:
    utility_id = facts.utility_id
    notice_id = registry.write_notice(
        conn,
        utility_id=utility_id,
        party_id=account.party_id,
        account_id=account.account_id,
        kind=NOTICE_KIND[step.step],
        subject_key=f"bill:{bill.bill_id}",
        parameters={
            "bill_id": bill.bill_id,
            "bill_number": bill.bill_number,
            "account_number": account.account_number,
            "service": bill.service,
            "open_minor": bill.open_minor,
            "currency": facts.currency,
            "due_on": bill.due_on.isoformat(),
            "payable_until": step.payable_until.isoformat(),
        },
        at=at,
    )
    store.insert_step(
        conn,
        utility_id=utility_id,
        account_id=account.account_id,
        bill_id=bill.bill_id,
        step=step.step,
        payable_until=step.payable_until,
        notice_id=notice_id,
        at=at,
    )
    if step.step == "suspension_notice":
        _warn_users(conn, facts=facts, account=account, bill=bill, step=step, at=at)


def _warn_users(
    conn: Connection[TupleRow],
    *,
    facts: UtilityFacts,
    account: PayingAccount,
    bill: UnpaidBill,
    step: NextStep,
    at: datetime,
) -> None:
    """Tell those who live there and are not the debtor that supply may stop: when, but not what is owed."""
    there = registry_queries.parties_at_points(conn, utility_id=facts.utility_id, point_ids=[bill.point_id], at=at)
    for party_id in sorted({found.party_id for found in there if found.role == "user"} - {account.party_id}):
        registry.write_notice(
            conn,
            utility_id=facts.utility_id,
            party_id=party_id,
            account_id=None,
            kind="supply.suspension_announced",
            subject_key=f"bill:{bill.bill_id}",
            parameters={
                "point_id": bill.point_id,
                "service": bill.service,
                "not_before": step.payable_until.isoformat(),
            },
            at=at,
        )


def _order(
    conn: Connection[TupleRow],
    *,
    facts: UtilityFacts,
    account_id: int,
    bills: Sequence[UnpaidBill],
    policy: CollectionPolicy,
    at: datetime,
) -> tuple[int, ...]:
    ripe = enforced(bills, today=facts.today(at))
    if not ripe:
        return ()
    by_point = _bills_by_point(conn, facts=facts, account_id=account_id, bills=ripe, policy=policy, at=at)
    busy = suspension_store.open_points(conn, utility_id=facts.utility_id, point_ids=by_point.keys())
    found = (
        order_suspension(
            conn,
            facts=facts,
            account_id=account_id,
            point_id=point_id,
            bills=point_bills,
            policy=policy,
            at=at,
        )
        for point_id, point_bills in sorted(by_point.items())
        if point_id not in busy
    )
    return tuple(suspension_id for suspension_id in found if suspension_id is not None)


def _bills_by_point(
    conn: Connection[TupleRow],
    *,
    facts: UtilityFacts,
    account_id: int,
    bills: Sequence[UnpaidBill],
    policy: CollectionPolicy,
    at: datetime,
) -> dict[int, list[UnpaidBill]]:
    """Say which points the policy lets be stopped for which bills."""
    if policy.suspends == "point_of_debt":
        return {point_id: [b for b in bills if b.point_id == point_id] for point_id in _points(bills)}
    agreements = registry_queries.agreements_of_account(conn, utility_id=facts.utility_id, account_id=account_id)
    return {
        agreement.point_id: list(bills)
        for agreement in agreements
        if (policy.suspends == "all_of_account" or agreement.service == "water")
        and agreement.valid_from <= at
        and (agreement.valid_to is None or at < agreement.valid_to)
    }


def _points(bills: Iterable[UnpaidBill]) -> set[int]:
    return {bill.point_id for bill in bills}
