"""The audit log is searched, chained by a job, and shows what was done to it behind the application's back."""

from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from kernel.database import open_pool
from registry import jobs, operations, queries
from registry.operations import AuditVerdict

from .conftest import NOW, Town, act_as_web, found

pytestmark = pytest.mark.store


def record(town: Town, action: str = "customer.view", **fields: Any) -> None:
    given: dict[str, Any] = {
        "actor": "office", "login_id": 1, "remote_address": "192.0.2.1", "action": action, "object_kind": "party",
        "object_id": "7", "party_id": 7, "detail": {"page": 1, "名": "髙橋", "rate": 1.10}, "at": NOW,
    }  # fmt: skip
    operations.record_audit(town.conn, utility_id=town.utility_id, **{**given, **fields})


@pytest.fixture
def linked(hinode: Town) -> Town:
    """Five entries, linked."""
    for number in range(5):
        record(hinode, object_id=str(number))
    assert operations.link_audit(hinode.conn, utility_id=hinode.utility_id) == 5
    return hinode


def verify(town: Town, **kept: Any) -> AuditVerdict:
    return operations.verify_audit(town.conn, utility_id=town.utility_id, **kept)


def behind_our_back(town: Town, statement: LiteralString) -> None:
    """Do what only an owner of the database can who turns its guards off."""
    town.conn.execute("SET LOCAL session_replication_role = replica")
    town.conn.execute(statement)
    town.conn.execute("SET LOCAL session_replication_role = origin")


def test_an_untouched_log_holds(linked: Town) -> None:
    verdict = verify(linked)
    assert verdict.holds
    assert (verdict.links, verdict.unlinked) == (5, 0)


def test_linking_twice_links_nothing_twice(linked: Town) -> None:
    assert operations.link_audit(linked.conn, utility_id=linked.utility_id) == 0
    record(linked)
    assert verify(linked).unlinked == 1
    assert operations.link_audit(linked.conn, utility_id=linked.utility_id) == 1
    assert verify(linked).links == 6


THIRD = "(SELECT audit_id FROM audit_link WHERE link_number = 3)"
TAMPERINGS: list[tuple[LiteralString, list[str]]] = [
    ("UPDATE audit_entry SET actor = 'somebody' WHERE audit_id = " + THIRD, ["changed"]),
    ("UPDATE audit_entry SET detail = '{}' WHERE audit_id = " + THIRD, ["changed"]),
    ("UPDATE audit_entry SET recorded_at = recorded_at + interval '1 us' WHERE audit_id = " + THIRD, ["changed"]),
    ("DELETE FROM audit_entry WHERE audit_id = " + THIRD, ["removed"]),
    ("UPDATE audit_link SET hash = sha256(hash) WHERE link_number = 3", ["changed", "broken"]),
    ("DELETE FROM audit_link WHERE link_number = 5", []),
]


@pytest.mark.parametrize(("statement", "kinds"), TAMPERINGS)
def test_what_was_changed_or_removed_is_found(linked: Town, statement: LiteralString, kinds: list[str]) -> None:
    anchor = operations.audit_anchor(linked.conn, utility_id=linked.utility_id)
    behind_our_back(linked, statement)
    assert [finding.kind for finding in verify(linked).findings] == kinds
    assert not verify(linked, anchors=[anchor]).holds


def test_an_entry_and_its_link_that_both_went_are_missed(linked: Town) -> None:
    behind_our_back(
        linked,
        "WITH cut AS (DELETE FROM audit_link WHERE link_number = 3 RETURNING audit_id)"
        " DELETE FROM audit_entry USING cut WHERE audit_entry.audit_id = cut.audit_id",
    )
    assert [(f.kind, f.link_number) for f in verify(linked).findings] == [("removed", 3)]


def test_an_entry_slipped_in_with_a_date_of_long_ago_is_found_and_never_linked(linked: Town) -> None:
    behind_our_back(
        linked,
        "INSERT INTO audit_entry (utility_id, recorded_at, utility_at, actor, action)"
        " SELECT utility_id, recorded_at - interval '1 day', utility_at, 'somebody', 'payment.take'"
        " FROM audit_entry LIMIT 1",
    )
    assert operations.link_audit(linked.conn, utility_id=linked.utility_id) == 0
    assert [finding.kind for finding in verify(linked).findings] == ["inserted"]


