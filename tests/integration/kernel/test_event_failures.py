"""Events that cannot be handled: they block nothing for ever, and are tried again when somebody asks."""

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from kernel import event_failures, events
from kernel.clock import FixedClock
from kernel.database import Pool, open_pool
from kernel.events import Event

pytestmark = pytest.mark.store
NOW = datetime(2026, 4, 1, tzinfo=UTC)
CLOCK = FixedClock(NOW)
LOSE_CONNECTION = "lose the connection"


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    with open_pool(database_url, role="suiden_worker", process="test") as opened:
        yield opened


class Handling:
    """A consumer of three events; the one that is `broken` fails as `how` says."""

    def __init__(self, pool: Pool, conn: Connection[TupleRow], *, how: str) -> None:
        self.pool = pool
        self.owner = conn
        self.how = how
        self.broken = 2
        self.handled: list[int] = []
        self.positions: list[int] = []
        for number in (1, 2, 3):
            events.publish(conn, utility_id=1, topic="test", key="k", payload={"number": number}, occurred_at=NOW)
        conn.commit()
        with pool.connection() as relaying:
            events.relay_once(relaying)

    def consume(self) -> int:
        return events.consume_once(self.pool, consumer="tester", handlers={"test": self._handle}, clock=CLOCK)

    def consume_all(self) -> None:
        while self.consume():
            pass

    def _handle(self, conn: Connection[TupleRow], event: Event) -> None:
        number = event.payload["number"]
        if number == self.broken:
            if self.how == LOSE_CONNECTION:
                self.owner.execute("SELECT pg_terminate_backend(%s, 5000)", [conn.info.backend_pid])
                self.owner.commit()
            conn.execute("SET LOCAL statement_timeout = 20")
            conn.execute(self.how.encode())
        self.handled.append(number)
        self.positions.append(event.position)


def unresolved(pool: Pool) -> int:
    with pool.connection() as conn:
        return events.unresolved_failures(conn)


def ask(pool: Pool) -> int:
    with pool.connection() as conn:
        return event_failures.ask_again(conn)


def test_a_handler_that_always_runs_out_of_time_is_put_aside_after_some_attempts(
    pool: Pool, conn: Connection[TupleRow]
) -> None:
    handling = Handling(pool, conn, how="SELECT pg_sleep(5)")
    for _ in range(events.ATTEMPTS - 1):
        with pytest.raises(psycopg.OperationalError):
            handling.consume()
        assert handling.handled == [1]
    handling.consume_all()
    assert handling.handled == [1, 3]
    assert unresolved(pool) == 1
    with pool.connection() as worker:
        [failure] = event_failures.failures(worker)
    assert (failure.consumer, failure.payload, failure.error.split(":")[0]) == (
        "tester",
        {"number": 2},
        "QueryCanceled",
    )
    assert conn.execute("SELECT attempts FROM event_offset").fetchall() == [(0,)]


def test_trouble_that_passes_puts_nothing_aside(pool: Pool, conn: Connection[TupleRow]) -> None:
    handling = Handling(pool, conn, how="SELECT pg_sleep(5)")
    for _ in range(events.ATTEMPTS - 1):
        with pytest.raises(psycopg.OperationalError):
            handling.consume()
    handling.broken = 0
    handling.consume_all()
    assert handling.handled == [1, 2, 3]
    assert unresolved(pool) == 0


def test_a_lost_connection_is_no_fault_of_the_event(pool: Pool, conn: Connection[TupleRow]) -> None:
    handling = Handling(pool, conn, how=LOSE_CONNECTION)
    for _ in range(events.ATTEMPTS + 1):
        with pytest.raises(psycopg.OperationalError):
            handling.consume()
    assert unresolved(pool) == 0


def test_what_was_put_aside_is_tried_again_when_asked_as_the_newest_event_and_is_then_resolved(
    pool: Pool, conn: Connection[TupleRow]
) -> None:
    handling = Handling(pool, conn, how="SELECT 1 / 0")
    handling.consume_all()
    assert ask(pool) == 1
    handling.consume_all()
    assert handling.handled == [1, 3], "it failed again"
    assert unresolved(pool) == 1
    handling.broken = 0
    handling.consume_all()
    assert handling.handled == [1, 3], "nobody asked once more"
    assert ask(pool) == 1
    handling.consume_all()
    assert handling.handled == [1, 3, 2]
    assert handling.positions == sorted(handling.positions)
    assert unresolved(pool) == 0
    assert ask(pool) == 0
    assert conn.execute("SELECT resolved_at IS NOT NULL FROM event_failure").fetchall() == [(True,)]


def test_an_event_that_was_never_put_aside_cannot_be_asked_for(pool: Pool) -> None:
    with pool.connection() as conn, pytest.raises(event_failures.FailureUnknown, match="suiden events list"):
        event_failures.ask_again(conn, event_id=7)
