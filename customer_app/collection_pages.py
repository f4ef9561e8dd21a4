"""The story of a collection, and the proof of a suspension in words that a court could read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from customer_app.visit import Visit
from kernel.i18n import mark
from rating_engine import queries as rating_queries
from rating_engine.queries import SuspensionView
from registry import queries as registry_queries

STEPS = {
    "reminder": mark("Reminder"),
    "final_demand": mark("Final demand"),
    "suspension_notice": mark("Notice that supply will be stopped"),
}
HOLDS = {
    "dispute": mark("The bill is disputed"),
    "illness": mark("Illness"),
    "welfare": mark("Welfare"),
    "instalments": mark("Pays in instalments"),
    "arrangement": mark("An arrangement was made"),
    "leak": mark("A leak"),
    "freeze": mark("All collection is frozen"),
}
SUSPENSION_STATES = {
    "ordered": (mark("ordered"), "is-warn"),
    "commanded": (mark("command on its way"), "is-warn"),
    "suspended": (mark("supply stopped"), "is-bad"),
    "visit_needed": (mark("a visit is needed"), "is-warn"),
    "withdrawn": (mark("withdrawn"), ""),
    "restoring": (mark("coming back"), "is-info"),
    "restored": (mark("supply back"), "is-good"),
}
GUARDS = {
    "debt": mark("The debt is large enough"),
    "notices": mark("Every notice was served and has run out"),
    "overdue": mark("Overdue long enough"),
    "agreement": mark("The debtor still has the agreement"),
    "payment_in_flight": mark("No payment is under way"),
    "hold": mark("Nothing holds it back"),
    "leak": mark("No open leak"),
    "day": mark("A day on which supply may be stopped"),
    "hour": mark("An hour at which supply may be stopped"),
    "brake": mark("Not too many in one hour"),
    "freeze": mark("Collection is not frozen"),
}


@dataclass(frozen=True, slots=True)
class StepLine:
    title: str
    bill_id: int
    bill_number: str
    at: str
    until: str
    seen: str


@dataclass(frozen=True, slots=True)
class HoldLine:
    hold_id: int
    kind: str
    reason: str
    set_by: str
    since: str
    until: str
    stands: bool


@dataclass(frozen=True, slots=True)
class GuardLine:
    """One guard: what it asks, whether it let the suspension pass, what it saw."""

    asks: str
    passed: bool
    saw: str


@dataclass(frozen=True, slots=True)
class ProofLook:
    """One look at all the guards."""

    title: str
    at: str
    allowed: bool
    guards: tuple[GuardLine, ...]


@dataclass(frozen=True, slots=True)
class EventLine:
    title: str
    at: str
    look: str


@dataclass(frozen=True, slots=True)
class SuspensionCard:
    suspension_id: int
    point_number: str
    state: str
    look: str
    debt: str
    ordered: str
    events: tuple[EventLine, ...]
    looks: tuple[ProofLook, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """All that was done to collect from an account."""

    account_id: int
    account_number: str
    steps: tuple[StepLine, ...]
    holds: tuple[HoldLine, ...]
    suspensions: tuple[SuspensionCard, ...]


def story(visit: Visit, *, account_id: int, account_number: str) -> Story:
    _, formats = visit.translate, visit.formats
    found = rating_queries.collection_story(
        visit.conn, utility_id=visit.utility_id, account_id=account_id, at=visit.now
    )
    return Story(
        account_id=account_id,
        account_number=account_number,
        steps=tuple(
            StepLine(
                title=_(STEPS.get(step.step, step.step)),
                bill_id=step.bill_id,
                bill_number=step.bill_number,
                at=formats.datetime(step.taken_at),
                until=formats.date(step.payable_until),
                seen=formats.datetime(step.seen_at) if step.seen_at else "",
            )
            for step in found.steps
        ),
        holds=tuple(
            HoldLine(
                hold_id=hold.hold_id,
                kind=_(HOLDS.get(hold.kind, hold.kind)),
                reason=hold.reason,
                set_by=hold.set_by,
                since=formats.datetime(hold.valid_from),
                until=formats.datetime(hold.valid_to) if hold.valid_to else "",
                stands=hold.valid_from <= visit.now and (hold.valid_to is None or hold.valid_to > visit.now),
            )
            for hold in reversed(found.holds)
        ),
        suspensions=tuple(_suspension(visit, view) for view in found.suspensions),
    )


def _suspension(visit: Visit, view: SuspensionView) -> SuspensionCard:
    _, formats, row = visit.translate, visit.formats, view.suspension
    words, look = SUSPENSION_STATES.get(row.state, (row.state, ""))
    point = registry_queries.point(visit.conn, utility_id=visit.utility_id, point_id=row.point_id)
    events: list[EventLine] = []
    for event in view.events:
        state_words, state_look = SUSPENSION_STATES.get(event.state, (event.state, ""))
        events.append(EventLine(_(state_words), formats.datetime(event.happened_at), state_look))
    return SuspensionCard(
        suspension_id=row.suspension_id,
        point_number=point.point_number,
        state=_(words),
        look=look,
        debt=formats.money(row.debt_minor),
        ordered=formats.datetime(row.ordered_at),
        events=tuple(events),
        looks=tuple(_looks(visit, row.proof)),
    )


def _looks(visit: Visit, proof: Mapping[str, Any]) -> list[ProofLook]:
    """Find every look at the guards in the proof, whatever its name there."""
    _ = visit.translate
    titles = {
        "ordered": _("When it was ordered"),
        "order": _("When it was ordered"),
        "released": _("When the command left"),
        "release": _("When the command left"),
    }
    given = {"order": proof} if "guards" in proof else proof
    looks: list[ProofLook] = []
    for name, look in given.items():
        if not isinstance(look, Mapping) or "guards" not in look:
            continue
        looks.append(
            ProofLook(
                title=titles.get(name, name),
                at=visit.formats.datetime(datetime.fromisoformat(str(look["at"]))) if "at" in look else "",
                allowed=bool(look.get("allowed")),
                guards=tuple(
                    GuardLine(
                        asks=_(GUARDS.get(guard["name"], guard["name"])),
                        passed=bool(guard["passed"]),
                        saw=_saw(visit, str(guard["name"]), guard.get("saw", {})),
                    )
                    for guard in look["guards"]
                ),
            )
        )
    return looks


def _saw(visit: Visit, name: str, saw: Mapping[str, Any]) -> str:
    _, formats = visit.translate, visit.formats
    match name:
        case "debt":
            return _(
                "%(open)s open, at least %(least)s",
                open=formats.money(int(saw.get("open_minor", 0))),
                least=formats.money(int(saw.get("smallest_minor", 0))),
            )
        case "notices":
            return "; ".join(_notice(visit, bill) for bill in saw.get("bills", ()))
        case "overdue":
            return _("%(n)s days, at least %(needed)s", n=saw.get("days"), needed=saw.get("needed"))
        case "brake":
            return _("%(n)s in the last hour, at most %(limit)s", n=saw.get("last_hour"), limit=saw.get("limit"))
        case "day":
            return formats.short_date(date.fromisoformat(str(saw["day"]))) if "day" in saw else ""
        case "hour":
            return str(saw.get("local_time", ""))
        case "hold":
            return ", ".join(_(HOLDS.get(hold, hold)) for hold in saw.get("holds", ())) or _("none")
        case "payment_in_flight" | "leak":
            listed = saw.get("intents", saw.get("anomalies", ()))
            return ", ".join(f"#{number}" for number in listed) or _("none")
        case _:
            return _("yes") if all(saw.values()) else _("no")


def _notice(visit: Visit, bill: Mapping[str, Any]) -> str:
    _, formats = visit.translate, visit.formats
    steps = [
        _(
            "%(step)s %(day)s, payable until %(until)s, %(served)s",
            step=_(STEPS.get(name, name)),
            day=formats.date(date.fromisoformat(str(step["taken_on"]))),
            until=formats.date(date.fromisoformat(str(step["payable_until"]))),
            served=_("served") if step.get("served") else _("not served"),
        )
        for name, step in bill.get("steps", {}).items()
    ]
    return f"{formats.money(int(bill.get('open_minor', 0)))}: {', '.join(steps)}"
