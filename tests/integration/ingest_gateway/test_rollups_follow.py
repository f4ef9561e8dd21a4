"""Rollups follow by themselves what is said of the past: an exchange entered late, a register revised."""

from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.consumers import rollup_handlers
from ingest_gateway.operations import make_due_rollups, rebuild_rollups, revise_reading
from ingest_gateway.queries import use
from kernel.database import Scope, enter_scope
from kernel.events import Event
from registry import operations as registry
from registry.book import Book, InstallationRow, MeterRow, PointRow, ZoneRow
from registry.queries import meter_by_serial

pytestmark = pytest.mark.store

TOKYO = ZoneInfo("Asia/Tokyo")
START = datetime(2026, 3, 30, tzinfo=TOKYO)
DAYS = 5
END = START + timedelta(days=DAYS)


def utility(conn: Connection[TupleRow]) -> tuple[int, int, int, int]:
    """Found one where meter A hangs at a point and B lies in the stock; return its id, the point's and theirs."""
    utility_id = registry.found_utility(
        conn, code="hinode", name="Hinode", time_zone="Asia/Tokyo", currency="JPY", locale="ja", settings={}
    )
    book = Book(
        zones=(ZoneRow("D1", "District", "district"), ZoneRow("W1", "Area", "dma")),
        points=(PointRow("P-1", "water", "W1", "D1", "1-1"),),
        meters=(MeterRow("A", "water", "m3", -3, 9), MeterRow("B", "water", "m3", -3, 9)),
        installations=(InstallationRow("A", "P-1", START - timedelta(days=1), opening_register=1_000),),
    )
    registry.load_book(conn, utility_id=utility_id, book=book)
    enter_scope(conn, scope=Scope(utility_id=utility_id, actor="test", now=END))
    row = conn.execute("SELECT point_id FROM point").fetchone()
    assert row is not None
    a, b = (meter_by_serial(conn, utility_id=utility_id, serial=serial) for serial in "AB")
    return utility_id, row[0], a, b


def take_in(conn: Connection[TupleRow], *, utility_id: int, readings: list[tuple[int, datetime, int]]) -> None:
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO reading (utility_id, meter_id, read_at, batch_id, register) VALUES (%s, %s, %s, 1, %s)",
            [(utility_id, meter_id, at, register) for meter_id, at, register in readings],
        )
    rebuild(conn, utility_id=utility_id)


def rebuild(conn: Connection[TupleRow], *, utility_id: int) -> None:
    first, end = START.date() - timedelta(days=1), END.date() + timedelta(days=2)
    rebuild_rollups(conn, utility_id=utility_id, first=first, end=end, hours_days=100)


def follow(conn: Connection[TupleRow], *, utility_id: int) -> None:
    """Hand the consumer what was published, and make what is due."""
    rows = conn.execute(
        "DELETE FROM event RETURNING event_id, 1, utility_id, topic, key, payload, occurred_at"
    ).fetchall()
    handlers = rollup_handlers()
    for event in (Event(*row) for row in rows):
        if event.topic in handlers:
            handlers[event.topic](conn, event)
    while make_due_rollups(conn, utility_id=utility_id, limit=2):
        pass


def rollups(conn: Connection[TupleRow]) -> list[TupleRow]:
    days = conn.execute("SELECT * FROM meter_day ORDER BY meter_id, day").fetchall()
    return days + conn.execute("SELECT * FROM meter_hour ORDER BY meter_id, hour").fetchall()


quarters = st.integers(0, DAYS * 96)
spread = st.lists(quarters, min_size=1, max_size=25, unique=True)


@example(at=[0, 100, 300], exchanged=96, revised=[100], shuffled=Random(1))  # exchanged at midnight
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=spread,
    exchanged=quarters,
    revised=st.lists(quarters, max_size=4),
    shuffled=st.randoms(use_true_random=False),
)
def test_rollups_equal_a_recount_after_a_late_exchange_and_after_revisions(
    rolled_back_conn, at, exchanged, revised, shuffled
):
    conn = rolled_back_conn
    conn.rollback()
    utility_id, point_id, a, b = utility(conn)
    instants = [START + timedelta(minutes=15 * quarter) for quarter in at]
    readings = [(m, moment, 1_000 + 10 * at[n]) for m in (a, b) for n, moment in enumerate(instants)]
    take_in(conn, utility_id=utility_id, readings=readings)
    steps = [("exchange", exchanged), *(("revise", quarter) for quarter in revised)]
    shuffled.shuffle(steps)
    for step, quarter in steps:
        moment = START + timedelta(minutes=15 * quarter)
        if step == "exchange":
            registry.exchange_meter(
                conn,
                utility_id=utility_id,
                point_id=point_id,
                new_serial="B",
                closing_register=50_000,
                opening_register=900,
                at=moment,
            )
        else:
            revise_reading(
                conn,
                utility_id=utility_id,
                meter_id=shuffled.choice([a, b]),
                read_at=moment,
                register=shuffled.randint(1_000, 9_000),
                method="edited",
                reason="test",
                decided_by="test",
                at=END,
            )
        follow(conn, utility_id=utility_id)
        followed = rollups(conn)
        rebuild(conn, utility_id=utility_id)
        assert followed == rollups(conn)


def test_an_exchange_entered_late_moves_the_use_of_all_days_since(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, point_id, a, b = utility(conn)
    noons = [START + timedelta(days=n, hours=12) for n in range(4)]
    old = [(a, at, 1_000 + 100 * n) for n, at in enumerate(noons)]
    new = [(b, at, 5 + 10 * n) for n, at in enumerate(noons[1:], start=1)]
    take_in(conn, utility_id=utility_id, readings=old + new)
    before = use.daily_use_of_point(
        conn, utility_id=utility_id, point_id=point_id, first=date(2026, 3, 30), end=date(2026, 4, 9)
    )
    assert [str(day.used) for day in before] == ["0.000", "0.100", "0.100", "0.100"]
    registry.exchange_meter(
        conn,
        utility_id=utility_id,
        point_id=point_id,
        new_serial="B",
        closing_register=1_050,
        opening_register=5,
        at=noons[0] + timedelta(hours=6),
    )
    follow(conn, utility_id=utility_id)
    after = use.daily_use_of_point(
        conn, utility_id=utility_id, point_id=point_id, first=date(2026, 3, 30), end=date(2026, 4, 9)
    )
    assert [str(day.used) for day in after] == ["0.050", "0.010", "0.010", "0.010"]


def test_what_the_office_says_marks_days_in_its_own_transaction(rolled_back_conn):
    conn = rolled_back_conn
    utility_id, _, a, _ = utility(conn)
    conn.execute("SET ROLE suiden_app")
    revise_reading(
        conn,
        utility_id=utility_id,
        meter_id=a,
        read_at=START + timedelta(days=2),
        register=1_500,
        method="customer",
        reason="told by telephone",
        decided_by="office",
        at=datetime(2026, 4, 20, tzinfo=UTC),
    )
    conn.execute("RESET ROLE")
    due = conn.execute("SELECT meter_id, day FROM rollup_due").fetchall()
    assert due == [(a, date(2026, 3, 31))], "midnight ends the day before"
