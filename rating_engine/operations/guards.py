"""Looking at a suspension's guards: gathers what they look at, in the transaction that holds the account's lock."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import queries as gateway
from rating_engine.domain import suspension_guards as rules
from rating_engine.domain.collections import UnpaidBill
from rating_engine.domain.collections_policy import CollectionPolicy
from rating_engine.store import collections as collections_store
from rating_engine.store import intents as intent_store
from rating_engine.store import suspensions as store
from rating_engine.store.settings_of_utility import UtilityFacts
from registry import queries as registry

BRAKE_SPAN = timedelta(hours=1)
LEAK = "household_leak"


def look(
    conn: Connection[TupleRow],
    *,
    facts: UtilityFacts,
    account_id: int,
    point_id: int,
    bills: Sequence[UnpaidBill],
    policy: CollectionPolicy,
    suspension_id: int | None,
    at: datetime,
) -> tuple[rules.Guard, ...]:
    """Look at every guard of a suspension of the point for these bills; the account must be locked."""
    utility_id = facts.utility_id
    supplied = registry.accounts_at_points(conn, utility_id=utility_id, point_ids=[point_id], at=at)
    holds = collections_store.holds_at(conn, utility_id=utility_id, account_id=account_id, at=at)
    intents = intent_store.in_flight(
        conn, utility_id=utility_id, account_id=account_id, card_pages=policy.card_pages, at=at
    )
    situation = rules.Situation(
        local_now=facts.local(at),
        bills=tuple(bills),
        agreement_in_force=any(found.account_id == account_id for found in supplied),
        intents_in_flight=tuple(intent.intent_id for intent in intents),
        holds=tuple(hold.kind for hold in holds),
        open_leaks=_open_leaks(conn, utility_id=utility_id, point_id=point_id, at=at),
        commands_last_hour=store.commands_between(
            conn, utility_id=utility_id, after=at - BRAKE_SPAN, until=at, but_for=suspension_id
        ),
    )
    return rules.check(situation, policy=policy)


def _open_leaks(conn: Connection[TupleRow], *, utility_id: int, point_id: int, at: datetime) -> tuple[int, ...]:
    """List the leaks found at a point and not ended, by id: what leaked may not be owed."""
    found = gateway.anomalies_of_points(conn, utility_id=utility_id, point_ids=[point_id], since=at)
    return tuple(sorted(one.anomaly_id for one in found if one.kind == LEAK and one.ended_at is None))
