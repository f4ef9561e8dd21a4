"""Cancelling, billing again, explaining; and what the database itself refuses."""

from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest
from psycopg import Connection, errors
from psycopg.rows import TupleRow

from kernel import invariants
from kernel.clock import wall_now
from rating_engine import operations as rating
from rating_engine import queries
from rating_engine.invariants import INVARIANTS
from tests.integration.rating_engine.billing_world import (
    FEB_MAR,
    ISSUED,
    World,
    bill_ids,
    build,
    days,
    read,
    read_cycle,
    run,
    totals,
)

pytestmark = pytest.mark.store


@pytest.fixture
def billed(conn: Connection[TupleRow]) -> World:
    """One water bill of 7,150 yen."""
    world = build(conn, water=1)
    read_cycle(conn, world, {"W-0001": 30})
    run(conn, world)
    return world


def balances(conn: Connection[TupleRow]) -> dict[str, int]:
    rows = conn.execute("SELECT ledger_account, sum(amount_minor) FROM journal_line GROUP BY 1").fetchall()
    return {account: int(amount) for account, amount in rows if amount}


def cancel(conn: Connection[TupleRow], world: World, bill_id: int) -> None:
    rating.cancel_bill(
        conn, utility_id=world.utility_id, bill_id=bill_id, by="office", reason="wrong reading", at=ISSUED
    )


def pay(conn: Connection[TupleRow], world: World, bill_id: int, amount_minor: int) -> None:
    account_id = world.accounts["W-0001"]
    entry = rating.JournalEntry(
        "payment:1",
        "payment",
        ISSUED,
        (
            rating.JournalLine("cash", amount_minor),
            rating.JournalLine("receivable", -amount_minor, account_id=account_id, bill_id=bill_id),
        ),
    )
    rating.post(conn, utility_id=world.utility_id, entry=entry)


def test_a_cancelled_bill_leaves_nothing_in_the_journal(conn: Connection[TupleRow], billed: World) -> None:
    [bill_id] = bill_ids(conn, billed)
    cancel(conn, billed, bill_id)
    assert balances(conn) == {}
    assert queries.open_bills(conn, utility_id=billed.utility_id, account_id=billed.accounts["W-0001"]) == []
    [summary] = queries.bills_of_account(conn, utility_id=billed.utility_id, account_id=billed.accounts["W-0001"])
    assert (summary.is_cancelled, summary.open_minor) == (True, 0)


def test_what_was_paid_on_a_cancelled_bill_becomes_an_advance(conn: Connection[TupleRow], billed: World) -> None:
    [bill_id] = bill_ids(conn, billed)
    pay(conn, billed, bill_id, 5000)
    cancel(conn, billed, bill_id)
    assert balances(conn) == {"cash": 5000, "advance": -5000}
    balance = queries.balance_of_account(conn, utility_id=billed.utility_id, account_id=billed.accounts["W-0001"])
    assert (balance.owed_minor, balance.advance_minor) == (0, 5000)


def test_a_bill_is_cancelled_once(conn: Connection[TupleRow], billed: World) -> None:
    [bill_id] = bill_ids(conn, billed)
    cancel(conn, billed, bill_id)
    with pytest.raises(rating.AlreadyCancelled):
        cancel(conn, billed, bill_id)


def test_a_cancelled_bill_is_billed_again_by_hand_from_what_is_known_now(
    conn: Connection[TupleRow], billed: World
) -> None:
    [first] = bill_ids(conn, billed)
    with pytest.raises(rating.BillStands):
        rating.rebill(conn, utility_id=billed.utility_id, bill_id=first, at=ISSUED)
    cancel(conn, billed, first)
    assert [one.reason for one in run(conn, billed).excluded] == ["cancelled"]
    read(conn, billed, "W-0001", FEB_MAR.end - timedelta(minutes=1), 111_500)
    issued = rating.rebill(conn, utility_id=billed.utility_id, bill_id=first, at=ISSUED)
    view = queries.bill_view(conn, utility_id=billed.utility_id, bill_id=issued.bill_id)
    assert (view.bill.revision, view.bill.bill_number, view.use) == (2, "202603-D1-W000001-2", "11.5")
    assert totals(conn, billed) == {"W-0001": [2598 + 1232]}
    with pytest.raises(rating.AlreadyBilled):
        rating.rebill(conn, utility_id=billed.utility_id, bill_id=first, at=ISSUED)


