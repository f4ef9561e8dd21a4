"""A utility's own parameters of the detectors: changing them, and seeing first what that would have raised."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain.checking.checker import Checker
from ingest_gateway.domain.checking.findings import Finding
from ingest_gateway.domain.checking.parameters import ParameterRefused, Setting, check, parameters_of
from ingest_gateway.domain.detectors.catalog import by_name, detectors_for
from ingest_gateway.operations.checker import arrivals_of, patience_at
from ingest_gateway.operations.checker_fleet import Fleet, read_fleet, setting
from ingest_gateway.store import checker_settings
from ingest_gateway.store.arrivals import between
from ingest_gateway.store.checker_settings import SettingRow


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change of a parameter; `value` None brings the standard back. What is None of the rest fits every meter."""

    detector: str
    parameter: str
    value: float | None
    segment: str | None = None  # residential, apartment_block, commercial, bulk
    technology: str | None = None  # pulse, or other
    interval_s: int | None = None
    zone_id: int | None = None


@dataclass(frozen=True, slots=True)
class WouldHaveRaised:
    """What a time that is past would have raised, by the parameters in force and with a proposal among them."""

    readings: int
    now: Sequence[Finding]  # openings
    then: Sequence[Finding]


def change_parameter(
    conn: Connection[TupleRow], *, utility_id: int, proposal: Proposal, reason: str, by: str, at: datetime
) -> int:
    """Put a parameter in force from `at` on; return the id of the change.

    :raises ParameterRefused: if no detector has it, or the value is out of its bounds
    """
    refuse_unfit(proposal)
    return checker_settings.insert(
        conn,
        utility_id=utility_id,
        detector=proposal.detector,
        parameter=proposal.parameter,
        value=proposal.value,
        segment=proposal.segment,
        technology=proposal.technology,
        interval_s=proposal.interval_s,
        zone_id=proposal.zone_id,
        reason=reason,
        valid_from=at,
        set_by=by,
    )


def would_have_raised(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    proposal: Proposal,
    first: datetime,
    end: datetime,
    at: datetime,
    progress: Callable[[int], None] = lambda _readings: None,
) -> WouldHaveRaised:
    """Check the readings from `first` until before `end` twice: by what is in force, and with the proposal.

    The checker knows nothing at `first`: what it needs to have learnt, it learns on the way. Nothing is written.
    `progress` is told how many readings were checked so far.

    :raises ParameterRefused: if no detector has the parameter, or the value is out of its bounds
    """
    refuse_unfit(proposal)
    fleet = read_fleet(conn, utility_id=utility_id, at=at)
    changed = replace(fleet, settings=_with(proposal, conn, utility_id=utility_id, at=at))
    # What no setting concerns is the same in both: the other detectors need not run.
    both = [_checker(one, detector=proposal.detector) for one in (fleet, changed)]
    found: list[list[Finding]] = [[], []]
    readings = 0
    for rows in between(conn, utility_id=utility_id, first=first, end=end):
        readings += len(rows)
        for checker, findings in zip(both, found, strict=True):
            arrived = arrivals_of(rows, meter_ids=checker.meters.meter_id)
            findings += [one for one in checker.take(arrived) if one.opened]
        progress(readings)
    return WouldHaveRaised(readings, *found)


def refuse_unfit(proposal: Proposal) -> None:
    """:raises ParameterRefused: if no detector has the parameter, or the value is out of its bounds"""
    detectors = by_name()
    if proposal.detector not in detectors:
        raise ParameterRefused(f"there is no detector {proposal.detector!r}; there are {', '.join(detectors)}")
    known = {one.name: one for one in parameters_of(detectors[proposal.detector])}
    value = known[proposal.parameter].standard if proposal.parameter in known else 0.0
    check(Setting(proposal.detector, proposal.parameter, value if proposal.value is None else proposal.value), known)


def _with(proposal: Proposal, conn: Connection[TupleRow], *, utility_id: int, at: datetime) -> tuple[Setting, ...]:
    rows = checker_settings.in_force(conn, utility_id=utility_id, at=at)
    kept = [row for row in rows if _sort(row) != _sort(proposal)]
    new = SettingRow(
        setting_id=max((row.setting_id for row in rows), default=0) + 1,
        detector=proposal.detector,
        parameter=proposal.parameter,
        value=proposal.value,
        segment=proposal.segment,
        technology=proposal.technology,
        interval_s=proposal.interval_s,
        zone_id=proposal.zone_id,
        reason="",
        valid_from=at,
        set_by="",
    )
    return tuple(setting(row) for row in (*kept, new) if row.value is not None)


def _sort(one: SettingRow | Proposal) -> tuple[str, str, str | None, str | None, int | None, int | None]:
    return one.detector, one.parameter, one.segment, one.technology, one.interval_s, one.zone_id


def _checker(fleet: Fleet, *, detector: str) -> Checker:
    catalog = detectors_for(fleet.settings, only={detector})
    return Checker(
        fleet.columns(),
        detectors_for=catalog,
        quiet=sorted(fleet.quiet, key=lambda one: (one.scope, one.place_id, one.from_s)),
        patience=patience_at(1.0),
    )