def test_a_log_emptied_altogether_is_found_by_its_anchor(linked: Town) -> None:
    anchor = operations.AuditAnchor.parse(str(operations.audit_anchor(linked.conn, utility_id=linked.utility_id)))
    behind_our_back(linked, "WITH l AS (DELETE FROM audit_link) DELETE FROM audit_entry")
    assert verify(linked).holds
    assert [finding.kind for finding in verify(linked, anchors=[anchor]).findings] == ["cut_off"]


def test_the_anchor_of_an_empty_log_fits_every_later_one(hinode: Town) -> None:
    anchor = operations.audit_anchor(hinode.conn, utility_id=hinode.utility_id)
    record(hinode)
    operations.link_audit(hinode.conn, utility_id=hinode.utility_id)
    assert verify(hinode, anchors=[anchor]).holds


def test_each_utility_has_a_chain_of_its_own(linked: Town) -> None:
    neighbour = found(linked.conn, "kuju")
    record(neighbour)
    assert operations.link_audit(linked.conn, utility_id=neighbour.utility_id) == 1
    assert (verify(linked).links, verify(neighbour).links) == (5, 1)
    assert verify(linked).holds
    assert verify(neighbour).holds


def test_an_entry_that_commits_late_is_linked_after_the_ones_before_it(database_url: str) -> None:
    with psycopg.connect(database_url) as early, psycopg.connect(database_url) as late, early.cursor() as cursor:
        cursor.execute("SELECT 1")
        town = found(early, "hinode")
        early.commit()
        record(Town(late, town.utility_id), action="late")
        record(town, action="early")
        early.commit()
        assert operations.link_audit(early, utility_id=town.utility_id) == 1
        early.commit()
        late.commit()
        assert operations.link_audit(early, utility_id=town.utility_id) == 1
        verdict = verify(town)
    assert verdict.holds
    assert verdict.links == 2


def test_the_jobs_link_and_verify_every_utility(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        towns = [found(conn, code) for code in ("hinode", "kuju")]
        for town in towns:
            record(town)
    with open_pool(database_url, role="suiden_worker", process="test", max_size=1) as pool:
        anchors = jobs.link_audit_entries(pool, at=NOW)
        verdicts = jobs.verify_audit_chains(pool, at=NOW)
        assert jobs.forget_ended_sessions(pool, at=NOW) == 0
    assert {anchor.utility_code: anchor.link_number for anchor in anchors} == {"hinode": 1, "kuju": 1}
    assert all(verdict.holds and verdict.links == 1 for verdict in verdicts.values())


def actions(conn: Connection[TupleRow], town: Town, **filters: Any) -> list[str]:
    entries = queries.audit_entries(conn, utility_id=town.utility_id, **filters)
    return [entry.action for entry in entries]


def test_the_log_is_searched_by_who_what_on_whom_and_when(hinode: Town) -> None:
    hour = timedelta(hours=1)
    record(hinode, "bill.view", actor="taro", at=NOW)
    record(hinode, "bill.export", object_kind="bill", object_id="9", at=NOW + hour)
    record(hinode, "ticket.start", party_id=None, at=NOW + 2 * hour)
    act_as_web(hinode.conn, utility_id=hinode.utility_id)
    assert actions(hinode.conn, hinode) == ["ticket.start", "bill.export", "bill.view"]
    assert actions(hinode.conn, hinode, actor="taro") == ["bill.view"]
    assert actions(hinode.conn, hinode, action="bill.*") == ["bill.export", "bill.view"]
    assert actions(hinode.conn, hinode, action="bill") == []
    assert actions(hinode.conn, hinode, object_kind="bill", object_id="9") == ["bill.export"]
    assert actions(hinode.conn, hinode, party_id=7) == ["bill.export", "bill.view"]
    assert actions(hinode.conn, hinode, utility_from=NOW + hour, utility_to=NOW + 2 * hour) == ["bill.export"]


def test_the_log_is_read_page_by_page(hinode: Town) -> None:
    for number in range(5):
        record(hinode, f"page.{number}")
    first = queries.audit_entries(hinode.conn, utility_id=hinode.utility_id, limit=2)
    assert [entry.action for entry in first] == ["page.4", "page.3"]
    assert actions(hinode.conn, hinode, before_audit_id=first[-1].audit_id) == ["page.2", "page.1", "page.0"]


def test_an_entry_says_both_times(hinode: Town) -> None:
    record(hinode)
    (entry,) = queries.audit_entries(hinode.conn, utility_id=hinode.utility_id)
    assert entry.utility_at == NOW
    assert abs(entry.recorded_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert entry.detail == {"page": 1, "名": "髙橋", "rate": 1.1}
