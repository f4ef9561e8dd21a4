"""Rollups equal a recount from the raw readings, whatever order the readings came in."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.consumers import make_rollups
from ingest_gateway.operations.rollups import (
    make_due_rollups,
    make_due_zones,
    mark_batch_due,
    mark_rollups_due,
    rebuild_rollups,
)
from ingest_gateway.queries import use
from kernel.clock import FixedClock
from kernel.database import open_pool
from kernel.period import Period, local_day
from registry.book import Book, InstallationRow, MeterRow, PointRow, ZoneRow
from registry.operations import found_utility, load_book
from registry.queries import meter_by_serial

pytestmark = pytest.mark.store

TOKYO = ZoneInfo("Asia/Tokyo")
FIRST = date(2026, 3, 30)
DAYS = 4
OPENED = datetime(2026, 3, 29, 0, 0, tzinfo=TOKYO).astimezone(UTC)
EXCHANGED = datetime(2026, 3, 31, 10, 20, tzinfo=TOKYO).astimezone(UTC)
RING = 10_000

Reading = tuple[int, datetime, int | None]


def utility_with_two_meters(conn: Connection[TupleRow], *, time_zone: str = "Asia/Tokyo") -> tuple[int, int, int]:
    """Found a utility where meter A (4 digits) is exchanged for meter B on the second day; return its id and theirs."""
    utility_id = found_utility(
        conn, code="hinode", name="Hinode", time_zone=time_zone, currency="JPY", locale="ja", settings={}
    )
    book = Book(
        zones=(ZoneRow("D1", "District", "district"), ZoneRow("W1", "Area", "dma")),
        points=(PointRow("P-1", "water", "W1", "D1", "1-1"),),
        meters=(MeterRow("A", "water", "m3", -3, 4), MeterRow("B", "water", "m3", -3, 4, has_pressure=True)),
        installations=(
            InstallationRow("A", "P-1", OPENED, EXCHANGED, opening_register=9_000, closing_register=700),
            InstallationRow("B", "P-1", EXCHANGED, None, opening_register=5),
        ),
    )
    load_book(conn, utility_id=utility_id, book=book)
    return (
        utility_id,
        meter_by_serial(conn, utility_id=utility_id, serial="A"),
        meter_by_serial(conn, utility_id=utility_id, serial="B"),
    )


def take_in(conn: Connection[TupleRow], *, utility_id: int, batch_id: int, readings: Sequence[Reading]) -> None:
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO reading (utility_id, meter_id, read_at, batch_id, register, flow, pressure_kpa)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [(utility_id, m, at, batch_id, register, at.minute / 7, 300 + at.hour) for m, at, register in readings],
        )
    times = [at for _, at, _ in readings]
    conn.execute(
        "INSERT INTO intake_batch (utility_id, batch_id, received_at, source, meter_ids, read_from, read_to, stored)"
        " VALUES (%s, %s, %s, 'mqtt', %s, %s, %s, %s)",
        (utility_id, batch_id, max(times), sorted({m for m, _, _ in readings}), min(times), max(times), len(readings)),
    )
    mark_batch_due(conn, utility_id=utility_id, batch_id=batch_id)


def recount(
    readings: Sequence[Reading], *, meter_id: int, opened: datetime, opening: int, closing: tuple[datetime, int] | None
) -> dict[datetime, int]:
    """Walk one installation's registers in order and give what was used up to each instant, in plain arithmetic."""
    end = closing[0] if closing else datetime.max.replace(tzinfo=UTC)
    walk = sorted((at, r) for m, at, r in readings if m == meter_id and r is not None and opened <= at < end)
    if closing:
        walk.append(closing)
    used: dict[datetime, int] = defaultdict(int)
    register = opening
    for at, following in walk:
        step = (following - register) % RING
        used[at] += step if step < RING // 2 else step - RING
        register = following
    return used


def by_day(used: dict[datetime, int]) -> dict[date, int]:
    days: dict[date, int] = defaultdict(int)
    for at, units in used.items():
        days[(at - timedelta(microseconds=1)).astimezone(TOKYO).date()] += units
    return {day: units for day, units in days.items() if units}


def by_hour(used: dict[datetime, int]) -> dict[datetime, int]:
    hours: dict[datetime, int] = defaultdict(int)
    for at, units in used.items():
        hours[(at - timedelta(microseconds=1)).replace(minute=0, second=0, microsecond=0)] += units
    return {hour: units for hour, units in hours.items() if units}


minutes = st.integers(1, DAYS * 96).map(lambda quarter: quarter * 15)
some_readings = st.lists(
    st.tuples(st.sampled_from("AB"), minutes, st.none() | st.integers(0, 400)),
    min_size=1,
    max_size=40,
    unique_by=lambda r: r[:2],
)


