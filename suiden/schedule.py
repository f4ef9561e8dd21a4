"""The process `suiden scheduler`: what is due by the calendar, on utility time.

Every job finds by itself what is due, and does it in one transaction for each account, run or file, so that one that
fails does not stop the rest, and a second run finds nothing left to do.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from apscheduler.triggers.cron import CronTrigger
from psycopg import Connection, OperationalError
from psycopg.errors import DeadlockDetected, SerializationFailure
from psycopg.rows import TupleRow

from ingest_gateway import operations as ingest
from ingest_gateway.invariants import INVARIANTS as INGEST_INVARIANTS
from ingest_gateway.operations.gaps import forget_closed_gaps
from kernel import events, heartbeat, invariants
from kernel.clock import Clock, ClockNotSet, UtilityClock, wall_now
from kernel.database import Pool, Scope, open_pool, transaction
from kernel.jobs import Job, forget_ticks, run_forever
from kernel.period import local_date
from maintenance_tracker import operations as maintenance
from rating_engine import operations as rating
from rating_engine.invariants import INVARIANTS as RATING_INVARIANTS
from rating_engine.jobs import bills as bill_jobs
from registry import jobs as registry_jobs
from registry import queries as registry_queries
from registry.queries import Utility
from suiden import messages
from suiden.mail_server import MailServer
from suiden.messages import Sender
from suiden.settings import RetentionSettings, SchedulerSettings, SettingMissing, load
from suiden.threads import Threads

log = structlog.get_logger()

ACTOR = "scheduler"
EVENTS_KEPT = 50_000
DEBIT_DAYS_AHEAD = 3
INVARIANTS = (*INGEST_INVARIANTS, *RATING_INVARIANTS)
ATTEMPTS = 3  # of a piece of work that another transaction got in the way of
BEAT_S = 2.0
RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Office:
    """What the jobs work with."""

    pool: Pool
    clock: Clock
    data_dir: Path  # outbox and inbox of banks
    retention: RetentionSettings = field(default_factory=RetentionSettings)

    def utilities(self) -> list[Utility]:
        with self.pool.connection() as conn:
            return registry_queries.utilities(conn)

    @contextmanager
    def work_for(self, utility: Utility) -> Iterator[Connection[TupleRow]]:
        """Open one transaction for one utility, at this moment of utility time."""
        scope = Scope(utility.utility_id, ACTOR, self.clock.now())
        with transaction(self.pool, scope=scope) as conn:
            yield conn


def run(settings: SchedulerSettings, *, stop: threading.Event) -> None:
    """Run due jobs and send messages until `stop`.

    :raises MailServerUnusable: if the address of the mail server is not one
    :raises SettingMissing: if there is a mail server, and no address that mail comes from
    :raises ThreadEnded: if a thread ended before; the others were stopped, so that the process is started anew
    """
    server = _mail_server(settings)
    pool = open_pool(settings.database_url, role="suiden_worker", process="scheduler", max_size=4)
    clock = UtilityClock(pool)
    office = Office(pool, clock, data_dir=settings.data_dir, retention=load(RetentionSettings))
    sender = Sender(pool, clock, server, settings.mail_from, settings.public_url) if server else None
    threads = Threads(stop=stop)
    threads.start("heartbeat", lambda: _beat(pool=pool, threads=threads, stop=stop))
    _wait_until_founded(clock, stop=stop)
    threads.start("messages", lambda: messages.run(pool, clock=clock, sender=sender, stop=stop))
    threads.start("jobs", lambda: run_forever(pool, jobs=jobs(office), clock=clock, worker=ACTOR, stop=stop))
    try:
        threads.join()
    finally:
        _say_how_it_is(pool, threads=threads)
        pool.close()


def jobs(office: Office) -> list[Job]:
    """List the timed jobs; hours are those of each job's trigger, in UTC unless it says otherwise."""
    pool, now = office.pool, office.clock.now
    return [
        _job("rating.bill-runs", "20 * * * *", lambda _: bill(office)),
        _job("rating.collections", "5 * * * *", lambda _: collect(office)),
        _job("rating.debit-files", "40 */6 * * *", lambda _: write_debit_files(office)),
        _job("rating.debit-results", "50 * * * *", lambda _: post_debit_results(office)),
        _job("registry.audit-chain", "*/30 * * * *", lambda _: registry_jobs.link_audit_entries(pool, at=now())),
        _job("registry.audit-verified", "15 2 * * *", lambda _: registry_jobs.verify_audit_chains(pool, at=now())),
        _job("kernel.invariants", "10 */6 * * *", lambda _: check_invariants(office)),
        _job("kernel.forget-events", "30 */6 * * *", lambda _: forget(office)),
        _job("tracker.settle", "*/30 * * * *", lambda _: settle_incidents(office)),
        _job("ingest.forget-rejected", "35 * * * *", lambda _: forget_rejected(office)),
        _job("ingest.forget-batches", "15 */6 * * *", lambda _: forget_batches(office)),
        _job("ingest.forget-gaps", "25 4 * * *", lambda _: forget_gaps(office)),
        _job("registry.forget-sessions", "45 3 * * *", lambda _: registry_jobs.forget_ended_sessions(pool, at=now())),
    ]


def bill(office: Office) -> None:
    """Run the bill runs whose cycle has closed."""
    for utility in office.utilities():
        bill_jobs.run_due_bills(office.pool, utility_id=utility.utility_id, at=office.clock.now())