def test_a_third_revision_needs_the_second_to_be_cancelled_and_keeps_the_number(
    conn: Connection[TupleRow], billed: World
) -> None:
    [bill_id] = bill_ids(conn, billed)
    for revision in (2, 3):
        cancel(conn, billed, bill_id)
        issued = rating.rebill(conn, utility_id=billed.utility_id, bill_id=bill_id, at=ISSUED)
        assert issued.bill_number == f"202603-D1-W000001-{revision}"
        bill_id = issued.bill_id
    results = invariants.check(conn, invariants=INVARIANTS, wall_now=wall_now())
    assert [result.name for result in results if result.violations] == []


def test_a_bill_rated_again_gives_the_same_bytes_when_tariff_and_readings_have_moved_on(
    conn: Connection[TupleRow], billed: World
) -> None:
    [bill_id] = bill_ids(conn, billed)
    conn.execute("TRUNCATE reading")
    conn.execute("UPDATE agreement SET size_mm = 25")
    conn.execute("ALTER TABLE bill_line RENAME TO bill_line_out_of_reach")
    again = queries.rerate(conn, utility_id=billed.utility_id, bill_id=bill_id)
    assert (again.is_same, again.is_input_intact, again.is_tariff_intact) == (True, True, True)
    assert again.total_minor == 7150


def test_a_bill_that_was_tampered_with_is_not_the_same_again(conn: Connection[TupleRow], billed: World) -> None:
    [bill_id] = bill_ids(conn, billed)
    conn.commit()
    conn.execute("ALTER TABLE bill DISABLE TRIGGER append_only")
    conn.execute("UPDATE bill SET input = jsonb_set(input, '{segments,0,closing,register}', '131000')")
    again = queries.rerate(conn, utility_id=billed.utility_id, bill_id=bill_id)
    assert (again.is_same, again.is_input_intact) == (False, False)


def test_an_explanation_leads_from_readings_to_yen(conn: Connection[TupleRow], billed: World) -> None:
    [bill_id] = bill_ids(conn, billed)
    explained = queries.explain(conn, utility_id=billed.utility_id, bill_id=bill_id)
    [reading] = explained.view.readings
    assert (reading.opening, reading.closing, reading.use, reading.closing_method) == (
        "100.000",
        "130.000",
        "30.000",
        "read",
    )
    assert explained.quantity == "30"
    assert [(one.service, one.month, one.quantity) for one in explained.months][:2] == [
        ("water", "2026-02", "15"),
        ("water", "2026-03", "15"),
    ]
    assert "128" in explained.tariff_document
    assert explained.is_same_again


def test_another_utilitys_bill_is_unknown(conn: Connection[TupleRow], billed: World) -> None:
    [bill_id] = bill_ids(conn, billed)
    other = build(conn, water=1, code="other")
    with pytest.raises(queries.BillUnknown):
        queries.bill_view(conn, utility_id=other.utility_id, bill_id=bill_id)


ENTRY = """
    INSERT INTO journal_entry (utility_id, entry_id, entry_key, kind, posted_at)
    VALUES (1, 900, 'x', 'payment', '2026-04-01T00:00Z')
"""
LINE = """
    INSERT INTO journal_line (utility_id, entry_id, line_number, ledger_account, amount_minor)
    VALUES (1, 900, {}, '{}', {})
"""
LATE_BILL_LINE = """
    INSERT INTO bill_line (utility_id, bill_id, line_number, service, item, label, amount_minor)
    SELECT 1, bill_id, 99, 'water', 'gift', 'gift', 0 FROM bill
"""
LATE_JOURNAL_LINE = """
    INSERT INTO journal_line (utility_id, entry_id, line_number, ledger_account, amount_minor)
    SELECT 1, entry_id, 98, 'cash', 5 FROM journal_entry
"""


