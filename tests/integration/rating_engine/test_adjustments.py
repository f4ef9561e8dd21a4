"""Late data after a bill: the bill stands, and what it would be now is one candidate for an adjustment."""

from datetime import UTC, date, datetime, timedelta

import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from kernel import events
from kernel.clock import FixedClock
from kernel.database import open_pool
from kernel.events import Event
from rating_engine import consumers
from rating_engine import operations as rating
from rating_engine.operations.adjustments import look_at_bills
from rating_engine.queries.adjustments import AdjustmentCandidate, adjustment_candidates
from tests.integration.rating_engine.billing_world import (
    APR_MAY,
    FEB_MAR,
    ISSUED,
    World,
    bill_ids,
    build,
    read,
    read_cycle,
    run,
    scope,
    totals,
)

pytestmark = pytest.mark.store

LATER = ISSUED + timedelta(days=2)
LAST_DAY = date(2026, 3, 31)


@pytest.fixture
def billed(conn: Connection[TupleRow]) -> World:
    """Three water bills; the closing readings of W-0001 and W-0002 came two days too early to be the last."""
    world = build(conn, water=3)
    read_cycle(conn, world, {"W-0003": 30})
    for serial, used in (("W-0001", 20), ("W-0002", 20)):
        read(conn, world, serial, FEB_MAR.start, 100_000)
        read(conn, world, serial, FEB_MAR.end - timedelta(days=2), 100_000 + used * 1000)
    run(conn, world)
    return world


def look(conn: Connection[TupleRow], world: World, *serials: str, day: date = LAST_DAY) -> int:
    return look_at_bills(
        conn,
        utility_id=world.utility_id,
        meter_ids=[world.meters[serial] for serial in serials],
        first=day,
        last=day,
        at=LATER,
    )


def candidates(conn: Connection[TupleRow], world: World) -> list[AdjustmentCandidate]:
    return adjustment_candidates(conn, utility_id=world.utility_id)


def test_late_data_that_changes_the_use_makes_one_candidate_and_leaves_the_bill(
    conn: Connection[TupleRow], billed: World
) -> None:
    before = totals(conn, billed)
    read(conn, billed, "W-0001", FEB_MAR.end, 125_000)
    assert look(conn, billed, "W-0001", "W-0002", "W-0003") == 1
    [found] = candidates(conn, billed)
    assert (found.account_number, found.quantity_before, found.quantity_after) == ("A-W-0001", "20", "25")
    assert found.total_after_minor is not None
    assert found.total_after_minor > found.total_before_minor == before["W-0001"][0]
    assert totals(conn, billed) == before


def test_looking_again_changes_nothing_and_what_comes_later_changes_the_same_candidate(
    conn: Connection[TupleRow], billed: World
) -> None:
    read(conn, billed, "W-0001", FEB_MAR.end - timedelta(hours=1), 125_000)
    look(conn, billed, "W-0001")
    first = candidates(conn, billed)
    look(conn, billed, "W-0001")
    assert candidates(conn, billed) == first
    read(conn, billed, "W-0001", FEB_MAR.end, 127_000)
    look(conn, billed, "W-0001")
    [found] = candidates(conn, billed)
    assert (found.candidate_id, found.quantity_after) == (first[0].candidate_id, "27")


def test_a_candidate_is_void_once_the_bill_is_right_again(conn: Connection[TupleRow], billed: World) -> None:
    read(conn, billed, "W-0001", FEB_MAR.end, 125_000)
    look(conn, billed, "W-0001")
    conn.execute(
        """
        INSERT INTO reading_revision (utility_id, meter_id, read_at, register, method, reason, decided_by, decided_at)
        VALUES (%s, %s, %s, 120000, 'edited', 'misread', 'office', %s)
        """,
        [billed.utility_id, billed.meters["W-0001"], FEB_MAR.end, LATER],
    )
    assert look(conn, billed, "W-0001") == 0
    assert candidates(conn, billed) == []
    assert conn.execute("SELECT state FROM adjustment_candidate").fetchall() == [("void",)]


@pytest.mark.parametrize("register", [120_000, 120_400])
def test_late_data_that_changes_no_billed_unit_makes_no_candidate(
    conn: Connection[TupleRow], billed: World, register: int
) -> None:
    read(conn, billed, "W-0001", FEB_MAR.end, register)
    assert look(conn, billed, "W-0001") == 0
    assert candidates(conn, billed) == []


def test_readings_inside_a_billed_time_or_after_all_bills_make_no_candidate(
    conn: Connection[TupleRow], billed: World
) -> None:
    read(conn, billed, "W-0001", FEB_MAR.start + timedelta(days=20), 107_000)
    read(conn, billed, "W-0001", FEB_MAR.end + timedelta(days=20), 140_000)
    assert look(conn, billed, "W-0001", day=date(2026, 2, 20)) == 0
    assert look(conn, billed, "W-0001", day=date(2026, 4, 20)) == 0


