"""Checking a committed batch of intake: what begins and ends becomes anomalies and events."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain.checker import Checker, Readings
from ingest_gateway.domain.detectors import detectors
from ingest_gateway.domain.detectors.base import EPOCH, Finding, Fleet
from ingest_gateway.store import anomalies, checker_state
from ingest_gateway.store.stored_batches import StoredBatch, batch, readings_of_batch
from kernel import events
from registry import queries as registry
from registry.queries import KnownMeter

BASE_PER_UNIT = {"m3": 1000.0, "gal": 3.785411784, "ft3": 28.316846592, "kWh": 1000.0}  # litres or Wh
RAISES_NOTHING_AFTER = timedelta(hours=48)  # a reading that came later than this after it was made
US = timedelta(microseconds=1)


@dataclass(slots=True)
class Running:
    """The checker of one utility as a process keeps it between batches; `position` ties it to what is saved."""

    checker: Checker
    meters: Sequence[KnownMeter]
    position: int
    refreshed_s: float  # by the machine's monotonic clock


def check_batch(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    batch_id: int,
    position: int,
    running: Running | None,
    refresh_s: float,
) -> Running:
    """Check one batch and save what the checker then knows; give what to hand in with the next batch.

    `running` may be None, or out of date: then the saved state is read. A batch at or before the saved position is left
    out. If this raises, throw `running` away: it may be ahead of what is saved.

    :raises BatchUnknown: if there is no such batch
    """
    stored = batch(conn, utility_id=utility_id, batch_id=batch_id)
    saved = checker_state.position(conn, utility_id=utility_id)
    if running is None or running.position != saved:
        running = _load(conn, utility_id=utility_id, position=saved, at=stored.received_at)
    elif time.monotonic() - running.refreshed_s >= refresh_s:
        _refresh(conn, utility_id=utility_id, running=running, at=stored.received_at)
    if position <= saved or stored.source == "history":
        return running
    removed = _end_removed(conn, utility_id=utility_id, running=running, at=stored.received_at)
    readings = _arrays(readings_of_batch(conn, utility_id=utility_id, stored=stored), stored=stored)
    findings = running.checker.feed(readings)
    if any(finding.opened for finding in findings):
        findings = _allowed(conn, utility_id=utility_id, running=running, findings=findings, at=stored.received_at)
    for finding in findings:
        _record(conn, utility_id=utility_id, running=running, finding=finding, found_at=stored.received_at)
    blocks = running.checker.dump(meter_ids=[*stored.meter_ids, *removed])
    checker_state.save(conn, utility_id=utility_id, blocks=blocks, position=position, at=stored.received_at)
    running.position = position
    return running


def _load(conn: Connection[TupleRow], *, utility_id: int, position: int, at: datetime) -> Running:
    meters = registry.known_meters(conn, utility_id=utility_id)
    watched = _watched(conn, utility_id=utility_id, meters=meters, at=at)
    made = detectors(checker_state.parameters(conn, utility_id=utility_id, at=at))
    checker = Checker(detectors=made, fleet=_fleet(meters), watched=watched)
    for block in checker_state.load(conn, utility_id=utility_id):
        checker.load(block)
    return Running(checker, meters, position, time.monotonic())


def _refresh(conn: Connection[TupleRow], *, utility_id: int, running: Running, at: datetime) -> None:
    running.meters = registry.known_meters(conn, utility_id=utility_id)
    watched = _watched(conn, utility_id=utility_id, meters=running.meters, at=at)
    running.checker.refleet(_fleet(running.meters), watched=watched)
    running.checker.detectors = detectors(checker_state.parameters(conn, utility_id=utility_id, at=at))
    running.refreshed_s = time.monotonic()


def _fleet(meters: Sequence[KnownMeter]) -> Fleet:
    scaled = [BASE_PER_UNIT[meter.unit] * 10.0**meter.scale for meter in meters]
    return Fleet(
        meter_id=np.array([meter.meter_id for meter in meters], dtype=np.int64),
        water=np.array([meter.kind == "water" for meter in meters], dtype=np.bool_),
        ring=np.array([10**meter.digits for meter in meters], dtype=np.int64),
        base_per_unit=np.array(scaled, dtype=np.float64),
        interval_us=np.array([meter.interval_s * 1_000_000 for meter in meters], dtype=np.int64),
        nominal_v=np.array([meter.nominal_v for meter in meters], dtype=np.float64),
    )


def _watched(
    conn: Connection[TupleRow], *, utility_id: int, meters: Sequence[KnownMeter], at: datetime
) -> NDArray[np.bool_]:
    """Tell which meters hang at a point whose supply is on and where no planned work is under way."""
    point_ids = [meter.point_id for meter in meters if meter.point_id is not None]
    points = registry.points(conn, utility_id=utility_id, point_ids=point_ids)
    under_way = [
        work
        for work in registry.planned_works(conn, utility_id=utility_id, at=at)
        if work.cancelled_at is None
        and (work.started_at or work.planned_from) <= at
        # Work that began goes on until it is said to be finished, whatever was planned.
        and at < (work.finished_at or (datetime.max.replace(tzinfo=UTC) if work.started_at else work.planned_to))
    ]
    zones = {work.zone_id for work in under_way if work.point_id is None}
    at_work = {work.point_id for work in under_way}
    around = _zones_around(conn, utility_id=utility_id) if zones else {}
    on = {
        point.point_id
        for point in points
        if point.supply == "on"
        and point.point_id not in at_work
        and not zones & (around.get(point.zone_id, set()) | around.get(point.district_id, set()))
    }
    return np.array([meter.point_id in on for meter in meters], dtype=np.bool_)


def _zones_around(conn: Connection[TupleRow], *, utility_id: int) -> dict[int, set[int]]:
    """Give for each zone itself and all zones that it lies in."""
    parent = {zone.zone_id: zone.parent_zone_id for zone in registry.zones(conn, utility_id=utility_id)}
    around: dict[int, set[int]] = {}
    for zone_id in parent:
        chain: set[int] = set()
        step: int | None = zone_id
        while step is not None and step not in chain:
            chain.add(step)
            step = parent[step]
        around[zone_id] = chain
    return around


def _arrays(rows: Sequence[TupleRow], *, stored: StoredBatch) -> Readings:
    def floats(values: Sequence[float | None]) -> NDArray[np.float64]:
        return np.array(values, dtype=np.float64)  # None becomes NaN

    columns = list(zip(*rows, strict=True)) or [()] * 8
    meter_id, read_at, register, flow, pressure, *volts = columns
    oldest = stored.received_at - RAISES_NOTHING_AFTER
    phases = np.array([floats(phase) for phase in volts], dtype=np.float64)
    return Readings(
        meter_id=np.array(meter_id, dtype=np.int64),
        at_us=np.array([(at - EPOCH) // US for at in read_at], dtype=np.int64),
        register=np.array([value or 0 for value in register], dtype=np.int64),
        has_register=np.array([value is not None for value in register], dtype=np.bool_),
        flow=floats(flow),
        pressure_kpa=floats(pressure),
        low_v=np.fmin.reduce(phases),
        high_v=np.fmax.reduce(phases),
        fresh=np.array([at >= oldest for at in read_at], dtype=np.bool_),
    )


def _end_removed(conn: Connection[TupleRow], *, utility_id: int, running: Running, at: datetime) -> list[int]:
    """End what is open at meters that hang nowhere any more: an exchange is how a stuck meter is cured."""
    removed: list[int] = []
    for name, rows in running.checker.open_rows().items():
        for row in rows:
            meter = running.meters[row]
            if meter.point_id is not None:
                continue
            running.checker.states[name][row] = 0
            removed.append(meter.meter_id)
            ended = anomalies.end(
                conn,
                utility_id=utility_id,
                meter_id=meter.meter_id,
                kind=name,
                ended_at=at,
                evidence={"ended_by": "meter_removed"},
            )
            _publish(conn, utility_id=utility_id, topic="anomaly.closed", anomaly_id=ended, at=at)
    return removed


def _allowed(
    conn: Connection[TupleRow], *, utility_id: int, running: Running, findings: Sequence[Finding], at: datetime
) -> list[Finding]:
    """Leave out what may not be raised by what is known at this moment, which is newer than the last refresh.

    A valve that was told to close counts as closed before the meter has answered: its pressure falls first.
    """
    meters = [running.meters[finding.row] for finding in findings if finding.opened]
    watched = _watched(conn, utility_id=utility_id, meters=meters, at=at)
    allowed = {meter.meter_id for meter, on in zip(meters, watched, strict=True) if on}
    allowed -= checker_state.closed_by_command(conn, utility_id=utility_id, meter_ids=allowed)
    kept: list[Finding] = []
    refused: set[tuple[int, str]] = set()
    for finding in findings:
        if finding.opened and running.meters[finding.row].meter_id not in allowed:
            running.checker.forget(finding)
            refused.add((finding.row, finding.kind))
        elif finding.opened or (finding.row, finding.kind) not in refused:
            kept.append(finding)
    return kept


def _record(
    conn: Connection[TupleRow], *, utility_id: int, running: Running, finding: Finding, found_at: datetime
) -> None:
    meter = running.meters[finding.row]
    if finding.opened:
        anomaly_id = anomalies.insert(
            conn,
            utility_id=utility_id,
            meter_id=meter.meter_id,
            point_id=meter.point_id,
            zone_id=meter.zone_id,
            service=meter.kind,
            kind=finding.kind,
            detector=finding.detector,
            started_at=finding.at,
            found_at=found_at,
            evidence=finding.evidence,
        )
    else:
        anomaly_id = anomalies.end(
            conn,
            utility_id=utility_id,
            meter_id=meter.meter_id,
            kind=finding.kind,
            ended_at=finding.at,
            evidence=finding.evidence,
        )
    topic = "anomaly.opened" if finding.opened else "anomaly.closed"
    _publish(conn, utility_id=utility_id, topic=topic, anomaly_id=anomaly_id, at=found_at)


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
