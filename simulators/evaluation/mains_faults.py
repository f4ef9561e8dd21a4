"""What happens to the mains: bursts, leaks, sags, closures and flushing, each solved by EPANET in its window."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simulators.evaluation.mains import KPA_PER_M, Change, MainsUnsolvable
from simulators.evaluation.options import HOUR_S, SetOptions
from simulators.evaluation.register import zone_name
from simulators.evaluation.truth import Happening, PlannedWork, count, end_of, free_start
from simulators.evaluation.water_site import WaterTown, by_zone
from simulators.noise import Floats

NOTICEABLE_KPA, NOTICEABLE_SHARE = 30.0, 0.07
MOST_RISE_KPA = 60.0
DRY_KPA = 30.0  # below, taps give nothing
LEAST_KPA = 4.0
APART_S = 6 * HOUR_S
TRIES = 7

# kind: how often in 28 days, how long in hours, the draw as a share of the zone's mean inflow
DRAWS: dict[str, tuple[float, tuple[float, float], tuple[float, float]]] = {
    "hydrant_flushing": (2, (1, 2.5), (0.1, 0.3)),
    "slow_leak": (4, (8 * 24, 16 * 24), (0.07, 0.22)),
    "pipe_burst": (6, (20, 60), (0.14, 0.5)),
}
CLOSURES: dict[str, tuple[float, tuple[float, float]]] = {
    "planned_closure": (1.5, (3, 7)),
    "pressure_sag": (5, (2.5, 9)),
    "valve_closure": (4.5, (3, 20)),
}


@dataclass(slots=True)
class MainsEffects:
    """What all that adds up to: changes of pressure and inflow, and who got no water when."""

    pressure_kpa: Floats  # [hydraulic step, customer]
    inflow_lph: Floats  # [hydraulic step, zone]
    dry: list[tuple[int, float, float]] = field(default_factory=list)  # customer, from, to
    happenings: list[Happening] = field(default_factory=list)
    works: list[PlannedWork] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Outcome:
    pressure_kpa: Floats  # change [step in window, customer]
    inflow_lph: Floats  # change [step in window, zone]
    drop_kpa: Floats  # mean drop of each customer
    is_affected: np.ndarray
    is_plain: bool  # who is affected has less pressure nearly all the time, and nobody much more


def befall(town: WaterTown, *, options: SetOptions) -> MainsEffects:
    """Plan what happens to the mains, solve it, and add it up."""
    chance = options.chance("mains", town.site.code)
    effects = MainsEffects(np.zeros_like(town.pressure_kpa), np.zeros_like(town.inflow_lph))
    taken: list[tuple[float, float]] = []
    leaking: dict[int, list[tuple[float, float]]] = {zone: [] for zone in range(town.site.zones)}
    weeks = (options.duration_s - options.learning_s) / (28 * 24 * HOUR_S)
    for kind, (usual, lasts_h, share) in DRAWS.items():
        for _ in range(count(chance, usual * weeks, options=options)):
            lasts_s = float(chance.uniform(*lasts_h)) * HOUR_S
            for zone in chance.permutation(town.site.zones).tolist():
                busy = leaking[zone] if kind == "slow_leak" else taken
                start = _start(chance, options, town, lasts_s, busy)
                if start is not None:
                    break
            else:
                continue
            busy.append((start, start + lasts_s))
            end = end_of(start, lasts_s, options=options, interval_s=town.site.interval_s)
            _draw(town, effects, kind, zone, (start, end), share, chance=chance)
    for kind, (usual, lasts_h) in CLOSURES.items():
        for _ in range(count(chance, usual * weeks, options=options)):
            lasts_s = float(chance.uniform(*lasts_h)) * HOUR_S
            start = _start(chance, options, town, lasts_s, taken)
            if start is None:
                continue
            taken.append((start, start + lasts_s))
            end = end_of(start, lasts_s, options=options, interval_s=town.site.interval_s)
            _close(town, effects, kind, (start, end), chance=chance)
    return effects


def _start(
    chance: np.random.Generator, options: SetOptions, town: WaterTown, lasts_s: float, busy: list[tuple[float, float]]
) -> int | None:
    return free_start(
        chance, options=options, interval_s=town.site.interval_s, lasts_s=lasts_s, taken=busy, apart_s=APART_S
    )


def _draw(
    town: WaterTown,
    effects: MainsEffects,
    kind: str,
    zone: int,
    window: tuple[int, int],
    share: tuple[float, float],
    *,
    chance: np.random.Generator,
) -> None:
    """Let water run out at a junction of a zone, no more than its pipes can bring."""
    mains, (start, end) = town.mains, window
    heads = np.quantile(mains.usual.head_m, 0.05, axis=0)
    there = np.flatnonzero((mains.zone_of == zone) & (heads > 12.0))
    if not len(there):
        there = np.flatnonzero(mains.zone_of == zone)
    node = int(chance.choice(there))
    draw = float(chance.uniform(*share)) * float(town.inflow_lph[:, zone].mean()) / 3600.0
    ramp = float(chance.uniform(0.05, 0.3)) * (end - start) if kind == "slow_leak" else 0.0
    outcome: _Outcome | None = None
    for _ in range(4):
        change = Change(float(start), float(end), node=mains.junctions[node], draw_l_per_s=draw, ramp_s=ramp)
        try:
            outcome, least_m = _solve(town, change, node=node)
        except MainsUnsolvable:
            outcome, least_m = None, 0.0
        if outcome is not None and least_m > 2.0:
            break
        draw /= 2
    if outcome is None:
        return
    params = {"node": mains.junctions[node], "q_l_per_s": round(draw, 3), "ramp_h": round(ramp / HOUR_S, 1)}
    _record(town, effects, kind, window, outcome, zone=zone, params=params)


def _close(
    town: WaterTown, effects: MainsEffects, kind: str, window: tuple[int, int], *, chance: np.random.Generator
) -> None:
    """Close a link whose loss is felt by some, not by all; where none is found, lower the pressures of a zone."""
    links = town.mains.links_with_flow
    least, most = (3, 0.75) if kind == "pressure_sag" else (2, 0.5)
    first_ones = links[: max(8, len(links) // 3)] if kind == "pressure_sag" else links
    for link in chance.permutation(first_ones)[:TRIES]:
        try:
            outcome, _ = _solve(town, Change(float(window[0]), float(window[1]), link=str(link)))
        except MainsUnsolvable:
            continue
        affected = int(outcome.is_affected.sum())
        if not least <= affected <= most * len(town.customers) or not outcome.is_plain:
            continue
        left = 1 - outcome.drop_kpa[outcome.is_affected].mean() / town.pressure_kpa[:, outcome.is_affected].mean()
        if kind == "pressure_sag" and left < 0.35:  # a sag leaves some pressure
            continue
        _record(town, effects, kind, window, outcome, zone=None, params={"synthetic": False, "link": str(link)})
        return
    depth = float(chance.uniform(0.15, 0.4) if kind == "pressure_sag" else chance.uniform(0.5, 0.95))
    outcome = _lowered(town, window, depth, is_wide=kind == "pressure_sag", chance=chance)
    _record(town, effects, kind, window, outcome, zone=None, params={"synthetic": True, "depth": round(depth, 3)})


def _steps(town: WaterTown, window: tuple[float, float]) -> tuple[int, int]:
    step_s = town.mains.step_s
    return max(0, int(window[0] // step_s) - 2), min(int(-(-window[1] // step_s)) + 1, town.mains.steps - 1)


def _solve(town: WaterTown, change: Change, *, node: int | None = None) -> tuple[_Outcome, float]:
    """Solve a change in its window; tell the outcome and the least head at the junction."""
    mains = town.mains
    first, last = _steps(town, (change.start_s, change.end_s))
    solved = mains.solve(first=first, last=last, changes=(change,))
    usual = slice(first, first + len(solved.head_m))
    nodes = [meter.node for meter in town.customers]
    pressure = np.clip(solved.head_m[:, nodes] * KPA_PER_M - town.pressure_kpa[usual], None, 120.0)
    drawn = np.zeros_like(solved.taken_l_per_s)
    if node is not None:
        drawn[:, node] = np.maximum(0.0, solved.taken_l_per_s[:, node] - mains.usual.taken_l_per_s[usual, node])
    given = (solved.taken_l_per_s - drawn) * mains.served(solved.head_m) + drawn
    inflow = by_zone(mains, given) * 3600.0 - town.inflow_lph[usual]
    at_s = town.steps_s[usual]
    outside = (at_s < change.start_s) | (at_s >= change.end_s)
    pressure[outside], inflow[outside] = 0.0, 0.0
    least_m = float(solved.head_m[~outside, node].min()) if node is not None and (~outside).any() else np.inf
    return _judged(town, pressure, inflow, first=first, inside=~outside), least_m


def _judged(town: WaterTown, pressure: Floats, inflow: Floats, *, first: int, inside: np.ndarray) -> _Outcome:
    usual = town.pressure_kpa[first : first + len(pressure)]
    with_it = np.maximum(usual + pressure, LEAST_KPA)
    pressure = with_it - usual
    drop = -pressure[inside].mean(axis=0) if inside.any() else np.zeros(pressure.shape[1])
    limit = np.maximum(NOTICEABLE_KPA, NOTICEABLE_SHARE * usual[inside].mean(axis=0)) if inside.any() else np.inf
    hit = np.asarray(drop > limit)
    lower = (pressure[inside] < -0.4 * limit).mean(axis=0)
    is_plain = bool((lower[hit] > 0.7).all() and (not inside.any() or pressure[inside].max() < MOST_RISE_KPA))
    return _Outcome(pressure, inflow, drop, hit, is_plain)


def _lowered(
    town: WaterTown, window: tuple[int, int], depth: float, *, is_wide: bool, chance: np.random.Generator
) -> _Outcome:
    first, last = _steps(town, window)
    zones = [meter.zone for meter in town.customers]
    zone = str(chance.choice(sorted(set(zones))))
    there = np.array([name == zone for name in zones])
    if not is_wide and there.sum() > 4:
        nodes = np.array([meter.node for meter in town.customers])
        centre = chance.choice(nodes[there])
        there &= np.abs(nodes - centre) <= np.median(np.abs(nodes[there] - centre))
    at_s = town.steps_s[first : last + 1]
    inside = (at_s >= window[0]) & (at_s < window[1])
    pressure = -depth * town.pressure_kpa[first : last + 1] * there * inside[:, None]
    inflow = np.zeros((len(at_s), town.site.zones))
    at = int(zone[-2:]) - 1
    lost = (1 - np.sqrt(1 - depth)) * (1.0 if is_wide else 0.5)
    inflow[:, at] = -lost * town.inflow_lph[first : last + 1, at] * inside
    return _judged(town, pressure, inflow, first=first, inside=inside)


def _record(
    town: WaterTown,
    effects: MainsEffects,
    kind: str,
    window: tuple[int, int],
    outcome: _Outcome,
    *,
    zone: int | None,
    params: dict[str, Any],
) -> None:
    first, _ = _steps(town, window)
    rows = slice(first, first + len(outcome.pressure_kpa))
    effects.pressure_kpa[rows] += outcome.pressure_kpa
    effects.inflow_lph[rows] += outcome.inflow_lph
    hit = np.flatnonzero(outcome.is_affected)
    left = town.pressure_kpa[rows].mean(axis=0) - outcome.drop_kpa
    effects.dry.extend((int(at), float(window[0]), float(window[1])) for at in hit if left[at] < DRY_KPA)
    meters = [town.customers[at].meter_id for at in hit]
    zones = {town.customers[at].zone for at in hit}
    if zone is not None:
        meters.insert(0, town.inlets[zone].meter_id)
        zones.add(zone_name(town.site.code, zone))
    drop = float(outcome.drop_kpa[hit].mean()) if len(hit) else 0.0
    is_planned = kind in ("hydrant_flushing", "planned_closure")
    happening = Happening(
        kind, "water", town.site.code, "zone", tuple(meters), tuple(sorted(zones)), *window, not is_planned,
        params | {"mean_drop_kpa": round(drop, 1)},
    )  # fmt: skip
    effects.happenings.append(happening)
    if is_planned:
        effects.works.extend(
            PlannedWork(town.site.code, name, "", kind, window[0] - HOUR_S // 2, window[1] + HOUR_S // 2)
            for name in happening.zones
        )
