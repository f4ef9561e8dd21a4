"""Timed jobs on utility time: an APScheduler trigger says when, a tick row says who."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
import structlog
from apscheduler.triggers.base import BaseTrigger
from psycopg import Connection
from psycopg.rows import TupleRow

from kernel.clock import Clock
from kernel.database import Pool

log = structlog.get_logger()

LOOP_S = 0.2


@dataclass(frozen=True, slots=True)
class Job:
    """A plain function and its schedule; `run` gets the tick's due time. Missed ticks run once, as the last of them."""

    name: str
    trigger: BaseTrigger
    run: Callable[[datetime], object]


def run_due(
    pool: Pool,
    *,
    jobs: Sequence[Job],
    state: dict[str, datetime],
    now: datetime,
    worker: str,
) -> list[str]:
    """Run each job whose next tick is due; return the names of those run here.

    `state` holds each job's next due time between calls. A tick belongs to the process whose row was first; a job that
    raises is recorded with its error and does not stop the others.
    """
    ran: list[str] = []
    for job in jobs:
        due_at = state.get(job.name)
        if due_at is None:
            due_at = state[job.name] = _next(job, after=_last_tick(pool, job=job.name), now=now)
        if due_at > now:
            continue
        latest = _latest_due(job, first=due_at, now=now)
        state[job.name] = _next(job, after=latest, now=latest)
        if _take(pool, job=job.name, due_at=latest, worker=worker):
            ran.append(job.name)
            _finish(pool, job=job.name, due_at=latest, outcome=_run(job, due_at=latest))
    return ran


def run_forever(pool: Pool, *, jobs: Sequence[Job], clock: Clock, worker: str, stop: threading.Event) -> None:
    """Run due jobs until `stop`; a database that is away is waited for."""
    state: dict[str, datetime] = {}
    while not stop.wait(LOOP_S):
        try:
            run_due(pool, jobs=jobs, state=state, now=clock.now(), worker=worker)
        except psycopg.Error as error:
            log.warning("jobs.loop_interrupted", error=str(error))
            stop.wait(1.0)


def forget_ticks(conn: Connection[TupleRow], *, before: datetime) -> int:
    """Delete ticks that were due before, but for the last of each job, from which its next is told; return how many."""
    return conn.execute(
        """
        DELETE FROM job_tick
        WHERE due_at < %(before)s
          AND due_at < (SELECT max(newest.due_at) FROM job_tick AS newest WHERE newest.job = job_tick.job)
        """,
        {"before": before},
    ).rowcount


def _run(job: Job, *, due_at: datetime) -> str:
    try:
        job.run(due_at)
    except Exception as error:
        log.exception("jobs.failed", job=job.name, due_at=due_at.isoformat())
        return f"failed: {type(error).__name__}: {error}"
    return "done"


def _next(job: Job, *, after: datetime | None, now: datetime) -> datetime:
    base = now if after is None else after
    due_at = job.trigger.get_next_fire_time(after, base + timedelta(microseconds=1))
    return datetime.max.replace(tzinfo=now.tzinfo) if due_at is None else due_at


def _latest_due(job: Job, *, first: datetime, now: datetime) -> datetime:
    latest = first
    for _ in range(1000):
        following = job.trigger.get_next_fire_time(latest, latest + timedelta(microseconds=1))
        if following is None or following > now:
            break
        latest = following
    return latest


def _last_tick(pool: Pool, *, job: str) -> datetime | None:
    with pool.connection() as conn:
        row = conn.execute("SELECT max(due_at) FROM job_tick WHERE job = %(job)s", {"job": job}).fetchone()
    return None if row is None else row[0]


def _take(pool: Pool, *, job: str, due_at: datetime, worker: str) -> bool:
    with pool.connection() as conn:
        taken = conn.execute(
            """
            INSERT INTO job_tick (job, due_at, taken_by) VALUES (%(job)s, %(due_at)s, %(worker)s)
            ON CONFLICT DO NOTHING
            """,
            {"job": job, "due_at": due_at, "worker": worker},
        )
        return taken.rowcount == 1


def _finish(pool: Pool, *, job: str, due_at: datetime, outcome: str) -> None:
    with pool.connection() as conn:
        conn.execute(
            """
            UPDATE job_tick SET finished_at = clock_timestamp(), outcome = %(outcome)s
            WHERE job = %(job)s AND due_at = %(due_at)s
            """,
            {"job": job, "due_at": due_at, "outcome": outcome},
        )
