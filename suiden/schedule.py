"""The process `suiden scheduler`: what is due by the calendar, on utility time.

Every job finds by itself what is due, and does it in one transaction for each account, run or file, so that one that
fails does not stop the rest, and a second run finds nothing left to do.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from apscheduler.triggers.cron import CronTrigger
from psycopg import Connection, OperationalError
from psycopg.rows import TupleRow

from kernel import events, heartbeat, invariants
from kernel.clock import Clock, ClockNotSet, UtilityClock, wall_now
from kernel.database import Pool, Scope, open_pool, transaction
from kernel.jobs import Job, run_forever
from kernel.period import local_date
from rating_engine import operations as rating
from rating_engine.invariants import INVARIANTS
from rating_engine.jobs import bills as bill_jobs
from registry import operations as registry
from registry import queries as registry_queries
from registry.queries import Utility
from suiden.settings import ProcessSettings

log = structlog.get_logger()

ACTOR = "scheduler"
EVENTS_KEPT = 50_000
DEBIT_DAYS_AHEAD = 3
BEAT_S = 2.0
RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Office:
    """What the jobs work with."""

    pool: Pool
    clock: Clock
    data_dir: Path  # outbox and inbox of banks

    def utilities(self) -> list[Utility]:
        with self.pool.connection() as conn:
            return registry_queries.utilities(conn)

    @contextmanager
    def work_for(self, utility: Utility) -> Iterator[Connection[TupleRow]]:
        """Open one transaction for one utility, at this moment of utility time."""
        scope = Scope(utility.utility_id, ACTOR, self.clock.now())
        with transaction(self.pool, scope=scope) as conn:
            yield conn


def run(settings: ProcessSettings, *, stop: threading.Event) -> None:
    """Run due jobs until `stop`."""
    pool = open_pool(settings.database_url, role="suiden_worker", process="scheduler", max_size=4)
    clock = UtilityClock(pool)
    office = Office(pool, clock, data_dir=settings.data_dir)
    beating = threading.Thread(target=_beat, kwargs={"pool": pool, "stop": stop})
    beating.start()
    _wait_until_founded(clock, stop=stop)
    run_forever(pool, jobs=jobs(office), clock=clock, worker=ACTOR, stop=stop)
    beating.join()
    pool.close()


def jobs(office: Office) -> list[Job]:
    """List the timed jobs; hours are those of each job's trigger, in UTC unless it says otherwise."""
    return [
        _job("rating.bill-runs", "20 * * * *", lambda _: bill(office)),
        _job("rating.collections", "5 * * * *", lambda _: collect(office)),
        _job("rating.debit-files", "40 */6 * * *", lambda _: write_debit_files(office)),
        _job("rating.debit-results", "50 * * * *", lambda _: post_debit_results(office)),
        _job("registry.audit-chain", "*/30 * * * *", lambda _: link_audit(office)),
        _job("kernel.invariants", "10 */6 * * *", lambda _: check_invariants(office)),
        _job("kernel.forget-events", "30 */6 * * *", lambda _: forget(office)),
        _job("registry.forget-sessions", "45 3 * * *", lambda _: forget_sessions(office)),
    ]


def bill(office: Office) -> None:
    """Run the bill runs whose cycle has closed."""
    for utility in office.utilities():
        bill_jobs.run_due_bills(office.pool, utility_id=utility.utility_id, at=office.clock.now())


def collect(office: Office) -> None:
    """Take the next step for each account that owes; one transaction an account."""
    for utility in office.utilities():
        with office.work_for(utility) as conn:
            accounts = rating.accounts_due_for_collection(conn, utility_id=utility.utility_id, at=office.clock.now())
        for account_id in accounts:
            _each(
                office,
                utility,
                what=f"account {account_id}",
                work=lambda conn, account_id=account_id, utility=utility: rating.advance_collections(
                    conn, utility_id=utility.utility_id, account_id=account_id, at=office.clock.now()
                ),
            )


