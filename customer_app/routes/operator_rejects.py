"""What the gateway refused: looked through, and sent again once the cause is gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form
from starlette.responses import Response

from customer_app.dependencies import allowed
from customer_app.rendering import Page
from customer_app.visit import Visit
from ingest_gateway import operations as ingest_operations
from ingest_gateway import queries as ingest_queries
from ingest_gateway.queries import RejectedMessage, RejectFilter
from kernel.i18n import mark
from kernel.period import local_day

router = APIRouter()

PAGE = 40
PAYLOAD_SHOWN = 4_000
NEVER = "never"  # how a message that cannot be sent again is told in the address
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
class Asked:
    """What is looked for, as it stands in the address; `since` and `until` are days at the utility."""

    reason: str = ""
    topic: str = ""
    since: str = ""
    until: str = ""
    waiting: str = ""

    def address(self, **more: object) -> str:
        """Give the page's address with what is looked for, and more."""
        given = {name: getattr(self, name) for name in self.__slots__} | more
        query = urlencode({name: told for name, told in given.items() if told})
        return f"/operator/rejected?{query}" if query else "/operator/rejected"

    def chosen(self, visit: Visit) -> RejectFilter:
        return RejectFilter(
            reason=self.reason or None,
            topic=self.topic.strip() or None,
            since=_start_of(visit, self.since, days=0),
            until=_start_of(visit, self.until, days=1),
            waiting=bool(self.waiting),
        )


Looked = Annotated[Asked, Depends()]


@dataclass(frozen=True, slots=True)
class RejectLine:
    """One refused message; the payload is shown as text and never as markup."""

    reject_id: int
    topic: str
    reason: str
    detail: str
    is_fall: bool  # of a register, which is stored only if somebody says that it is true
    first: str
    last: str
    times: str
    size: str
    payload: str
    is_cut: bool
    replayed: str


@dataclass(frozen=True, slots=True)
class ReasonChoice:
    path: str
    label: str
    count: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class GoneLine:
    """Messages of one reason that are no longer kept."""

    reason: str
    messages: str
    readings: str
    last: str


@dataclass(frozen=True, slots=True)
class RejectedPage(Page):
    TEMPLATE: ClassVar[str] = "operator/rejected.html"
    ACTIVE: ClassVar[str] = "/operator/rejected"

    rejects: tuple[RejectLine, ...]
    reasons: tuple[ReasonChoice, ...]
    asked: Asked
    is_narrowed: bool
    all_path: str
    older: str
    kept: str
    waiting: str
    gone: tuple[GoneLine, ...]
    may_replay: bool
    replay_query: str
    outcome: str


@router.get("/operator/rejected")
def rejected(
    visit: Annotated[Visit, allowed("gateway.view", action="reject.list")],
    asked: Looked,
    before: int | None = None,
    outcome: str = "",
) -> Response:
    """List refused messages, newest first."""
    rows = ingest_queries.rejected_page(
        visit.conn, utility_id=visit.utility_id, before=before, limit=PAGE, chosen=asked.chosen(visit)
    )
    room = ingest_queries.rejected_room(visit.conn, utility_id=visit.utility_id)
    page = RejectedPage(
        rejects=tuple(_reject(visit, row) for row in rows),
        reasons=_reasons(visit, asked),
        asked=asked,
        is_narrowed=asked != Asked(),
        all_path=_with(asked, reason="").address(),
        older=asked.address(before=rows[-1].reject_id) if len(rows) == PAGE else "",
        kept=visit.formats.number(room.messages),
        waiting=visit.formats.number(room.waiting),
        gone=_gone(visit),
        may_replay=visit.may("reject.replay"),
        replay_query=asked.address().partition("?")[2],
        outcome=_outcome(visit, outcome),
    )
    return visit.show(page)


@router.post("/operator/rejected/{reject_id}/replay")
def replay(
    reject_id: int,
    visit: Annotated[
        Visit, allowed("reject.replay", action="reject.replay", object_kind="reject", object_from="reject_id")
    ],
    asked: Looked,
    accept_backwards: Annotated[bool, Form()] = False,
) -> Response:
    """Send a refused message through intake again."""
    try:
        done = _replay(visit, reject_id, accept_backwards=accept_backwards)
    except ingest_operations.NotReplayable as error:
        visit.concerns(outcome="not_replayable", why=str(error))
        return visit.go(asked.address(outcome=NEVER))
    visit.concerns(stored=done.stored, duplicates=done.duplicates, rejected=done.rejected)
    return visit.go(asked.address(outcome=f"{done.stored}-{done.duplicates}-{done.rejected}"))


