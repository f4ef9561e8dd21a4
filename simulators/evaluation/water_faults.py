"""What happens at water meters and behind them: leaks, cheats, broken meters, and habits that only look so."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from simulators.evaluation import water_homes
from simulators.evaluation.lives import Life
from simulators.evaluation.options import DAY_S, HOUR_S, SetOptions
from simulators.evaluation.pulses import Pulses, joined, steady
from simulators.evaluation.register import Meter
from simulators.evaluation.truth import LONG_ENOUGH, Happening, PlannedWork, begin, count, end_of
from simulators.evaluation.water_site import WaterTown
from simulators.fault_models import BACKFLOW_LPH, LEAK_LPH, PRESSURE_DRIFT, TAMPER_SHARE, between_by_ratio

LEAST_DAILY_L = 70.0  # below, a stopped meter cannot be told from a quiet home
FULL_SITE = 90  # customers that the usual numbers are for


@dataclass(slots=True)
class WaterStories:
    """Every customer's life, and what of it is labelled."""

    lives: list[Life]
    happenings: list[Happening] = field(default_factory=list)
    works: list[PlannedWork] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Story:
    """A kind of happening: how often at a full site in 28 days, how many days long, to whom, and what it does."""

    kind: str
    usual: float
    days: tuple[float, float]
    suits: Callable[[Meter, float], bool]
    tell: Callable[["_Scene"], dict[str, object]]
    is_fault: bool = True


@dataclass(frozen=True, slots=True)
class _Scene:
    town: WaterTown
    options: SetOptions
    at: int
    life: Life
    start_s: int
    end_s: int
    chance: np.random.Generator


def befall(town: WaterTown, *, options: SetOptions) -> WaterStories:
    """Tell each customer's life: at most one happening each."""
    stories = WaterStories([Life(use) for use in town.use])
    chance = options.chance("behind", town.site.code)
    daily = town.daily_litres(days=options.days)
    idle = list(chance.permutation(len(town.customers)))
    weeks = (options.duration_s - options.learning_s) / (28 * DAY_S)
    scale = weeks * len(town.customers) / FULL_SITE
    for story in STORIES:
        for _ in range(count(chance, story.usual * scale, options=options)):
            fit = (at for at in idle if story.suits(town.customers[at], float(daily[at])))
            at = next(fit, None)
            if at is None:
                break
            idle.remove(at)
            _happen(story, int(at), town=town, options=options, stories=stories, chance=chance)
    return stories


def _happen(
    story: _Story,
    at: int,
    *,
    town: WaterTown,
    options: SetOptions,
    stories: WaterStories,
    chance: np.random.Generator,
) -> None:
    meter, interval_s = town.customers[at], town.site.interval_s
    lasts_s = float(chance.uniform(*story.days)) * DAY_S
    least_s = min(lasts_s, LONG_ENOUGH * (options.duration_s - options.learning_s))
    start = begin(chance, options=options, interval_s=interval_s, lasts_s=least_s)
    end = end_of(start, lasts_s, options=options, interval_s=interval_s)
    params = story.tell(_Scene(town, options, at, stories.lives[at], start, end, chance))
    end = int(params.pop("end_s", end))  # type: ignore[call-overload]
    stories.happenings.append(
        Happening(story.kind, "water", meter.site, "meter", (meter.meter_id,), (meter.zone,), start, end,
                  story.is_fault, params)
    )  # fmt: skip
    if story.kind == "meter_exchange":
        stories.works.append(PlannedWork(meter.site, "", meter.meter_id, story.kind, start - HOUR_S, end))


def _leak(scene: _Scene) -> dict[str, object]:
    """Water runs on behind the meter, steadily or through a cistern that keeps filling."""
    chance, block = scene.chance, scene.town.customers[scene.at].segment != "residential"
    rate = between_by_ratio(LEAK_LPH, chance.random()) * (1.5 if block else 1.0)
    if chance.random() < 0.7:
        scene.life.extra.append(steady(scene.start_s, scene.end_s, rate))
        return {"lph": round(rate, 1), "mode": "steady"}
    fills = int((scene.end_s - scene.start_s) / HOUR_S * rate / 6.0)
    starts = np.sort(chance.uniform(scene.start_s, scene.end_s, fills))
    scene.life.extra.append(Pulses(starts, starts + 6.0 / 450.0 * HOUR_S, np.full(fills, 450.0)))
    return {"lph": round(rate, 1), "mode": "toilet"}


