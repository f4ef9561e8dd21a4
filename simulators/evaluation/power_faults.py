"""What happens to the grid and at electricity meters, and habits that only look so."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from simulators.evaluation import power_site
from simulators.evaluation.lives import Life
from simulators.evaluation.options import DAY_S, HOUR_S, SetOptions
from simulators.evaluation.power_site import PowerTown
from simulators.evaluation.pulses import Pulses, joined
from simulators.evaluation.register import Meter
from simulators.evaluation.truth import LONG_ENOUGH, Happening, PlannedWork, begin, count, end_of, free_start
from simulators.fault_models import PHASE_LEFT, ROOF_KWP, SAG, THEFT_SHARE, VOLTAGE_DRIFT
from simulators.noise import Floats

FULL_SITE = 60  # meters that the usual numbers are for
FEW_FOR_ZONE = 3


@dataclass(slots=True)
class PowerLife:
    """What happens at one meter; `life` holds what it has in common with a water meter."""

    life: Life
    dead: list[tuple[float, float]] = field(default_factory=list)
    volts: list[tuple[float, float, float]] = field(default_factory=list)  # from, to, factor
    lost_phase: list[tuple[float, float, int, float]] = field(default_factory=list)  # from, to, phase, what is left
    roof_kwp: float = 0.0
    roof_from_s: float = 0.0
    away: list[tuple[float, float]] = field(default_factory=list)


@dataclass(slots=True)
class PowerStories:
    """Every meter's life, and what of it is labelled."""

    lives: list[PowerLife]
    happenings: list[Happening] = field(default_factory=list)
    works: list[PlannedWork] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Story:
    kind: str
    usual: float
    days: tuple[float, float]
    suits: Callable[[Meter], bool]
    tell: Callable[["_Scene"], dict[str, object]]
    is_fault: bool = True
    hours: tuple[int, int] = (0, 24)  # on the wall, between which it begins


@dataclass(frozen=True, slots=True)
class _Scene:
    town: PowerTown
    at: int
    life: PowerLife
    start_s: int
    end_s: int
    chance: np.random.Generator


def befall(town: PowerTown, *, options: SetOptions) -> PowerStories:
    """Plan what happens: to transformers, and to meters, each at most once."""
    stories = PowerStories([PowerLife(Life(joined([]))) for _ in town.meters])
    chance = options.chance("grid", town.site.code)
    _to_transformers(town, stories, options=options, chance=chance)
    idle = [int(at) for at in chance.permutation(len(town.meters))]
    weeks = (options.duration_s - options.learning_s) / (28 * DAY_S)
    for story in STORIES:
        for _ in range(count(chance, story.usual * weeks * len(town.meters) / FULL_SITE, options=options)):
            at = next((at for at in idle if story.suits(town.meters[at])), None)
            if at is None:
                break
            idle.remove(at)
            _happen(story, at, town=town, stories=stories, options=options, chance=chance)
    return stories


def _to_transformers(
    town: PowerTown, stories: PowerStories, *, options: SetOptions, chance: np.random.Generator
) -> None:
    """Sags, swells and outages of whole transformers, or for a third of the sags of one line."""
    weeks = (options.duration_s - options.learning_s) / (28 * DAY_S) * town.site.transformers / 4
    busy: dict[int, list[tuple[float, float]]] = {number: [] for number in range(town.site.transformers)}
    for kind, usual, hours in (
        ("voltage_sag", 5, (1, 5)), ("voltage_swell", 5, (1, 4)), ("outage", 6, (2.5, 12)),
        ("planned_outage", 1.5, (2.5, 6)),
    ):  # fmt: skip
        for _ in range(count(chance, usual * weeks, options=options)):
            number = int(chance.integers(town.site.transformers))
            lasts_s = max(float(chance.uniform(*hours)) * HOUR_S, 1.5 * town.site.interval_s)
            start = free_start(
                chance, options=options, interval_s=town.site.interval_s, lasts_s=lasts_s, taken=busy[number],
                apart_s=10 * HOUR_S,
            )  # fmt: skip
            if start is None:
                continue
            busy[number].append((start, start + lasts_s))
            end = end_of(start, lasts_s, options=options, interval_s=town.site.interval_s)
            _strike(town, stories, kind, number, (start, end), chance=chance)


