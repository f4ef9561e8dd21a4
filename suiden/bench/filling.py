"""A utility of many meters with months of readings, stored and rolled up by the product's own ways."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import operations as ingest
from ingest_gateway.operations import ReadingBlock
from kernel import clock
from kernel.database import Scope, enter_scope
from kernel.period import add_months, local_day
from registry import operations as registry
from registry import queries as registry_queries
from registry.book import Book, InstallationRow, MeterRow, PointRow, ZoneRow

TIME_ZONE = ZoneInfo("Asia/Tokyo")
TODAY = date(2027, 2, 1)  # the readings end as this day begins
MONTHS = 13
METERS_OF_A_DMA = 1_000
METERS_OF_A_TRANSFORMER = 50
READINGS_AT_ONCE = 2_000_000
DAY, HOUR_S = timedelta(days=1), 3_600
FINER_S = (HOUR_S, 1_800, 900, 600, 300, 60, 30, 15, 10, 5, 2, 1)

Say = Callable[[str], None]


class FillTooSmall(ValueError):
    """The sizes leave some meters without a reading."""


@dataclass(frozen=True, slots=True)
class Town:
    """Meters by serial, half of them for water, each at a point of its own; `first` is the oldest day with readings."""

    utility_id: int
    meter_ids: tuple[int, ...]
    serials: tuple[str, ...]
    point_ids: tuple[int, ...]
    dma_ids: tuple[int, ...]
    first: date
    now: datetime
    readings: int


OTHER_HOURS = [hour for hour in range(24) if hour not in (0, 12)]


def instants(readings: int) -> list[datetime]:
    """Choose when a meter of so many readings sent them: every hour lately, before that once a day for 13 months.

    More than 13 months of hours have a shorter interval; fewer than 13 months of days reach less far back.
    """
    end = local_day(TODAY, zone=TIME_ZONE).start
    days = (TODAY - add_months(TODAY, -MONTHS)).days
    if readings >= days * 24:
        interval_s = min(s for s in FINER_S if readings >= days * 86_400 // s)
        return [end - timedelta(seconds=interval_s * n) for n in reversed(range(readings))]
    if readings <= 24:
        return [end - timedelta(hours=n) for n in reversed(range(readings))]
    by_hour = 1 + max(0, readings - 24 - (days - 1)) // 23
    hours = [end - timedelta(hours=n) for n in range(24 * by_hour)]
    # The days before: midnights first, then what is left over at other hours of them.
    before = [end - DAY * n - timedelta(hours=hour) for hour in (0, 12, *OTHER_HOURS) for n in range(by_hour, days)]
    return sorted([*hours, *before[: readings - len(hours)]])


def found(conn: Connection[TupleRow], *, code: str, meters: int) -> int:
    """Found a utility of water and electricity meters in zones; its clock stands where the readings end."""
    utility_id = registry.found_utility(
        conn, code=code, name="Bench", time_zone=TIME_ZONE.key, currency="JPY", locale="en", settings={}
    )
    clock.set_time(conn, utility_now=local_day(TODAY, zone=TIME_ZONE).start, rate=1.0, running=False)
    registry.load_book(conn, utility_id=utility_id, book=_book(meters))
    return utility_id


def fill(conn: Connection[TupleRow], *, utility_id: int, readings: int, say: Say) -> Town:
    """Store readings of every meter in the order of time, as they would have come, in transactions of their own.

    :raises FillTooSmall: if there are fewer readings than meters
    """
    now = local_day(TODAY, zone=TIME_ZONE).start
    enter_scope(conn, scope=Scope(utility_id=utility_id, actor="bench", now=now))
    meters = sorted(registry_queries.known_meters(conn, utility_id=utility_id), key=lambda meter: meter.serial)
    ids = np.array([meter.meter_id for meter in meters], dtype=np.int64)
    if readings < len(ids):
        raise FillTooSmall(f"{readings} readings are too few for {len(ids)} meters: give one for each at least")
    when = instants(readings // len(ids))
    conn.commit()
    stored = 0
    is_water = np.array([meter.kind == "water" for meter in meters])
    for block in _blocks(ids, is_water, when):
        enter_scope(conn, scope=Scope(utility_id=utility_id, actor="bench", now=now))
        stored += ingest.load_history(conn, utility_id=utility_id, readings=block, now=now)
        conn.commit()
        say(f"stored {stored:,} of {len(ids) * len(when):,} readings")
    first = (when[0] - timedelta(microseconds=1)).astimezone(TIME_ZONE).date()
    points = tuple(meter.point_id for meter in meters if meter.point_id is not None)
    serials = tuple(meter.serial for meter in meters)
    zones = registry_queries.zones(conn, utility_id=utility_id)
    dmas = tuple(zone.zone_id for zone in zones if zone.kind == "dma")
    conn.rollback()
    return Town(utility_id, tuple(ids.tolist()), serials, points, dmas, first, now, stored)


def _book(meters: int) -> Book:
    water = (meters + 1) // 2
    zones = [ZoneRow("D1", "District 1", "district")]
    zones += [ZoneRow(_zone_of(n, water), f"Area {n}", "dma") for n in range(0, water, METERS_OF_A_DMA)]
    zones += [
        ZoneRow(_zone_of(n, water), f"Transformer {n}", "transformer")
        for n in range(water, meters, METERS_OF_A_TRANSFORMER)
    ]
    installed_at = local_day(add_months(TODAY, -MONTHS - 1), zone=TIME_ZONE).start
    serials = [f"W{n:07}" if n < water else f"E{n:07}" for n in range(meters)]
    return Book(
        zones=tuple(zones),
        points=tuple(
            PointRow(f"P{one}", "water" if n < water else "electricity", _zone_of(n, water), "D1", "1 Bench Street")
            for n, one in enumerate(serials)
        ),
        meters=tuple(
            MeterRow(one, "water", "m3", -3, 9, has_pressure=True)
            if n < water
            else MeterRow(one, "electricity", "kWh", -3, 10, nominal_v=101.0)
            for n, one in enumerate(serials)
        ),
        installations=tuple(InstallationRow(one, f"P{one}", installed_at) for one in serials),
    )


def _zone_of(meter: int, water: int) -> str:
    if meter < water:
        return f"W{meter // METERS_OF_A_DMA:05}"
    return f"E{(meter - water) // METERS_OF_A_TRANSFORMER:05}"


def _blocks(ids: NDArray[np.int64], is_water: NDArray[np.bool_], when: list[datetime]) -> Iterator[ReadingBlock]:
    """Make the readings of all meters, instant by instant; registers only rise."""
    chance = np.random.default_rng(20_270_201)
    rates = chance.integers(5, 40, len(ids))  # of the least digit, by the hour
    begun = when[0] - timedelta(hours=1)
    at_once = max(1, READINGS_AT_ONCE // len(ids))
    for start in range(0, len(when), at_once):
        part = when[start : start + at_once]
        elapsed_s = np.array([int((at - begun).total_seconds()) for at in part], dtype=np.int64)
        unix_us = np.array([(at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) for at in part])
        shape = (len(part), len(ids))
        yield ReadingBlock(
            meter_id=np.tile(ids, len(part)),
            read_at_us=np.repeat(unix_us.astype(np.int64), len(ids)),
            register=(1_000 + rates[None, :] * elapsed_s[:, None] // HOUR_S).ravel(),
            flow=(rates * chance.uniform(0.2, 2.0, shape)).ravel(),
            pressure_kpa=np.where(is_water, chance.normal(320, 15, shape), np.nan).ravel(),
            voltage_1_v=np.where(is_water, np.nan, chance.normal(101, 1, shape)).ravel(),
        )
