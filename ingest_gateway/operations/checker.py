"""Checking committed batches of intake: what begins and ends becomes anomalies and events."""

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain.checking.arrivals import Arrivals
from ingest_gateway.domain.checking.checker import Checker
from ingest_gateway.domain.checking.findings import REPLACED, Finding, Kind, instant
from ingest_gateway.domain.checking.lane import Patience
from ingest_gateway.domain.checking.quiet import QuietSpan
from ingest_gateway.domain.detectors.catalog import detectors_for
from ingest_gateway.operations.checker_fleet import Fleet, read_fleet
from ingest_gateway.store import anomalies, checker_state
from ingest_gateway.store.anomalies import Anomaly
from ingest_gateway.store.arrivals import NOTHING, between, column, of_batch, seconds
from ingest_gateway.store.checker_state import Fed
from ingest_gateway.store.stored_batches import batch
from kernel import events

STANDARD = Patience()
SAVE_S = 20.0  # wall time between two savings of what the checker knows, at least
SAVED_BYTES_PER_S = 100_000  # saving writes no more than so much on average: all of 100,000 meters twice an hour
FED_AGAIN_AT_MOST = 5_000  # batches that a restart feeds again, about
LEARNT_FROM = timedelta(days=35)  # of the past, by a checker that knows nothing yet
LEARNT_FROM_READINGS = 4_000_000  # at most about so many
PATIENCE_OF_FAST_CLOCK_S = 2.0  # wall time that a reading may take from the meter to here, where time runs fast
FORGOTTEN_AFTER_S = 3 * 86_400  # what was quiet so long ago is looked at by no tick any more


@dataclass(slots=True)
class Running:
    """The checker of one utility as a process keeps it between batches; `position` ties it to what was fed."""

    checker: Checker
    fleet: Fleet
    patience: Patience
    past_quiet: frozenset[QuietSpan]
    position: int
    saved_s: float  # by the machine's monotonic clock
    saved_bytes: int
    fed: int  # batches since
    refreshed_s: float


def check_batch(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    batch_id: int,
    position: int,
    running: Running | None,
    refresh_s: float,
    patience: Patience = STANDARD,
    rate: float = 1.0,
) -> Running:
    """Check one batch; give what to hand in with the next. A batch at or before the last position is left out.

    `running` may be None, or out of date: then the saved state is read, and fed what it has missed. `rate` is how fast
    utility time runs. If this raises, throw `running` away: it may be ahead of what was committed.

    :raises BatchUnknown: if there is no such batch
    """
    stored = batch(conn, utility_id=utility_id, batch_id=batch_id)
    done = checker_state.position(conn, utility_id=utility_id)
    # A clock that stands still says nothing of its speed.
    waits = running.patience if running is not None and not rate else patience_at(rate, patience)
    if running is None or running.position != done:
        running = _load(conn, utility_id=utility_id, position=done, at=stored.received_at, patience=waits)
    elif time.monotonic() - running.refreshed_s >= refresh_s:
        _refresh(conn, utility_id=utility_id, running=running, at=stored.received_at, patience=waits)
    if position <= done or stored.source == "history":
        return running
    running.position = position
    _feed_new(conn, utility_id=utility_id, running=running, fed=Fed(batch_id, stored.received_at))
    return running


def is_look_due(running: Running, *, at: datetime) -> bool:
    """Tell whether the checker would look at a slot if it knew that all that arrived by `at` has come to it."""
    ready_s = running.checker.next_look_s()
    return ready_s is not None and int(at.timestamp()) > ready_s


def pass_time(conn: Connection[TupleRow], *, utility_id: int, running: Running, at: datetime) -> None:
    """Look at what is due, all that arrived by `at` having come; see `check_batch` for what is to be done if it fails.

    Another process may have gone on meanwhile: then nothing is done.
    """
    if running.position == checker_state.position(conn, utility_id=utility_id):
        _feed_new(conn, utility_id=utility_id, running=running, fed=Fed(None, at))


