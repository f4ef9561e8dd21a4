"""Bill runs on a real database."""

from datetime import timedelta

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from kernel import invariants
from kernel.clock import wall_now
from rating_engine import operations as rating
from rating_engine import queries
from rating_engine.invariants import INVARIANTS
from tests.integration.rating_engine.billing_world import (
    APR_MAY,
    FEB_MAR,
    ISSUED,
    MARCH,
    bill_ids,
    build,
    days,
    read,
    read_cycle,
    run,
    scope,
    totals,
)

pytestmark = pytest.mark.store


def assert_sound(conn: Connection[TupleRow]) -> None:
    results = invariants.check(conn, invariants=INVARIANTS, wall_now=wall_now())
    assert {result.name: result.violations for result in results if result.violations} == {}


def test_a_run_bills_what_the_meters_counted(conn: Connection[TupleRow]) -> None:
    world = build(conn, water=3)
    read_cycle(conn, world, {"W-0001": 30, "W-0002": 59, "W-0003": 0})
    report = run(conn, world)
    assert (report.billed, report.excluded) == (3, ())
    assert totals(conn, world) == {"W-0001": [7150], "W-0002": [16_100], "W-0003": [3806]}
    numbers = [
        queries.bill_view(conn, utility_id=world.utility_id, bill_id=one).bill.bill_number
        for one in bill_ids(conn, world)
    ]
    assert numbers == ["202603-D1-W000001", "202603-D1-W000002", "202603-D1-W000003"]
    assert_sound(conn)


def test_electricity_is_billed_monthly(conn: Connection[TupleRow]) -> None:
    world = build(conn, water=0, electricity=2)
    read_cycle(conn, world, {"E-0001": 390, "E-0002": 0}, MARCH)
    run(conn, world, period=MARCH, service="electricity")
    assert totals(conn, world) == {"E-0001": [13_646], "E-0002": [623]}


def test_a_run_twice_bills_once(conn: Connection[TupleRow]) -> None:
    world = build(conn)
    read_cycle(conn, world, {"W-0001": 30, "W-0002": 30, "W-0003": 30})
    run(conn, world)
    again = run(conn, world)
    assert (again.billed, again.already_billed, again.billed_in_all) == (0, 3, 3)
    assert totals(conn, world) == {"W-0001": [7150], "W-0002": [7150], "W-0003": [7150]}


