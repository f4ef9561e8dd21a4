"""What is wrong in a water network: a burst, a slow leak, low pressure, a closed valve. One fault, one finding.

A zone's pressure falls (`zone_pressure`): when it is almost gone, a valve is closed; when an inlet of the network
takes much more than usual at that moment (`zone_inflow`), a pipe broke there; else pumps or valves give less. What
other zones of the network show within hours of it is the same fault, and the zone that shows it most is named.
A zone takes more than usual: for hours and suddenly, a pipe broke; for days, it leaks.
It ends when pressure is back above half of the fall for an hour, when a burst's excess was below a third for 4 hours,
and when a leak's was below 40 % for 12 hours in all. A burst that lasts for 12 hours is told on as a leak.
Units: kPa, L/h, deviations. Source: district metering practice; the parts' own docstrings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.detector import Number
from ingest_gateway.domain.checking.findings import Finding, Kind
from ingest_gateway.domain.checking.meters import WATER
from ingest_gateway.domain.checking.parameters import parameter
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Floats, Mask, Stage, View
from ingest_gateway.domain.detectors import daily_peaks, zone_inflow, zone_pressure
from ingest_gateway.domain.detectors.network_slot import NetworkSlot, affected, evidence
from ingest_gateway.domain.detectors.telling import told
from ingest_gateway.domain.detectors.zone_layout import layout_of

HOUR_S = 3_600
TAIL_S = 2 * HOUR_S  # after planned work, until the network is as usual
LEAST_BURST_SCORE = 6.0
BURST_BESIDE = 2.0  # deviations that the slot itself must show
BURST_AT_ONCE = 4.0  # deviations of one slot's inflow that make fallen pressure a burst
BURST_BIG = (3.0, 0.15)  # or so many of them and so much of the mean inflow
SUDDEN_SHARE = 0.4  # of the excess there hours ago: more, and it did not begin at once
CLOSED_SHARE = 0.45  # of the usual pressure gone
STANDING_S = 12 * HOUR_S
SAME_BURST_S, SAME_FALL_S = 3 * HOUR_S, HOUR_S  # what begins so soon after it is the same fault
SHORT_S = 5_400  # a fall that was over by itself sooner is a pump's
BESIDE_WORK = 1.5  # times the limits while another zone of the network is at work
ENDED_FALL, FALL_CALM_S = 0.5, HOUR_S
ENDED_BURST, BURST_CALM_S = 0.35, 4 * HOUR_S
ENDED_LEAK, LEAK_LASTS, LEAK_CALM_S = 0.4, 0.6, 12 * HOUR_S
LEVEL_GAIN = {"burst": 0.3, "leak": 1.5}  # of a filter's own, by which the level of what is open follows
NOTHING, SAG, CLOSURE = 0, 1, 2  # what was told of a zone's low pressure
TOLD: tuple[Kind | None, ...] = (None, "pressure_sag", "valve_closure")
BURST: Kind = "pipe_burst"
LEAK: Kind = "slow_leak"
NONE_OF_THEM = np.zeros(0, dtype=np.intp)


@dataclass(frozen=True, slots=True)
class WaterNetwork:
    """Bursts, slow leaks, low pressure and closed valves of a network's zones."""

    name: ClassVar[str] = "water_network"
    version: ClassVar[int] = 1
    kinds: ClassVar[tuple[Kind, ...]] = ("pipe_burst", "slow_leak", "pressure_sag", "valve_closure")
    services: ClassVar[tuple[int, ...]] = (WATER,)
    stages: ClassVar[tuple[Stage, ...]] = (Stage.EARLY,)

    burst_spreads: Number = parameter(
        5.5, unit="", low=1, high=20, about="spreads of usual days' peaks beyond which inflow is a burst", by_zone=True
    )
    burst_share: Number = parameter(
        0.05, unit="of the mean inflow", low=0.01, high=1, about="least excess of a burst", by_zone=True
    )
    leak_spreads: Number = parameter(
        3.6, unit="", low=1, high=20, about="spreads from day to day beyond which inflow is a slow leak", by_zone=True
    )
    leak_share: Number = parameter(
        0.025, unit="of the mean inflow", low=0.005, high=1, about="least excess of a slow leak", by_zone=True
    )
    pressure_spreads: Number = parameter(
        4.0, unit="", low=1, high=20, about="spreads of usual days' peaks beyond which pressure is low", by_zone=True
    )

    def fields(self, cohort: Cohort) -> Sequence[Field]:
        return [
            *zone_inflow.fields(cohort),
            *zone_pressure.fields(cohort),
            Field("tail_until_s", "i8", per="zone"),
            *(
                Field(f"{what}_{name}", kind, per="zone")
                for what in ("burst", "leak", "fall")
                for name, kind in (("open", "?"), ("level", "f8"), ("since_s", "i8"), ("calm_s", "i8"))
            ),
            Field("fall_told", "i1", per="zone"),
        ]

    def check(self, view: View, state: Arrays) -> list[Finding]:
        if len(view.cohort.zones) == 0:
            return []
        slot = self._measured(view, state)
        findings = self._low_pressure(slot)
        findings += self._bursts(slot)
        findings += self._leaks(slot)
        findings += self._ends(slot) + self._standing(slot)
        _learn(slot)
        return findings

    def _measured(self, view: View, state: Arrays) -> NetworkSlot:
        layout = layout_of(view.cohort)
        zones = view.cohort.zones
        at_work = zones.count(view.quiet) >= np.maximum(zones.size, 1)
        state["tail_until_s"][at_work] = view.slot_s + TAIL_S
        quiet = view.slot_s <= state["tail_until_s"]
        at_rest = ~quiet & ~state["fall_open"]
        leak_lph = np.where(state["leak_open"], state["leak_level"], 0.0)
        burst_lph = np.where(state["burst_open"], state["burst_level"], 0.0)
        usual = zone_inflow.slot_of(view, state, layout=layout, lost_lph=leak_lph + burst_lph)
        pressure = zone_pressure.measure(view, state, layout=layout, day_off=usual.off, settled=at_rest)
        sinks = pressure.now_below > pressure.least  # what its inlet takes tells nothing of other zones
        inflow = zone_inflow.measure(
            view,
            state,
            layout=layout,
            slot=usual,
            may_judge=at_rest,
            sinks=sinks,
            leak_lph=leak_lph,
            bursting=state["burst_open"],
        )
        limits = zone_pressure.limits(state, pressure, spreads=self.pressure_spreads)
        beside = np.where(layout.in_network(quiet), BESIDE_WORK, 1.0)
        return NetworkSlot(
            view, state, layout, inflow, pressure, usual.off, quiet, {k: v * beside for k, v in limits.items()}
        )

    def _low_pressure(self, slot: NetworkSlot) -> list[Finding]:
        state, pressure, limits = slot.state, slot.pressure, slot.limits
        leaking = slot.layout.in_network(state["burst_open"]) | state["leak_open"]
        low = (pressure.step > limits["step"]) | (pressure.apart > limits["apart"])
        low |= (pressure.low > limits["low"]) & ~leaking
        begins = low & ~slot.quiet & ~state["fall_open"]
        findings: list[Finding] = []
        for network in np.unique(slot.layout.network[begins]):
            findings += self._one_network(slot, begins & (slot.layout.network == network))
        return findings

    def _one_network(self, slot: NetworkSlot, begins: Mask) -> list[Finding]:
        """Decide what it is that lets the pressure of these zones of one network fall."""
        state, pressure, now_s = slot.state, slot.pressure, slot.view.slot_s
        here = slot.layout.in_network(begins)
        known_burst = here & state["burst_open"] & (now_s - state["burst_since_s"] <= SAME_BURST_S)
        known_fall = here & state["fall_open"] & (now_s - state["fall_since_s"] <= SAME_FALL_S)
        _open(state, "fall", zones=np.flatnonzero(begins), level=pressure.fall, since_s=self._since_s(slot))
        gone = np.where(begins, pressure.fall / pressure.usual, -1.0)
        worst = int(np.argmax(gone))
        if known_fall.any() or (known_burst.any() and gone[worst] < CLOSED_SHARE):
            return []
        broken = self._broken(slot, here)
        if gone[worst] < CLOSED_SHARE and broken is not None:
            level = np.maximum(slot.inflow.sudden_lph, 0.0)
            _open(state, "burst", zones=np.array([broken]), level=level, since_s=self._since_s(slot))
            return [self._tell(slot, "pipe_burst", broken, since_s=self._since_s(slot), zones=begins)]
        kind: Kind = "valve_closure" if gone[worst] >= CLOSED_SHARE else "pressure_sag"
        state["fall_told"][worst] = CLOSURE if kind == "valve_closure" else SAG
        return [self._tell(slot, kind, worst, since_s=self._since_s(slot), zones=begins)]

    def _broken(self, slot: NetworkSlot, here: Mask) -> int | None:
        """Find the zone whose inlet takes much more than usual at this moment."""
        inflow = slot.inflow
        with np.errstate(invalid="ignore"):
            deviations = inflow.sudden_lph / inflow.deviation_lph
            big = inflow.sudden_lph > BURST_BIG[1] * slot.state["mean_inflow"]
            takes = (deviations > BURST_AT_ONCE) | ((deviations > BURST_BIG[0]) & big)
        takes &= here & ~slot.state["burst_open"] & ~slot.quiet
        return int(np.argmax(np.where(takes, inflow.sudden_lph, -np.inf))) if takes.any() else None

    def _bursts(self, slot: NetworkSlot) -> list[Finding]:
        state, inflow = slot.state, slot.inflow
        limit = np.maximum(daily_peaks.limit(state, "burst", spreads=self.burst_spreads), LEAST_BURST_SCORE)
        share = inflow.burst_lph / np.maximum(state["mean_inflow"], 1.0)
        begins = inflow.known & ~state["burst_open"] & (inflow.burst_score > limit) & (share > self.burst_share)
        begins &= inflow.sudden_lph > BURST_BESIDE * inflow.deviation_lph
        begins &= ~slot.layout.in_network(state["fall_told"] == CLOSURE)  # what was shut off comes another way
        findings: list[Finding] = []
        for network in np.unique(slot.layout.network[begins]):
            zone = int(np.argmax(np.where(begins & (slot.layout.network == network), share, -np.inf)))
            score = float(inflow.burst_score[zone] / limit[zone])
            sudden = inflow.before_lph[zone] < SUDDEN_SHARE * inflow.burst_lph[zone]
            if not sudden and state["leak_open"][zone]:
                continue
            hours = 1 if sudden else zone_inflow.BEFORE_HOURS[1]
            since_s = slot.view.slot_s - hours * HOUR_S
            what, kind = ("burst", BURST) if sudden else ("leak", LEAK)
            _open(state, what, zones=np.array([zone]), level=inflow.burst_lph, since_s=since_s)
            findings.append(self._tell(slot, kind, zone, since_s=since_s, score=score))
        return findings

    def _leaks(self, slot: NetworkSlot) -> list[Finding]:
        state, inflow = slot.state, slot.inflow
        limit = np.maximum(self.leak_spreads * inflow.leak_spread, self.leak_share)
        begins = inflow.known & ~state["leak_open"] & ~state["burst_open"] & (inflow.leak_share > limit)
        begins &= state["leak_known"] >= daily_peaks.ENOUGH_DAYS
        since_s = slot.view.slot_s - int(2 * zone_inflow.LEAK_HOURS) * HOUR_S
        _open(state, "leak", zones=np.flatnonzero(begins), level=inflow.leak_lph, since_s=since_s)
        return [
            self._tell(
                slot, "slow_leak", int(zone), since_s=since_s, score=float(inflow.leak_share[zone] / limit[zone])
            )
            for zone in np.flatnonzero(begins)
        ]

    def _ends(self, slot: NetworkSlot) -> list[Finding]:
        findings: list[Finding] = []
        for what, ended in (("fall", _fall_ended(slot)), ("burst", _burst_ended(slot)), ("leak", _leak_ended(slot))):
            for zone in np.flatnonzero(ended):
                kind = _told_kind(slot.state, what, zone=int(zone))
                if kind is not None:
                    findings.append(self._tell(slot, kind, int(zone), since_s=slot.view.slot_s, opened=False))
                slot.state[f"{what}_open"][zone] = False
            if what == "fall":
                _learn_short(slot, ended)
            if what == "leak":
                zone_inflow.forget_filters(slot.state, zones=np.flatnonzero(ended))
        slot.state["fall_told"][~slot.state["fall_open"]] = NOTHING
        return findings

    def _standing(self, slot: NetworkSlot) -> list[Finding]:
        """Go on with a burst that lasts as with a leak: another one may come on top of it."""
        state, now_s = slot.state, slot.view.slot_s
        lasting = state["burst_open"] & slot.inflow.known & (now_s - state["burst_since_s"] >= STANDING_S)
        zones = np.flatnonzero(lasting)
        findings: list[Finding] = []
        for zone in zones.tolist():
            since_s = int(state["burst_since_s"][zone])
            findings.append(self._tell(slot, BURST, zone, since_s=now_s, opened=False))
            lasts = slot.inflow.burst_lph[zone] > ENDED_BURST * state["burst_level"][zone]
            if lasts and not state["leak_open"][zone]:
                findings.append(self._tell(slot, LEAK, zone, since_s=since_s))
                _open(state, "leak", zones=np.array([zone]), level=np.zeros(len(lasting)), since_s=since_s)
        zones = zones[state["leak_open"][zones]]
        zone_inflow.settle_on(state, slot.inflow, zones=zones)
        state["leak_level"][zones] = np.maximum(state["ground"][zones], 0.0)
        for part in (0, 3):
            state["leak_sums"][zones, part] = state["leak_level"][zones] * state["leak_sums"][zones, 1]
        state["burst_open"][lasting] = False
        state["burst_level"][lasting] = 0.0
        return findings

    def _since_s(self, slot: NetworkSlot) -> int:
        return slot.view.slot_s - (zone_pressure.samples_that_agree(slot.view.cohort) - 1) * slot.view.cohort.interval_s

    def _tell(
        self,
        slot: NetworkSlot,
        kind: Kind,
        zone: int,
        *,
        since_s: int,
        opened: bool = True,
        score: float = 1.0,
        zones: Mask | None = None,
    ) -> Finding:
        if zones is not None and kind != "pipe_burst":
            ratios = [
                np.nan_to_num(getattr(slot.pressure, name)[zone] / slot.limits[name][zone])
                for name in ("step", "apart")
            ]
            score = max(1.0, *(float(ratio) for ratio in ratios))
        return told(
            slot.view,
            self,
            kind=kind,
            opened=opened,
            scope="zone",
            place=zone,
            since_s=since_s,
            rows=affected(slot, zone=zone, zones=zones) if opened else NONE_OF_THEM,
            score=score,
            evidence=evidence(slot, kind=kind, zone=zone, zones=zones),
        )


