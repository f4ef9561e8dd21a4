"""How our processes fare."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from fastapi import APIRouter
from starlette.responses import Response

from customer_app.dependencies import allowed
from customer_app.rendering import Page
from customer_app.visit import Visit
from kernel import events, heartbeat, invariants
from kernel.clock import wall_now

router = APIRouter()

LATE_S = 30.0


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