def write_debit_files(office: Office) -> None:
    """Ask the bank to debit what is due within the next days, and place the requests in the outbox."""
    for utility in office.utilities():
        if "debit" not in utility.settings:
            continue
        with office.work_for(utility) as conn:
            now = office.clock.now()
            debit_on = local_date(now, zone=utility.zone) + timedelta(days=DEBIT_DAYS_AHEAD)
            rating.write_debit_file(conn, utility_id=utility.utility_id, debit_on=debit_on, at=now)
        with office.work_for(utility) as conn:
            rating.place_debit_files(
                conn, utility_id=utility.utility_id, data_dir=office.data_dir, at=office.clock.now()
            )


def post_debit_results(office: Office) -> None:
    """Post the bank's answers in the inbox; each goes to `posted` or, with the reason beside it, to `refused`."""
    inbox = office.data_dir / "inbox" / "debit"
    for utility in office.utilities():
        for path in sorted(inbox.glob("*.txt")):
            try:
                with office.work_for(utility) as conn:
                    rating.post_debit_result(
                        conn,
                        utility_id=utility.utility_id,
                        content=path.read_bytes(),
                        file_name=path.name,
                        posted_by=ACTOR,
                        at=office.clock.now(),
                    )
            except (rating.ZenginUnreadable, rating.DebitResultRefused) as error:
                log.error("debit_result.refused", file=path.name, error=str(error))
                _put_aside(path, folder="refused", reason=str(error))
            else:
                _put_aside(path, folder="posted")


def link_audit(office: Office) -> None:
    """Link the audit rows committed since the last time into the chain."""
    for utility in office.utilities():
        with office.work_for(utility) as conn:
            registry.link_audit(conn, utility_id=utility.utility_id)


def check_invariants(office: Office) -> None:
    """Run the standing checks; what they find is a gauge that should be 0."""
    with office.pool.connection() as conn:
        for result in invariants.check(conn, invariants=INVARIANTS, wall_now=wall_now()):
            if result.violations:
                log.error("invariant.broken", name=result.name, violations=result.violations, example=result.example)


def forget(office: Office) -> None:
    """Delete events that every consumer has passed."""
    with office.pool.connection() as conn:
        events.forget(conn, keep=EVENTS_KEPT)


def forget_sessions(office: Office) -> None:
    """Delete sessions that have ended."""
    for utility in office.utilities():
        with office.work_for(utility) as conn:
            registry.forget_ended_sessions(conn, utility_id=utility.utility_id, wall_now=wall_now())


def _put_aside(path: Path, *, folder: str, reason: str = "") -> None:
    target = path.parent / folder
    target.mkdir(exist_ok=True)
    if reason:
        (target / f"{path.name}.reason").write_text(reason + "\n", encoding="utf-8")
    path.replace(target / path.name)


def _job(name: str, crontab: str, work: Callable[[datetime], object]) -> Job:
    return Job(name=name, trigger=CronTrigger.from_crontab(crontab, timezone=UTC), run=work)


def _each(office: Office, utility: Utility, *, what: str, work: Callable[[Connection[TupleRow]], object]) -> None:
    """Do one piece of work in its own transaction; an error is logged, and the next piece goes on."""
    try:
        with office.work_for(utility) as conn:
            work(conn)
    except OperationalError:
        raise  # the database is away: the whole job comes again
    except Exception:
        log.exception("schedule.piece_failed", utility=utility.code, what=what)


def _wait_until_founded(clock: Clock, *, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            clock.now()
        except (ClockNotSet, OperationalError):
            stop.wait(RETRY_S)
        else:
            return


def _beat(*, pool: Pool, stop: threading.Event) -> None:
    while not stop.wait(BEAT_S):
        try:
            with pool.connection() as conn:
                heartbeat.beat(conn, process=ACTOR, health={}, wall_now=wall_now())
        except OperationalError as error:
            log.warning("heartbeat.failed", error=str(error))
