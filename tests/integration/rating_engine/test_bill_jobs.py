"""Due bills made by the process that makes them, as its database role, a transaction a chunk."""

from datetime import timedelta

import psycopg
import pytest

from kernel.database import Scope, open_pool, transaction
from rating_engine import operations as rating
from rating_engine import queries
from rating_engine.jobs.bills import run_due_bills
from tests.integration.rating_engine.billing_world import FEB_MAR, MARCH, bill_ids, build, read_cycle, scope, totals

pytestmark = pytest.mark.store
NOW = FEB_MAR.end + timedelta(hours=9)


def test_the_worker_makes_all_due_bills_and_the_web_may_read_and_correct_them(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        world = build(conn, water=3, electricity=2)
        read_cycle(conn, world, {"W-0001": 30, "W-0002": 59, "W-0003": 0})
        read_cycle(conn, world, {"E-0001": 390, "E-0002": 0}, MARCH)
        conn.commit()
    with open_pool(database_url, role="suiden_worker", process="test worker") as pool:
        reports = run_due_bills(pool, utility_id=world.utility_id, at=NOW, chunk_size=2)
        assert sum(report.billed for report in reports) == 5
        assert run_due_bills(pool, utility_id=world.utility_id, at=NOW) == []
    with open_pool(database_url, role="suiden_app", process="test web") as pool:
        with transaction(pool, scope=Scope(world.utility_id, "office", NOW)) as conn:
            first = bill_ids(conn, world)[0]
            assert queries.explain(conn, utility_id=world.utility_id, bill_id=first).is_same_again
            rating.cancel_bill(conn, utility_id=world.utility_id, bill_id=first, by="office", reason="test", at=NOW)
            rating.rebill(conn, utility_id=world.utility_id, bill_id=first, at=NOW)
        with transaction(pool, scope=Scope(world.utility_id + 1, "office", NOW)) as conn:
            assert bill_ids(conn, world) == []
    with psycopg.connect(database_url) as conn:
        scope(conn, world.utility_id)
        assert totals(conn, world)["W-0001"] == [7150]


def test_a_stop_at_any_statement_of_a_run_bills_each_agreement_once(database_url: str) -> None:
    """Break the run at its k-th statement, for every k, then let it go on: nothing is lost, nothing is doubled."""
    with psycopg.connect(database_url) as conn:
        world = build(conn, water=3)
        read_cycle(conn, world, dict.fromkeys(world.meters, 30))
        conn.commit()
    broken_at = 0
    with psycopg.connect(database_url, cursor_factory=BreakingCursor) as conn:
        while True:
            broken_at += 1
            scope(conn, world.utility_id)
            BreakingCursor.statements_left = broken_at
            try:
                begun = rating.begin_run(
                    conn,
                    utility_id=world.utility_id,
                    district_id=world.district_id,
                    service="water",
                    period=FEB_MAR,
                    at=NOW,
                )
                reports = []
                for chunk in begun.chunks(1):
                    reports.append(rating.bill_chunk(conn, run=begun, agreements=chunk, at=NOW))
                    conn.commit()
                    scope(conn, world.utility_id)
                rating.finish_run(conn, run=begun, reports=reports, at=NOW)
                break
            except Stopped:
                conn.rollback()
        BreakingCursor.statements_left = None
        conn.commit()
    assert broken_at > 20
    with psycopg.connect(database_url) as conn:
        scope(conn, world.utility_id)
        assert totals(conn, world) == {"W-0001": [7150], "W-0002": [7150], "W-0003": [7150]}
        counts = [
            conn.execute(statement).fetchone()
            for statement in (
                "SELECT count(*) FROM journal_entry",
                "SELECT count(*) FROM notice",
                "SELECT count(*) FROM event WHERE topic = 'bill.issued'",
                "SELECT billed FROM bill_run",
            )
        ]
        assert counts == [(3,), (3,), (3,), (3,)]


class Stopped(Exception):
    """The process was stopped here."""


class BreakingCursor(psycopg.Cursor):  # type: ignore[type-arg]
    """A cursor of a process that is stopped before a given statement."""

    statements_left: int | None = None

    def execute(self, *args, **kwargs):
        cls = type(self)
        if cls.statements_left is not None:
            cls.statements_left -= 1
            if cls.statements_left == 0:
                raise Stopped
        return super().execute(*args, **kwargs)
