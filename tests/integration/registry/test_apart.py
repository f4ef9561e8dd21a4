"""Utilities are kept apart, and what is never changed is never changed, whatever the code asks for."""

import re
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection, errors, sql
from psycopg.rows import TupleRow

import registry
from kernel.period import Period
from registry import operations

from .conftest import BEGAN, MOVED, NOW, Town, act_as_web, found

pytestmark = pytest.mark.store

SCHEMA = (Path(registry.__file__).parent / "migrations" / "0010.registry.sql").read_text()
TABLES = re.findall(r"^CREATE TABLE (\w+)", SCHEMA, re.MULTILINE)
# Found by the hash of its token before the utility is known; it holds nothing else that could be read.
WITHOUT_ROW_SECURITY = {"web_session"}
APART = sorted(set(TABLES) - WITHOUT_ROW_SECURITY)
NEVER_CHANGED = ["audit_entry", "audit_link", "notice_delivery", "master_change"]


def fill(town: Town) -> None:
    """Put a row into every table that the book does not fill."""
    conn, utility_id = town.conn, town.utility_id
    party_id = town.id_of("party", "P-0001")
    operations.add_login(
        conn, utility_id=utility_id, login_name="office", display_name="x", password="x", roles=["office"], locale="ja"
    )
    operations.sign_in(
        conn, utility_id=utility_id, login_name="office", password="x", remote_address="192.0.2.1", wall_now=NOW
    )
    operations.record_audit(
        conn, utility_id=utility_id, actor="office", login_id=None, remote_address="", action="customer.view",
        object_kind="party", object_id="1", party_id=party_id, detail={}, at=NOW,
    )  # fmt: skip
    operations.link_audit(conn, utility_id=utility_id)
    notice_id = operations.write_notice(
        conn, utility_id=utility_id, party_id=party_id, account_id=None, kind="bill.issued", subject_key="bill:1",
        parameters={}, at=NOW,
    )  # fmt: skip
    assert notice_id is not None
    operations.queue_delivery(
        conn, utility_id=utility_id, notice_id=notice_id, channel="post", address="", wall_now=NOW, at=NOW
    )
    operations.plan_work(
        conn, utility_id=utility_id, zone_id=town.id_of("zone", "W1"), point_id=None, kind="flushing", title="x",
        planned=Period(BEGAN, MOVED),
    )  # fmt: skip


@pytest.fixture
def hinode_and_neighbour(hinode: Town) -> tuple[Town, Town]:
    neighbour = found(hinode.conn, "kuju")
    fill(hinode)
    fill(neighbour)
    return hinode, neighbour


def count(conn: Connection[TupleRow], table: str, utility_id: int) -> int:
    query = sql.SQL("SELECT count(*) FROM {} WHERE utility_id = %s").format(sql.Identifier(table))
    row = conn.execute(query, [utility_id]).fetchone()
    assert row is not None
    return row[0]


def test_every_table_of_the_registry_has_row_security(rolled_back_conn: Connection[TupleRow]) -> None:
    rows = rolled_back_conn.execute(
        "SELECT relname FROM pg_class WHERE relrowsecurity AND relkind IN ('r', 'p')"
    ).fetchall()
    assert set(TABLES) - {row[0] for row in rows} == WITHOUT_ROW_SECURITY
    assert len(TABLES) > 20


def test_another_utilitys_rows_cannot_be_seen_in_any_table(hinode_and_neighbour: tuple[Town, Town]) -> None:
    ours, theirs = hinode_and_neighbour
    before = {table: count(ours.conn, table, theirs.utility_id) for table in APART}
    assert 0 not in before.values(), "every table holds a row that could be seen"
    act_as_web(ours.conn, utility_id=ours.utility_id)
    assert {table: count(ours.conn, table, theirs.utility_id) for table in APART} == dict.fromkeys(APART, 0)
    assert 0 not in {table: count(ours.conn, table, ours.utility_id) for table in APART}.values()


def test_without_a_utility_nothing_is_seen(hinode_and_neighbour: tuple[Town, Town]) -> None:
    ours, _ = hinode_and_neighbour
    ours.conn.execute("SET LOCAL ROLE suiden_app")
    ours.conn.execute("SELECT set_config('suiden.utility_id', '', true)")
    assert {table: count(ours.conn, table, ours.utility_id) for table in APART} == dict.fromkeys(APART, 0)


