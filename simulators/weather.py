"""The weather over the town: seasons, warm and cold spells, rain; the same for everyone who asks."""

from dataclasses import dataclass

import numpy as np

from simulators.noise import Floats, Ints, normal, uniform

SPELL_DAYS = 4


@dataclass(frozen=True, slots=True)
class Weather:
    """Mean temperature and rain of each local day asked for."""

    temperature_c: Floats
    rain_mm: Floats


def on_days(seed: int, *, days: Ints) -> Weather:
    """Tell the weather of local days, counted from 1970-01-01."""
    year_part = ((days - 10) % 365.2425) / 365.2425
    season_c = 15.0 - 11.0 * np.cos(2 * np.pi * (year_part - 0.035))
    temperature_c = season_c + 2.2 * _spells(seed, days) + 0.8 * normal(seed, "weather/day", days)
    # The rainy season (June, July) and September's typhoons bring more of it.
    month_part = year_part * 12
    wet = 0.24 + 0.22 * ((month_part > 4.9) & (month_part < 6.6)) + 0.15 * ((month_part > 7.8) & (month_part < 9.4))
    chance = uniform(seed, "weather/rain", days)
    rain_mm = np.where(chance < wet, 1.0 + 40.0 * uniform(seed, "weather/amount", days) ** 3, 0.0)
    return Weather(temperature_c, rain_mm)


def _spells(seed: int, days: Ints) -> Floats:
    """Go smoothly from one spell's deviation to the next."""
    index, within = np.divmod(days, SPELL_DAYS)
    share = within / SPELL_DAYS
    before, after = normal(seed, "weather/spell", index), normal(seed, "weather/spell", index + 1)
    return before * (1 - share) + after * share
