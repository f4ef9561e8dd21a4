"""Bill runs: one district, one service, one cycle; safe to stop anywhere and to start again."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime

import numpy as np
from psycopg import Connection
from psycopg.rows import TupleRow

from kernel.period import Period, add_months, local_date
from rating_engine.domain.bill_input import use_of
from rating_engine.domain.cycles import Cycle, cycle_of, ended_periods, month_labels
from rating_engine.domain.totals import NotForArrays, Uses, totals
from rating_engine.operations.billing import Cycled, Excluded, Rated, Service, rate_agreements
from rating_engine.operations.issuing import issue
from rating_engine.store import bill_runs as store
from rating_engine.store import bills as bill_store
from registry import queries as registry
from registry.queries import BillableAgreement, Utility

CHUNK = 500
LOOK_BACK_MONTHS = 4
SERVICES: tuple[Service, ...] = ("water", "electricity")


class ServiceNotBilled(Exception):
    """The utility's settings have no billing cycle for the service."""


class RatingDisagrees(Exception):
    """The two independent computations of a total differ: nothing is posted."""


@dataclass(frozen=True, slots=True)
class DueRun:
    """A run that should be made."""

    district_id: int
    district_code: str
    service: Service
    period: Period


@dataclass(frozen=True, slots=True)
class BillRun:
    """A run that was begun: what it will bill, in chunks."""

    bill_run_id: int
    district_id: int
    number_prefix: str
    cycled: Cycled
    agreements: tuple[BillableAgreement, ...]

    def chunks(self, size: int = CHUNK) -> Iterator[tuple[BillableAgreement, ...]]:
        """Cut the run into parts, each to be billed in one transaction."""
        for start in range(0, len(self.agreements), size):
            yield self.agreements[start : start + size]


@dataclass(frozen=True, slots=True)
class ChunkReport:
    """What became of a chunk; amounts in minor units."""

    billed: int
    already_billed: int
    total_minor: int
    excluded: tuple[Excluded, ...]


@dataclass(frozen=True, slots=True)
class BillRunReport:
    """What became of a run; `billed` counts this try, `billed_in_all` every try."""

    bill_run_id: int
    district_id: int
    service: Service
    period: Period
    billed: int
    already_billed: int
    billed_in_all: int
    total_minor: int
    excluded: tuple[Excluded, ...]


def due_runs(conn: Connection[TupleRow], *, utility_id: int, at: datetime) -> list[DueRun]:
    """List the runs whose cycle has ended and that are not finished, the oldest cycle first.

    The utility's setting `billing_from` (a local day) says from when on; without it, the last four months count.

    :raises CycleUnusable: if the settings make no sense
    """
    utility = utility_of(conn, utility_id=utility_id)
    since = _billing_from(utility, at=at)
    due: list[DueRun] = []
    for zone in registry.zones(conn, utility_id=utility_id):
        if zone.kind != "district":
            continue
        for service in SERVICES:
            cycle = cycle_of(utility.settings, service=service, district_code=zone.code)
            if cycle is None:
                continue
            periods = list(ended_periods(cycle, zone=utility.zone, since=since, at=at))
            if not periods:
                continue
            finished = store.finished_periods(
                conn, utility_id=utility_id, district_id=zone.zone_id, service=service, since=periods[0].end
            )
            due += [DueRun(zone.zone_id, zone.code, service, one) for one in periods if one.end not in finished]
    return sorted(due, key=lambda run: (run.period.end, run.service, run.district_code))


def run_bills(
    conn: Connection[TupleRow], *, utility_id: int, district_id: int, service: Service, period: Period, at: datetime
) -> BillRunReport:
    """Make all bills of a run in the caller's transaction.

    For a transaction a chunk, call `begin_run`, `bill_chunk` and `finish_run`, as `jobs.run_due_bills` does.

    :raises ServiceNotBilled: if the settings have no cycle for the service
    """
    run = begin_run(conn, utility_id=utility_id, district_id=district_id, service=service, period=period, at=at)
    reports = [bill_chunk(conn, run=run, agreements=chunk, at=at) for chunk in run.chunks()]
    return finish_run(conn, run=run, reports=reports, at=at)


def begin_run(
    conn: Connection[TupleRow], *, utility_id: int, district_id: int, service: Service, period: Period, at: datetime
) -> BillRun:
    """Note that the run was begun, or find it as an earlier try left it, and list what is to be billed.

    :raises ServiceNotBilled: if the settings have no cycle for the service
    """
    utility = utility_of(conn, utility_id=utility_id)
    district = next(zone for zone in registry.zones(conn, utility_id=utility_id) if zone.zone_id == district_id)
    cycle = cycle_for(utility, service=service, district_code=district.code)
    bill_run_id = store.ensure(
        conn, utility_id=utility_id, district_id=district_id, service=service, period=period, at=at
    )
    month = month_labels(period, zone=utility.zone, count=1)[0].replace("-", "")
    agreements = registry.agreements_in_period(
        conn, utility_id=utility_id, district_id=district_id, service=service, period=period
    )
    return BillRun(
        bill_run_id=bill_run_id,
        district_id=district_id,
        number_prefix=f"{month}-{district.code}-{service[0].upper()}",
        cycled=Cycled(utility, cycle, period, service),
        agreements=tuple(agreements),
    )


