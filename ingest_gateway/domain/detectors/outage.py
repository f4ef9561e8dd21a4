"""No supply: the meters of a transformer fall silent together while their radio would be heard.

Rule, at each early tick: the zone is dark when hardly any of its meters that spoke with power within the last slots
does so now. That is an outage, not lost radio, when a meter's last gasp (all volts near 0) tells so, or when meters of
other zones are heard through the very concentrators that the silent ones use: each silent meter behind a heard
concentrator weighs 1 for each slot (all of them together 1, where too few others are heard to be sure), each gasp 3,
and 4 open it; so twelve silent neighbours need one slot and two need two. One meter alone is without supply when it
gasped and nothing came after, while its zone is supplied.
It ends when a third of the zone's silent meters speak with power again. What nothing told in time, the registers may
tell afterwards (`outage_afterwards`); that opens in the past and ends at the next slot.
Units: slots, Wh. Source: last-gasp practice of AMI; the register as the witness of supply.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.detector import Number
from ingest_gateway.domain.checking.findings import Finding, Kind, Scope
from ingest_gateway.domain.checking.meters import ELECTRICITY, NOWHERE
from ingest_gateway.domain.checking.parameters import parameter
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Floats, Mask, Stage, View
from ingest_gateway.domain.detectors.outage_afterwards import FIELDS, Stood, learn, look_back
from ingest_gateway.domain.detectors.telling import told
from ingest_gateway.domain.detectors.volts import gasped

SPOKE_SLOTS = 4  # within so many slots a meter spoke: it is expected now
GASP_SLOTS = 2
GASP_WEIGHT = 3
DARK_SHARE = 0.1  # at most so many of the zone's meters may still speak
SURE_SHARE = 0.7  # of a concentrator's other meters, and it is surely heard
HEARD_SHARE = 0.3  # and it may be: many of them may be without supply as well, or their readings on the way
BACK_SHARE = 1 / 3
LONG_AGO = 30_000


@dataclass(frozen=True, slots=True)
class Outage:
    """No supply at a zone or a meter."""

    name: ClassVar[str] = "outage"
    version: ClassVar[int] = 1
    kinds: ClassVar[tuple[Kind, ...]] = ("outage",)
    services: ClassVar[tuple[int, ...]] = (ELECTRICITY,)
    stages: ClassVar[tuple[Stage, ...]] = (Stage.EARLY, Stage.HOUR)

    weight: Number = parameter(
        4.0, unit="", low=2, high=20, about="evidence that opens it: a silent meter a slot 1, a gasp 3", by_zone=True
    )

    def fields(self, _cohort: Cohort) -> Sequence[Field]:
        return [
            Field("powered", "i2", fill=LONG_AGO),  # slots since it spoke with power
            Field("gasp", "i2", fill=LONG_AGO),  # slots since its last gasp, if nothing came after
            Field("open", "?"),
            Field("zone_weight", "f8", per="zone"),
            Field("zone_dark", "i4", per="zone"),  # slots in a row
            Field("zone_open", "?", per="zone"),
            Field("zone_silent", "i4", per="zone"),  # meters, when it opened
            Field("past", "?"),  # told afterwards, to be ended at the next slot
            Field("zone_past", "?", per="zone"),
            *FIELDS,
        ]

    def check(self, view: View, state: Arrays) -> list[Finding]:
        if view.stage is Stage.HOUR:
            learn(view, state)
            return []
        zones = view.cohort.zones
        dead = _dead(view, state)
        powered = view.seen & ~dead
        silent = ~powered & (state["powered"] <= SPOKE_SLOTS)
        _move(state, powered=powered, dead=dead)
        findings = self._end_past(view, state)
        speaking = zones.count(powered)
        gone = zones.count(silent)
        dark = (gone > 0) & (speaking <= DARK_SHARE * (speaking + gone))
        if dark.any() or state["zone_open"].any() or state["zone_dark"].any():
            findings += self._zones(view, state, dark=dark, silent=silent, speaking=speaking)
        if dead.any() or (state["gasp"] == 1).any() or state["open"].any():
            findings += self._meters(view, state, powered=powered, dark=dark)
        if not (view.gap_slots.any() or state["zone_open"].any() or state["open"].any() or view.quiet.any()):
            state["known"][view.seen] = False
            return findings
        explained = state["open"] | zones.to_meters(state["zone_open"], nowhere=False)
        stood = look_back(view, state, explained=explained)
        return findings if stood is None else findings + self._begin_past(view, state, stood)

    def _begin_past(self, view: View, state: Arrays, stood: Stood) -> list[Finding]:
        np.copyto(state["zone_past"], stood.zones)
        np.copyto(state["past"], stood.meters)
        of = view.cohort.zones.of
        places: list[tuple[Scope, int, NDArray[np.intp]]] = [
            *(("zone", int(zone), np.flatnonzero(stood.back & (of == zone))) for zone in np.flatnonzero(stood.zones)),
            *(("meter", int(row), np.array([row])) for row in np.flatnonzero(stood.meters)),
        ]
        return [
            told(
                view,
                self,
                kind="outage",
                opened=True,
                scope=scope,
                place=place,
                since_s=view.slot_s - int(np.median(view.gap_slots[rows])) * view.cohort.interval_s,
                rows=rows,
                outlet="ticket" if scope == "zone" else "watch",
                score=float(stood.least[rows].sum() / max(float(stood.moved[rows].sum()), 1.0)),
                evidence=stood.evidence(view, rows),
            )
            for scope, place, rows in places
        ]

    def _end_past(self, view: View, state: Arrays) -> list[Finding]:
        none = np.zeros(0, dtype=np.intp)
        since_s = view.slot_s - view.cohort.interval_s
        scopes: tuple[tuple[Scope, str], ...] = (("zone", "zone_past"), ("meter", "past"))
        findings: list[Finding] = []
        for scope, name in scopes:
            for place in np.flatnonzero(state[name]):
                end = told(
                    view, self, kind="outage", opened=False, scope=scope, place=int(place), since_s=since_s, rows=none
                )
                findings.append(end)
            state[name][:] = False
        return findings

    def _zones(
        self, view: View, state: Arrays, *, dark: Mask, silent: Mask, speaking: NDArray[np.intp]
    ) -> list[Finding]:
        zones = view.cohort.zones
        may = silent & ~view.quiet
        gasps = zones.count(may & (state["gasp"] <= GASP_SLOTS))
        told_silent = self._evidence_of_silence(view, may) if dark.any() else np.zeros(len(zones), dtype=np.intp)
        weight, is_open, silent_then = state["zone_weight"], state["zone_open"], state["zone_silent"]
        weight[:] = np.where(dark, weight + np.maximum(told_silent, GASP_WEIGHT * gasps), 0.0)
        state["zone_dark"][:] = np.where(dark, state["zone_dark"] + 1, 0)
        count = zones.count(may)
        begins = dark & ~is_open & (weight >= self.weight) & (count >= 2)
        ends = is_open & (speaking >= np.maximum(1, BACK_SHARE * silent_then))
        silent_then[begins] = count[begins]
        is_open[:] = (is_open | begins) & ~ends
        findings: list[Finding] = []
        for zone in np.flatnonzero(begins | ends):
            opened = bool(begins[zone])
            slots = int(state["zone_dark"][zone]) - 1 if opened else 0
            findings.append(
                told(
                    view,
                    self,
                    kind="outage",
                    opened=opened,
                    scope="zone",
                    place=int(zone),
                    since_s=view.slot_s - slots * view.cohort.interval_s,
                    rows=np.flatnonzero(may & (zones.of == zone)) if opened else np.zeros(0, dtype=np.intp),
                    score=float(weight[zone] / np.broadcast_to(self.weight, len(weight))[zone]),
                    evidence={
                        "silent_meters": int(count[zone]),
                        "heard_otherwise": int(told_silent[zone]),
                        "last_gasps": int(gasps[zone]),
                    }
                    if opened
                    else {"speaking_meters": int(speaking[zone])},
                )
            )
        return findings

    @staticmethod
    def _evidence_of_silence(view: View, silent: Mask) -> NDArray[np.intp]:
        """Count in each zone the silent meters behind concentrators that are heard; of those that may be, one."""
        zones, share = view.cohort.zones, _heard_share(view)
        surely, perhaps = zones.count(silent & (share >= SURE_SHARE)), zones.count(silent & (share >= HEARD_SHARE))
        return np.maximum(surely, np.minimum(perhaps, 1))

    def _meters(self, view: View, state: Arrays, *, powered: Mask, dark: Mask) -> list[Finding]:
        zones, is_open = view.cohort.zones, state["open"]
        with_zone = zones.to_meters(dark | state["zone_open"], nowhere=False)
        begins = (state["gasp"] == 1) & ~view.seen & ~with_zone & ~view.quiet & ~is_open
        ends = is_open & powered
        is_open[:] = (is_open | begins) & ~ends
        interval_s = view.cohort.interval_s
        return [
            told(
                view,
                self,
                kind="outage",
                opened=bool(begins[row]),
                scope="meter",
                place=int(row),
                since_s=view.slot_s - (interval_s if begins[row] else 0),
                rows=np.array([row]),
                evidence={"silent_meters": 1, "last_gasps": 1} if begins[row] else {"speaking_meters": 1},
            )
            for row in np.flatnonzero(begins | ends)
        ]


def _dead(view: View, state: Arrays) -> Mask:
    """Tell which meters say now that they have no supply; not those that say so again while their register moves."""
    dead = gasped(view)
    if not dead.any():
        return dead
    return dead & ~((state["gasp"] == 0) & (view.use > 0))


def _move(state: Arrays, *, powered: Mask, dead: Mask) -> None:
    since, gasp = state["powered"], state["gasp"]
    np.minimum(since + 1, LONG_AGO, out=since)
    since[powered] = 0
    np.minimum(gasp + 1, LONG_AGO, out=gasp)
    gasp[powered] = LONG_AGO
    gasp[dead] = 0


def _heard_share(view: View) -> Floats:
    """Tell how well each meter's concentrator is heard now: the share of its meters of other zones (of the network,
    where a meter has no concentrator that is known); 1 for a meter that is heard itself, gasping."""
    zones, gateways, networks = view.cohort.zones, view.cohort.gateways, view.cohort.networks
    ways = len(gateways) + len(networks) + 1
    by_network = np.where(networks.of == NOWHERE, ways - 1, len(gateways) + networks.of)
    way = np.where(gateways.of == NOWHERE, by_network, gateways.of)
    in_zones = len(zones) + 1
    pair = way * in_zones + zones.of + 1

    def elsewhere(mask: Mask) -> NDArray[np.intp]:
        by_way = np.bincount(way[mask], minlength=ways)
        return by_way[way] - np.bincount(pair[mask], minlength=ways * in_zones)[pair]

    others = elsewhere(view.missed <= SPOKE_SLOTS)
    share = np.divide(elsewhere(view.seen), others, out=np.zeros(len(way)), where=others > 0)
    return np.where(gasped(view), 1.0, share)
