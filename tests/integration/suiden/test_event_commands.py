"""`suiden events`: what was put aside is shown and asked for again."""

from datetime import UTC, datetime

import pytest
from psycopg import Connection
from psycopg.rows import TupleRow
from typer.testing import CliRunner

from kernel import event_failures, events
from suiden.cli import app

pytestmark = pytest.mark.store

NOW = datetime(2026, 4, 1, tzinfo=UTC)


def told(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["events", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_what_was_put_aside_is_listed_with_its_error_and_asked_for_again(
    conn: Connection[TupleRow], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert "every event was handled" in told("list")
    events.publish(conn, utility_id=1, topic="bill.issued", key="account:7", payload={}, occurred_at=NOW)
    events.relay_once(conn)
    [(event_id,)] = conn.execute("SELECT event_id FROM event").fetchall()
    event_failures.put_aside(conn, consumer="money", event_id=event_id, error=ValueError("no [tariff]"))
    conn.commit()
    listed = told("list")
    assert f"{event_id} money bill.issued account:7 of 2026-04-01 00:00" in listed
    assert "ValueError: no [tariff]" in listed
    assert "every event was handled" in told("list", "--consumer", "rollup")
    assert told("retry", str(event_id)).startswith("1 events will be tried again")
    assert "(to be tried again)" in told("list")
    refused = CliRunner().invoke(app, ["events", "retry", str(event_id + 1)])
    assert isinstance(refused.exception, event_failures.FailureUnknown)
