"""The checker alone: decoded readings in, all detectors on, what it knows saved to the database as it goes."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

import numpy as np
import psycopg

from ingest_gateway.domain.checking.arrivals import Arrivals
from ingest_gateway.domain.checking.checker import Checker
from ingest_gateway.domain.checking.meters import Meters
from ingest_gateway.domain.detectors.catalog import CATALOG, detectors_for
from ingest_gateway.operations.checker import save_state
from kernel.database import Scope, enter_scope
from suiden.bench.databases import own_database

FIRST_S = 1_767_571_200  # Monday 2026-01-05, 00:00 UTC
INTERVAL_S = 900
DAY_SLOTS = 96
ZONE_METERS = 200
CONCENTRATOR_METERS = 100
WATER_SHARE = 0.6
LATE_SHARE, LOST_SHARE = 0.015, 0.01
SAVE_READINGS = 10_000_000  # what a core takes in within about the 10 s between two savings
UTILITY = 1


@dataclass(frozen=True, slots=True)
class CheckerFigures:
    """Readings a second by the wall and by processor time, in which saving is counted; `findings` opened on the way."""

    load: str
    meters: int
    batch: int
    detectors: int
    readings: int
    readings_per_s: float
    readings_per_core_s: float
    saved_mb: float
    saving_share: float
    findings: int
    runs: list[float]

    def as_json(self) -> dict[str, Any]:
        """Give the figures as a file keeps them."""
        return asdict(self)


def run(
    database_url: str | None, *, meters: int, batch: int, slots: int, runs: int, say: Callable[[str], None]
) -> CheckerFigures:
    """Feed `slots` readings of each meter in each run, after a day that is not measured; give the medians."""
    fleet = _fleet(meters)
    checker = Checker(fleet, detectors_for=detectors_for())
    stream = _stream(fleet, first=0)
    by_wall: list[float] = []
    by_core: list[float] = []
    shares: list[float] = []
    found = fed = 0
    with own_database(database_url, buffers="256MB", log="2GB") as database, psycopg.connect(database.url) as conn:
        say("one day of readings to warm up")
        for _ in range(min(slots, DAY_SLOTS)):
            _feed(checker, next(stream), batch=batch)
        saved = 0
        for number in range(runs):
            say(f"run {number + 1} of {runs}: {meters:,} meters, batches of {batch:,}")
            wall_s = core_s = saving_s = 0.0
            taken = 0
            for _ in range(slots):
                arrived = next(stream)
                wall, core = time.perf_counter(), time.process_time()
                found += _feed(checker, arrived, batch=batch)
                wall_s += time.perf_counter() - wall
                core_s += time.process_time() - core
                taken += len(arrived)
            for _ in range(max(1, taken // SAVE_READINGS)):
                wall, core = time.perf_counter(), time.process_time()
                saved = _save(conn, checker)
                saving_s += time.perf_counter() - wall
                core_s += time.process_time() - core
            # A short run saves once for fewer readings than it would be saved for.
            part = min(1.0, taken / SAVE_READINGS)
            wall_s += saving_s * part
            by_wall.append(taken / wall_s)
            by_core.append(taken / core_s)
            shares.append(saving_s * part / wall_s)
            fed += taken
    return CheckerFigures(
        load="checker",
        meters=meters,
        batch=batch,
        detectors=len(CATALOG),
        readings=fed,
        readings_per_s=round(median(by_wall)),
        readings_per_core_s=round(median(by_core)),
        saved_mb=round(saved / 1e6, 1),
        saving_share=round(median(shares), 3),
        findings=found,
        runs=[round(one) for one in by_wall],
    )


def _feed(checker: Checker, arrived: Arrivals, *, batch: int) -> int:
    found = 0
    for start in range(0, len(arrived), batch):
        found += len(checker.take(arrived.take(slice(start, start + batch))))
    return found


def _save(conn: psycopg.Connection[Any], checker: Checker) -> int:
    now = datetime(2026, 1, 5, tzinfo=UTC)
    with conn.transaction():
        enter_scope(conn, scope=Scope(utility_id=UTILITY, actor="bench", now=now))
        return save_state(conn, utility_id=UTILITY, checker=checker, position=1, at=now)


def _fleet(count: int) -> Meters:
    """Make meters in zones of 200 behind concentrators of 100; water first, with a meter at the inlet of each zone."""
    number = np.arange(count)
    zone = number // ZONE_METERS
    water = zone < WATER_SHARE * (count / ZONE_METERS)
    inlet = water & (number % ZONE_METERS == 0)
    return Meters(
        meter_id=number + 1,
        service=np.where(water, 0, 1).astype(np.int8),
        role=inlet.astype(np.int8),
        zone_id=zone + 1,
        network_id=np.where(water, zone // 20, 10_000 + zone // 50),
        gateway_id=number // CONCENTRATOR_METERS,
        feeder_id=np.where(water, -1, zone // 10),
        interval_s=np.full(count, INTERVAL_S),
        utc_offset_s=np.full(count, 9 * 3600),
        segment=np.where(inlet, 3, 0).astype(np.int8),
        base_per_unit=np.ones(count),
        ring=np.full(count, 10**9),
        resolution=np.ones(count),
        mean_flow=np.zeros(count, dtype=np.bool_),
        has_pressure=water,
        phases=np.where(water, 0, np.where(number % 4 == 0, 3, 1)).astype(np.int8),
        nominal_v=np.where(water, np.nan, 230.0),
        may_export=np.zeros(count, dtype=np.bool_),
    )


def _stream(fleet: Meters, *, first: int) -> Iterator[Arrivals]:
    """Make one slot after another in the order of arrival: habits of the day, noise, some late, some lost."""
    random = np.random.default_rng(2026)
    count = len(fleet)
    water = fleet.service == 0
    size = np.exp(random.normal(0, 0.6, count)) * np.where(fleet.role == 1, 2_000, np.where(water, 12, 90))
    usual_kpa, usual_v = random.normal(320, 40, count), random.normal(232, 2, count)
    register = random.integers(0, 10**6, count)
    slot = first
    while True:
        hour = (slot % DAY_SLOTS) / 4
        habit = 0.25 + np.exp(-((hour - 7.5) ** 2) / 4) + 0.8 * np.exp(-((hour - 20) ** 2) / 8)
        used = np.rint(random.gamma(0.6, 1.0, count) * size * habit).astype(np.int64)
        register = register + np.where(random.random(count) < 0.3, 0, used)
        lateness = random.integers(2, 120, count) + np.where(random.random(count) < LATE_SHARE, 3_000, 0)
        order = np.argsort(lateness, kind="stable")
        order = order[random.random(count) > LOST_SHARE]
        order = order[lateness[order] < 120] if slot == first else order
        at_s = np.full(count, FIRST_S + slot * INTERVAL_S) + random.integers(-5, 5, count)
        kpa = usual_kpa + 15 * np.sin(hour / 24 * 2 * np.pi) + random.normal(0, 2, count)
        volts = usual_v + random.normal(0, 1, count)
        three = fleet.phases == 3
        blank = np.full(count, np.nan, dtype=np.float32)
        yield Arrivals(
            row=order,
            at_s=at_s[order],
            # What is late comes before the next slot's, so that each slot stands for itself.
            received_s=np.maximum.accumulate(FIRST_S + slot * INTERVAL_S + np.minimum(lateness[order], 880)),
            register=register[order],
            export_register=np.where(water, -1, 0)[order],
            flow=(used * 4.0)[order].astype(np.float32),
            pressure_kpa=np.where(water, kpa, np.nan)[order].astype(np.float32),
            v1=np.where(water, np.nan, volts)[order].astype(np.float32),
            v2=np.where(three, volts + 1, blank)[order].astype(np.float32),
            v3=np.where(three, volts - 1, blank)[order].astype(np.float32),
            battery_pct=np.full(len(order), 90, dtype=np.int8),
            flags=np.zeros(len(order), dtype=np.int32),
        )
        slot += 1