def test_a_run_that_stops_between_chunks_goes_on_where_it_was(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        world = build(conn, water=5)
        read_cycle(conn, world, dict.fromkeys(world.meters, 30))
        conn.commit()
        scope(conn, world.utility_id)
        begun = rating.begin_run(
            conn, utility_id=world.utility_id, district_id=world.district_id, service="water", period=FEB_MAR, at=ISSUED
        )
        first, second, _ = list(begun.chunks(2))
        rating.bill_chunk(conn, run=begun, agreements=first, at=ISSUED)
        conn.commit()
        scope(conn, world.utility_id)
        rating.bill_chunk(conn, run=begun, agreements=second, at=ISSUED)
        conn.rollback()  # what a kill leaves of a transaction
    with psycopg.connect(database_url) as conn:
        scope(conn, world.utility_id)
        assert [due.period for due in rating.due_runs(conn, utility_id=world.utility_id, at=ISSUED)][-1] == FEB_MAR
        report = run(conn, world)
        assert (report.billed, report.already_billed, report.billed_in_all) == (3, 2, 5)
        assert len(totals(conn, world)) == 5
        assert_sound(conn)


def test_each_bill_is_told_once_to_the_payer_and_to_the_other_packages(conn: Connection[TupleRow]) -> None:
    world = build(conn, water=1)
    read_cycle(conn, world, {"W-0001": 30})
    run(conn, world)
    run(conn, world)
    [bill_id] = bill_ids(conn, world)
    notices = conn.execute("SELECT party_id, kind, subject_key FROM notice").fetchall()
    assert notices == [(world.parties["W-0001"], "bill.issued", f"bill:{bill_id}")]
    events = conn.execute("SELECT key, payload FROM event WHERE topic = 'bill.issued'").fetchall()
    account_id = world.accounts["W-0001"]
    assert events == [(f"account:{account_id}", {"bill_id": bill_id, "account_id": account_id})]


def test_the_journal_says_what_is_owed_what_was_earned_and_what_tax_is_due(conn: Connection[TupleRow]) -> None:
    world = build(conn, water=1)
    read_cycle(conn, world, {"W-0001": 30})
    run(conn, world)
    rows = conn.execute("SELECT ledger_account, sum(amount_minor) FROM journal_line GROUP BY 1 ORDER BY 1").fetchall()
    assert dict(rows) == {"receivable": 7150, "revenue_sewerage": -2660, "revenue_water": -3840, "tax_payable": -650}
    owed = queries.owed_by_account(
        conn, utility_id=world.utility_id, account_id=world.accounts["W-0001"], at=ISSUED + timedelta(days=30)
    )
    assert (owed.owed_minor, owed.overdue_minor, owed.advance_minor) == (7150, 7150, 0)
    assert [(part.service, part.total_minor) for part in owed.bills[0].parts] == [("water", 4224), ("sewerage", 2926)]


def test_a_meter_without_a_reading_and_without_bills_is_left_out_with_the_reason(conn: Connection[TupleRow]) -> None:
    world = build(conn, water=2)
    read_cycle(conn, world, {"W-0001": 30})
    report = run(conn, world)
    assert [(one.agreement_id, one.reason) for one in report.excluded] == [
        (world.agreements["W-0002"], "register_missing")
    ]
    assert queries.recent_bill_runs(conn, utility_id=world.utility_id)[0].excluded[0]["reason"] == "register_missing"
    read_cycle(conn, world, {"W-0002": 10})
    assert run(conn, world).billed == 1


def test_a_missing_reading_is_estimated_from_earlier_bills_and_settled_by_the_next_true_one(
    conn: Connection[TupleRow],
) -> None:
    world = build(conn, water=1)
    read_cycle(conn, world, {"W-0001": 59}, FEB_MAR)  # 59 days, 1 m³ a day
    run(conn, world)
    run(conn, world, period=APR_MAY)  # no reading: 61 days at 1 m³
    june_july = days("2026-06-01", "2026-08-01")
    read(conn, world, "W-0001", june_july.end - timedelta(minutes=5), 100_000 + (59 + 61 + 40) * 1000)
    run(conn, world, period=june_july)
    views = [queries.bill_view(conn, utility_id=world.utility_id, bill_id=one) for one in bill_ids(conn, world)]
    assert [view.use for view in views] == ["59", "61", "40"]
    assert [view.readings[0].closing_method for view in views] == ["read", "estimated", "read"]
    assert views[1].given.notes == ("estimated|W-0001|1|59|61",)
    assert views[2].readings[0].opening_method == "estimated"


def test_an_estimate_that_was_too_high_charges_no_use_until_the_meter_has_caught_up(conn: Connection[TupleRow]) -> None:
    world = build(conn, water=1)
    read_cycle(conn, world, {"W-0001": 59}, FEB_MAR)
    run(conn, world)
    run(conn, world, period=APR_MAY)
    june_july = days("2026-06-01", "2026-08-01")
    read(conn, world, "W-0001", june_july.end - timedelta(minutes=5), 100_000 + (59 + 50) * 1000)
    run(conn, world, period=june_july)
    views = [queries.bill_view(conn, utility_id=world.utility_id, bill_id=one) for one in bill_ids(conn, world)]
    assert [view.use for view in views] == ["59", "61", "0"]
    assert views[2].readings[0].closing == views[1].readings[0].closing
    assert views[2].readings[0].closing_method == "carried"


def test_an_exchanged_meter_adds_up_both_parts(conn: Connection[TupleRow]) -> None:
    world = build(conn, water=1)
    read(conn, world, "W-0001", FEB_MAR.start - timedelta(minutes=5), 500_000)
    swap = FEB_MAR.start + timedelta(days=20)
    new_meter = conn.execute(
        """
        INSERT INTO meter (utility_id, serial, kind, unit, scale, digits)
        VALUES (%s, 'W-NEW', 'water', 'm3', -3, 9) RETURNING meter_id
        """,
        [world.utility_id],
    ).fetchone()
    assert new_meter is not None
    conn.execute(
        "UPDATE installation SET valid = tstzrange(lower(valid), %s), closing_register = 510000 WHERE utility_id = %s",
        [swap, world.utility_id],
    )
    conn.execute(
        """
        INSERT INTO installation (utility_id, meter_id, point_id, valid, opening_register)
        SELECT utility_id, %s, point_id, tstzrange(%s, NULL), 3000 FROM point WHERE utility_id = %s
        """,
        [new_meter[0], swap, world.utility_id],
    )
    world.meters["W-NEW"] = new_meter[0]
    read(conn, world, "W-NEW", FEB_MAR.end - timedelta(minutes=5), 23_000)
    assert run(conn, world).excluded == ()
    assert totals(conn, world) == {"W-0001": [7150]}  # 10 + 20 m³


def test_a_register_that_rolls_over_is_billed_through(conn: Connection[TupleRow]) -> None:
    world = build(conn, water=1)
    read(conn, world, "W-0001", FEB_MAR.start - timedelta(minutes=5), 999_990_000)
    read(conn, world, "W-0001", FEB_MAR.end - timedelta(minutes=5), 20_000)
    run(conn, world)
    assert totals(conn, world) == {"W-0001": [7150]}


def test_a_register_that_runs_backwards_is_left_to_a_person(conn: Connection[TupleRow]) -> None:
    world = build(conn, water=1)
    read(conn, world, "W-0001", FEB_MAR.start - timedelta(minutes=5), 50_000)
    read(conn, world, "W-0001", FEB_MAR.end - timedelta(minutes=5), 20_000)
    assert [one.reason for one in run(conn, world).excluded] == ["register_ran_backwards"]


def test_moving_out_and_in_shares_the_cycle_by_day_without_losing_use(conn: Connection[TupleRow]) -> None:
    world = build(conn, water=2)
    moved = days("2026-02-01", "2026-02-15").end
    agreement_id, account_id = world.agreements["W-0001"], world.accounts["W-0002"]
    conn.execute("DELETE FROM agreement WHERE agreement_id = %s", [world.agreements["W-0002"]])
    conn.execute(
        "UPDATE agreement SET valid = tstzrange(lower(valid), %s) WHERE agreement_id = %s", [moved, agreement_id]
    )
    conn.execute(
        """
        INSERT INTO agreement (utility_id, account_id, point_id, tariff_code, size_mm, valid)
        SELECT utility_id, %s, point_id, tariff_code, size_mm, tstzrange(%s, NULL) FROM agreement
        WHERE agreement_id = %s
        """,
        [account_id, moved, agreement_id],
    )
    read(conn, world, "W-0001", FEB_MAR.start - timedelta(minutes=5), 100_000)
    read(conn, world, "W-0001", moved - timedelta(minutes=5), 107_400)
    read(conn, world, "W-0001", FEB_MAR.end - timedelta(minutes=5), 130_000)
    assert run(conn, world).excluded == ()
    views = [queries.bill_view(conn, utility_id=world.utility_id, bill_id=one) for one in bill_ids(conn, world)]
    assert [(view.bill.kind, view.given.days, view.use) for view in views] == [
        ("final", 14, "7.4"),
        ("regular", 45, "22.6"),
    ]
    billed = [
        sum(int(line.quantity) for line in view.lines if line.item == "block" and line.service == "water")
        for view in views
    ]
    assert billed == [7, 23]  # whole cubic metres of the dial: 107 − 100, 130 − 107


def test_due_runs_follow_each_districts_months_and_wait_for_late_readings(conn: Connection[TupleRow]) -> None:
    world = build(conn, water=1)

    def due(at_hours: int) -> list[tuple[str, object]]:
        at = FEB_MAR.end + timedelta(hours=at_hours)
        return [(one.service, one.period) for one in rating.due_runs(conn, utility_id=world.utility_id, at=at)]

    assert ("electricity", MARCH) in due(6)
    assert ("electricity", MARCH) not in due(5)
    # D1 is billed for water in even months: February and March end on 1 April.
    assert ("water", FEB_MAR) in due(6)
    run(conn, world)
    assert ("water", FEB_MAR) not in due(6)


def test_a_tariff_is_priced_by_the_version_in_force_at_the_start_of_the_cycle(conn: Connection[TupleRow]) -> None:
    world = build(conn, water=1)
    read_cycle(conn, world, {"W-0001": 30})
    dearer = rating_document("2026-03-01", price="2000")
    version = rating.publish_tariff(conn, utility_id=world.utility_id, document=dearer, at=ISSUED)
    assert version == rating.publish_tariff(conn, utility_id=world.utility_id, document=dearer, at=ISSUED) == 2
    run(conn, world)
    read(conn, world, "W-0001", APR_MAY.end - timedelta(minutes=5), 160_000)
    run(conn, world, period=APR_MAY)
    views = [queries.bill_view(conn, utility_id=world.utility_id, bill_id=one) for one in bill_ids(conn, world)]
    assert [(view.bill.tariff_version, view.bill.total_minor) for view in views] == [(1, 7150), (2, 7150 + 1826)]


def rating_document(effective_from: str, *, price: str) -> str:
    from rating_engine import tariffs

    document = tariffs.document("jp-tokyo").replace("effective_from: 2019-10-01", f"effective_from: {effective_from}")
    return document.replace('20: "1170"', f'20: "{price}"')
