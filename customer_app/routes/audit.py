"""The audit log: who did what, to whom, when; whether its chain holds; and who may sign in."""

import json
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from customer_app.dependencies import allowed
from customer_app.rendering import Page
from customer_app.visit import Visit
from kernel.period import local_days
from registry import operations as registry_operations
from registry import queries as registry_queries
from registry.queries import AuditEntry

router = APIRouter()

PAGE = 100


@dataclass(frozen=True, slots=True)
class AuditLine:
    audit_id: int
    wall: str
    at: str
    actor: str
    address: str
    action: str
    what: str
    whom: str
    whom_path: str
    detail: str
    is_refused: bool


@dataclass(frozen=True, slots=True)
class AuditPage(Page):
    TEMPLATE: ClassVar[str] = "audit/log.html"
    ACTIVE: ClassVar[str] = "/audit"

    lines: tuple[AuditLine, ...]
    actor: str
    action: str
    whom: str
    day: str
    older: str


@dataclass(frozen=True, slots=True)
class ChainPage(Page):
    TEMPLATE: ClassVar[str] = "audit/chain.html"
    ACTIVE: ClassVar[str] = "/audit"

    holds: bool
    links: str
    unlinked: str
    last_hash: str
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LoginLine:
    name: str
    display_name: str
    roles: str
    language: str
    active: bool
    customer_path: str


@dataclass(frozen=True, slots=True)
class LoginsPage(Page):
    TEMPLATE: ClassVar[str] = "audit/logins.html"
    ACTIVE: ClassVar[str] = "/audit"

    logins: tuple[LoginLine, ...]


@router.get("/audit")
def log(
    visit: Annotated[Visit, allowed("audit.view", action="audit.search")],
    actor: str = "",
    action: str = "",
    whom: str = "",
    day: str = "",
    before: int | None = None,
) -> Response:
    """Search the audit log, newest first."""
    chosen = _day(day)
    period = local_days(chosen, chosen + timedelta(days=1), zone=visit.utility.zone) if chosen else None
    asked = {"actor": actor.strip().lower(), "action": action.strip(), "whom": whom.strip(), "day": day}
    visit.audit_detail.update({name: given for name, given in asked.items() if given})
    party_id = _party_id(visit, asked["whom"])
    entries = (
        registry_queries.audit_entries(
            visit.conn,
            utility_id=visit.utility_id,
            actor=asked["actor"] or None,
            action=asked["action"] or None,
            party_id=party_id,
            utility_from=period.start if period else None,
            utility_to=period.end if period else None,
            before_audit_id=before,
            limit=PAGE,
        )
        if party_id is not None or not asked["whom"]
        else []
    )
    query = {name: given for name, given in asked.items() if given}
    older = f"/audit?{urlencode({**query, 'before': entries[-1].audit_id})}" if len(entries) == PAGE else ""
    page = AuditPage(
        lines=_lines(visit, entries),
        actor=actor,
        action=action,
        whom=whom,
        day=chosen.isoformat() if chosen else "",
        older=older,
    )
    return visit.show(page)


@router.get("/audit/chain")
def chain(visit: Annotated[Visit, allowed("audit.view", action="audit.verify")]) -> Response:
    """Walk the whole chain of the audit log and say whether it is as it was written."""
    verdict = registry_operations.verify_audit(visit.conn, utility_id=visit.utility_id)
    visit.concerns(holds=verdict.holds, links=verdict.links)
    page = ChainPage(
        holds=verdict.holds,
        links=visit.formats.number(verdict.links),
        unlinked=visit.formats.number(verdict.unlinked),
        last_hash=verdict.last_hash.hex(),
        findings=tuple(
            f"{finding.kind}: {finding.link_number or ''} {finding.audit_id or ''}".strip()
            for finding in verdict.findings
        ),
    )
    return visit.show(page)


@router.get("/audit/logins")
def logins(visit: Annotated[Visit, allowed("audit.view", action="login.list")]) -> Response:
    """List who may sign in, and in which roles."""
    found = registry_queries.logins(visit.conn, utility_id=visit.utility_id)
    lines = tuple(
        LoginLine(
            name=one.login_name,
            display_name=one.display_name,
            roles=", ".join(one.roles),
            language=one.locale,
            active=one.active,
            customer_path=f"/office/customers/{one.party_id}"
            if one.party_id is not None and visit.may("customer.view")
            else "",
        )
        for one in found
    )
    return visit.show(LoginsPage(logins=lines))


def _lines(visit: Visit, entries: list[AuditEntry]) -> tuple[AuditLine, ...]:
    party_ids = sorted({one.party_id for one in entries if one.party_id is not None})
    parties = {
        party.party_id: party
        for party in registry_queries.parties(visit.conn, utility_id=visit.utility_id, party_ids=party_ids)
    }
    lines: list[AuditLine] = []
    for one in entries:
        party = parties.get(one.party_id) if one.party_id is not None else None
        lines.append(
            AuditLine(
                audit_id=one.audit_id,
                wall=one.recorded_at.astimezone(visit.utility.zone).strftime("%Y-%m-%d %H:%M:%S"),
                at=visit.formats.datetime(one.utility_at),
                actor=one.actor,
                address=one.remote_address,
                action=one.action,
                what=f"{one.object_kind} {one.object_id}".strip(),
                whom=f"{party.name} ({party.party_number})" if party else "",
                whom_path=f"/office/customers/{party.party_id}" if party and visit.may("customer.view") else "",
                detail=json.dumps(one.detail, ensure_ascii=False, sort_keys=True) if one.detail else "",
                is_refused="refused" in one.detail,
            )
        )
    return tuple(lines)


def _party_id(visit: Visit, text: str) -> int | None:
    """Find whom the log is searched for: the best match of what was typed."""
    if not text:
        return None
    found = registry_queries.find_customers(visit.conn, utility_id=visit.utility_id, text=text, limit=1)
    return found[0].party_id if found else None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
