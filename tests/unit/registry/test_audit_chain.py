"""The audit chain finds every change that is made to it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.audit import (
    AnchorUnreadable,
    AuditAnchor,
    ChainEntry,
    Link,
    canonical,
    check,
    extend,
)

NOW = datetime(2026, 4, 1, 9, tzinfo=UTC)


def entry(number: int) -> ChainEntry:
    return ChainEntry(
        utility_id=1, audit_id=number, recorded_at=NOW, utility_at=NOW, actor="office", login_id=3,
        remote_address="192.0.2.1", action="customer.view", object_kind="party", object_id="7", party_id=7,
        detail='{"page": 1}',
    )  # fmt: skip


def chain(length: int) -> list[tuple[Link, ChainEntry | None]]:
    entries = [entry(number) for number in range(1, length + 1)]
    return list(zip(extend(None, entries), entries, strict=True))


def kinds(rows: list[tuple[Link, ChainEntry | None]], *anchors: AuditAnchor) -> list[str]:
    return [finding.kind for finding in check(rows, anchors=anchors)[2]]


@given(st.integers(0, 20))
def test_a_chain_that_nobody_touched_holds(length: int) -> None:
    assert check(chain(length), anchors=())[2] == []


@given(st.integers(0, 12), st.integers(0, 12))
def test_a_chain_is_the_same_in_however_many_runs_it_is_made(first: int, second: int) -> None:
    entries = [entry(number) for number in range(first + second)]
    begun = extend(None, entries[:first])
    assert begun + extend(begun[-1] if begun else None, entries[first:]) == extend(None, entries)


CHANGES: list[dict[str, Any]] = [
    {"utility_id": 2}, {"recorded_at": NOW + timedelta(microseconds=1)}, {"utility_at": NOW - timedelta(days=1)},
    {"actor": "somebody"}, {"login_id": None}, {"remote_address": ""}, {"action": "customer.find"},
    {"object_kind": ""}, {"object_id": "8"}, {"party_id": None}, {"detail": '{"page": 2}'},
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_a_change_to_any_field_is_found_at_its_place(change: dict[str, Any]) -> None:
    rows = chain(5)
    rows[2] = (rows[2][0], replace(entry(3), **change))
    findings = check(rows, anchors=())[2]
    assert [(finding.kind, finding.link_number) for finding in findings] == [("changed", 3)]


def test_a_removed_entry_is_found() -> None:
    rows = chain(5)
    rows[2] = (rows[2][0], None)
    assert kinds(rows) == ["removed"]


def test_an_entry_removed_with_its_link_is_found() -> None:
    rows = chain(5)
    del rows[2]
    assert kinds(rows) == ["removed"]


def test_an_entry_slipped_in_with_a_link_of_its_own_is_found() -> None:
    rows = chain(5)
    slipped_in = extend(rows[2][0], [entry(99)])[0]
    later = [(replace(link, link_number=link.link_number + 1), e) for link, e in rows[3:]]
    assert "broken" in kinds([*rows[:3], (slipped_in, entry(99)), *later])


def test_a_chain_cut_off_at_its_end_is_found_by_an_anchor_kept_elsewhere() -> None:
    rows = chain(5)
    anchor = AuditAnchor("hinode", 5, rows[4][0].hash)
    assert kinds(rows, anchor) == []
    assert kinds(rows[:3]) == []
    assert kinds(rows[:3], anchor) == ["cut_off"]


def test_a_chain_made_anew_is_found_by_an_anchor_kept_elsewhere() -> None:
    anchor = AuditAnchor("hinode", 4, chain(4)[3][0].hash)
    entries = [entry(1), replace(entry(2), actor="somebody"), *(entry(number) for number in (3, 4, 5))]
    made_anew = list(zip(extend(None, entries), entries, strict=True))
    assert kinds(list(made_anew)) == []
    assert kinds(list(made_anew), anchor) == ["broken"]


def test_an_instant_is_serialised_the_same_in_every_time_zone() -> None:
    tokyo = replace(entry(1), recorded_at=NOW.astimezone(timezone(timedelta(hours=9))))
    assert canonical(tokyo) == canonical(entry(1))


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_text_moved_from_one_field_to_the_next_is_another_entry(a: str, b: str, c: str, d: str) -> None:
    one, other = replace(entry(1), actor=a, action=b), replace(entry(1), actor=c, action=d)
    assert (canonical(one) == canonical(other)) == ((a, b) == (c, d))


def test_an_anchor_is_read_back_from_its_text() -> None:
    anchor = AuditAnchor("hinode", 5, bytes(range(32)))
    assert AuditAnchor.parse(f" {anchor}\n") == anchor


@pytest.mark.parametrize(
    "text", ["", "suiden-audit-1:hinode:5", "suiden-audit-1:hinode:x:00", "other:hinode:5:" + "00" * 32]
)
def test_what_is_no_anchor_is_refused(text: str) -> None:
    with pytest.raises(AnchorUnreadable):
        AuditAnchor.parse(text)
