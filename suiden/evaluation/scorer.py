"""Scoring tickets against the labels of a set: what was found, how soon, and how many tickets were for nothing.

A ticket is right if it opens between one interval before the event and a grace after it, and lists meters of which at
least three in ten belong to the event, or names one of the zones of a zone's event. Kinds of one family are counted as
right. A miss counts with the longest delay that would still have been right.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from suiden.evaluation.folder import csv_lines, seconds
from suiden.evaluation.trouble import SetUnreadable

HOUR_S = 3600
DAY_S = 24 * HOUR_S
GRACE_S = {
    "pipe_burst": 2 * HOUR_S,
    "slow_leak": 24 * HOUR_S,
    "household_leak": 12 * HOUR_S,
    "stuck_meter": 0,
    "backflow": 24 * HOUR_S,
    "tamper": 48 * HOUR_S,
    "sensor_drift": 24 * HOUR_S,
    "pressure_sag": 2 * HOUR_S,
    "valve_closure": 2 * HOUR_S,
    "voltage_sag": 2 * HOUR_S,
    "voltage_swell": 2 * HOUR_S,
    "phase_loss": 6 * HOUR_S,
    "outage": 6 * HOUR_S,
    "theft": 48 * HOUR_S,
    "unregistered_export": 24 * HOUR_S,
}
FAMILY = {
    "pipe_burst": "network_leak",
    "slow_leak": "network_leak",
    "pressure_sag": "supply_pressure",
    "valve_closure": "supply_pressure",
    "household_leak": "customer_leak",
    "stuck_meter": "under_registration",
    "tamper": "under_registration",
    "theft": "under_registration",
    "backflow": "backflow",
    "sensor_drift": "sensor",
    "voltage_sag": "voltage",
    "voltage_swell": "voltage",
    "phase_loss": "power_loss",
    "outage": "power_loss",
    "unregistered_export": "export",
}
LEAST_SHARE = 0.3  # of a ticket's meters that must belong to the event
COUNTED_AFTER_S = 6 * HOUR_S  # tickets so long after the set's end still count
FLOOD_S = 600


@dataclass(frozen=True, slots=True)
class Event:
    """What was thrown into a set, or a distractor of it; seconds since 1970."""

    name: str
    service: str
    kind: str
    is_zonal: bool
    meters: tuple[str, ...]
    zones: tuple[str, ...]
    start_s: int
    end_s: int


@dataclass(frozen=True, slots=True)
class Labels:
    """The truth about a set; before `from_s` is the time for learning."""

    from_s: int
    to_s: int
    events: tuple[Event, ...]
    distractors: tuple[Event, ...]
    meters: int
    interval_of_meter: Mapping[str, int]
    interval_of_zone: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Ticket:
    """A line of the file of tickets; without meters it is the whole zone's."""

    opened_s: int
    kind: str
    zone: str | None
    meters: frozenset[str]


@dataclass(frozen=True, slots=True)
class KindScore:
    """Of the events of one kind."""

    service: str
    kind: str
    events: int
    recall_any: float
    recall_family: float
    recall_exact: float
    median_delay_h: float
    tickets_per_detected: float | None  # None: none was found


@dataclass(frozen=True, slots=True)
class FalseAlarm:
    """A ticket that belongs to no event; `cause` is what of the set came nearest to a reason."""

    ticket: Ticket
    cause: str


@dataclass(frozen=True, slots=True)
class Score:
    """Of all tickets of known kinds that opened in the judged time."""

    tickets: int
    events: int
    recall_any: float
    recall_family: float
    macro_recall_family: float
    false_alarms: tuple[FalseAlarm, ...]
    meter_days: float
    wrong_family: int
    precision: float
    tickets_per_event: float
    tickets_per_zone_event: float
    most_in_10_minutes: int
    kinds: tuple[KindScore, ...]
    missed: tuple[Event, ...]  # without a ticket of the right family
    wrong: tuple[tuple[Ticket, Event], ...]  # tickets of another family than their event

    @property
    def false_alarms_per_1000_meter_days(self) -> float:
        return len(self.false_alarms) / self.meter_days * 1000


