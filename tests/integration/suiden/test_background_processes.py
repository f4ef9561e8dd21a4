"""The checker's and the scheduler's process: neither lives on without one of its threads."""

import threading
from collections import UserDict
from datetime import UTC, datetime

import psycopg
import pytest
from structlog.testing import capture_logs

from kernel import clock, events
from suiden import consumers, schedule
from suiden.settings import CheckerSettings, SchedulerSettings
from suiden.threads import ThreadEnded

pytestmark = pytest.mark.store

NOW = datetime(2026, 4, 1, tzinfo=UTC)
PATIENCE_S = 15.0


class Untellable(UserDict[str, events.Handler]):
    """Handlers that cannot be looked up: an error in the consumer itself, outside of any handler."""

    def get(self, key: str, default: object = None) -> events.Handler:  # type: ignore[override]  # noqa: ARG002
        raise LookupError(f"what handles {key}?")


def test_an_unforeseen_error_ends_the_whole_process_and_its_heartbeat_says_which_part(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(database_url) as conn:
        clock.set_time(conn, utility_now=NOW, rate=1.0, running=True)
        events.publish(conn, utility_id=1, topic="test", key="k", payload={}, occurred_at=NOW)
    made = [consumers.Consumer("good", {}), consumers.Consumer("bad", Untellable())]
    monkeypatch.setattr(consumers, "all_consumers", lambda **_: made)
    stop = threading.Event()
    patience = threading.Timer(PATIENCE_S, stop.set)
    patience.start()
    with capture_logs() as logged, pytest.raises(ThreadEnded, match="bad"):
        consumers.run(CheckerSettings(database_url=database_url), stop=stop)
    patience.cancel()
    assert [(one["thread"], one["exc_info"]) for one in logged if one["event"] == "thread.failed"] == [("bad", True)]
    with psycopg.connect(database_url) as conn:
        [(health,)] = conn.execute("SELECT health FROM heartbeat WHERE process = 'checker'").fetchall()
    assert (health["good"], health["bad"]) == (True, False)


def test_a_scheduler_whose_jobs_have_ended_ends_too(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise LookupError("which job?")

    with psycopg.connect(database_url) as conn:
        clock.set_time(conn, utility_now=NOW, rate=1.0, running=True)
    monkeypatch.setattr(schedule, "run_forever", broken)
    stop = threading.Event()
    patience = threading.Timer(PATIENCE_S, stop.set)
    patience.start()
    settings = SchedulerSettings(database_url=database_url)
    with pytest.raises(ThreadEnded, match="jobs"):
        schedule.run(settings, stop=stop)
    patience.cancel()
    with psycopg.connect(database_url) as conn:
        [(health,)] = conn.execute("SELECT health FROM heartbeat WHERE process = 'scheduler'").fetchall()
    assert (health["messages"], health["jobs"]) == (True, False)
