"""What the gateway says of its database."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ingest_gateway.monitor import Monitor, Waits
from ingest_gateway.operations.intake import Taken
from kernel.metrics import Metrics

TAKEN = Taken(received=1, stored=1, duplicates=0, rejected=0, reasons={})


def commit(monitor: Monitor) -> None:
    monitor.committed(TAKEN, messages=1, took_s=0.1, waited=[(0.1, 1)], at=datetime(2026, 4, 1, tzinfo=UTC))


def test_a_quiet_gateway_is_well_again_once_a_heartbeat_reaches_the_database() -> None:
    monitor = Monitor(Metrics())
    assert not monitor.database_ok
    commit(monitor)
    monitor.heartbeat(OSError("away"))
    assert (monitor.database_ok, monitor.database_error) == (False, "OSError: away")
    monitor.heartbeat(None)
    assert monitor.database_ok


def test_a_heartbeat_does_not_hide_that_batches_cannot_be_committed() -> None:
    monitor = Monitor(Metrics())
    monitor.database_failed(OSError("disk full"))
    monitor.heartbeat(None)
    assert monitor.database_error == "OSError: disk full"
    commit(monitor)
    assert monitor.database_ok


def test_a_settlement_that_failed_is_told_until_one_is_done_and_a_commit_does_not_hide_it() -> None:
    monitor = Monitor(Metrics())
    monitor.heartbeat(None)
    monitor.settling(OSError("the line was closed"))
    monitor.committed(TAKEN, messages=1, took_s=0.1, waited=[(0.1, 1)], at=datetime(2026, 4, 1, tzinfo=UTC))
    assert "the line was closed" in monitor.database_error
    monitor.settling(None)
    assert monitor.database_ok


@given(st.lists(st.tuples(st.floats(0, 11, allow_nan=False), st.integers(1, 50)), min_size=1, max_size=20))
def test_each_wait_is_counted_below_a_limit_that_it_had_not_passed(waits: list[tuple[float, int]]) -> None:
    waited = Waits()
    for waited_s, count in waits:
        waited.add(waited_s, count=count)
    counted = {int(limit): count for limit, count in waited.counts_by_ms().items()}
    assert sum(counted.values()) == sum(count for _, count in waits)
    for limit in (1, 5, 100, 110, 9_990):
        below = sum(count for waited_s, count in waits if int(waited_s * 10_000) < limit * 10)
        assert sum(count for upper, count in counted.items() if upper <= limit) == below


def test_percentiles_are_of_what_came_since_they_were_last_asked_for() -> None:
    waited = Waits()
    waited.add(0.5, count=100)
    assert waited.percentiles_ms()["commit_ms_p95"] == 500.1
    waited.add(0.01, count=10)
    assert waited.percentiles_ms()["commit_ms_p95"] == 10.1
    assert waited.percentiles_ms() == {}
    assert sum(waited.counts_by_ms().values()) == 110