def learn_anew(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    kinds: Collection[Kind],
    meter_ids: Collection[int],
    zone_ids: Collection[int],
    position: int,
    running: Running | None,
    at: datetime,
    patience: Patience = STANDARD,
    rate: float = 1.0,
) -> Running:
    """After a repair let what was learnt of a device that was replaced begin afresh; see `check_batch`.

    What was open of it ends.
    """
    done = checker_state.position(conn, utility_id=utility_id)
    if running is None or running.position != done:
        waits = patience_at(rate, patience)
        running = _load(conn, utility_id=utility_id, position=done, at=at, patience=waits)
    if position <= done:
        return running
    running.checker.rebase(kinds=kinds, meter_ids=meter_ids, zone_ids=zone_ids)
    for one in anomalies.open_ones(conn, utility_id=utility_id):
        if one.kind in REPLACED & set(kinds) and one.meter_id in meter_ids:
            _end_one(conn, utility_id=utility_id, anomaly=one, at=at, ended_by="repair")
    running.position = position
    _save(conn, utility_id=utility_id, running=running, at=at)
    return running


def save_state(conn: Connection[TupleRow], *, utility_id: int, checker: Checker, position: int, at: datetime) -> int:
    """Keep what a checker knows after the event at `position`; return how many bytes that is."""
    parts = checker.saved()
    checker_state.save(conn, utility_id=utility_id, parts=parts, position=position, at=at)
    return sum(map(len, parts.values()))


def patience_at(rate: float, standard: Patience = STANDARD) -> Patience:
    """Tell how long a slot is waited for where utility time runs `rate` times as fast as the wall's."""
    extra_s = int(max(rate - 1.0, 0.0) * PATIENCE_OF_FAST_CLOCK_S)
    return Patience(early_s=standard.early_s + extra_s, settled_s=standard.settled_s + extra_s)


def arrivals_of(rows: NDArray[np.void], *, meter_ids: NDArray[np.int64]) -> Arrivals:
    """Lay stored readings out as the checker of these meters (by id) takes them; those of other meters are left out."""
    meter_id = column(rows, "meter_id", np.int64)
    row = np.minimum(np.searchsorted(meter_ids, meter_id), max(len(meter_ids) - 1, 0))
    known = meter_ids[row] == meter_id if len(meter_ids) else np.zeros(len(rows), dtype=np.bool_)
    rows, row = rows[known], row[known]
    return Arrivals(
        row=row.astype(np.int64),
        at_s=seconds(rows, "read_at"),
        received_s=seconds(rows, "received_at"),
        register=column(rows, "register", np.int64),
        export_register=column(rows, "export_register", np.int64),
        flow=column(rows, "flow", np.float32),
        pressure_kpa=column(rows, "pressure_kpa", np.float32),
        v1=column(rows, "v1", np.float32),
        v2=column(rows, "v2", np.float32),
        v3=column(rows, "v3", np.float32),
        battery_pct=column(rows, "battery_pct", np.int8),
        flags=column(rows, "flags", np.int32),
    )


def _load(conn: Connection[TupleRow], *, utility_id: int, position: int, at: datetime, patience: Patience) -> Running:
    fleet = read_fleet(conn, utility_id=utility_id, at=at)
    now_s = time.monotonic()
    running = Running(_made(fleet, patience), fleet, patience, frozenset(), position, now_s, 0, 0, now_s)
    saved = checker_state.saved(conn, utility_id=utility_id)
    if saved:
        running.checker.restore(saved)
        running.saved_bytes = sum(map(len, saved.values()))
    else:
        _learn(conn, utility_id=utility_id, running=running, until=at)
        _save(conn, utility_id=utility_id, running=running, at=at)
    for fed in checker_state.fed_since(conn, utility_id=utility_id):
        _feed(conn, utility_id=utility_id, running=running, fed=fed)
    return running


