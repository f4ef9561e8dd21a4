"""The crew's robot: takes tickets that nobody took, works on them for plausible hours; finished work ends the fault."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

import structlog

from simulators import faults
from simulators.web import Browser, PageRefused
from simulators.world import World

log = structlog.get_logger()

OPEN_STATES = ("open", "taken", "started")
HOURS_UNTIL = {"open": (2.0, 6.0), "taken": (1.0, 4.0), "started": (3.0, 9.0)}
STEP_AFTER = {"open": "take", "taken": "start", "started": "finish"}
NOTES = {
    "pipe_burst": "Main uncovered, clamp set on the break, pressure is back.",
    "household_leak": "Leak found behind the meter, pipe joint renewed.",
    "pressure_sag": "Main uncovered, clamp set on the break, pressure is back.",
    "slow_leak": "Leak located by sound, main repaired.",
    "stuck_meter": "Register was blocked, cleaned and tested.",
    "voltage_sag": "Loose connection at the transformer tightened.",
    "voltage_swell": "Tap changer of the transformer set right.",
}


@dataclass(slots=True)
class _Seen:
    ticket: dict[str, Any]
    state: str
    act_at: datetime


class Crew:
    """Looks at the tickets now and then; a person who works on one is left alone."""

    def __init__(self, browser: Browser, *, repair: Callable[[Callable[[World], None]], None], works: bool) -> None:
        """Take a browser, how to change the world, and whether the robot works or only watches people work."""
        self._browser, self._repair, self._works = browser, repair, works
        self._seen: dict[int, _Seen] = {}
        self._rng = Random(2)
        self._acted: set[int] = set()  # tickets that the robot took

    def look(self, *, now: datetime) -> None:
        """Read the tickets, do the next due step on each, and repair what was finished."""
        try:
            tickets = {int(ticket["ticket_id"]): ticket for ticket in self._browser.get("/api/crew/tickets")}
        except (PageRefused, KeyError, TypeError, ValueError) as error:
            self._browser.complain(error)
            return
        for ticket_id in [ticket_id for ticket_id in self._seen if ticket_id not in tickets]:
            self._end(self._seen.pop(ticket_id).ticket)
        for ticket_id, ticket in tickets.items():
            self._attend(ticket_id, ticket, now=now)

    def _attend(self, ticket_id: int, ticket: dict[str, Any], *, now: datetime) -> None:
        state = str(ticket["state"])
        seen = self._seen.get(ticket_id)
        if state not in OPEN_STATES:
            if seen is not None and seen.state != state:
                self._end(ticket)
            self._seen[ticket_id] = _Seen(ticket, state, now)
            return
        if seen is None or seen.state != state:
            hours = self._rng.uniform(*HOURS_UNTIL[state])
            self._seen[ticket_id] = _Seen(ticket, state, now + timedelta(hours=hours))
            return
        # What a person took stays with that person.
        if self._works and now >= seen.act_at and (state == "open" or ticket_id in self._acted):
            self._step(ticket_id, seen, now=now)

    def _step(self, ticket_id: int, seen: _Seen, *, now: datetime) -> None:
        step = STEP_AFTER[seen.state]
        seen.act_at = now + timedelta(hours=1)  # should it fail
        body: dict[str, Any] = {}
        try:
            if step == "finish":
                # The world is mended before the ticket says so, as in life.
                self._end(seen.ticket)
                body = {"note": NOTES.get(str(seen.ticket.get("kind")), "Repaired.")}
            self._browser.post(f"/api/crew/tickets/{ticket_id}/{step}", body)
        except PageRefused as error:
            self._browser.complain(error)
            return
        self._acted.add(ticket_id)
        log.info("crew.step", ticket=seen.ticket.get("number"), step=step)

    def _end(self, ticket: dict[str, Any]) -> None:
        def repair(world: World) -> None:
            ended = world.repair(
                lambda fault: faults.is_repaired(
                    fault, kind=str(ticket.get("kind")), zone=ticket.get("zone_code"),
                    point=ticket.get("point_number"), serial=ticket.get("meter_serial"), known=world.known,
                )
            )  # fmt: skip
            for fault in ended:
                log.info("crew.repaired", fault=fault.kind, place=fault.place, ticket=ticket.get("number"))

        self._repair(repair)
