"""The score of a set as a person reads it, each figure beside its goal."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from suiden.evaluation import scorer
from suiden.evaluation.goals import DELAY_H, Goals
from suiden.evaluation.run import Result, instant
from suiden.evaluation.scorer import Event, KindScore, Score, Ticket

KIND_TEXT = {kind: kind.replace("_", " ") for kind in scorer.FAMILY}


def show(score: Score, *, goals: Goals, result: Result | None, console: Console, details: bool) -> None:
    """Print the kinds, then the sums, each with its goal; `details` adds what was missed and raised for nothing."""
    console.print(_kinds(score, goals))
    console.print()
    console.print(_sums(score, goals, result))
    console.print()
    _counted(console, "false alarms by cause", scorer.causes(score))
    _counted(console, "false alarms by kind", scorer.alarms_by_kind(score))
    if details:
        _details(score, console)


def as_json(score: Score, *, goals: Goals, result: Result | None) -> dict[str, Any]:
    """Give the figures for programs, under the names of the sets' own scorer."""
    summary: dict[str, Any] = {
        "tickets": score.tickets,
        "events": score.events,
        "recall_any": score.recall_any,
        "recall_family": score.recall_family,
        "macro_recall_family": score.macro_recall_family,
        "false_alarms": len(score.false_alarms),
        "meter_days": score.meter_days,
        "fa_per_1000_meter_days": score.false_alarms_per_1000_meter_days,
        "fa_per_meter_year": len(score.false_alarms) / score.meter_days * 365.25,
        "wrong_family": score.wrong_family,
        "precision": score.precision,
        "tickets_per_true_event": score.tickets_per_event,
        "tickets_per_zone_event": score.tickets_per_zone_event,
        "max_tickets_in_10min": score.most_in_10_minutes,
        "fa_by_cause": dict(scorer.causes(score).most_common()),
        "fa_by_kind": dict(scorer.alarms_by_kind(score).most_common()),
        "missed": [event.name for event in score.missed],
    }
    if result is not None:
        summary |= {"readings": result.readings, "readings_per_s": _rate(result)}
    kinds = [
        {
            "domain": one.service,
            "kind": one.kind,
            "n": one.events,
            "recall_any": one.recall_any,
            "recall_family": one.recall_family,
            "recall_exact": one.recall_exact,
            "median_delay_h": one.median_delay_h,
            "tickets_per_detected": one.tickets_per_detected,
        }
        for one in score.kinds
    ]
    return {"summary": summary, "kinds": kinds, "goals": goals.name}


def _kinds(score: Score, goals: Goals) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    columns: tuple[tuple[str, JustifyMethod], ...] = (
        ("service", "left"),
        ("kind", "left"),
        ("events", "right"),
        ("found", "right"),
        ("by a ticket of another family", "right"),
        ("median delay h", "right"),
        ("goal h", "right"),
        ("tickets an event", "right"),
    )
    for name, justify in columns:
        table.add_column(name, justify=justify)
    for one in score.kinds:
        table.add_row(*_kind_row(one, goals))
    return table


def _kind_row(one: KindScore, goals: Goals) -> tuple[str | Text, ...]:
    found = round(one.recall_family * one.events)
    otherwise = round(one.recall_any * one.events) - found
    goal_h = DELAY_H.get(one.kind)
    return (
        one.service,
        KIND_TEXT.get(one.kind, one.kind),
        str(one.events),
        _judged(f"{found}  {one.recall_family:>4.0%}", well=one.recall_family >= goals.least_recall),
        str(otherwise) if otherwise else "",
        _judged(f"{one.median_delay_h:.1f}", well=goal_h is None or one.median_delay_h <= goal_h),
        "" if goal_h is None else f"{goal_h:g}",
        "" if one.tickets_per_detected is None else f"{one.tickets_per_detected:.1f}",
    )


def _sums(score: Score, goals: Goals, result: Result | None) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("all kinds")
    table.add_column("figure", justify="right")
    table.add_column(f"goal ({goals.name})", justify="right")
    alarms = score.false_alarms_per_1000_meter_days
    planned = _in_planned_works(score)
    rows: list[tuple[str, str, str, bool]] = [
        ("events found, mean of the kinds", f"{score.macro_recall_family:.3f}", f"≥ {goals.macro_recall:g}",
         score.macro_recall_family >= goals.macro_recall),
        ("false alarms per 1,000 meter-days", f"{alarms:.2f}", f"≤ {goals.false_alarms:g}",
         alarms <= goals.false_alarms),
        ("… inside planned works", str(planned), "0", planned == 0),
        ("tickets that are right", f"{score.precision:.2f}", f"≥ {goals.precision:g}",
         score.precision >= goals.precision),
        ("tickets an event", f"{score.tickets_per_event:.2f}", f"≤ {goals.tickets_per_event:g}",
         score.tickets_per_event <= goals.tickets_per_event),
        ("tickets an event of a whole zone", f"{score.tickets_per_zone_event:.2f}",
         f"≤ {goals.tickets_per_zone_event:g}", score.tickets_per_zone_event <= goals.tickets_per_zone_event),
        ("most tickets in any 10 minutes", str(score.most_in_10_minutes), f"≤ {goals.most_in_10_minutes}",
         score.most_in_10_minutes <= goals.most_in_10_minutes),
    ]  # fmt: skip
    if result is not None:  # few meters are slow by nature, so the goal is judged elsewhere
        rows.append(
            ("readings a second on one core, at so few meters", f"{_rate(result):,.0f}", "suiden bench checker", True)
        )
    for label, figure, goal, well in rows:
        table.add_row(label, _judged(figure, well=well), goal)
    table.add_row(
        "tickets: right, of another family, for nothing",
        f"{round(score.precision * max(1, score.tickets))}, {score.wrong_family}, {len(score.false_alarms)}",
        "",
    )
    return table


def _details(score: Score, console: Console) -> None:
    _listed(console, "missed", (_event_text(event) for event in score.missed))
    _listed(console, "for nothing", (f"{_ticket_text(a.ticket)}  ({a.cause})" for a in score.false_alarms))
    _listed(console, "of another family", (f"{_ticket_text(t)}  for {_event_text(e)}" for t, e in score.wrong))


def _event_text(event: Event) -> str:
    place = ", ".join(event.zones) if event.is_zonal else ", ".join(event.meters[:3])
    return f"{event.name} {event.kind} {place} {instant(event.start_s)} … {instant(event.end_s)}"


def _ticket_text(ticket: Ticket) -> str:
    place = ", ".join(sorted(ticket.meters)[:3]) or ticket.zone
    return f"{instant(ticket.opened_s)} {ticket.kind} {place}"


def _listed(console: Console, title: str, lines: Iterable[str]) -> None:
    console.print(f"\n[bold]{title}[/]")
    for line in lines:
        console.print(f"  {line}", markup=False)


def _counted(console: Console, title: str, counts: Counter[str]) -> None:
    if counts:
        told = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.most_common())
        console.print(f"{title}: {told}")


def _judged(text: str, *, well: bool) -> Text:
    return Text(f"{text}  ") if well else Text(f"{text} ✗", style="bold red")


def _in_planned_works(score: Score) -> int:
    planned = ("planned_closure", "planned_outage", "hydrant_flushing", "meter_exchange")
    return sum(scorer.causes(score)[kind] for kind in planned)


def _rate(result: Result) -> float:
    return result.readings / max(result.checking_s, 1e-9)
