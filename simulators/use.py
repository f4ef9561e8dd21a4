"""How much water and power each point has used by any hour: whole litres and watt-hours, the same whenever asked.

A day's use is an integer drawn from habit, weather and chance. An hour's register is the day's first register and the
floor of the day's use times the share of the day that has passed, so hours always add up to days and days to years.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import jpholiday
import numpy as np

from simulators import weather
from simulators.habits import HABITS, KINDS, hour_weights
from simulators.noise import Floats, Ints, normal, uniform
from simulators.people import Premise

ZONE = ZoneInfo("Asia/Tokyo")
LOCAL_HOURS_AHEAD = 9  # Japan has no summer time
KNOWN_DAYS = 426
EPOCH_DAY = date(1970, 1, 1).toordinal()
AWAY_CHANCE = 0.012


@dataclass(frozen=True, slots=True)
class Columns:
    """One entry for each point: its kind of people, how much more than usual they use, and whether it is water."""

    point_numbers: tuple[str, ...]
    ids: Ints  # the key of its chance: the point's number
    kinds: Ints
    factors: Floats
    is_water: np.ndarray
    index_of: dict[str, int]


@dataclass(slots=True)
class UseModel:
    """Cumulative use of every point since the day from which it is known; days once asked for are kept."""

    seed: int
    known_day: int  # local, counted from 1970-01-01
    columns: Columns
    _cumulative: Ints = field(init=False)  # [day, point]: used before that day

    def __post_init__(self) -> None:
        self._cumulative = np.zeros((1, len(self.columns.ids)), dtype=np.int64)

    @classmethod
    def of_people(cls, *, seed: int, premises: Sequence[Premise], starts_on: date) -> "UseModel":
        """Begin with the first day of the known history; water points first, then power, each in premises' order."""
        water = [(p.water_point, p.kind, p.water_factor) for p in premises if p.water_point]
        power = [(p.electricity_point, p.kind, p.power_factor) for p in premises if p.electricity_point]
        rows = water + power
        columns = Columns(
            point_numbers=tuple(str(row[0]) for row in rows),
            ids=np.array([int(str(row[0])) for row in rows], dtype=np.int64),
            kinds=np.array([KINDS.index(row[1]) for row in rows], dtype=np.int64),
            factors=np.array([row[2] for row in rows]),
            is_water=np.arange(len(rows)) < len(water),
            index_of={str(row[0]): index for index, row in enumerate(rows)},
        )
        return cls(seed, starts_on.toordinal() - EPOCH_DAY - KNOWN_DAYS, columns)

    @property
    def known_from(self) -> datetime:
        midnight = datetime.combine(date.fromordinal(self.known_day + EPOCH_DAY), datetime.min.time(), ZONE)
        return midnight.astimezone(UTC)

    def before_day(self, days: Ints) -> Ints:
        """Tell what was used before each local day: [day, point].

        :raises ValueError: if a day lies before the known history
        """
        offsets = np.asarray(days, dtype=np.int64) - self.known_day
        if offsets.size and offsets.min() < 0:
            raise ValueError(f"use is known from {self.known_from.isoformat()} on, not before")
        missing = int(offsets.max(initial=0)) + 1 - len(self._cumulative)
        if missing > 0:
            first = self.known_day + len(self._cumulative) - 1
            made = self.day_use(np.arange(first, first + missing + 30))
            self._cumulative = np.vstack([self._cumulative, self._cumulative[-1] + np.cumsum(made, axis=0)])
        return self._cumulative[offsets]

    def at_hours(self, hours: Ints) -> Ints:
        """Tell what was used before each hour, counted from 1970 in UTC: [hour, point]."""
        days, local_hours = np.divmod(np.asarray(hours, dtype=np.int64) + LOCAL_HOURS_AHEAD, 24)
        known, inverse = np.unique(days, return_inverse=True)
        before, use = self.before_day(known), self.day_use(known)
        shares = self.hour_shares(known)
        within = np.floor(use[inverse] * shares[inverse, local_hours]).astype(np.int64)
        return before[inverse] + within

    def total(self, point: str, *, at: datetime) -> int:
        """Tell what one point has used at a full hour, since the history is known."""
        column = self.columns.index_of[point]
        return int(self.at_hours(np.array([int(at.timestamp()) // 3600]))[0, column])

    def mean_day(self, point: str) -> float:
        column = self.columns.index_of[point]
        return float(self.before_day(np.array([self.known_day + 365]))[0, column]) / 365

    def day_use(self, days: Ints) -> Ints:
        """Draw each point's use on local days: [day, point]."""
        columns, habits = self.columns, [HABITS[kind] for kind in KINDS]
        sky = weather.on_days(self.seed, days=days)
        litres, watt_hours, rest, spread, heating, cooling = (
            np.array([getattr(habit, name) for habit in habits])[columns.kinds]
            for name in ("litres", "watt_hours", "rest_share", "spread", "heating", "cooling")
        )
        cold, hot = np.maximum(0, 16 - sky.temperature_c)[:, None], np.maximum(0, sky.temperature_c - 24)[:, None]
        climate = np.where(
            columns.is_water,
            1 + 0.012 * np.clip(sky.temperature_c[:, None] - 15, -10, 15) - 0.03 * (sky.rain_mm[:, None] > 10),
            1 + heating * cold + cooling * hot,
        )
        mean = np.where(columns.is_water, litres, watt_hours) * columns.factors * climate
        mean = mean * np.where(_is_rest(days)[:, None], rest, 1.0)
        chance = 1 + spread * normal(self.seed, "use/day", columns.ids, days[:, None])
        # Now and then a household is away for two days: no water is drawn, and the refrigerator hums on.
        away = uniform(self.seed, "use/away", columns.ids % 10_000, days[:, None] // 2) < AWAY_CHANCE
        away &= columns.kinds < KINDS.index("shop")
        chance = np.where(away, np.where(columns.is_water, 0.0, 0.3), np.maximum(0.15, chance))
        return np.floor(mean * chance).astype(np.int64)

    def hour_shares(self, days: Ints) -> Floats:
        """Tell which share of a day's use has passed at the beginning of each local hour: [day, 25, point]."""
        columns = self.columns
        rest = _is_rest(days).astype(np.int64)
        weights = _WEIGHTS[rest][:, :, columns.kinds + len(KINDS) * ~columns.is_water]
        chance = uniform(
            self.seed, "use/hour", columns.ids, np.arange(24)[:, None] + 24 * np.asarray(days)[:, None, None]
        )
        # Water comes in events, many hours of few people have none; power never rests wholly.
        water = np.where(chance < 0.22, 0.0, chance * chance + 0.2) * weights
        at_night = np.isin(np.arange(24), (0, 1, 2, 3, 4))[:, None]
        water = np.where(at_night & (chance < 0.75), 0.0, water)
        water[:, 7] += 0.01
        drawn = np.where(columns.is_water, water, (0.65 + 0.7 * chance) * weights)
        passed = np.zeros((len(days), 25, len(columns.ids)))
        np.cumsum(drawn, axis=1, out=passed[:, 1:])
        return passed / passed[:, -1:]


def _is_rest(days: Ints) -> np.ndarray:
    """Tell which local days are week-ends or public holidays."""
    dates = [date.fromordinal(int(day) + EPOCH_DAY) for day in days]
    return np.array([day.weekday() >= 5 or jpholiday.is_holiday(day) for day in dates], dtype=bool)


def _weight_table() -> Floats:
    """Stack the habits' hours: [rest, hour, water kinds then power kinds]."""
    habits = [HABITS[kind] for kind in KINDS]
    working = [hour_weights(h.water_hours) for h in habits] + [hour_weights(h.power_hours) for h in habits]
    resting = [hour_weights(h.water_hours_at_rest) for h in habits]
    resting += [hour_weights(h.power_hours_at_rest) for h in habits]
    return np.stack([np.stack(working, axis=1), np.stack(resting, axis=1)])


_WEIGHTS = _weight_table()