def _refresh(
    conn: Connection[TupleRow], *, utility_id: int, running: Running, at: datetime, patience: Patience
) -> None:
    """Make the checker anew where meters, planned work or parameters are others than before."""
    fleet = read_fleet(conn, utility_id=utility_id, at=at)
    running.refreshed_s = time.monotonic()
    if (fleet, patience) == (running.fleet, running.patience):
        return
    now_s = int(at.timestamp())
    over = {replace(one, until_s=min(one.until_s, now_s)) for one in running.fleet.quiet - fleet.quiet}
    kept = {one for one in running.past_quiet | over if one.until_s > now_s - FORGOTTEN_AFTER_S}
    checker = _made(fleet, patience, past_quiet=kept)
    checker.restore(running.checker.saved())
    _end_removed(conn, utility_id=utility_id, fleet=fleet, at=at)
    running.checker, running.fleet, running.patience = checker, fleet, patience
    running.past_quiet = frozenset(kept)


def _made(fleet: Fleet, patience: Patience, *, past_quiet: Iterable[QuietSpan] = ()) -> Checker:
    quiet = sorted({*fleet.quiet, *past_quiet}, key=lambda one: (one.scope, one.place_id, one.from_s))
    return Checker(fleet.columns(), detectors_for=detectors_for(fleet.settings), quiet=quiet, patience=patience)


def _learn(conn: Connection[TupleRow], *, utility_id: int, running: Running, until: datetime) -> None:
    """Feed what the store has of the past to a checker that knows nothing. What it finds and is over stays untold."""
    per_day = sum(86_400 / one.interval_s for one in running.fleet.meters)
    days = min(LEARNT_FROM, timedelta(days=LEARNT_FROM_READINGS / max(per_day, 1.0)))
    open_: dict[tuple[str, str, str, int], Finding] = {}
    for rows in between(conn, utility_id=utility_id, first=until - days, end=until):
        for finding in running.checker.take(arrivals_of(rows, meter_ids=running.checker.meters.meter_id)):
            key = (finding.detector, finding.kind, finding.scope, finding.place_id)
            if finding.opened:
                open_[key] = finding
            else:
                open_.pop(key, None)
    _record(conn, utility_id=utility_id, running=running, findings=list(open_.values()), at=until)


def _feed_new(conn: Connection[TupleRow], *, utility_id: int, running: Running, fed: Fed) -> None:
    _feed(conn, utility_id=utility_id, running=running, fed=fed)
    checker_state.add_fed(conn, utility_id=utility_id, position=running.position, fed=fed)
    running.fed += 1
    pause_s = max(SAVE_S, running.saved_bytes / SAVED_BYTES_PER_S)
    if time.monotonic() - running.saved_s >= pause_s or running.fed >= FED_AGAIN_AT_MOST:
        _save(conn, utility_id=utility_id, running=running, at=fed.clock_at)


def _feed(conn: Connection[TupleRow], *, utility_id: int, running: Running, fed: Fed) -> None:
    if fed.batch_id is None:
        rows = NOTHING
    else:
        rows = of_batch(conn, utility_id=utility_id, stored=batch(conn, utility_id=utility_id, batch_id=fed.batch_id))
    arrived = arrivals_of(rows, meter_ids=running.checker.meters.meter_id)
    # Of several workers one may commit a moment earlier what it received later.
    clock_s = max(int(fed.clock_at.timestamp()), running.checker.clock_s or 0)
    in_order = replace(arrived, received_s=np.full(len(arrived), clock_s, dtype=np.int64))
    findings = running.checker.take(in_order, clock_s=clock_s)
    if findings:
        _record(conn, utility_id=utility_id, running=running, findings=findings, at=fed.clock_at)


def _save(conn: Connection[TupleRow], *, utility_id: int, running: Running, at: datetime) -> None:
    running.saved_bytes = save_state(
        conn, utility_id=utility_id, checker=running.checker, position=running.position, at=at
    )
    running.saved_s, running.fed = time.monotonic(), 0