def as_readings(drawn: list[tuple[str, int, int | None]], *, a: int, b: int) -> list[Reading]:
    """Let each meter's register rise by what was drawn, in the order of time; A runs over its last digit."""
    start = local_day(FIRST, zone=TOKYO).start
    registers = {"A": 9_000, "B": 5}
    readings: list[Reading] = []
    for serial, minute, rise in sorted(drawn, key=lambda r: r[1]):
        if rise is not None:
            registers[serial] = (registers[serial] + rise) % RING
        at = start + timedelta(minutes=minute)
        readings.append((a if serial == "A" else b, at, None if rise is None else registers[serial]))
    return readings


# A meter that sends on two days before it is installed.
@example(drawn=[("A", 15, None), ("B", 15, 0), ("B", 1455, 1)], cuts=[1], shuffled=Random(1))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=some_readings, cuts=st.lists(st.integers(0, 40), max_size=4), shuffled=st.randoms(use_true_random=False))
def test_rollups_equal_a_recount_in_any_order_of_arrival(rolled_back_conn, drawn, cuts, shuffled):
    conn = rolled_back_conn
    conn.rollback()
    utility_id, a, b = utility_with_two_meters(conn)
    readings = as_readings(drawn, a=a, b=b)
    arriving = list(readings)
    shuffled.shuffle(arriving)
    borders = sorted({0, len(arriving), *(min(cut, len(arriving)) for cut in cuts)})
    mark_rollups_due(conn, utility_id=utility_id, meter_ids=[a], first=date(2026, 3, 31), end=date(2026, 4, 1))
    for number, (start, end) in enumerate(pairwise(borders)):
        take_in(conn, utility_id=utility_id, batch_id=number, readings=arriving[start:end])
        make_due_rollups(conn, utility_id=utility_id)

    period = Period(OPENED, OPENED + timedelta(days=DAYS + 2))
    expected = {
        a: recount(readings, meter_id=a, opened=OPENED, opening=9_000, closing=(EXCHANGED, 700)),
        b: recount(readings, meter_id=b, opened=EXCHANGED, opening=5, closing=None),
    }
    made = snapshot(conn, utility_id=utility_id)
    for meter_id, used in expected.items():
        days = use.daily_use(
            conn, utility_id=utility_id, meter_ids=[meter_id], first=FIRST - timedelta(days=2), end=date(2026, 4, 9)
        )
        hours = use.hourly_use(conn, utility_id=utility_id, meter_ids=[meter_id], period=period)
        assert {d.day: d.use_units for d in days if d.use_units} == by_day(used)
        assert {h.hour: h.use_units for h in hours if h.use_units} == by_hour(used)
        assert sum(d.readings for d in days) == sum(h.readings for h in hours)
        assert sum(d.readings for d in days) == sum(1 for m, _, _ in readings if m == meter_id)

    rebuild_rollups(conn, utility_id=utility_id, first=FIRST - timedelta(days=2), end=date(2026, 4, 9))
    rebuilt = snapshot(conn, utility_id=utility_id)
    # Only the rebuild knows the day of an installation that nobody marked and no reading touched.
    untouched = {("day", a, date(2026, 3, 28)), ("hour", a, OPENED - timedelta(hours=1))}
    untouched |= {("day", b, date(2026, 3, 31)), ("hour", b, EXCHANGED.replace(minute=0))}
    assert {k: v for k, v in rebuilt.items() if k in made or k[:3] not in untouched} == made