def _stuck(scene: _Scene) -> dict[str, object]:
    alive = bool(scene.town.customers[scene.at].tech == "ultrasonic" and scene.chance.random() < 0.5)
    scene.life.frozen.append((scene.start_s, scene.end_s, alive))
    return {"flow_field_alive": alive}


def _backflow(scene: _Scene) -> dict[str, object]:
    chance, episodes = scene.chance, int(scene.chance.integers(1, 5))
    rate, end = float(chance.uniform(*BACKFLOW_LPH)), float(scene.start_s)
    for episode in range(episodes):
        begins = end + (chance.uniform(2, 14) * HOUR_S if episode else 0.0)
        end = begins + max(chance.uniform(0.7, 4.0) * HOUR_S, 1.5 * scene.town.site.interval_s)
        scene.life.use = scene.life.use.outside(begins - 900, end)
        scene.life.extra.append(steady(begins, end, -rate))
    return {"lph": round(rate), "episodes": episodes, "end_s": min(int(end), scene.options.duration_s)}


def _tamper(scene: _Scene) -> dict[str, object]:
    share = float(scene.chance.uniform(*TAMPER_SHARE))
    scene.life.counted.append((scene.start_s, scene.end_s, share))
    return {"factor": round(share, 2)}


def _drift(scene: _Scene) -> dict[str, object]:
    chance = scene.chance
    per_day = float(chance.uniform(*PRESSURE_DRIFT)) * (1 if chance.random() < 0.5 else -1)
    scene.life.drift = (scene.start_s, scene.end_s, per_day)
    return {"rel_per_day": round(per_day, 4), "channel": "pressure"}


def _pool(scene: _Scene) -> dict[str, object]:
    rate = float(scene.chance.uniform(700, 1900))
    scene.life.extra.append(steady(scene.start_s, scene.end_s, rate))
    return {"lph": round(rate)}


def _holiday(scene: _Scene) -> dict[str, object]:
    home = scene.town.homes[scene.at]
    scene.life.use = scene.life.use.outside(scene.start_s, scene.end_s)
    if home.steady_lph:
        scene.life.extra.append(steady(scene.start_s, scene.end_s, home.steady_lph))
    return {}


def _more_people(scene: _Scene) -> dict[str, object]:
    factor = float(scene.chance.uniform(1.6, 2.8))
    days = np.arange(scene.start_s // DAY_S, scene.end_s // DAY_S + 1)
    more = water_homes.indoor(
        scene.town.homes[scene.at], days=days, options=scene.options, utc_offset_h=scene.town.site.utc_offset_h,
        chance=scene.chance, factor=factor - 1,
    )  # fmt: skip
    scene.life.use = joined([scene.life.use, more.within(scene.start_s, scene.end_s)])
    return {"factor": round(factor, 2)}


def _exchange(scene: _Scene) -> dict[str, object]:
    scene.life.exchanged_s = float(scene.start_s)
    return {"end_s": scene.start_s + 2 * HOUR_S}


def _anybody(_meter: Meter, daily_l: float) -> bool:
    return daily_l > 20


def _user(_meter: Meter, daily_l: float) -> bool:
    return daily_l >= LEAST_DAILY_L


def _home(meter: Meter, daily_l: float) -> bool:
    return meter.segment == "residential" and daily_l >= LEAST_DAILY_L


def _sensor(meter: Meter, _daily_l: float) -> bool:
    return meter.has_pressure


STORIES = (
    _Story("household_leak", 8, (4, 16), lambda _, daily_l: daily_l < 6000, _leak),
    _Story("stuck_meter", 5, (15, 26), _user, _stuck),
    _Story("backflow", 5, (1, 2), _anybody, _backflow),
    _Story("tamper", 5, (10, 28), _user, _tamper),
    _Story("sensor_drift", 5, (14, 28), _sensor, _drift),
    _Story("pool_fill", 4, (0.5, 1.3), _home, _pool, is_fault=False),
    _Story("holiday", 7, (4, 16), _home, _holiday, is_fault=False),
    _Story("guests", 3, (3, 8), _home, _more_people, is_fault=False),
    _Story("new_occupancy", 3, (30, 40), _home, _more_people, is_fault=False),
    _Story("meter_exchange", 2, (0.1, 0.2), _anybody, _exchange, is_fault=False),
)