def _record(
    conn: Connection[TupleRow], *, utility_id: int, running: Running, findings: Sequence[Finding], at: datetime
) -> None:
    """Write what began and ended, and tell of it; what was written before a restart is left as it is."""
    places = {one.meter_id: one for one in running.fleet.meters}
    quiet_now = _quiet_now(conn, utility_id=utility_id, at=at) if any(one.opened for one in findings) else set()
    for finding in findings:
        if not finding.opened:
            ended = _end(conn, utility_id=utility_id, finding=finding)
            _publish(conn, utility_id=utility_id, topic="anomaly.closed", anomaly_id=ended, at=instant(finding.at_s))
            continue
        shown = [places[meter_id] for meter_id in finding.meter_ids if meter_id in places]
        of_meter = places.get(finding.place_id) if finding.scope == "meter" else None
        zone_id = of_meter.zone_id if of_meter else finding.place_id if finding.scope == "zone" else None
        # Supply that was cut a moment ago falls before the next refresh is told of it.
        if (finding.scope, finding.place_id) in quiet_now or ("zone", zone_id) in quiet_now:
            continue
        first = of_meter or (shown[0] if shown else None)
        if first is None:
            continue
        opened = anomalies.insert(
            conn,
            utility_id=utility_id,
            finding=finding,
            point_id=of_meter.point_id if of_meter else None,
            zone_id=zone_id,
            service=first.kind,
            setting_id=running.fleet.setting_id,
        )
        _publish(conn, utility_id=utility_id, topic="anomaly.opened", anomaly_id=opened, at=instant(finding.at_s))


def _quiet_now(conn: Connection[TupleRow], *, utility_id: int, at: datetime) -> set[tuple[str, int | None]]:
    now_s = int(at.timestamp())
    spans = read_fleet(conn, utility_id=utility_id, at=at).quiet
    return {(one.scope, one.place_id) for one in spans if one.from_s <= now_s <= one.until_s}


def _end(conn: Connection[TupleRow], *, utility_id: int, finding: Finding) -> int | None:
    return anomalies.end(
        conn,
        utility_id=utility_id,
        scope=finding.scope,
        place_id=finding.place_id,
        kind=finding.kind,
        detector=finding.detector,
        ended_at=instant(finding.since_s),
        known_at=instant(finding.at_s),
        evidence=finding.evidence,
    )


def _end_removed(conn: Connection[TupleRow], *, utility_id: int, fleet: Fleet, at: datetime) -> None:
    """End what is open at meters that hang nowhere any more: an exchange is how a stuck meter is cured."""
    hanging = {one.meter_id for one in fleet.meters if one.point_id is not None}
    for one in anomalies.open_ones(conn, utility_id=utility_id):
        if one.meter_id is not None and one.meter_id not in hanging:
            _end_one(conn, utility_id=utility_id, anomaly=one, at=at, ended_by="meter_removed")


def _end_one(conn: Connection[TupleRow], *, utility_id: int, anomaly: Anomaly, at: datetime, ended_by: str) -> None:
    ended = anomalies.end(
        conn,
        utility_id=utility_id,
        scope=anomaly.scope,
        place_id=anomaly.place_id,
        kind=anomaly.kind,
        detector=anomaly.detector,
        ended_at=at,
        known_at=at + timedelta(seconds=1),
        evidence={"ended_by": ended_by},
    )
    _publish(conn, utility_id=utility_id, topic="anomaly.closed", anomaly_id=ended, at=at)


def _publish(conn: Connection[TupleRow], *, utility_id: int, topic: str, anomaly_id: int | None, at: datetime) -> None:
    if anomaly_id is not None:  # None: it was written before, and told
        events.publish(
            conn,
            utility_id=utility_id,
            topic=topic,
            key=f"anomaly:{anomaly_id}",
            payload={"anomaly_id": anomaly_id},
            occurred_at=at,
        )
