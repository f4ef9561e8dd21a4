"""What follows a committed batch of intake: rollups and the checker."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
import structlog
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain.checking.lane import Patience
from ingest_gateway.operations.checker import Running, check_batch, is_look_due, learn_anew, pass_time
from ingest_gateway.operations.gaps import look_for_gaps, tell_of_past_days
from ingest_gateway.operations.rollups import (
    make_due_rollups,
    make_due_zones,
    mark_batch_due,
    mark_installation_due,
)
from ingest_gateway.store.rollups import utilities_due
from kernel.clock import Clock
from kernel.database import Pool, Scope, transaction
from kernel.events import Event, Handler

log = structlog.get_logger()

BATCH_STORED = "intake.batch_stored"
INSTALLATION_CHANGED = "installation.changed"
REBASE = "baseline.rebase"  # a repair is done: what is usual has to be learnt again there
ROLLUP_PAUSE_S = 1.0
ROLLUP_SHARE = 0.15
RETRY_S = 1.0
REFRESH_S = 5.0
COMES_WITHIN_S = 1.5  # wall time from a reading's receipt until its batch is told of


def rollup_handlers() -> Mapping[str, Handler]:
    """Consumer `rollup`: note the days that a batch changes, or a meter that was hung up or taken down.

    `keep_rollups` makes them, many at a time.
    """
    return {BATCH_STORED: _mark_due, INSTALLATION_CHANGED: _mark_installation_due}


@dataclass(frozen=True, slots=True)
class CheckerConsumer:
    """What the consumer `checker` does with each topic, and what it does when no event waits."""

    handlers: Mapping[str, Handler]
    when_idle: Callable[[Pool], None]


def checker_consumer(
    *, clock: Clock, patience: Patience | None = None, refresh_s: float = REFRESH_S
) -> CheckerConsumer:
    """Consumer `checker`: look for anomalies in each batch. Meters and supply are read anew every `refresh_s`.

    After a repair it learns anew what is usual there.
    """
    running: dict[int, Running] = {}
    waits = patience or Patience()

    def check(conn: Connection[TupleRow], event: Event) -> None:
        # Taken out while at work: after an error the saved state is read again.
        known = running.pop(event.utility_id, None)
        running[event.utility_id] = check_batch(
            conn,
            utility_id=event.utility_id,
            batch_id=int(event.payload["batch_id"]),
            position=event.position,
            running=known,
            refresh_s=refresh_s,
            patience=waits,
            rate=clock.rate(),
        )

    def learn(conn: Connection[TupleRow], event: Event) -> None:
        running[event.utility_id] = learn_anew(
            conn,
            utility_id=event.utility_id,
            kinds=event.payload["kinds"],
            meter_ids=event.payload["meter_ids"],
            zone_ids=event.payload["zone_ids"],
            position=event.position,
            running=running.pop(event.utility_id, None),
            at=event.occurred_at,
            patience=waits,
            rate=clock.rate(),
        )

    def when_idle(pool: Pool) -> None:
        # What was received by then has been stored and told of.
        now = clock.now()
        at = now - timedelta(seconds=COMES_WITHIN_S * clock.rate())
        for utility_id in [one for one, known in running.items() if is_look_due(known, at=at)]:
            known = running.pop(utility_id)
            with transaction(pool, scope=Scope(utility_id=utility_id, actor="checker", now=now)) as conn:
                pass_time(conn, utility_id=utility_id, running=known, at=at)
            running[utility_id] = known

    return CheckerConsumer({BATCH_STORED: check, REBASE: learn}, when_idle)


def keep_rollups(pool: Pool, *, clock: Clock, stop: threading.Event) -> None:
    """Make due rollups until `stop`, at most once a second and in at most 15 % of the time."""
    pause_s = ROLLUP_PAUSE_S
    while not stop.wait(pause_s):
        started_s = time.monotonic()
        try:
            make_rollups(pool, clock=clock)
        except psycopg.Error as error:
            log.warning("rollup.interrupted", error=str(error))
            stop.wait(RETRY_S)
        spent_s = time.monotonic() - started_s
        pause_s = max(ROLLUP_PAUSE_S, spent_s * (1 / ROLLUP_SHARE - 1))


def make_rollups(pool: Pool, *, clock: Clock) -> int:
    """Make one portion of each utility's due days anew; return how many days."""
    with pool.connection() as conn:
        waiting = utilities_due(conn)
    made = 0
    for utility_id in waiting:
        now = clock.now()
        with transaction(pool, scope=Scope(utility_id=utility_id, actor="rollup", now=now)) as conn:
            days = make_due_rollups(conn, utility_id=utility_id)
            look_for_gaps(conn, utility_id=utility_id, days=days, at=now)
            tell_of_past_days(conn, utility_id=utility_id, days=days, at=now)
        with transaction(pool, scope=Scope(utility_id=utility_id, actor="rollup", now=now)) as conn:
            make_due_zones(conn, utility_id=utility_id)
        made += len(days)
    return made


def _mark_installation_due(conn: Connection[TupleRow], event: Event) -> None:
    mark_installation_due(
        conn,
        utility_id=event.utility_id,
        meter_id=int(event.payload["meter_id"]),
        changed_at=datetime.fromisoformat(event.payload["changed_at"]),
    )


def _mark_due(conn: Connection[TupleRow], event: Event) -> None:
    mark_batch_due(conn, utility_id=event.utility_id, batch_id=int(event.payload["batch_id"]))