def _open(state: Arrays, what: str, *, zones: NDArray[np.intp], level: Floats, since_s: int) -> None:
    state[f"{what}_open"][zones] = True
    state[f"{what}_level"][zones] = level[zones]
    state[f"{what}_since_s"][zones] = since_s
    state[f"{what}_calm_s"][zones] = 0


def _told_kind(state: Arrays, what: str, *, zone: int) -> Kind | None:
    if what == "burst":
        return "pipe_burst"
    if what == "leak":
        return "slow_leak"
    return TOLD[int(state["fall_told"][zone])]


def _fall_ended(slot: NetworkSlot) -> Mask:
    state, fall = slot.state, slot.pressure.fall
    known = state["fall_open"] & np.isfinite(fall)
    _count_calm(slot, "fall", known=known, calm=fall < ENDED_FALL * state["fall_level"])
    state["fall_level"][known] = np.maximum(state["fall_level"], fall)[known]
    return state["fall_open"] & (state["fall_calm_s"] >= FALL_CALM_S)


def _learn_short(slot: NetworkSlot, ended: Mask) -> None:
    """Count a fall that was soon over among what is usual."""
    state = slot.state
    lasted_s = slot.view.slot_s - FALL_CALM_S - state["fall_since_s"]
    for name in zone_pressure.STATISTICS:
        daily_peaks.see(state, name, values=state["fall_level"], where=ended & (lasted_s < SHORT_S))


