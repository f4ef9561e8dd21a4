"""The audit log: writing entries, chaining them, and checking the chain."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from registry.domain.audit import (
    FINDINGS_SHOWN,
    FIRST_HASH,
    LATE_COMMIT,
    AuditAnchor,
    AuditFinding,
    AuditVerdict,
    check,
    extend,
)
from registry.store import audits, utilities

LINKS_AT_ONCE = 10_000


def record_audit(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    actor: str,
    login_id: int | None,
    remote_address: str,
    action: str,
    object_kind: str,
    object_id: str,
    party_id: int | None,
    detail: Mapping[str, Any],
    at: datetime,
) -> None:
    """Record who did or saw what, on what and on whom, at utility time `at`; the database adds the wall time."""
    audits.insert(
        conn,
        utility_id=utility_id,
        actor=actor,
        login_id=login_id,
        remote_address=remote_address,
        action=action,
        object_kind=object_kind,
        object_id=object_id,
        party_id=party_id,
        detail=detail,
        at=at,
    )


def link_audit(conn: Connection[TupleRow], *, utility_id: int) -> int:
    """Chain the committed entries that have no link yet; return how many.

    An entry recorded as of a time that the chain passed long ago gets no link: `verify_audit` reports it as inserted.
    """
    audits.lock_chain(conn, utility_id=utility_id)
    newest = audits.newest_linked(conn, utility_id=utility_id)
    entries = audits.unlinked(
        conn,
        utility_id=utility_id,
        recorded_from=None if newest is None else newest - LATE_COMMIT,
        limit=LINKS_AT_ONCE,
    )
    links = extend(audits.last_link(conn, utility_id=utility_id), entries)
    audits.insert_links(conn, utility_id=utility_id, links=links)
    return len(links)


def verify_audit(conn: Connection[TupleRow], *, utility_id: int, anchors: Sequence[AuditAnchor] = ()) -> AuditVerdict:
    """Walk the whole chain and say where a row was changed, removed or inserted.

    Anchors that were kept elsewhere also show a chain that was cut off or made anew.
    """
    newest = audits.newest_linked(conn, utility_id=utility_id)
    links, last_hash, findings = check(audits.chain(conn, utility_id=utility_id), anchors=anchors)
    unlinked, inserted = audits.unlinked_counts(
        conn, utility_id=utility_id, passed_before=None if newest is None else newest - LATE_COMMIT
    )
    findings.extend(AuditFinding("inserted", None, audit_id) for audit_id in inserted)
    return AuditVerdict(links, unlinked, last_hash, tuple(findings[:FINDINGS_SHOWN]))


def audit_anchor(conn: Connection[TupleRow], *, utility_id: int) -> AuditAnchor:
    """Give the end of the chain, to be kept off this host: written on paper, sent to an auditor, logged elsewhere."""
    code = utilities.code_of(conn, utility_id=utility_id)
    last = audits.last_link(conn, utility_id=utility_id)
    return AuditAnchor(code, 0, FIRST_HASH) if last is None else AuditAnchor(code, last.link_number, last.hash)
