"""A concentrator that is no longer heard: its meters fall silent together, their neighbours do not.

Rule: of the meters that were heard through it within the last day, at least three, nine in ten have been silent for an
hour (two slots at least), while of the meters in the same zones that speak through other concentrators most are heard;
or there is no such meter, and no zone of theirs had been told to be without supply by a last gasp. Ends when half of
them are heard again. Many concentrators at once are one storm: that is the tracker's to say.
Units: meters, slots. Source: backhaul and power loss of concentrators, hours long; most of the readings come later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ingest_gateway.domain.checking.detector import Number
from ingest_gateway.domain.checking.findings import Finding, Kind
from ingest_gateway.domain.checking.meters import ELECTRICITY, WATER
from ingest_gateway.domain.checking.parameters import parameter
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Mask, Stage, View
from ingest_gateway.domain.detectors.telling import told
from ingest_gateway.domain.detectors.volts import gasped

HOUR_S = 3600
DAY_S = 86_400
LEAST_METERS = 3
SILENT_SHARE = 0.9
HEARD_SHARE = 0.5
LEAST_SLOTS = 2


@dataclass(frozen=True, slots=True)
class ConcentratorLost:
    """A concentrator that is no longer heard."""

    name: ClassVar[str] = "concentrator_lost"
    version: ClassVar[int] = 1
    kinds: ClassVar[tuple[Kind, ...]] = ("concentrator_lost",)
    services: ClassVar[tuple[int, ...]] = (WATER, ELECTRICITY)
    stages: ClassVar[tuple[Stage, ...]] = (Stage.EARLY,)

    silent_h: Number = parameter(1.0, unit="h", low=0.25, high=48, about="silence of its meters", by_zone=True)

    def fields(self, _cohort: Cohort) -> Sequence[Field]:
        return [
            Field("gasped", "?"),  # its last word was that it has no supply
            Field("open", "?", per="gateway"),
        ]

    def check(self, view: View, state: Arrays) -> list[Finding]:
        cohort = view.cohort
        gateways, interval_s = cohort.gateways, cohort.interval_s
        is_open = state["open"]
        if view.cohort.meters.phases.any():
            _note_gasps(view, state["gasped"])
        slots = max(LEAST_SLOTS, -(-int(float(np.max(self.silent_h)) * HOUR_S) // interval_s))
        expected = view.missed * interval_s < DAY_S + 2 * interval_s
        silent = (view.missed >= slots) & expected & ~state["gasped"] & ~view.quiet
        gone = gateways.count(silent)
        if not ((gone >= LEAST_METERS).any() or is_open.any()):
            return []
        known = gateways.count(expected)
        lost = (gone >= SILENT_SHARE * known) & (known >= LEAST_METERS)
        begins = lost & ~is_open
        if begins.any():
            begins &= ~_without_supply(view, expected=expected, silent=silent, lost=lost)
        ends = is_open & (gateways.count(view.seen) >= HEARD_SHARE * np.maximum(known, 1))
        is_open[:] = (is_open | begins) & ~ends
        return [
            self._tell(
                view, int(place), silent=silent, known=int(known[place]), opened=bool(begins[place]), slots=slots
            )
            for place in np.flatnonzero(begins | ends)
        ]

    def _tell(self, view: View, place: int, *, silent: Mask, known: int, opened: bool, slots: int) -> Finding:
        rows = np.flatnonzero((view.cohort.gateways.of == place) & silent)
        interval_s = view.cohort.interval_s
        return told(
            view,
            self,
            kind="concentrator_lost",
            opened=opened,
            scope="gateway",
            place=place,
            since_s=view.slot_s - (slots - 1 if opened else 0) * interval_s,
            rows=rows if opened else rows[:0],
            score=len(rows) / max(SILENT_SHARE * known, 1) if opened else 0.0,
            evidence={"silent_meters": len(rows), "known_meters": known},
        )


def _note_gasps(view: View, last_word: Mask) -> None:
    dead = gasped(view)
    last_word[view.seen] = False
    last_word |= dead


def _without_supply(view: View, *, expected: Mask, silent: Mask, lost: Mask) -> Mask:
    """Tell of which lost concentrators it is rather the supply: most neighbours behind others fell silent too."""
    gateways, zones = view.cohort.gateways, view.cohort.zones
    elsewhere = expected & ~gateways.to_meters(lost, nowhere=False)
    neighbours = zones.count(elsewhere)
    quiet_zone = (neighbours > 0) & (zones.count(elsewhere & view.seen) < HEARD_SHARE * neighbours)
    dark = gateways.count(silent & zones.to_meters(quiet_zone, nowhere=False))
    return 2 * dark > gateways.count(silent)