@pytest.mark.parametrize(
    ("statements", "refused_by"),
    [
        ([ENTRY, LINE.format(1, "cash", 100), LINE.format(2, "bank", -99)], "journal_entry_sums_to_zero"),
        ([ENTRY], "journal_entry_sums_to_zero"),
        (["UPDATE bill SET total_minor = 1"], "append_only"),
        (["DELETE FROM bill_line"], "append_only"),
        (["UPDATE journal_line SET amount_minor = 1"], "append_only"),
        (["UPDATE tariff_version SET document = 'x'"], "append_only"),
        ([LATE_BILL_LINE], "bill_line_with_its_bill"),
        ([LATE_JOURNAL_LINE], "journal_line_with_its_entry"),
    ],
)
def test_the_database_refuses(
    conn: Connection[TupleRow], billed: World, statements: list[str], refused_by: str
) -> None:
    assert billed.utility_id == 1
    conn.commit()
    with pytest.raises((errors.CheckViolation, errors.RestrictViolation)) as refused:
        run_and_commit(conn, statements)
    assert refused.value.diag.constraint_name == refused_by


def run_and_commit(conn: Connection[TupleRow], statements: list[str]) -> None:
    for statement in statements:
        conn.execute(statement.encode())
    conn.commit()


def test_the_database_refuses_a_bill_that_overlaps_another(conn: Connection[TupleRow], billed: World) -> None:
    conn.commit()
    half = days("2026-03-15", "2026-05-15")
    with pytest.raises(errors.ExclusionViolation) as refused:
        copy_bill(conn, lower=half.start, upper=half.end, total=7150)
    assert refused.value.diag.constraint_name == "bill_periods_disjoint"


def test_the_database_refuses_a_bill_whose_lines_do_not_add_up(conn: Connection[TupleRow], billed: World) -> None:
    conn.commit()
    later = days("2026-04-01", "2026-06-01")
    copy_bill(conn, lower=later.start, upper=later.end, total=1)
    with pytest.raises(errors.CheckViolation) as refused:
        conn.commit()
    assert refused.value.diag.constraint_name == "bill_total_is_sum_of_lines"


def copy_bill(conn: Connection[TupleRow], *, lower: object, upper: object, total: int) -> None:
    conn.execute(
        """
        INSERT INTO bill (utility_id, bill_number, account_id, agreement_id, point_id, kind, service, period, issued_at,
                          due_on, currency, total_minor, tax_minor, tariff_code, tariff_version, input, input_hash,
                          lines_hash)
        SELECT utility_id, 'X', account_id, agreement_id, point_id, kind, service, tstzrange(%s, %s), issued_at,
               due_on, currency, %s, tax_minor, tariff_code, tariff_version, input, input_hash, lines_hash FROM bill
        """,
        [lower, upper, total],
    )


def test_the_same_entry_is_posted_once_also_behind_a_savepoint(conn: Connection[TupleRow], billed: World) -> None:
    with conn.transaction():
        pay(conn, billed, bill_ids(conn, billed)[0], 100)
    with pytest.raises(rating.EntryAlreadyPosted):
        pay(conn, billed, bill_ids(conn, billed)[0], 100)


def test_two_runs_at_once_bill_once(database_url: str) -> None:
    with psycopg.connect(database_url) as setting_up:
        world = build(setting_up, water=1)
        read_cycle(setting_up, world, {"W-0001": 30})
        setting_up.commit()
    results: list[object] = []
    with psycopg.connect(database_url) as one, psycopg.connect(database_url) as other:
        enter(one, world)
        enter(other, world)
        run(one, world)
        thread = in_thread(lambda: results.append(run(other, world)))
        one.commit()
        thread()
        other.commit()
        assert len(bill_ids(one, world)) == 1
    [report] = results
    assert isinstance(report, rating.BillRunReport)
    assert (report.billed, report.already_billed) == (0, 1)


def enter(conn: Connection[TupleRow], world: World) -> None:
    from tests.integration.rating_engine.billing_world import scope

    scope(conn, world.utility_id)


def in_thread(work: Callable[[], object]) -> Callable[[], None]:
    """Start the work beside us, give it time to reach a lock, and return how to wait for its end."""
    import threading
    import time

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.3)
    return thread.join
