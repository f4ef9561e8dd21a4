"""Every column of every rollup equals a recount from the raw readings, in any order of arrival."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.operations.rollups import (
    make_due_rollups,
    make_due_zones,
    mark_batch_due,
    mark_reading_due,
    rebuild_rollups,
)
from ingest_gateway.queries import zone_hours as shown_zone_hours
from kernel.period import Period, local_day
from registry.book import Book, InstallationRow, MeterRow, PointRow, Service, ZoneRow
from registry.operations import found_utility, load_book
from registry.queries import meter_by_serial, zones
from tests import rollup_recount
from tests.rollup_recount import Hung, Kind, Reading

pytestmark = pytest.mark.store

FIRST, DAYS = date(2026, 3, 28), 3  # Berlin's clocks are put forward on the second
EXCHANGED_MINUTE, MOVED_MINUTE = 26 * 60 + 20, 31 * 60 + 50
DIGITS = {"A": 4, "B": 4, "C": 3, "E": 5}
KINDS = {
    "A": Kind("m3", -3, 0.0),
    "B": Kind("m3", -3, 0.0),
    "C": Kind("gal", 1, 0.0),
    "E": Kind("kWh", -2, 101.0),
}

eighths = st.integers(-80, 800).map(lambda n: n / 8)  # their sums are exact, as means of them must be
registers = st.integers(0, 99_999)


def one_reading(serial: str, minute: int, register: int | None, flow: float | None, more: tuple) -> tuple:
    pressure, volts, export = more
    if serial == "E":
        return serial, minute, register, export, flow, None, volts
    return serial, minute, register, None, flow, pressure, ()


drawn_readings = st.lists(
    st.builds(
        one_reading,
        st.sampled_from("ABCE"),
        st.integers(1, DAYS * 144).map(lambda n: n * 10),
        st.none() | registers | registers,
        st.none() | eighths,
        st.tuples(
            st.none() | st.sampled_from([0.0, 6553.5]) | eighths,
            st.lists(eighths, max_size=3).map(tuple),
            st.none() | registers,
        ),
    ),
    min_size=1,
    max_size=60,
    unique_by=lambda r: r[:2],
)
drawn_revisions = st.lists(
    st.tuples(st.sampled_from("ABCE"), st.integers(1, DAYS * 144).map(lambda n: n * 10), registers), max_size=5
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    time_zone=st.sampled_from(["Europe/Berlin", "Asia/Tokyo", "Asia/Kathmandu"]),
    drawn=drawn_readings,
    revisions=drawn_revisions,
    revised_first=st.integers(0, 60),
    cuts=st.lists(st.integers(0, 60), max_size=5),
    at_once=st.integers(1, 12),
    shuffled=st.randoms(use_true_random=False),
)
def test_every_column_equals_a_recount(
    rolled_back_conn, time_zone, drawn, revisions, revised_first, cuts, at_once, shuffled
):
    conn = rolled_back_conn
    conn.rollback()
    zone = ZoneInfo(time_zone)
    utility_id, ids, installations = utility_of_four_meters(conn, zone=zone)
    start = local_day(FIRST, zone=zone).start
    readings = [as_reading(row, ids=ids, start=start) for row in drawn]
    edits = [as_reading((serial, minute, r), ids=ids, start=start) for serial, minute, r in revisions]

    arriving = list(readings)
    shuffled.shuffle(arriving)
    borders = sorted({0, len(arriving), *(min(cut, len(arriving)) for cut in cuts)})
    for number, (begin, end) in enumerate(pairwise(borders)):
        if begin <= revised_first < end:
            revise(conn, utility_id=utility_id, revisions=edits)
        take_in(conn, utility_id=utility_id, batch_id=number, readings=arriving[begin:end])
        make_due_rollups(conn, utility_id=utility_id, limit=at_once)
        make_due_zones(conn, utility_id=utility_id, limit=at_once)
    if revised_first >= len(arriving):
        revise(conn, utility_id=utility_id, revisions=edits)
    while make_due_rollups(conn, utility_id=utility_id, limit=at_once):
        pass
    while make_due_zones(conn, utility_id=utility_id, limit=at_once):
        pass

    known = rollup_recount.revised(readings, edits)
    kinds = {ids[serial]: kind for serial, kind in KINDS.items()}
    days, hours, told = {}, {}, set()
    for meter_id in ids.values():
        counted = rollup_recount.walk(known, installations, meter_id=meter_id)
        with_readings = [one for one in counted if one.reading is not None]
        for found, expected in ((days, rollup_recount.days), (hours, rollup_recount.hours)):
            found.update({(meter_id, key): row for key, row in expected(counted, zone=zone).items()})
            told |= {(meter_id, key) for key in expected(with_readings, zone=zone)}

    made_days, made_hours = stored_days(conn, utility_id), stored_hours(conn, utility_id)
    assert made_days == {key: row for key, row in days.items() if key in made_days}
    assert made_hours == {key: row for key, row in hours.items() if key in made_hours}
    # What only an installation tells, on a day that no reading touched, is left to a rebuild.
    assert told <= made_days.keys() | made_hours.keys()
    assert stored_zone_hours(conn, utility_id) == rollup_recount.zone_hours(made_hours, kinds)

    rebuild_rollups(
        conn, utility_id=utility_id, first=FIRST - timedelta(days=2), end=FIRST + timedelta(days=DAYS + 2), hours_days=9
    )
    assert stored_days(conn, utility_id) == days
    assert stored_hours(conn, utility_id) == hours
    assert stored_zone_hours(conn, utility_id) == rollup_recount.zone_hours(hours, kinds)


def test_a_meter_that_is_moved_takes_its_hours_to_the_other_zone(rolled_back_conn):
    conn = rolled_back_conn
    zone = ZoneInfo("Asia/Tokyo")
    utility_id, ids, _ = utility_of_four_meters(conn, zone=zone)
    start = local_day(FIRST, zone=zone).start
    minutes = (MOVED_MINUTE - 80, MOVED_MINUTE + 40)
    readings = [Reading(ids["C"], start + timedelta(minutes=m), 100, flow=2.0) for m in minutes]
    take_in(conn, utility_id=utility_id, batch_id=1, readings=readings)
    make_due_rollups(conn, utility_id=utility_id)
    make_due_zones(conn, utility_id=utility_id)
    code = {one.zone_id: one.code for one in zones(conn, utility_id=utility_id)}
    period = Period(start, start + timedelta(days=3))
    shown = shown_zone_hours(conn, utility_id=utility_id, period=period)
    assert [(code[one.zone_id], one.hour) for one in shown if one.readings] == [
        ("W1", start + timedelta(hours=30)),
        ("W2", start + timedelta(hours=32)),
    ]
    w2 = next(zone_id for zone_id, name in code.items() if name == "W2")
    assert {one.zone_id for one in shown_zone_hours(conn, utility_id=utility_id, period=period, zone_id=w2)} == {w2}


def test_what_was_given_back_is_counted_from_a_revised_reading_too(rolled_back_conn):
    conn = rolled_back_conn
    zone = ZoneInfo("Asia/Tokyo")
    utility_id, ids, _ = utility_of_four_meters(conn, zone=zone)
    start, e = local_day(FIRST, zone=zone).start, ids["E"]
    revised = Reading(e, start + timedelta(hours=20), 60)
    take_in(conn, utility_id=utility_id, batch_id=1, readings=[revised._replace(register=50, export=100)])
    revise(conn, utility_id=utility_id, revisions=[revised])
    make_due_rollups(conn, utility_id=utility_id)
    take_in(conn, utility_id=utility_id, batch_id=2, readings=[Reading(e, start + timedelta(hours=30), 90, 130)])
    make_due_rollups(conn, utility_id=utility_id)
    assert stored_days(conn, utility_id)[e, FIRST + timedelta(days=1)][:2] == (30, 30)


def test_no_zone_waits_for_others_that_are_due_again_and_again(rolled_back_conn):
    conn = rolled_back_conn
    zone = ZoneInfo("Asia/Tokyo")
    utility_id, ids, _ = utility_of_four_meters(conn, zone=zone)
    start = local_day(FIRST, zone=zone).start
    for turn, serial in enumerate("EC" + 8 * "E"):
        readings = [Reading(ids[serial], start + timedelta(hours=10, minutes=turn + 1), 100 + turn)]
        take_in(conn, utility_id=utility_id, batch_id=turn, readings=readings)
        make_due_rollups(conn, utility_id=utility_id)
        if turn:
            make_due_zones(conn, utility_id=utility_id, limit=1)
    w1 = next(one.zone_id for one in zones(conn, utility_id=utility_id) if one.code == "W1")
    assert (w1, start + timedelta(hours=10), "gal", 0.0) in stored_zone_hours(conn, utility_id)


def utility_of_four_meters(conn: Connection[TupleRow], *, zone: ZoneInfo) -> tuple[int, dict[str, int], list[Hung]]:
    """Found a utility where A is exchanged for B, C moves to another zone, and E hangs all the time."""
    utility_id = found_utility(
        conn, code="hinode", name="Hinode", time_zone=zone.key, currency="JPY", locale="ja", settings={}
    )
    start = local_day(FIRST, zone=zone).start
    opened = start - timedelta(hours=5)
    exchanged, moved = start + timedelta(minutes=EXCHANGED_MINUTE), start + timedelta(minutes=MOVED_MINUTE)
    rows = (
        ("A", "P1", "W1", opened, 9_000, exchanged, 700),
        ("B", "P1", "W1", exchanged, 5, None, None),
        ("C", "P2", "W1", start + timedelta(hours=3), 998, moved, 3),
        ("C", "P3", "W2", moved, 3, None, None),
        ("E", "P4", "T1", opened, 0, None, None),
    )
    services: dict[str, Service] = {"P1": "water", "P2": "water", "P3": "water", "P4": "electricity"}
    book = Book(
        zones=(
            ZoneRow("D1", "D", "district"),
            ZoneRow("W1", "W", "dma"),
            ZoneRow("W2", "W", "dma"),
            ZoneRow("T1", "T", "transformer"),
        ),
        points=tuple(PointRow(p, s, {"P3": "W2", "P4": "T1"}.get(p, "W1"), "D1", "1-1") for p, s in services.items()),
        meters=tuple(
            MeterRow(
                serial,
                "electricity" if kind.nominal_v else "water",
                kind.unit,
                kind.scale,
                DIGITS[serial],
                nominal_v=kind.nominal_v or None,
            )
            for serial, kind in KINDS.items()
        ),
        installations=tuple(
            InstallationRow(serial, point, opened, closed, opening_register=opening, closing_register=closing)
            for serial, point, _, opened, opening, closed, closing in rows
        ),
    )
    load_book(conn, utility_id=utility_id, book=book)
    ids = {serial: meter_by_serial(conn, utility_id=utility_id, serial=serial) for serial in KINDS}
    zone_ids = {one.code: one.zone_id for one in zones(conn, utility_id=utility_id)}
    return (
        utility_id,
        ids,
        [
            Hung(ids[serial], zone_ids[code], 10 ** DIGITS[serial], opened, opening, closed, closing)
            for serial, _, code, opened, opening, closed, closing in rows
        ],
    )


def as_reading(row: Sequence, *, ids: dict[str, int], start: datetime) -> Reading:
    serial, minute, register, *measures = row
    ring = 10 ** DIGITS[serial]
    if measures:
        measures = [None if measures[0] is None else measures[0] % ring, *measures[1:]]
    at = start + timedelta(minutes=minute)
    return Reading(ids[serial], at, None if register is None else register % ring, *measures)


def take_in(conn: Connection[TupleRow], *, utility_id: int, batch_id: int, readings: Sequence[Reading]) -> None:
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO reading (utility_id, meter_id, read_at, batch_id, register, export_register, flow,"
            " pressure_kpa, voltage_1_v, voltage_2_v, voltage_3_v) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (utility_id, one.meter_id, one.at, batch_id, *one[2:6], *(*one.volts, None, None, None)[:3])
                for one in readings
            ],
        )
    times = [one.at for one in readings]
    conn.execute(
        "INSERT INTO intake_batch (utility_id, batch_id, received_at, source, meter_ids, read_from, read_to, stored)"
        " VALUES (%s, %s, %s, 'mqtt', %s, %s, %s, %s)",
        (
            utility_id,
            batch_id,
            max(times),
            sorted({one.meter_id for one in readings}),
            min(times),
            max(times),
            len(readings),
        ),
    )
    mark_batch_due(conn, utility_id=utility_id, batch_id=batch_id)


def revise(conn: Connection[TupleRow], *, utility_id: int, revisions: Sequence[Reading]) -> None:
    for one in revisions:
        conn.execute(
            "INSERT INTO reading_revision (utility_id, meter_id, read_at, register, method, reason, decided_by,"
            " decided_at) VALUES (%s, %s, %s, %s, 'edited', 'test', 'office', %s)",
            (utility_id, one.meter_id, one.at, one.register, one.at),
        )
        mark_reading_due(conn, utility_id=utility_id, meter_id=one.meter_id, read_at=one.at)


def stored_days(conn: Connection[TupleRow], utility_id: int) -> dict:
    rows = conn.execute(
        "SELECT meter_id, day, use_units, export_units, opening_register, closing_register, readings, flow_max,"
        " flow_min, pressure_min_kpa, pressure_max_kpa, voltage_min_v, voltage_max_v FROM meter_day"
        " WHERE utility_id = %s",
        [utility_id],
    ).fetchall()
    return {row[:2]: row[2:] for row in rows}


def stored_hours(conn: Connection[TupleRow], utility_id: int) -> dict:
    rows = conn.execute(
        "SELECT meter_id, hour, zone_id, use_units, readings, flow_mean, pressure_min_kpa, pressure_mean_kpa,"
        " voltage_min_v, voltage_mean_v, voltage_max_v FROM meter_hour WHERE utility_id = %s",
        [utility_id],
    ).fetchall()
    return {(row[0], row[1].astimezone(UTC)): row[2:] for row in rows}


def stored_zone_hours(conn: Connection[TupleRow], utility_id: int) -> dict:
    rows = conn.execute(
        "SELECT zone_id, hour, unit, nominal_v, meters, readings, used, flow, pressure_meters, pressure_min_kpa,"
        " pressure_mean_kpa, voltage_min_v, voltage_mean_v, voltage_max_v FROM zone_hour WHERE utility_id = %s",
        [utility_id],
    ).fetchall()
    return {(row[0], row[1].astimezone(UTC), *row[2:4]): row[4:] for row in rows}
