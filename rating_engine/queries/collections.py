"""Arrears for the office, and for the customer why supply is off and what brings it back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from rating_engine.domain.collections import AGES, UnpaidBill, age_of
from rating_engine.domain.collections_policy import CollectionPolicy
from rating_engine.queries.payments import pending_payments
from rating_engine.store import arrears as store
from rating_engine.store import collections as collections_store
from rating_engine.store import settings_of_utility
from rating_engine.store import suspensions as suspension_store
from rating_engine.store.payments import Intent


@dataclass(frozen=True, slots=True)
class SuspensionView:
    """A suspension with all that happened to it; the proof of each look at the guards is in the events' detail."""

    suspension: suspension_store.SuspensionRow
    events: tuple[suspension_store.SuspensionEvent, ...]


@dataclass(frozen=True, slots=True)
class CollectionStory:
    """All that was done to collect from an account; lists are newest first but for bills and holds."""

    unpaid: tuple[UnpaidBill, ...]
    steps: tuple[collections_store.StepRow, ...]
    holds: tuple[collections_store.Hold, ...]
    in_flight: tuple[Intent, ...]
    suspensions: tuple[SuspensionView, ...]


@dataclass(frozen=True, slots=True)
class SupplyExplanation:
    """Why supply at a point is off, going off or coming back, and what to pay, in minor units.

    `reason` is announced, ordered, suspended, visit or restoring. `pay_by` is the last day before supply may stop, None
    once it has; paying `to_pay_minor` brings it back at any hour.
    """

    point_id: int
    service: str
    reason: str
    since: datetime | None
    to_pay_minor: int
    pay_by: date | None
    bills: tuple[dict[str, Any], ...]
    payment_under_way: bool


_REASON = {
    "ordered": "ordered",
    "commanded": "ordered",
    "suspended": "suspended",
    "visit_needed": "visit",
    "restoring": "restoring",
}


def arrears_list(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    at: datetime,
    district_id: int | None = None,
    service: str | None = None,
    least_days: int = 1,
    step: str | None = None,
    limit: int = 100,
    offset: int = 0,
) -> list[store.ArrearsRow]:
    """List accounts with overdue bills, overdue longest first; `step` may be a step, or `none` for none taken."""
    today = settings_of_utility.facts(conn, utility_id=utility_id).today(at)
    return store.arrears_page(
        conn,
        utility_id=utility_id,
        today=today,
        at=at,
        district_id=district_id,
        service=service,
        least_days=least_days,
        step=step,
        limit=limit,
        offset=offset,
    )


def visits_to_make(conn: Connection[TupleRow], *, utility_id: int) -> list[store.VisitRow]:
    """List where somebody must go to stop the supply or bring it back, since no command does: back first."""
    return store.visits_to_make(conn, utility_id=utility_id)


def ageing_totals(conn: Connection[TupleRow], *, utility_id: int, at: datetime) -> list[store.AgeRow]:
    """Sum what is overdue by service and age, youngest first; ages without debt are left out."""
    today = settings_of_utility.facts(conn, utility_id=utility_id).today(at)
    groups: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for service, account_id, due_on, open_minor in store.overdue_bills(conn, utility_id=utility_id, today=today):
        age = age_of((today - due_on).days)
        assert age is not None, "the query gives overdue bills only"
        groups.setdefault((service, age), []).append((account_id, open_minor))
    order = {age: place for place, (age, _) in enumerate(AGES)}
    return [
        store.AgeRow(
            service=service,
            age=age,
            bills=len(group),
            accounts=len({account_id for account_id, _ in group}),
            open_minor=sum(open_minor for _, open_minor in group),
        )
        for (service, age), group in sorted(groups.items(), key=lambda item: (item[0][0], order[item[0][1]]))
    ]


def collection_story(conn: Connection[TupleRow], *, utility_id: int, account_id: int, at: datetime) -> CollectionStory:
    """Tell all that was done to collect from an account."""
    zone = settings_of_utility.facts(conn, utility_id=utility_id).zone
    rows = suspension_store.of_account(conn, utility_id=utility_id, account_id=account_id)
    happened = suspension_store.events_of(
        conn, utility_id=utility_id, suspension_ids=[row.suspension_id for row in rows]
    )
    unpaid = collections_store.unpaid_bills(conn, utility_id=utility_id, account_id=account_id, zone=zone)
    steps = collections_store.steps_of_account(conn, utility_id=utility_id, account_id=account_id)
    holds = collections_store.holds_of_account(conn, utility_id=utility_id, account_id=account_id)
    in_flight = pending_payments(conn, utility_id=utility_id, account_id=account_id, at=at)
    return CollectionStory(
        unpaid=tuple(unpaid),
        steps=tuple(steps),
        holds=tuple(holds),
        in_flight=tuple(in_flight),
        suspensions=tuple(
            SuspensionView(row, tuple(event for event in happened if event.suspension_id == row.suspension_id))
            for row in rows
        ),
    )


def policy_in_force(conn: Connection[TupleRow], *, utility_id: int, at: datetime) -> CollectionPolicy:
    """Give the collection policy at `at`."""
    return collections_store.policy_at(conn, utility_id=utility_id, at=at)


def explain_supply(
    conn: Connection[TupleRow], *, utility_id: int, account_id: int, at: datetime
) -> list[SupplyExplanation]:
    """Explain to a customer each point whose supply is off, is about to be stopped, or comes back; by point."""
    facts = settings_of_utility.facts(conn, utility_id=utility_id)
    waiting = bool(pending_payments(conn, utility_id=utility_id, account_id=account_id, at=at))
    cut = [
        SupplyExplanation(
            point_id=row.point_id,
            service=row.service,
            reason=_REASON[row.state],
            since=row.suspended_at or row.ordered_at,
            to_pay_minor=sum(bill["open_minor"] for bill in row.bills),
            pay_by=None,
            bills=tuple(row.bills),
            payment_under_way=waiting,
        )
        for row in store.supply_under_suspension(conn, utility_id=utility_id, account_id=account_id)
    ]
    unpaid = collections_store.unpaid_bills(conn, utility_id=utility_id, account_id=account_id, zone=facts.zone)
    busy = {explained.point_id for explained in cut}
    announced = _announced([bill for bill in unpaid if bill.point_id not in busy], waiting=waiting)
    return sorted([*cut, *announced], key=lambda explained: explained.point_id)


def _announced(unpaid: Sequence[UnpaidBill], *, waiting: bool) -> list[SupplyExplanation]:
    by_point: dict[int, list[UnpaidBill]] = {}
    for bill in unpaid:
        if "suspension_notice" in bill.steps:
            by_point.setdefault(bill.point_id, []).append(bill)
    return [
        SupplyExplanation(
            point_id=point_id,
            service=bills[0].service,
            reason="announced",
            since=None,
            to_pay_minor=sum(bill.open_minor for bill in bills),
            pay_by=min(bill.steps["suspension_notice"].payable_until for bill in bills),
            bills=tuple(
                {
                    "bill_id": bill.bill_id,
                    "bill_number": bill.bill_number,
                    "due_on": bill.due_on.isoformat(),
                    "open_minor": bill.open_minor,
                }
                for bill in bills
            ),
            payment_under_way=waiting,
        )
        for point_id, bills in by_point.items()
    ]
