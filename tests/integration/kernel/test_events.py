"""Events: written with their cause, delivered in order, handled once."""

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from kernel import events
from kernel.clock import FixedClock
from kernel.database import Pool, open_pool
from kernel.events import Event

pytestmark = pytest.mark.store
NOW = datetime(2026, 4, 1, tzinfo=UTC)
CLOCK = FixedClock(NOW)


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    with open_pool(database_url, role="suiden_worker", process="test") as opened:
        yield opened


def publish(conn: Connection[TupleRow], key: str, number: int) -> None:
    events.publish(conn, utility_id=1, topic="test", key=key, payload={"number": number}, occurred_at=NOW)


def consume(pool: Pool, handled: list[int], *, broken: int | None = None) -> None:
    def handler(conn: Connection[TupleRow], event: Event) -> None:
        if event.payload["number"] == broken:
            conn.execute("SELECT 1 / 0")
        handled.append(event.payload["number"])

    while events.consume_once(pool, consumer="tester", handlers={"test": handler}, clock=CLOCK):
        pass


def relay(pool: Pool) -> int:
    with pool.connection() as conn:
        return events.relay_once(conn)


def test_an_event_of_a_rolled_back_transaction_never_happened(pool: Pool, conn: Connection[TupleRow]) -> None:
    publish(conn, "a", 1)
    conn.rollback()
    publish(conn, "a", 2)
    conn.commit()
    relay(pool)
    handled: list[int] = []
    consume(pool, handled)
    assert handled == [2]


def test_a_slow_transaction_is_not_overlooked(pool: Pool, database_url: str, conn: Connection[TupleRow]) -> None:
    handled: list[int] = []
    with psycopg.connect(database_url) as slow:
        publish(slow, "slow", 1)
        publish(conn, "quick", 2)
        conn.commit()
        relay(pool)
        consume(pool, handled)
        assert handled == [2]
    relay(pool)
    consume(pool, handled)
    assert handled == [2, 1]


def test_events_of_one_key_come_in_the_order_of_their_commits(
    pool: Pool, database_url: str, conn: Connection[TupleRow]
) -> None:
    handled: list[int] = []
    with psycopg.connect(database_url) as first:
        first.execute("SELECT pg_current_xact_id()")  # the older transaction, but the later writer of the key
        publish(conn, "k", 1)
        conn.commit()
        publish(first, "k", 2)
    relay(pool)
    consume(pool, handled)
    assert handled == [1, 2]


def test_a_handler_that_fails_is_put_aside_with_its_error_and_the_next_go_on(
    pool: Pool, conn: Connection[TupleRow]
) -> None:
    for number in (1, 2, 3):
        publish(conn, "k", number)
    conn.commit()
    relay(pool)
    handled: list[int] = []
    consume(pool, handled, broken=2)
    assert handled == [1, 3]
    rows = conn.execute("SELECT consumer, error FROM event_failure").fetchall()
    assert [(consumer, error.split(":")[0]) for consumer, error in rows] == [("tester", "DivisionByZero")]


def test_a_handler_whose_rows_are_refused_at_the_commit_is_put_aside_too(
    pool: Pool, conn: Connection[TupleRow]
) -> None:
    conn.execute("CREATE TABLE pair (number integer UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    conn.execute("GRANT INSERT ON pair TO suiden_worker")
    conn.execute("INSERT INTO pair VALUES (1)")
    for number in (1, 2):
        publish(conn, "k", number)
    conn.commit()
    relay(pool)

    def handler(conn: Connection[TupleRow], event: Event) -> None:
        conn.execute("INSERT INTO pair VALUES (%(number)s)", event.payload)

    while events.consume_once(pool, consumer="tester", handlers={"test": handler}, clock=CLOCK):
        pass
    assert conn.execute("SELECT number FROM pair ORDER BY number").fetchall() == [(1,), (2,)]
    failed = conn.execute("SELECT error FROM event_failure").fetchall()
    assert [error.split(":")[0] for (error,) in failed] == ["UniqueViolation"]


def test_what_was_handled_is_not_handled_again(pool: Pool, conn: Connection[TupleRow]) -> None:
    publish(conn, "k", 1)
    conn.commit()
    relay(pool)
    handled: list[int] = []
    consume(pool, handled)
    consume(pool, handled)
    assert handled == [1]


def test_a_second_process_of_a_consumer_does_nothing_meanwhile(pool: Pool, conn: Connection[TupleRow]) -> None:
    publish(conn, "k", 1)
    conn.commit()
    relay(pool)
    inner: list[int] = []

    def handler(_: Connection[TupleRow], event: Event) -> None:
        consume(pool, inner)

    events.consume_once(pool, consumer="tester", handlers={"test": handler}, clock=CLOCK)
    assert inner == []


def test_events_that_all_have_passed_are_forgotten_but_for_the_last(pool: Pool, conn: Connection[TupleRow]) -> None:
    for number in range(10):
        publish(conn, "k", number)
    conn.commit()
    relay(pool)
    consume(pool, [])
    with pool.connection() as worker:
        assert events.forget(worker, keep=3) == 7
        assert events.backlog(worker) == {"tester": 0}
