"""What the gateway refused, and how our processes fare."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from fastapi import APIRouter, Form
from starlette.responses import Response

from customer_app.dependencies import allowed
from customer_app.rendering import Page
from customer_app.visit import Visit
from ingest_gateway import operations as ingest_operations
from ingest_gateway import queries as ingest_queries
from ingest_gateway.queries import RejectedMessage
from kernel import events, heartbeat, invariants
from kernel.clock import wall_now
from kernel.i18n import mark

router = APIRouter()

PAGE = 40
PAYLOAD_SHOWN = 4_000
LATE_S = 30.0
REASONS = {
    "malformed": mark("could not be read"),
    "too_large": mark("too large"),
    "too_deep": mark("nested too deep"),
    "unknown_topic": mark("unknown topic"),
    "unknown_utility": mark("not our utility"),
    "unknown_sender": mark("unknown sender"),
    "unknown_meter": mark("unknown meter"),
    "unknown_format": mark("unknown format"),
    "not_this_sender": mark("may not speak for this meter"),
    "not_finite": mark("not a number"),
    "out_of_range": mark("out of range"),
    "clock_ahead": mark("its clock is ahead"),
    "too_old": mark("too old"),
    "conflict": mark("another value is stored"),
    "register_backwards": mark("the register fell"),
    "unit_mismatch": mark("another unit than the meter's"),
    "no_register": mark("no register in it"),
    "unknown_command": mark("answers an order we did not give"),
}


@dataclass(frozen=True, slots=True)
class RejectLine:
    """One refused message; the payload is shown as text and never as markup."""

    reject_id: int
    topic: str
    reason: str
    detail: str
    first: str
    last: str
    times: str
    size: str
    payload: str
    is_cut: bool
    replayed: str


@dataclass(frozen=True, slots=True)
class ReasonChoice:
    code: str
    label: str
    count: str


@dataclass(frozen=True, slots=True)
class RejectedPage(Page):
    TEMPLATE: ClassVar[str] = "operator/rejected.html"
    ACTIVE: ClassVar[str] = "/operator/rejected"

    rejects: tuple[RejectLine, ...]
    reasons: tuple[ReasonChoice, ...]
    reason: str
    older: str
    may_replay: bool
    outcome: str


@dataclass(frozen=True, slots=True)
class ProcessLine:
    name: str
    seen: str
    look: str
    words: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CountLine:
    name: str
    count: str
    look: str
    note: str


@dataclass(frozen=True, slots=True)
class ProcessesPage(Page):
    TEMPLATE: ClassVar[str] = "operator/processes.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {"all": "operator/_processes.html"}
    ACTIVE: ClassVar[str] = "/operator/processes"

    processes: tuple[ProcessLine, ...]
    backlog: tuple[CountLine, ...]
    checks: tuple[CountLine, ...]


@router.get("/operator/rejected")
def rejected(
    visit: Annotated[Visit, allowed("gateway.view", action="reject.list")],
    reason: str = "",
    before: int | None = None,
    outcome: str = "",
) -> Response:
    """List refused messages, newest first."""
    _, formats = visit.translate, visit.formats
    rows = ingest_queries.rejected_page(
        visit.conn, utility_id=visit.utility_id, before=before, limit=PAGE, reason=reason or None
    )
    counts = ingest_queries.gateway_health(visit.conn, utility_id=visit.utility_id).rejected
    older = f"/operator/rejected?reason={reason}&before={rows[-1].reject_id}" if len(rows) == PAGE else ""
    page = RejectedPage(
        rejects=tuple(_reject(visit, row) for row in rows),
        reasons=tuple(
            ReasonChoice(code, _(REASONS.get(code, code)), formats.number(n)) for code, n in sorted(counts.items())
        ),
        reason=reason,
        older=older,
        may_replay=visit.may("reject.replay"),
        outcome=_outcome(visit, outcome),
    )
    return visit.show(page)


@router.post("/operator/rejected/{reject_id}/replay")
def replay(
    reject_id: int,
    visit: Annotated[
        Visit, allowed("reject.replay", action="reject.replay", object_kind="reject", object_from="reject_id")
    ],
    accept_backwards: Annotated[bool, Form()] = False,
) -> Response:
    """Send a refused message through intake again."""
    try:
        done = ingest_operations.replay_reject(
            visit.conn,
            utility_id=visit.utility_id,
            reject_id=reject_id,
            accept_backwards=accept_backwards,
            bridges=visit.services.settings.bridges,
            at=visit.now,
        )
    except ingest_operations.NotReplayable as error:
        visit.concerns(outcome="not_replayable", why=str(error))
        return visit.go("/operator/rejected?outcome=never")
    visit.concerns(stored=done.stored, duplicates=done.duplicates, rejected=done.rejected)
    return visit.go(f"/operator/rejected?outcome={done.stored}-{done.duplicates}-{done.rejected}")


@router.get("/operator/processes")
def processes(visit: Annotated[Visit, allowed("gateway.view", action="process.list")]) -> Response:
    """Show how our processes fare, how far the events are, and the standing checks."""
    now, formats = wall_now(), visit.formats
    page = ProcessesPage(
        processes=tuple(
            _process(visit, beat, seen_s=(now - beat.seen_at).total_seconds())
            for beat in heartbeat.heartbeats(visit.conn)
        ),
        backlog=tuple(
            CountLine(name, formats.number(n), "is-good" if n < events.BATCH else "is-warn", "")
            for name, n in sorted(events.backlog(visit.conn).items())
        ),
        checks=tuple(
            CountLine(
                found.name,
                formats.number(found.violations),
                "is-good" if found.violations == 0 else "is-bad",
                found.example or "",
            )
            for found in invariants.last_results(visit.conn)
        ),
    )
    return visit.show(page)


def _reject(visit: Visit, row: RejectedMessage) -> RejectLine:
    text = row.payload[:PAYLOAD_SHOWN].decode("utf-8", "backslashreplace")
    safe = "".join(letter if letter.isprintable() or letter in "\n\t" else f"\\x{ord(letter):02x}" for letter in text)
    return RejectLine(
        reject_id=row.reject_id,
        topic=row.topic,
        reason=visit.translate(REASONS.get(row.reason, row.reason)),
        detail=row.detail,
        first=visit.formats.datetime(row.first_at),
        last=visit.formats.datetime(row.last_at),
        times=visit.formats.number(row.times),
        size=visit.formats.number(row.payload_bytes),
        payload=safe,
        is_cut=row.payload_bytes > PAYLOAD_SHOWN,
        replayed=visit.formats.datetime(row.replayed_at) if row.replayed_at else "",
    )


def _outcome(visit: Visit, outcome: str) -> str:
    _ = visit.translate
    if outcome == "never":
        return _("It still cannot be taken in: it is not whole, or cannot be read.")
    parts = outcome.split("-")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        return ""
    stored, duplicates, refused = parts
    return _(
        "Sent again: %(stored)s stored, %(duplicates)s had been stored before, %(refused)s refused again.",
        stored=stored,
        duplicates=duplicates,
        refused=refused,
    )


def _process(visit: Visit, beat: heartbeat.Heartbeat, *, seen_s: float) -> ProcessLine:
    _ = visit.translate
    alive = seen_s < LATE_S
    return ProcessLine(
        name=beat.process,
        seen=_("%(n)s s ago", n=visit.formats.number(int(seen_s))),
        look="is-good" if alive else "is-bad",
        words=_("alive") if alive else _("not heard of"),
        facts=tuple((name, _short(told)) for name, told in sorted(beat.health.items())),
    )


def _short(told: Any) -> str:
    return str(told)[:120]