def bill_chunk(
    conn: Connection[TupleRow], *, run: BillRun, agreements: Sequence[BillableAgreement], at: datetime
) -> ChunkReport:
    """Bill some agreements of a run; those that have their bill already are left alone.

    :raises AlreadyBilled: if another transaction billed one of them meanwhile; try the chunk again
    :raises RatingDisagrees: if rating one by one and rating in arrays differ; nothing is written
    """
    utility_id = run.cycled.utility.utility_id
    store.lock(conn, utility_id=utility_id, bill_run_id=run.bill_run_id)
    todo, already_billed, excluded = _without_bills(conn, run=run, agreements=agreements)
    rated, not_rated = rate_agreements(conn, cycled=run.cycled, agreements=todo)
    check_totals(rated)
    first = store.highest_number(conn, utility_id=utility_id, prefix=run.number_prefix) + 1 if rated else 0
    issued = issue(
        conn,
        cycled=run.cycled,
        rated=rated,
        number_of=lambda _, index: f"{run.number_prefix}{first + index:06d}",
        bill_run_id=run.bill_run_id,
        revision=1,
        at=at,
    )
    store.add_billed(conn, utility_id=utility_id, bill_run_id=run.bill_run_id, billed=len(issued))
    store.refresh_statistics(conn)
    return ChunkReport(
        billed=len(issued),
        already_billed=already_billed,
        total_minor=sum(one.total_minor for one in issued),
        excluded=(*excluded, *not_rated),
    )


def finish_run(
    conn: Connection[TupleRow], *, run: BillRun, reports: Sequence[ChunkReport], at: datetime
) -> BillRunReport:
    """Note that the run is finished, with what it did not bill and why."""
    excluded = tuple(one for report in reports for one in report.excluded)
    billed_in_all = store.finish(
        conn,
        utility_id=run.cycled.utility.utility_id,
        bill_run_id=run.bill_run_id,
        excluded=[asdict(one) for one in excluded],
        at=at,
    )
    return BillRunReport(
        bill_run_id=run.bill_run_id,
        district_id=run.district_id,
        service=run.cycled.service,
        period=run.cycled.period,
        billed=sum(report.billed for report in reports),
        already_billed=sum(report.already_billed for report in reports),
        billed_in_all=billed_in_all,
        total_minor=sum(report.total_minor for report in reports),
        excluded=excluded,
    )


def check_totals(rated: Sequence[Rated]) -> None:
    """Rate whole cycles again in arrays, one pass for each tariff, class and months, and compare every total.

    :raises RatingDisagrees: if one differs
    """
    groups: dict[tuple[str, int, str, tuple[str, ...]], list[Rated]] = {}
    for one in rated:
        given = one.given
        if given.days >= given.cycle_days:
            key = (given.tariff_code, given.tariff_version, given.customer_class, given.months)
            groups.setdefault(key, []).append(one)
    for (_, _, customer_class, months), group in groups.items():
        tariff = group[0].pinned.tariff
        uses = Uses(
            quantity=np.array([use_of(one.given, tariff=tariff).quantity for one in group], dtype=np.int64),
            size_mm=np.array([one.given.size_mm or 0 for one in group], dtype=np.int64),
            capacity_a=np.array([one.given.capacity_a or 0 for one in group], dtype=np.int64),
            months=months,
        )
        try:
            found = totals(tariff, uses=uses, customer_class=customer_class)
        except NotForArrays:
            continue
        for one, total, tax in zip(group, found.total_minor.tolist(), found.tax_minor.tolist(), strict=True):
            if (total, tax) != (one.rating.total_minor, one.rating.tax_minor):
                raise RatingDisagrees(
                    f"agreement {one.agreement.agreement_id}: {one.rating.total_minor} by lines, {total} in arrays"
                )


def cycle_for(utility: Utility, *, service: Service, district_code: str) -> Cycle:
    """:raises ServiceNotBilled: if the settings have no cycle for the service"""
    cycle = cycle_of(utility.settings, service=service, district_code=district_code)
    if cycle is None:
        raise ServiceNotBilled(f"the settings of {utility.code} have no cycles.{service}; add one to bill it")
    return cycle


def utility_of(conn: Connection[TupleRow], *, utility_id: int) -> Utility:
    """Find the utility by its id."""
    return next(one for one in registry.utilities(conn) if one.utility_id == utility_id)


def _without_bills(
    conn: Connection[TupleRow], *, run: BillRun, agreements: Sequence[BillableAgreement]
) -> tuple[list[BillableAgreement], int, list[Excluded]]:
    """Part the agreements still to be billed from those billed, and those that a person must look at."""
    known: dict[int, list[bill_store.EarlierBill]] = {}
    for bill in bill_store.overlapping(
        conn,
        utility_id=run.cycled.utility.utility_id,
        agreement_ids=[one.agreement_id for one in agreements],
        period=run.cycled.period,
    ):
        known.setdefault(bill.agreement_id, []).append(bill)
    todo: list[BillableAgreement] = []
    excluded: list[Excluded] = []
    already_billed = 0
    for one in agreements:
        bills = known.get(one.agreement_id, [])
        standing = [bill for bill in bills if not bill.is_cancelled]
        same = [bill for bill in standing if bill_store.as_period(bill.period) == one.valid]
        if same:
            already_billed += 1
        elif standing:
            detail = f"bill {standing[0].bill_number} covers a part of the period"
            excluded.append(Excluded(one.agreement_id, one.point_id, "partly_billed", detail))
        elif bills:
            detail = f"bill {bills[-1].bill_number} was cancelled: bill it again by hand"
            excluded.append(Excluded(one.agreement_id, one.point_id, "cancelled", detail))
        else:
            todo.append(one)
    return todo, already_billed, excluded


def _billing_from(utility: Utility, *, at: datetime) -> date:
    given = utility.settings.get("billing_from")
    return date.fromisoformat(given) if given else add_months(local_date(at, zone=utility.zone), -LOOK_BACK_MONTHS)