def test_an_estimated_bill_has_a_candidate_when_its_readings_come_after_all(conn: Connection[TupleRow]) -> None:
    world = build(conn, water=1)
    read_cycle(conn, world, {"W-0001": 30})
    run(conn, world)
    run(conn, world, period=APR_MAY)  # nothing came: estimated
    read(conn, world, "W-0001", APR_MAY.end - timedelta(hours=1), 141_000)
    assert look(conn, world, "W-0001", day=date(2026, 5, 31)) == 1
    [found] = candidates(conn, world)
    assert found.quantity_after == "11"
    assert float(found.quantity_before) > 20


def test_use_that_the_next_bill_has_billed_meanwhile_is_taken_off_there(
    conn: Connection[TupleRow], billed: World
) -> None:
    read(conn, billed, "W-0001", APR_MAY.end, 150_000)
    run(conn, billed, period=APR_MAY)
    read(conn, billed, "W-0001", FEB_MAR.end, 125_000)
    assert look(conn, billed, "W-0001") == 2
    changes = {float(one.quantity_before): float(one.quantity_after or "nan") for one in candidates(conn, billed)}
    assert changes == {20.0: 25.0, 30.0: 25.0}, "five more here are five less there"
    assert [one.is_followed for one in candidates(conn, billed)] == [True, False]


def test_a_register_that_fell_is_a_candidate_that_a_person_must_look_at(
    conn: Connection[TupleRow], billed: World
) -> None:
    read(conn, billed, "W-0001", FEB_MAR.end, 99_000)
    assert look(conn, billed, "W-0001") == 1
    [found] = candidates(conn, billed)
    assert found.total_after_minor is None
    assert "W-0001" in found.problem


def test_the_events_bring_it_about(conn: Connection[TupleRow], billed: World) -> None:
    scope(conn, billed.utility_id, LATER)
    read(conn, billed, "W-0001", FEB_MAR.end, 125_000)
    read(conn, billed, "W-0002", FEB_MAR.end, 126_000)
    meter_ids = [billed.meters["W-0001"], billed.meters["W-0002"]]
    tell(conn, billed, "use.repaired", {"meter_ids": meter_ids, "first": "2026-03-31", "last": "2026-03-31"})
    assert len(candidates(conn, billed)) == 2
    bill_id = bill_ids(conn, billed)[0]
    rating.cancel_bill(conn, utility_id=billed.utility_id, bill_id=bill_id, by="office", reason="late", at=LATER)
    account_id = billed.accounts["W-0001"]
    tell(conn, billed, "bill.cancelled", {"bill_id": bill_id, "account_id": account_id})
    assert [one.account_number for one in candidates(conn, billed)] == ["A-W-0002"]
    again = rating.rebill(conn, utility_id=billed.utility_id, bill_id=bill_id, at=LATER)
    tell(conn, billed, "bill.issued", {"bill_id": again.bill_id, "account_id": account_id})
    assert [one.account_number for one in candidates(conn, billed)] == ["A-W-0002"]


def test_a_bill_that_follows_a_candidate_is_looked_at_as_it_is_issued(
    conn: Connection[TupleRow], billed: World
) -> None:
    scope(conn, billed.utility_id, LATER)
    read(conn, billed, "W-0001", FEB_MAR.end, 125_000)
    look(conn, billed, "W-0001")
    read(conn, billed, "W-0001", APR_MAY.end, 150_000)
    run(conn, billed, period=APR_MAY)
    row = conn.execute("SELECT max(bill_id) FROM bill WHERE account_id = %s", [billed.accounts["W-0001"]]).fetchone()
    assert row is not None
    tell(conn, billed, "bill.issued", {"bill_id": row[0], "account_id": billed.accounts["W-0001"]})
    assert len(candidates(conn, billed)) == 2


def test_the_worker_may_do_it(database_url: str, conn: Connection[TupleRow], billed: World) -> None:
    read(conn, billed, "W-0001", FEB_MAR.end, 125_000)
    conn.execute(
        "INSERT INTO event (utility_id, topic, key, payload, occurred_at) VALUES (%s, 'use.repaired', 'k', %s, now())",
        [
            billed.utility_id,
            f'{{"meter_ids": [{billed.meters["W-0001"]}], "first": "2026-03-31", "last": "2026-03-31"}}',
        ],
    )
    conn.commit()
    with open_pool(database_url, role="suiden_worker", process="test", max_size=2) as pool:
        with pool.connection() as relay:
            events.relay_once(relay)
        while events.consume_once(pool, consumer="money", handlers=consumers.handlers(), clock=FixedClock(LATER)):
            pass
    scope(conn, billed.utility_id)
    assert len(candidates(conn, billed)) == 1
    assert conn.execute("SELECT count(*) FROM event_failure").fetchone() == (0,)


def tell(conn: Connection[TupleRow], world: World, topic: str, payload: dict[str, object]) -> None:
    event = Event(1, 1, world.utility_id, topic, "key", payload, datetime(2026, 4, 3, tzinfo=UTC))
    consumers.handlers()[topic](conn, event)
