"""The registry's timed work: the audit chain, and sessions that ended."""

from datetime import datetime

import structlog

from kernel.clock import wall_now
from kernel.database import Pool, Scope, transaction
from registry import operations, queries
from registry.operations import AuditAnchor, AuditVerdict

log = structlog.get_logger()

ACTOR = "scheduler"


def link_audit_entries(pool: Pool, *, at: datetime) -> list[AuditAnchor]:
    """Extend each utility's audit chain; give the anchors, which also go to the log and with it off this host."""
    anchors: list[AuditAnchor] = []
    for utility_id in _utility_ids(pool):
        with transaction(pool, scope=Scope(utility_id, ACTOR, at)) as conn:
            linked = operations.link_audit(conn, utility_id=utility_id)
            anchor = operations.audit_anchor(conn, utility_id=utility_id)
        anchors.append(anchor)
        if linked:
            log.info("audit.linked", utility_id=utility_id, linked=linked, anchor=str(anchor))
    return anchors


def verify_audit_chains(pool: Pool, *, at: datetime) -> dict[int, AuditVerdict]:
    """Check each utility's whole chain; what does not hold is logged as an error."""
    verdicts: dict[int, AuditVerdict] = {}
    for utility_id in _utility_ids(pool):
        with transaction(pool, scope=Scope(utility_id, ACTOR, at)) as conn:
            verdict = verdicts[utility_id] = operations.verify_audit(conn, utility_id=utility_id)
        for finding in verdict.findings:
            log.error(
                "audit.tampered",
                utility_id=utility_id,
                finding=finding.kind,
                audit_id=finding.audit_id,
                link_number=finding.link_number,
            )
    return verdicts


def forget_ended_sessions(pool: Pool, *, at: datetime) -> int:
    """Delete sessions that ended, and old attempts to sign in."""
    forgotten = 0
    for utility_id in _utility_ids(pool):
        with transaction(pool, scope=Scope(utility_id, ACTOR, at)) as conn:
            forgotten += operations.forget_ended_sessions(conn, utility_id=utility_id, wall_now=wall_now())
    return forgotten


def _utility_ids(pool: Pool) -> list[int]:
    with pool.connection() as conn:
        return [utility.utility_id for utility in queries.utilities(conn)]
