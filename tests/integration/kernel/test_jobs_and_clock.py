"""Timed jobs on utility time, and the clock row."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.triggers.cron import CronTrigger
from psycopg import Connection
from psycopg.rows import TupleRow

from kernel import clock, jobs
from kernel.database import Pool, open_pool
from kernel.jobs import Job

pytestmark = pytest.mark.store
NOW = datetime(2026, 4, 1, 0, 30, tzinfo=UTC)


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    with open_pool(database_url, role="suiden_worker", process="test") as opened:
        yield opened


def hourly(runs: list[datetime]) -> Job:
    return Job(name="hourly", trigger=CronTrigger(minute=0, timezone=UTC), run=runs.append)


def test_two_schedulers_run_each_tick_once(pool: Pool) -> None:
    runs: list[datetime] = []
    one: dict[str, datetime] = {}
    other: dict[str, datetime] = {}
    for minutes in range(0, 17 * 60, 20):
        for worker, state in (("one", one), ("other", other)):
            jobs.run_due(pool, jobs=[hourly(runs)], state=state, now=NOW + timedelta(minutes=minutes), worker=worker)
    assert runs == [NOW + timedelta(minutes=30, hours=hour) for hour in range(len(runs))]
    assert len(runs) == 17


def test_missed_ticks_run_once_as_the_last_of_them(pool: Pool) -> None:
    runs: list[datetime] = []
    state: dict[str, datetime] = {}
    jobs.run_due(pool, jobs=[hourly(runs)], state=state, now=NOW, worker="one")
    jobs.run_due(pool, jobs=[hourly(runs)], state=state, now=NOW + timedelta(hours=9), worker="one")
    assert runs == [NOW.replace(hour=9, minute=0)]


def test_old_ticks_are_forgotten_but_for_the_last_of_each_job(pool: Pool, conn: Connection[TupleRow]) -> None:
    runs: list[datetime] = []
    state: dict[str, datetime] = {}
    for hours in range(4):
        jobs.run_due(pool, jobs=[hourly(runs)], state=state, now=NOW + timedelta(hours=hours), worker="one")
    with pool.connection() as worker:
        assert jobs.forget_ticks(worker, before=NOW + timedelta(hours=1)) == 1
        assert jobs.forget_ticks(worker, before=NOW + timedelta(days=9)) == 1
    assert conn.execute("SELECT due_at FROM job_tick").fetchall() == [(runs[-1],)]


def test_a_job_that_fails_is_recorded_and_the_next_one_runs(pool: Pool, conn: Connection[TupleRow]) -> None:
    def fail(_: datetime) -> None:
        raise ZeroDivisionError("no town")

    runs: list[datetime] = []
    broken = Job(name="broken", trigger=CronTrigger(minute=0, timezone=UTC), run=fail)
    state: dict[str, datetime] = {}
    for now in (NOW, NOW + timedelta(hours=1)):
        jobs.run_due(pool, jobs=[broken, hourly(runs)], state=state, now=now, worker="one")
    assert len(runs) == 1
    rows = conn.execute("SELECT job, outcome FROM job_tick ORDER BY job").fetchall()
    assert rows == [("broken", "failed: ZeroDivisionError: no town"), ("hourly", "done")]


def test_a_paused_clock_goes_on_from_where_it_stood(conn: Connection[TupleRow]) -> None:
    clock.set_time(conn, utility_now=NOW, rate=3600, running=True)
    clock.pause(conn)
    stood_at = clock.load(conn).at(clock.wall_now())
    clock.resume(conn, rate=60)
    anchor = clock.load(conn)
    assert anchor.utility_anchor == stood_at
    assert anchor.at(anchor.wall_anchor + timedelta(seconds=2)) == stood_at + timedelta(minutes=2)


def test_a_database_that_was_never_founded_says_so(pool: Pool) -> None:
    with pytest.raises(clock.ClockNotSet):
        clock.UtilityClock(pool).now()