@router.post("/operator/rejected/replay")
def replay_shown(
    visit: Annotated[Visit, allowed("reject.replay", action="reject.replay_shown", object_kind="reject")],
    asked: Looked,
    reject_ids: Annotated[list[int] | None, Form(max_length=PAGE)] = None,
) -> Response:
    """Send the messages of a page through intake again, the oldest first."""
    stored = duplicates = refused = never = 0
    for reject_id in sorted(reject_ids or []):
        try:
            done = _replay(visit, reject_id, accept_backwards=False)
        except ingest_operations.NotReplayable:
            never += 1
        else:
            stored, duplicates, refused = stored + done.stored, duplicates + done.duplicates, refused + done.rejected
    visit.concerns(reject_ids=reject_ids or [], stored=stored, duplicates=duplicates, rejected=refused, never=never)
    return visit.go(asked.address(outcome=f"{stored}-{duplicates}-{refused}-{never}"))


def _replay(visit: Visit, reject_id: int, *, accept_backwards: bool) -> ingest_operations.Replayed:
    return ingest_operations.replay_reject(
        visit.conn,
        utility_id=visit.utility_id,
        reject_id=reject_id,
        accept_backwards=accept_backwards,
        at=visit.now,
        bridges=visit.services.settings.bridges,
    )


def _with(asked: Asked, *, reason: str) -> Asked:
    return Asked(reason, asked.topic, asked.since, asked.until, asked.waiting)


def _start_of(visit: Visit, text: str, *, days: int) -> datetime | None:
    """Give the start of a day at the utility, or of the one after it; what is no day narrows nothing."""
    try:
        return local_day(date.fromisoformat(text) + timedelta(days=days), zone=visit.formats.zone).start
    except (ValueError, OverflowError):
        return None


def _reasons(visit: Visit, asked: Asked) -> tuple[ReasonChoice, ...]:
    counts = ingest_queries.gateway_health(visit.conn, utility_id=visit.utility_id).rejected
    return tuple(
        ReasonChoice(
            path=_with(asked, reason=code).address(),
            label=visit.translate(REASONS.get(code, code)),
            count=visit.formats.number(count),
            is_chosen=asked.reason == code,
        )
        for code, count in sorted(counts.items())
    )


def _gone(visit: Visit) -> tuple[GoneLine, ...]:
    rows: Sequence[ingest_queries.Dropped] = ingest_queries.rejected_dropped(visit.conn, utility_id=visit.utility_id)
    return tuple(
        GoneLine(
            reason=visit.translate(REASONS.get(row.reason, row.reason)),
            messages=visit.formats.number(row.messages),
            readings=visit.formats.number(row.readings),
            last=visit.formats.datetime(row.last_at),
        )
        for row in rows
    )


def _reject(visit: Visit, row: RejectedMessage) -> RejectLine:
    text = row.payload[:PAYLOAD_SHOWN].decode("utf-8", "backslashreplace")
    safe = "".join(letter if letter.isprintable() or letter in "\n\t" else f"\\x{ord(letter):02x}" for letter in text)
    return RejectLine(
        reject_id=row.reject_id,
        topic=row.topic,
        reason=visit.translate(REASONS.get(row.reason, row.reason)),
        detail=row.detail,
        is_fall=row.reason == "register_backwards",
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
    if outcome == NEVER:
        return _("It still cannot be taken in: it is not whole, or cannot be read.")
    parts = outcome.split("-")
    if len(parts) not in (3, 4) or not all(part.isdecimal() and len(part) < 10 for part in parts):
        return ""
    stored, duplicates, refused, never = (visit.formats.number(int(part)) for part in (*parts, "0")[:4])
    told = _(
        "Sent again: %(stored)s stored, %(duplicates)s had been stored before, %(refused)s refused again.",
        stored=stored,
        duplicates=duplicates,
        refused=refused,
    )
    if never == visit.formats.number(0):
        return told
    return told + " " + _("%(n)s messages still cannot be read.", n=never)