def _strike(
    town: PowerTown, stories: PowerStories, kind: str, number: int, window: tuple[int, int], *,
    chance: np.random.Generator,
) -> None:  # fmt: skip
    hit = np.flatnonzero(town.transformer == number)
    params: dict[str, object] = {}
    alone = kind == "voltage_sag" and chance.random() < 0.3
    if alone:
        hit = chance.choice(hit, 1)
    if kind == "voltage_sag":
        factor = float(chance.uniform(*SAG))
        params = {"depth": round(factor, 3)}
    else:
        usual = float(np.median(town.usual_v[:, hit])) / town.site.nominal_v
        factor = max(1.0, float(chance.uniform(1.115, 1.2)) / usual)
        params = {"height": round(factor, 3)} if kind == "voltage_swell" else {}
    for at in hit:
        life = stories.lives[int(at)]
        if kind in ("outage", "planned_outage"):
            life.dead.append(window)
        else:
            life.volts.append((*window, factor))
    zone = town.meters[int(hit[0])].zone
    meters = tuple(town.meters[int(at)].meter_id for at in hit)
    is_planned = kind == "planned_outage"
    stories.happenings.append(
        Happening(kind, "electricity", town.site.code, "meter" if alone else "zone", meters, (zone,), *window,
                  not is_planned, params)
    )  # fmt: skip
    if is_planned:
        stories.works.append(
            PlannedWork(town.site.code, zone, "", kind, window[0] - HOUR_S // 2, window[1] + HOUR_S // 2)
        )


def _happen(
    story: _Story, at: int, *, town: PowerTown, stories: PowerStories, options: SetOptions, chance: np.random.Generator
) -> None:
    meter, interval_s = town.meters[at], town.site.interval_s
    lasts_s = float(chance.uniform(*story.days)) * DAY_S
    least_s = min(lasts_s, LONG_ENOUGH * (options.duration_s - options.learning_s))
    start = begin(chance, options=options, interval_s=interval_s, lasts_s=least_s)
    end = end_of(start, lasts_s, options=options, interval_s=interval_s)
    params = story.tell(_Scene(town, at, stories.lives[at], start, end, chance))
    stories.happenings.append(
        Happening(story.kind, "electricity", meter.site, "meter", (meter.meter_id,), (meter.zone,), start, end,
                  story.is_fault, params)
    )  # fmt: skip


def _lost_phase(scene: _Scene) -> dict[str, object]:
    phase = int(scene.chance.integers(1, 4))
    left = float(scene.chance.choice(PHASE_LEFT))
    scene.life.lost_phase.append((scene.start_s, scene.end_s, phase, left))
    return {"phase": phase, "left": left}


def _theft(scene: _Scene) -> dict[str, object]:
    share = float(scene.chance.uniform(*THEFT_SHARE))
    scene.life.life.counted.append((scene.start_s, scene.end_s, share))
    return {"factor": round(share, 2)}


def _roof(scene: _Scene) -> dict[str, object]:
    kwp = float(scene.chance.uniform(*ROOF_KWP))
    scene.life.roof_kwp, scene.life.roof_from_s = kwp, float(scene.start_s)
    return {"kwp": round(kwp, 1)}


def _stuck(scene: _Scene) -> dict[str, object]:
    scene.life.life.frozen.append((scene.start_s, scene.end_s, False))
    return {}


def _drift(scene: _Scene) -> dict[str, object]:
    per_day = float(scene.chance.uniform(*VOLTAGE_DRIFT)) * (1 if scene.chance.random() < 0.5 else -1)
    scene.life.life.drift = (scene.start_s, scene.end_s, per_day)
    return {"rel_per_day": round(per_day, 4), "channel": "voltage"}


def _holiday(scene: _Scene) -> dict[str, object]:
    scene.life.away.append((scene.start_s, scene.end_s))
    return {}


def _car(scene: _Scene) -> dict[str, object]:
    days = np.arange(scene.start_s // DAY_S + 1, scene.end_s // DAY_S + 1)
    chosen = scene.chance.choice(days, max(1, int(len(days) * 0.6)), replace=False)
    scene.life.life.extra.append(power_site.car(chosen, site=scene.town.site, chance=scene.chance))
    return {}


def load_with(life: PowerLife, at_s: Floats, *, load_w: Floats, base_w: Floats) -> Floats:
    """Tell a meter's load with what happens behind it."""
    load = load_w.copy()
    for start, end in life.away:
        gone = (at_s >= start) & (at_s < end)
        load[gone] = base_w[gone]
    extra: Pulses = joined(life.life.extra)
    load += np.maximum(0.0, np.diff(extra.total(at_s), append=0.0)) * HOUR_S / (at_s[1] - at_s[0])
    return load


def _anybody(_meter: Meter) -> bool:
    return True


def _home(meter: Meter) -> bool:
    return meter.segment == "residential"


def _no_roof(meter: Meter) -> bool:
    return not meter.has_pv


STORIES = (
    _Story("phase_loss", 4, (0.15, 1.6), lambda meter: meter.phases == 3, _lost_phase),
    _Story("theft", 6, (14, 28), _no_roof, _theft),
    _Story("unregistered_export", 4, (28, 30), lambda meter: _home(meter) and not meter.has_pv, _roof),
    _Story("stuck_meter", 4, (10, 24), _no_roof, _stuck),
    _Story("sensor_drift", 4, (16, 28), _anybody, _drift),
    _Story("holiday", 5, (4, 16), _home, _holiday, is_fault=False),
    _Story("new_ev", 3, (30, 40), _home, _car, is_fault=False),
)