def family(kind: str) -> str:
    """Give the family of a kind; a kind without one is its own."""
    return FAMILY.get(kind, kind)


def read_labels(folder: Path) -> Labels:
    """Read the labels of a set.

    :raises SetUnreadable: if there are none, or they are not what the format says
    """
    try:
        meters = csv_lines(folder / "meters.csv")
        told = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
        zone_intervals: dict[str, int] = {}
        for line in meters:
            zone_intervals.setdefault(line["zone"], int(line["interval_s"]))
        return Labels(
            from_s=seconds(told["eval_start"]),
            to_s=seconds(told["t_end"]),
            events=tuple(_event(one) for one in told["events"]),
            distractors=tuple(_event(one) for one in told["distractors"]),
            meters=len(meters),
            interval_of_meter={line["meter_id"]: int(line["interval_s"]) for line in meters},
            interval_of_zone=zone_intervals,
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise SetUnreadable(
            f"{folder / 'labels.json'} cannot be read: {error}; without labels use --no-score"
        ) from error


def read_tickets(path: Path) -> list[Ticket]:
    """Read a file of tickets, one JSON object a line.

    :raises SetUnreadable: if a line is none
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [ticket_of(json.loads(line)) for line in lines if line.strip()]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise SetUnreadable(f"{path} holds no tickets that can be read: {error}") from error


def ticket_of(line: Mapping[str, Any]) -> Ticket:
    """Take a ticket as it is written in a file."""
    opened = line["opened_at"]
    return Ticket(
        opened_s=seconds(opened) if isinstance(opened, str) else int(opened),
        kind=str(line.get("kind")),
        zone=line.get("zone"),
        meters=frozenset(line.get("meters") or ()),
    )


def score(labels: Labels, tickets: Sequence[Ticket]) -> Score:
    """Judge tickets by the labels; those of kinds without a family are left out."""
    judged = sorted(
        (t for t in tickets if t.kind in FAMILY and labels.from_s <= t.opened_s <= labels.to_s + COUNTED_AFTER_S),
        key=lambda ticket: ticket.opened_s,
    )
    hits: dict[str, list[Ticket]] = {event.name: [] for event in labels.events}
    alarms: list[FalseAlarm] = []
    for ticket in judged:
        event = _event_of(ticket, labels)
        if event is None:
            alarms.append(FalseAlarm(ticket, _cause(ticket, labels)))
        else:
            hits[event.name].append(ticket)
    return _summed(labels, judged, hits, alarms)


def _summed(labels: Labels, judged: list[Ticket], hits: dict[str, list[Ticket]], alarms: list[FalseAlarm]) -> Score:
    right = {e.name: [t for t in hits[e.name] if family(t.kind) == family(e.kind)] for e in labels.events}
    detected = [event for event in labels.events if hits[event.name]]
    zonal = [event for event in detected if event.is_zonal]
    kinds = sorted({(event.service, event.kind) for event in labels.events})
    scores = tuple(_kind_score(labels, service, kind, hits, right) for service, kind in kinds)
    right_tickets = sum(len(found) for found in right.values())
    count = max(1, len(labels.events))
    return Score(
        tickets=len(judged),
        events=len(labels.events),
        recall_any=len(detected) / count,
        recall_family=sum(bool(found) for found in right.values()) / count,
        macro_recall_family=sum(one.recall_family for one in scores) / max(1, len(scores)),
        false_alarms=tuple(alarms),
        meter_days=labels.meters * (labels.to_s - labels.from_s) / DAY_S,
        wrong_family=sum(len(found) for found in hits.values()) - right_tickets,
        precision=right_tickets / max(1, len(judged)),
        tickets_per_event=sum(len(found) for found in hits.values()) / max(1, len(detected)),
        tickets_per_zone_event=sum(len(hits[event.name]) for event in zonal) / max(1, len(zonal)),
        most_in_10_minutes=_most_at_once([ticket.opened_s for ticket in judged]),
        kinds=scores,
        missed=tuple(event for event in labels.events if not right[event.name]),
        wrong=tuple((t, e) for e in labels.events for t in hits[e.name] if family(t.kind) != family(e.kind)),
    )


def _kind_score(
    labels: Labels, service: str, kind: str, hits: dict[str, list[Ticket]], right: dict[str, list[Ticket]]
) -> KindScore:
    events = [event for event in labels.events if (event.service, event.kind) == (service, kind)]
    found = [event for event in events if hits[event.name]]
    delays_s = [
        max(0, min((t.opened_s for t in right[e.name]), default=e.end_s + GRACE_S.get(e.kind, 0)) - e.start_s)
        for e in events
    ]
    return KindScore(
        service=service,
        kind=kind,
        events=len(events),
        recall_any=len(found) / len(events),
        recall_family=sum(bool(right[event.name]) for event in events) / len(events),
        recall_exact=sum(any(t.kind == kind for t in hits[event.name]) for event in events) / len(events),
        median_delay_h=median(delays_s) / HOUR_S,
        tickets_per_detected=sum(len(hits[event.name]) for event in found) / len(found) if found else None,
    )


def _event_of(ticket: Ticket, labels: Labels) -> Event | None:
    """Find the event that a ticket is for: the nearest in kind and place, of equals the first."""
    best: tuple[float, Event] | None = None
    for event in labels.events:
        latest_s = event.end_s + GRACE_S.get(event.kind, 0)
        if not event.start_s - _interval_s(event, labels) <= ticket.opened_s <= latest_s:
            continue
        nearness = _nearness(ticket, event)
        if nearness <= 0:
            continue
        nearness += 10 * (ticket.kind == event.kind) + 5 * (family(ticket.kind) == family(event.kind))
        if best is None or nearness > best[0]:
            best = nearness, event
    return None if best is None else best[1]


def _nearness(ticket: Ticket, event: Event) -> float:
    """Tell how well a ticket's place fits an event, 0 for not at all."""
    in_zone = event.is_zonal and ticket.zone in event.zones
    if not ticket.meters:
        return 0.5 if in_zone else 0.0
    shared = len(ticket.meters & set(event.meters))
    if shared and shared / len(ticket.meters) >= LEAST_SHARE:
        return shared / len(ticket.meters) + shared / max(1, len(event.meters))
    return 0.1 if in_zone and len(ticket.meters) > 1 else 0.0


def _interval_s(event: Event, labels: Labels) -> int:
    if event.is_zonal:
        return labels.interval_of_zone.get(event.zones[0], 900) if event.zones else 900
    return labels.interval_of_meter.get(event.meters[0], 900) if event.meters else 900


def _cause(ticket: Ticket, labels: Labels) -> str:
    """Name the distractor, or the event just before, that a false alarm may go back to."""
    for one in labels.distractors:
        here = ticket.meters & set(one.meters) or (not ticket.meters and ticket.zone in one.zones)
        if here and one.start_s - 900 <= ticket.opened_s <= one.end_s + 12 * HOUR_S:
            return one.kind
    for one in labels.events:
        here = ticket.meters & set(one.meters) or (ticket.zone in one.zones and one.is_zonal and not ticket.meters)
        if here and one.end_s < ticket.opened_s <= one.end_s + 7 * DAY_S:
            return "aftermath"
    return "unexplained"


def _most_at_once(opened_s: Sequence[int]) -> int:
    """Count the tickets of the fullest ten minutes, both ends counted."""
    if not opened_s:
        return 0
    instants = np.sort(np.array(opened_s, dtype=np.int64))
    last = np.searchsorted(instants, instants + FLOOD_S, side="right")
    return int((last - np.arange(len(instants))).max())


def _event(told: Mapping[str, Any]) -> Event:
    return Event(
        name=str(told["id"]),
        service=str(told["domain"]),
        kind=str(told["kind"]),
        is_zonal=told["scope"] == "zone",
        meters=tuple(told["meters"]),
        zones=tuple(told["zones"]),
        start_s=seconds(told["start"]),
        end_s=seconds(told["end"]),
    )


def causes(score: Score) -> Counter[str]:
    """Count the false alarms by cause."""
    return Counter(alarm.cause for alarm in score.false_alarms)


def alarms_by_kind(score: Score) -> Counter[str]:
    """Count the false alarms by the ticket's kind."""
    return Counter(alarm.ticket.kind for alarm in score.false_alarms)