def _burst_ended(slot: NetworkSlot) -> Mask:
    state, inflow = slot.state, slot.inflow
    known = state["burst_open"] & inflow.known
    _follow(slot, "burst", inflow.burst_lph, hours=zone_inflow.BURST_HOURS, where=known)
    _count_calm(slot, "burst", known=known, calm=inflow.burst_lph < ENDED_BURST * state["burst_level"])
    return state["burst_open"] & (state["burst_calm_s"] >= BURST_CALM_S)


def _leak_ended(slot: NetworkSlot) -> Mask:
    state, inflow = slot.state, slot.inflow
    known = state["leak_open"] & inflow.known & ~state["burst_open"]
    _follow(slot, "leak", inflow.leak_lph, hours=zone_inflow.LEAK_HOURS, where=known)
    level, calm_s = state["leak_level"], state["leak_calm_s"]
    calm_s[known & (inflow.excess_lph < ENDED_LEAK * level)] += slot.view.cohort.interval_s
    lasts = known & (inflow.excess_lph > LEAK_LASTS * level)
    calm_s[lasts] = np.maximum(calm_s[lasts] - slot.view.cohort.interval_s, 0)
    return state["leak_open"] & (calm_s >= LEAK_CALM_S)


def _follow(slot: NetworkSlot, what: str, value: Floats, *, hours: float, where: Mask) -> None:
    gain = min(1.0, LEVEL_GAIN[what] * (1 - np.exp(-slot.view.cohort.interval_s / HOUR_S / hours)))
    level = slot.state[f"{what}_level"]
    level[where] += (gain * (value - level))[where]


def _count_calm(slot: NetworkSlot, what: str, *, known: Mask, calm: Mask) -> None:
    calm_s = slot.state[f"{what}_calm_s"]
    calm_s[known & calm] += slot.view.cohort.interval_s
    calm_s[known & ~calm] = 0


def _learn(slot: NetworkSlot) -> None:
    view, state, layout, inflow = slot.view, slot.state, slot.layout, slot.inflow
    leaking = state["burst_open"] | state["leak_open"]
    daily_peaks.see(state, "burst", values=inflow.burst_score, where=inflow.known & ~leaking)
    settled = ~slot.quiet & ~state["fall_open"]
    zone_pressure.learn(
        view,
        state,
        layout=layout,
        pressure=slot.pressure,
        day_off=slot.day_off,
        settled=settled,
        calm=settled & ~layout.in_network(state["burst_open"] | slot.quiet),
    )
    zones = zone_inflow.ends_day(view, layout)
    if len(zones):
        zone_inflow.end_day(state, inflow, zones=zones, calm=~leaking)
        zone_pressure.end_day(state, zones=zones)
