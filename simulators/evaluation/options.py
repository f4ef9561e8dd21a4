"""What an evaluation set is made from; the same options make the same set."""

import zlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

import numpy as np

HOUR_S = 3600
DAY_S = 24 * HOUR_S

Homes = Literal["plain", "real"]


class OptionsUnusable(ValueError):
    """No set can be made from the options."""


@dataclass(frozen=True, slots=True)
class WaterSite:
    """A town's water: one of WNTR's networks, with some of its customers metered."""

    code: str
    network: str
    customers: int
    interval_s: int
    pressure_unit: str  # kPa or MPa
    zones: int
    utc_offset_h: int
    strain: float = 1.0  # demand, as a multiple of what the network was drawn for


@dataclass(frozen=True, slots=True)
class PowerSite:
    """A town's electricity: transformers with metered customers."""

    code: str
    transformers: int
    customers: int
    interval_s: int
    nominal_v: float
    utc_offset_h: int


@dataclass(frozen=True, slots=True)
class SetOptions:
    """One set. `noise` multiplies what radios lose and sensors err; `events` how much happens."""

    seed: int
    starts_on: date
    days: int
    learning_days: int
    water: tuple[WaterSite, ...]
    power: tuple[PowerSite, ...]
    homes: Homes = "plain"
    noise: float = 1.0
    events: float = 1.0

    def __post_init__(self) -> None:
        if not self.water and not self.power:
            raise OptionsUnusable("the set would have no meters: give --customers or --electricity-meters")
        if self.days < self.learning_days + 7:
            raise OptionsUnusable(f"{self.days} days are too few: {self.learning_days} to learn by and at least 7 more")
        for site in (*self.water, *self.power):
            if DAY_S % site.interval_s or site.interval_s < 300:
                raise OptionsUnusable(f"an interval of {site.interval_s} s does not divide the day, or is below 300 s")

    @property
    def starts_s(self) -> int:
        """The first instant, UTC seconds."""
        return int(datetime.combine(self.starts_on, datetime.min.time(), UTC).timestamp())

    @property
    def duration_s(self) -> int:
        return self.days * DAY_S

    @property
    def learning_s(self) -> int:
        return self.learning_days * DAY_S

    @property
    def clocks_change_s(self) -> int | None:
        """When summer time ends where real homes stand: from then on people do everything an hour later by UTC."""
        if self.homes == "plain":
            return None
        day = self.learning_days + (self.days - self.learning_days) * (20 + self.seed % 50) // 100
        return day * DAY_S + HOUR_S

    def chance(self, *names: str | int) -> np.random.Generator:
        """Give a source of chance of its own for each name, so that one part's draws do not move another's."""
        keys = [zlib.crc32(str(name).encode()) for name in names]
        return np.random.default_rng(np.random.SeedSequence([self.seed & 0xFFFF_FFFF, *keys]))
