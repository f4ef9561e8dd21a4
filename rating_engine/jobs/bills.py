"""Making the bills that are due, a transaction a chunk, so that a stop loses nothing and a restart goes on."""

from collections.abc import Callable
from datetime import datetime

import structlog

from kernel.database import Pool, Scope, transaction
from rating_engine.operations.bill_runs import (
    BillRunReport,
    DueRun,
    begin_run,
    bill_chunk,
    due_runs,
    finish_run,
)

log = structlog.get_logger()

Progress = Callable[[int, int], None]


def run_due_bills(pool: Pool, *, utility_id: int, at: datetime, chunk_size: int = 500) -> list[BillRunReport]:
    """Make every run that is due; a run that fails is logged, stays due, and does not stop the others."""
    with transaction(pool, scope=Scope(utility_id, "bill run", at)) as conn:
        due = due_runs(conn, utility_id=utility_id, at=at)
    reports: list[BillRunReport] = []
    for run in due:
        try:
            reports.append(run_in_chunks(pool, utility_id=utility_id, due=run, at=at, chunk_size=chunk_size))
        except Exception:
            log.exception("bill_run.failed", district=run.district_code, service=run.service, end=str(run.period.end))
    return reports


def run_in_chunks(
    pool: Pool, *, utility_id: int, due: DueRun, at: datetime, chunk_size: int = 500, progress: Progress | None = None
) -> BillRunReport:
    """Make one run, committing each chunk; `progress` is told agreements done and in all."""
    scope = Scope(utility_id, "bill run", at)
    with transaction(pool, scope=scope) as conn:
        run = begin_run(
            conn,
            utility_id=utility_id,
            district_id=due.district_id,
            service=due.service,
            period=due.period,
            at=at,
        )
    reports = []
    done = 0
    for chunk in run.chunks(chunk_size):
        with transaction(pool, scope=scope) as conn:
            reports.append(bill_chunk(conn, run=run, agreements=chunk, at=at))
        done += len(chunk)
        if progress is not None:
            progress(done, len(run.agreements))
    with transaction(pool, scope=scope) as conn:
        report = finish_run(conn, run=run, reports=reports, at=at)
    log.info(
        "bill_run.finished",
        district=due.district_code,
        service=due.service,
        end=due.period.end.isoformat(),
        billed=report.billed,
        already_billed=report.already_billed,
        excluded=len(report.excluded),
        total_minor=report.total_minor,
    )
    return report