@pytest.mark.parametrize("table", APART)
def test_a_row_for_another_utility_is_refused(hinode: Town, table: str) -> None:
    neighbour_id = operations.found_utility(
        hinode.conn, code="kuju", name="x", time_zone="Asia/Tokyo", currency="JPY", locale="ja", settings={}
    )
    act_as_web(hinode.conn, utility_id=hinode.utility_id)
    insert = sql.SQL("INSERT INTO {} (utility_id) VALUES (%s)").format(sql.Identifier(table))
    # The web application may not add to the chain at all.
    told = "permission denied" if table == "audit_link" else "row-level security"
    with pytest.raises(errors.InsufficientPrivilege, match=told):
        hinode.conn.execute(insert, [neighbour_id])


def test_another_utilitys_rows_cannot_be_changed_or_deleted(hinode_and_neighbour: tuple[Town, Town]) -> None:
    ours, theirs = hinode_and_neighbour
    act_as_web(ours.conn, utility_id=ours.utility_id)
    changed = ours.conn.execute("UPDATE party SET name = 'x' WHERE utility_id = %s", [theirs.utility_id])
    deleted = ours.conn.execute("DELETE FROM notice WHERE utility_id = %s", [theirs.utility_id])
    assert (changed.rowcount, deleted.rowcount) == (0, 0)


def test_a_row_cannot_be_moved_to_another_utility(hinode_and_neighbour: tuple[Town, Town]) -> None:
    ours, theirs = hinode_and_neighbour
    act_as_web(ours.conn, utility_id=ours.utility_id)
    with pytest.raises(errors.InsufficientPrivilege):
        ours.conn.execute(
            "UPDATE contact_channel SET utility_id = %s WHERE utility_id = %s", [theirs.utility_id, ours.utility_id]
        )


@pytest.mark.parametrize("table", NEVER_CHANGED)
@pytest.mark.parametrize("change", ["UPDATE {} SET utility_id = utility_id", "DELETE FROM {}"])
def test_even_the_owner_cannot_change_what_is_only_added_to(
    hinode_and_neighbour: tuple[Town, Town], table: str, change: Any
) -> None:
    ours, _ = hinode_and_neighbour
    with pytest.raises(errors.RestrictViolation) as refusal:
        ours.conn.execute(sql.SQL(change).format(sql.Identifier(table)))
    assert refusal.value.diag.constraint_name == "append_only"
    assert refusal.value.diag.table_name == table


@pytest.mark.parametrize("table", NEVER_CHANGED)
@pytest.mark.parametrize("role", ["suiden_app", "suiden_gateway", "suiden_worker", "suiden_auditor"])
@pytest.mark.parametrize("change", ["UPDATE {} SET utility_id = utility_id", "DELETE FROM {}", "TRUNCATE {}"])
def test_no_process_may_even_try(hinode: Town, table: str, role: str, change: Any) -> None:
    hinode.conn.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
    with pytest.raises(errors.InsufficientPrivilege):
        hinode.conn.execute(sql.SQL(change).format(sql.Identifier(table)))


def test_the_web_application_cannot_divert_the_history_of_a_change(hinode: Town) -> None:
    count = "SELECT count(*) FROM public.master_change WHERE after ->> 'name' = 'diverted'"
    act_as_web(hinode.conn, utility_id=hinode.utility_id)
    hinode.conn.execute("CREATE TEMPORARY TABLE master_change (LIKE public.master_change INCLUDING ALL)")
    hinode.conn.execute("UPDATE party SET name = 'diverted' WHERE party_number = 'P-0001'")
    assert hinode.conn.execute(count).fetchone() == (1,)


def test_the_web_application_cannot_forge_a_link_of_the_audit_chain(hinode_and_neighbour: tuple[Town, Town]) -> None:
    ours, _ = hinode_and_neighbour
    act_as_web(ours.conn, utility_id=ours.utility_id)
    with pytest.raises(errors.InsufficientPrivilege):
        ours.conn.execute(
            "INSERT INTO audit_link SELECT utility_id, link_number + 1, audit_id, hash, hash FROM audit_link"
        )


@pytest.mark.parametrize("column", ["audit_id", "recorded_at"])
def test_who_writes_an_audit_entry_cannot_choose_its_number_or_time(hinode: Town, column: str) -> None:
    act_as_web(hinode.conn, utility_id=hinode.utility_id)
    insert = sql.SQL(
        "INSERT INTO audit_entry (utility_id, utility_at, actor, action, {}) VALUES (%s, %s, '', '', DEFAULT)"
    ).format(sql.Identifier(column))
    with pytest.raises(errors.InsufficientPrivilege):
        hinode.conn.execute(insert, [hinode.utility_id, NOW])