def settle_incidents(office: Office) -> None:
    """Let incidents that were quiet for long be over, and track what outlasted its known reason."""
    for utility in office.utilities():
        with office.work_for(utility) as conn:
            maintenance.settle(conn, utility_id=utility.utility_id, at=office.clock.now())


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
    """Ask the bank to debit what is due within the next days, and place the requests in the outbox.

    Each of these days is looked at, not the last alone: a day on which this could not run is made up for.
    """
    for utility in office.utilities():
        if "debit" not in utility.settings:
            continue
        today = local_date(office.clock.now(), zone=utility.zone)
        for days in range(1, DEBIT_DAYS_AHEAD + 1):
            with office.work_for(utility) as conn:
                rating.write_debit_file(
                    conn,
                    utility_id=utility.utility_id,
                    debit_on=today + timedelta(days=days),
                    at=office.clock.now(),
                )
        with office.work_for(utility) as conn:
            rating.place_debit_files(
                conn, utility_id=utility.utility_id, data_dir=office.data_dir, at=office.clock.now()
            )


def post_debit_results(office: Office) -> None:
    """Post the bank's answers in the inbox; each goes to `posted` or, with the reason beside it, to `refused`.

    One that fails for another cause stays, is logged and comes again; the next ones go on.
    """
    utilities = [utility for utility in office.utilities() if "debit" in utility.settings]
    if not utilities:
        return
    for path in sorted((office.data_dir / "inbox" / "debit").glob("*.txt")):
        try:
            reasons = _post_debit_result(office, path, utilities=utilities)
        except OperationalError:
            raise  # the database is away: the whole job comes again
        except Exception:
            log.exception("debit_result.failed", file=path.name)
        else:
            if reasons:
                log.error("debit_result.refused", file=path.name, reasons=reasons)
            _put_aside(path, folder="refused" if reasons else "posted", reason="\n".join(reasons))


def _post_debit_result(office: Office, path: Path, *, utilities: list[Utility]) -> list[str]:
    """Post a file to the utility that asked for it; return why each refused it, nothing if one took it."""
    content = path.read_bytes()
    reasons: list[str] = []
    for utility in utilities:
        try:
            with office.work_for(utility) as conn:
                rating.post_debit_result(
                    conn,
                    utility_id=utility.utility_id,
                    content=content,
                    file_name=path.name,
                    posted_by=ACTOR,
                    at=office.clock.now(),
                )
        except (rating.ZenginUnreadable, rating.DebitResultRefused) as error:
            reasons.append(f"{utility.code}: {error}")
        else:
            return []
    return reasons


def check_invariants(office: Office) -> None:
    """Run the standing checks; what they find is a gauge that should be 0."""
    with office.pool.connection() as conn:
        for result in invariants.check(conn, invariants=INVARIANTS, wall_now=wall_now()):
            if result.violations:
                log.error("invariant.broken", name=result.name, violations=result.violations, example=result.example)


def forget(office: Office) -> None:
    """Delete events that every consumer has passed, and old ticks of jobs."""
    with office.pool.connection() as conn:
        events.forget(conn, keep=EVENTS_KEPT)
        forget_ticks(conn, before=office.clock.now() - timedelta(days=office.retention.job_days))


def forget_rejected(office: Office) -> None:
    """Delete refused messages that are old, and of a utility that has too many; what goes stays counted."""
    with office.pool.connection() as conn:
        ingest.forget_rejected(
            conn,
            last_before=office.clock.now() - timedelta(days=office.retention.rejected_days),
            keep=office.retention.rejected_messages,
            keep_bytes=office.retention.rejected_bytes,
        )


def forget_batches(office: Office) -> None:
    """Delete what says when old readings came; the readings stay."""
    with office.pool.connection() as conn:
        ingest.forget_batches(conn, received_before=office.clock.now() - timedelta(days=office.retention.batch_days))


def forget_gaps(office: Office) -> None:
    """Delete gaps that were filled or lost long ago; open ones stay."""
    for utility in office.utilities():
        with office.work_for(utility) as conn:
            forget_closed_gaps(conn, utility_id=utility.utility_id, at=office.clock.now())


def _mail_server(settings: SchedulerSettings) -> MailServer | None:
    url = settings.smtp_url.get_secret_value()
    if url and "@" not in settings.mail_from:
        raise SettingMissing(
            "SUIDEN_SMTP_URL names a mail server: set SUIDEN_MAIL_FROM to the address that mail comes from"
        )
    return MailServer.of(url) if url else None


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
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with office.work_for(utility) as conn:
                work(conn)
        except (DeadlockDetected, SerializationFailure):
            log.warning("schedule.piece_blocked", utility=utility.code, what=what, attempt=attempt)
        except OperationalError:
            raise  # the database is away: the whole job comes again
        except Exception:
            log.exception("schedule.piece_failed", utility=utility.code, what=what)
            return
        else:
            return


def _wait_until_founded(clock: Clock, *, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            clock.now()
        except (ClockNotSet, OperationalError):
            stop.wait(RETRY_S)
        else:
            return


def _beat(*, pool: Pool, threads: Threads, stop: threading.Event) -> None:
    while not stop.wait(BEAT_S):
        _say_how_it_is(pool, threads=threads)


def _say_how_it_is(pool: Pool, *, threads: Threads) -> None:
    try:
        with pool.connection() as conn:
            heartbeat.beat(conn, process=ACTOR, health=threads.health(), wall_now=wall_now())
    except OperationalError as error:
        log.warning("heartbeat.failed", error=str(error))
