"""What the gateway says of its database."""

from datetime import UTC, datetime

from ingest_gateway.monitor import Monitor
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
