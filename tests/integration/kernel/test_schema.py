"""What the schema itself holds: tenancy, append-only rows, history."""

from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import Connection, errors
from psycopg.rows import TupleRow

from kernel import events, migrate
from kernel.database import Scope, enter_scope

pytestmark = pytest.mark.store

WITHOUT_UTILITY = {
    # of the installation, not of a utility
    "utility_clock", "event_offset", "event_failure", "job_tick", "heartbeat", "invariant_check",
}  # fmt: skip
WITHOUT_ROW_SECURITY = {
    "utility",  # which utilities there are is no secret
    "web_session",  # found by the hash of its token, before the utility is known
    "reading",  # COPY and compression refuse it; the web may only use the view own_reading
}
APPEND_ONLY = {
    "anomaly_label",
    "checker_setting",
    "master_change", "audit_entry", "audit_link", "notice_delivery", "reading_revision", "handheld_entry",
    "imported_file",
    "tariff_version", "card_notification", "debit_file_line", "bill", "bill_line", "bill_cancellation",
    "journal_entry", "journal_line", "payment", "payment_allocation", "payment_file", "collection_policy",
    "collection_step", "suspension_event", "ticket_entry", "reading",
}  # fmt: skip


def tables(conn: Connection[TupleRow]) -> set[str]:
    rows = conn.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename !~ '^_?yoyo'"
    ).fetchall()
    return {name for (name,) in rows}


def test_a_second_migration_finds_nothing_to_do(database_url: str) -> None:
    assert migrate.migrate(database_url) == []
    assert migrate.pending(database_url) == []


def test_every_table_of_a_utility_has_its_id_and_keeps_utilities_apart(rolled_back_conn: Connection[TupleRow]) -> None:
    conn = rolled_back_conn
    with_id = {
        name
        for (name,) in conn.execute(
            """
            SELECT table_name FROM information_schema.columns
            WHERE table_schema = 'public' AND column_name = 'utility_id'
            """
        )
    }
    secured = {
        name for (name,) in conn.execute("SELECT relname FROM pg_class WHERE relrowsecurity AND relkind IN ('r', 'p')")
    }
    assert tables(conn) - with_id == WITHOUT_UTILITY
    assert tables(conn) - secured == WITHOUT_UTILITY | WITHOUT_ROW_SECURITY


def test_what_is_append_only_refuses_change_by_everyone(rolled_back_conn: Connection[TupleRow]) -> None:
    rows = rolled_back_conn.execute(
        """
        SELECT DISTINCT relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
        WHERE tgname = 'append_only' AND relname !~ '^_hyper'
        """
    ).fetchall()
    assert {name for (name,) in rows} == APPEND_ONLY


def test_the_web_may_not_read_raw_readings_of_any_utility(rolled_back_conn: Connection[TupleRow]) -> None:
    rolled_back_conn.execute("SET LOCAL ROLE suiden_app")
    with pytest.raises(errors.InsufficientPrivilege):
        rolled_back_conn.execute("SELECT * FROM reading")


def test_the_web_neither_sees_nor_writes_events_of_another_utility(rolled_back_conn: Connection[TupleRow]) -> None:
    conn = rolled_back_conn
    now = datetime(2026, 4, 1, tzinfo=UTC)
    events.publish(conn, utility_id=2, topic="t", key="k", payload={}, occurred_at=now)
    conn.execute("SET LOCAL ROLE suiden_app")
    enter_scope(conn, scope=Scope(utility_id=1, actor="web", now=now))
    events.publish(conn, utility_id=1, topic="t", key="k", payload={}, occurred_at=now)
    assert conn.execute("SELECT utility_id FROM event").fetchall() == [(1,)]
    with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
        events.publish(conn, utility_id=2, topic="t", key="k", payload={}, occurred_at=now)


def test_two_migrations_at_once_do_not_disturb_each_other(database_server: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from tests.conftest import with_database

    with psycopg.connect(database_server, autocommit=True) as conn:
        conn.execute("CREATE DATABASE suiden_test_twice")
    try:
        url = with_database(database_server, "suiden_test_twice")
        with ThreadPoolExecutor() as threads:
            applied = list(threads.map(migrate.migrate, [url, url]))
        assert sorted(map(bool, applied)) == [False, True]
    finally:
        with psycopg.connect(database_server, autocommit=True) as conn:
            conn.execute("DROP DATABASE suiden_test_twice WITH (FORCE)")