def test_across_a_gap_the_use_falls_on_the_day_of_the_later_reading(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, _, b = utility_with_two_meters(conn)
    noon = datetime(2026, 4, 1, 12, 0, tzinfo=TOKYO)
    take_in(conn, utility_id=utility_id, batch_id=1, readings=[(b, noon, 105), (b, noon + timedelta(days=3), 405)])
    make_due_rollups(conn, utility_id=utility_id)
    days = use.daily_use(conn, utility_id=utility_id, meter_ids=[b], first=FIRST, end=date(2026, 4, 9))
    assert [(d.day, d.use_units) for d in days] == [(date(2026, 4, 1), 100), (date(2026, 4, 4), 300)]
    [month] = use.monthly_use(conn, utility_id=utility_id, meter_ids=[b], first=date(2026, 4, 1), end=date(2026, 5, 1))
    assert (month.month, month.use_units, month.days) == (date(2026, 4, 1), 400, 2)


def test_a_reading_at_midnight_ends_the_day_before(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, _, b = utility_with_two_meters(conn)
    midnight = datetime(2026, 4, 2, 0, 0, tzinfo=TOKYO)
    take_in(conn, utility_id=utility_id, batch_id=1, readings=[(b, midnight, 105)])
    make_due_rollups(conn, utility_id=utility_id)
    [day] = use.use_today(conn, utility_id=utility_id, meter_ids=[b], now=midnight - timedelta(hours=1))
    assert (day.day, day.use_units, day.opening_register, day.closing_register) == (date(2026, 4, 1), 100, 5, 105)


def test_an_exchange_adds_both_meters_to_the_day_of_the_point(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, a, b = utility_with_two_meters(conn)
    readings = [(a, EXCHANGED - timedelta(hours=1), 600), (b, EXCHANGED + timedelta(hours=1), 25)]
    take_in(conn, utility_id=utility_id, batch_id=1, readings=readings)
    make_due_rollups(conn, utility_id=utility_id)
    point_id = conn.execute("SELECT point_id FROM point").fetchone()[0]
    days = use.daily_use_of_point(conn, utility_id=utility_id, point_id=point_id, first=FIRST, end=date(2026, 4, 9))
    # A ran from 9,000 over its last digit to 700, B from 5 to 25.
    assert [(d.day, str(d.used), d.unit, d.readings) for d in days] == [(date(2026, 3, 31), "1.720", "m3", 2)]


def test_days_of_a_zone_off_the_full_hour_hold_whole_hours(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, _, b = utility_with_two_meters(conn, time_zone="Asia/Kathmandu")
    start = local_day(date(2026, 4, 2), zone=ZoneInfo("Asia/Kathmandu")).start
    readings = [(b, start + timedelta(minutes=15 * n), 5 + n) for n in range(97)]
    take_in(conn, utility_id=utility_id, batch_id=1, readings=readings)
    make_due_rollups(conn, utility_id=utility_id)
    hours = use.hourly_use(conn, utility_id=utility_id, meter_ids=[b], period=Period(start, start + timedelta(days=1)))
    assert [(h.hour, h.use_units) for h in hours] == [(start + timedelta(hours=n), 4) for n in range(24)]


def test_a_revision_replaces_the_register_and_an_estimate_stands_where_none_was_sent(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, _, b = utility_with_two_meters(conn)
    noon = datetime(2026, 4, 1, 12, 0, tzinfo=TOKYO)
    readings = [(b, noon, 105), (b, noon + timedelta(days=2), 405)]
    take_in(conn, utility_id=utility_id, batch_id=1, readings=readings)
    for at, register, method in ((noon, 65, "edited"), (noon + timedelta(days=1), 205, "estimated")):
        conn.execute(
            "INSERT INTO reading_revision (utility_id, meter_id, read_at, register, method, reason, decided_by,"
            " decided_at) VALUES (%s, %s, %s, %s, %s, 'test', 'office', %s)",
            (utility_id, b, at, register, method, at),
        )
    make_due_rollups(conn, utility_id=utility_id)
    mark_rollups_due(conn, utility_id=utility_id, meter_ids=[b], first=date(2026, 4, 1), end=date(2026, 4, 3))
    make_due_rollups(conn, utility_id=utility_id)
    days = use.daily_use(conn, utility_id=utility_id, meter_ids=[b], first=FIRST, end=date(2026, 4, 9))
    assert [(d.day.day, d.use_units) for d in days] == [(1, 60), (2, 140), (3, 200)]


def test_the_lowest_and_mean_pressure_of_a_zone_are_given_by_the_hour(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, _, b = utility_with_two_meters(conn)
    noon = datetime(2026, 4, 1, 12, 0, tzinfo=TOKYO).astimezone(UTC)
    take_in(conn, utility_id=utility_id, batch_id=1, readings=[(b, noon, 105), (b, noon + timedelta(hours=1), 106)])
    make_due_rollups(conn, utility_id=utility_id)
    make_due_zones(conn, utility_id=utility_id)
    series = use.zone_pressure(conn, utility_id=utility_id, period=Period(noon - timedelta(hours=1), noon))
    assert [(p.hour, p.pressure_min_kpa, p.meters) for p in series] == [(noon - timedelta(hours=1), 303.0, 1)]


def test_days_that_are_due_often_are_made_once(database_url):
    with psycopg.connect(database_url) as conn:
        utility_id, _, b = utility_with_two_meters(conn)
        for number in range(5):
            at = datetime(2026, 4, 1, 12, number, tzinfo=TOKYO)
            take_in(conn, utility_id=utility_id, batch_id=number, readings=[(b, at, 105 + number)])
    with (
        open_pool(database_url, role="suiden_worker", process="test") as pool,
        open_pool(database_url, role="suiden_worker", process="other") as other,
    ):
        clock = FixedClock(datetime(2026, 4, 1, tzinfo=UTC))
        assert make_rollups(pool, clock=clock) == 1
        assert make_rollups(other, clock=clock) == 0


def snapshot(conn: Connection[TupleRow], *, utility_id: int) -> dict[tuple[object, ...], tuple[object, ...]]:
    rows = conn.execute(
        "SELECT 'day', meter_id, day, use_units, opening_register, closing_register, readings, flow_min, flow_max,"
        " pressure_min_kpa, pressure_max_kpa FROM meter_day WHERE utility_id = %(u)s",
        {"u": utility_id},
    ).fetchall()
    rows += conn.execute(
        "SELECT 'hour', meter_id, hour, use_units, readings, flow_mean, pressure_min_kpa, pressure_mean_kpa"
        " FROM meter_hour WHERE utility_id = %(u)s",
        {"u": utility_id},
    ).fetchall()
    return {row[:3]: row[3:] for row in rows}
