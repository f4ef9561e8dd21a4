"""Voltage outside its statutory bounds for most of a day: for the watch list, as no crew can mend it tonight.

Rule: a running mean over a day of "outside the bounds" above one half, of the zone when more than half of its meters
are so, else of the meter. Ends below one tenth. Bounds are shares of the nominal voltage; where the register of meters
does not say it, it is taken from the meter's usual level.
Units: volts. Source: EN 50160, 230 V ± 10 %; Japan's Electricity Business Act, 101 ± 6 V and 202 ± 20 V; ANSI C84.1
range B, 120 V −8.3 % to +5.8 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.detector import Number
from ingest_gateway.domain.checking.findings import Finding, Kind, Scope
from ingest_gateway.domain.checking.meters import ELECTRICITY
from ingest_gateway.domain.checking.parameters import parameter
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Floats, Mask, Stage, View
from ingest_gateway.domain.detectors.telling import told
from ingest_gateway.domain.detectors.volts import Volts, highest, lowest_standing, nominal_v

DAY_S = 86_400
MOST, FEW = 0.5, 0.1
# Nominal volts, lower and upper bound.
BOUNDS = np.array(
    [
        (100.0, 95.0, 107.0),
        (101.0, 95.0, 107.0),
        (110.0, 99.0, 121.0),
        (120.0, 110.0, 127.0),
        (127.0, 114.3, 139.7),
        (200.0, 182.0, 222.0),
        (202.0, 182.0, 222.0),
        (230.0, 207.0, 253.0),
        (277.0, 254.0, 293.0),
    ]
)
ELSEWHERE = (0.9, 1.1)  # shares of another nominal voltage
SIDES: tuple[tuple[str, Kind], ...] = (("low", "voltage_sag"), ("high", "voltage_swell"))


@dataclass(frozen=True, slots=True)
class VoltageLimit:
    """Voltage outside its statutory bounds."""

    name: ClassVar[str] = "voltage_limit"
    version: ClassVar[int] = 1
    kinds: ClassVar[tuple[Kind, ...]] = ("voltage_sag", "voltage_swell")
    services: ClassVar[tuple[int, ...]] = (ELECTRICITY,)
    stages: ClassVar[tuple[Stage, ...]] = (Stage.HOUR,)

    low_v: Number = parameter(0.0, unit="V", low=0, high=1000, about="lower bound of your own; 0: the statutory one")
    high_v: Number = parameter(0.0, unit="V", low=0, high=1000, about="upper bound of your own; 0: the statutory one")

    def fields(self, _cohort: Cohort) -> Sequence[Field]:
        return [
            Field("usual", "f8", fill=np.nan),
            Field("low_v", "f8", fill=np.nan),  # the bounds, as of the last midnight
            Field("high_v", "f8", fill=np.nan),
            *(
                field
                for side, _ in SIDES
                for field in (
                    Field(f"{side}_share", "f4"),
                    Field(f"{side}_open", "?"),
                    Field(f"{side}_zone_open", "?", per="zone"),
                )
            ),
        ]

    def check(self, view: View, state: Arrays) -> list[Finding]:
        low, high = lowest_standing(view), highest(view)
        usual = state["usual"]
        np.copyto(usual, high, where=np.isnan(usual))
        hours = view.cohort.per_hour * view.cohort.interval_s
        usual += np.where(np.isnan(high), 0.0, min(1.0, hours / DAY_S) * (high - usual))
        low_v, high_v = state["low_v"], state["high_v"]
        if view.slot_s % DAY_S < hours or (np.isnan(low_v) & ~np.isnan(usual)).any():
            low_v[:], high_v[:] = self._bounds(view, usual)
        findings: list[Finding] = []
        for (side, kind), volts, outside, bound in zip(
            SIDES, (low, high), (low < low_v, high > high_v), (low_v, high_v), strict=True
        ):
            share = state[f"{side}_share"]
            if not (outside.any() or share.any()):
                continue
            known = ~np.isnan(volts)
            share += np.where(known, np.float32(min(1.0, hours / DAY_S)) * (outside - share), np.float32(0))
            share[share < 1e-3] = 0
            findings += self._tell(view, state, side=side, kind=kind, volts=volts, bound=bound)
        return findings

    def _bounds(self, view: View, usual: Floats) -> tuple[Floats, Floats]:
        nominal = nominal_v(view.cohort.meters.nominal_v, usual)
        at = np.argmin(np.abs(nominal[:, None] - BOUNDS[None, :, 0]), axis=1)
        near = np.abs(nominal / BOUNDS[at, 0] - 1) < 0.005
        low = np.where(near, BOUNDS[at, 1], ELSEWHERE[0] * nominal)
        high = np.where(near, BOUNDS[at, 2], ELSEWHERE[1] * nominal)
        own_low, own_high = np.asarray(self.low_v), np.asarray(self.high_v)
        return np.where(own_low > 0, own_low, low), np.where(own_high > 0, own_high, high)

    def _tell(self, view: View, state: Arrays, *, side: str, kind: Kind, volts: Volts, bound: Floats) -> list[Finding]:
        zones, share = view.cohort.zones, state[f"{side}_share"]
        is_open, zone_open = state[f"{side}_open"], state[f"{side}_zone_open"]
        outside = zones.count(share > MOST)
        zone_begins = (outside >= 2) & (2 * outside > zones.count(view.seen)) & ~zone_open
        zone_begins &= zones.count(view.quiet) == 0
        zone_ends = zone_open & (2 * zones.count(share > FEW) < zones.count(view.seen))
        zone_open[:] = (zone_open | zone_begins) & ~zone_ends
        begins = (share > MOST) & ~is_open & ~view.quiet & ~zones.to_meters(zone_open, nowhere=False)
        ends = is_open & (share < FEW)
        is_open[:] = (is_open | begins) & ~ends
        seen = _Seen(kind, volts, bound)
        of_zones = [
            self._one(view, seen, "zone", int(zone), np.flatnonzero((zones.of == zone) & (share > MOST)), zone_begins)
            for zone in np.flatnonzero(zone_begins | zone_ends)
        ]
        of_meters = [
            self._one(view, seen, "meter", int(row), np.array([row]), begins) for row in np.flatnonzero(begins | ends)
        ]
        return of_zones + of_meters

    def _one(
        self, view: View, seen: "_Seen", scope: Scope, place: int, rows: NDArray[np.intp], begins: Mask
    ) -> Finding:
        shown = rows[~np.isnan(seen.volts[rows])]
        evidence: dict[str, float] = {}
        if len(shown):
            evidence["volts"] = round(float(np.median(seen.volts[shown])), 1)
        if len(rows):
            evidence["limit_v"] = round(float(np.median(seen.bound[rows])), 1)
        return told(
            view,
            self,
            kind=seen.kind,
            opened=bool(begins[place]),
            scope=scope,
            place=place,
            since_s=view.slot_s - DAY_S // 2,
            rows=rows,
            outlet="watch",
            evidence=evidence,
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    """One side of an hour."""

    kind: Kind
    volts: Volts
    bound: Floats
