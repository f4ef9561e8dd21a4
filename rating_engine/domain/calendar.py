"""Seasons, holidays and the periods of time-of-use prices."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Literal

import jpholiday
from pydantic import BeforeValidator, Field, model_validator

from rating_engine.domain import values
from rating_engine.domain.values import Name, Names, as_list

MonthDay = Annotated[str, Field(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]
Hours = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]
Days = Literal["every", "weekday", "weekend", "holiday", "mon", "tue", "wed", "thu", "fri", "sat", "sun"]
HolidaySet = Literal["jp", "us_nerc", "us_federal"]
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Stretch(values.Part):
    """Days of each year, both ends with it; it may go over new year."""

    from_day: MonthDay
    until_day: MonthDay


class Holidays(values.Part):
    """Days that count as holidays: of a country, and single ones."""

    sets: Annotated[
        tuple[HolidaySet, ...], BeforeValidator(as_list, json_schema_input_type=HolidaySet | list[HolidaySet])
    ] = ()
    days: tuple[date, ...] = ()
    every_year: tuple[MonthDay, ...] = ()
    sunday_moves_to_monday: bool = False
    saturday_moves_to_friday: bool = False


class TimePeriod(values.Part):
    """One period of time-of-use prices: all that is given must be so; hours are local and half-open."""

    name: Name
    seasons: Names | None = None
    days: Annotated[tuple[Days, ...], BeforeValidator(as_list, json_schema_input_type=Days | list[Days])] = ("every",)
    hours: Annotated[tuple[Hours, ...], BeforeValidator(as_list, json_schema_input_type=Hours | list[Hours])] = (
        "00:00-24:00",
    )


class Calendar(values.Part):
    """The clock of the tariff: its seasons by name, its holidays, its periods (the first that fits counts)."""

    zone: str = "Asia/Tokyo"
    seasons: dict[
        Name,
        Annotated[tuple[Stretch, ...], BeforeValidator(as_list, json_schema_input_type=Stretch | list[Stretch])],
    ] = Field(default={})
    holidays: Holidays = Holidays()
    periods: tuple[TimePeriod, ...] = ()

    @model_validator(mode="after")
    def _known_seasons(self) -> "Calendar":
        for period in self.periods:
            for season in period.seasons or ():
                if season not in self.seasons and season != "other":
                    raise values.refusal("season", f"period {period.name} names season {season}, which is not defined")
        return self

    def season_on(self, day: date) -> str:
        """Name the season of a day; `other` where none is defined for it."""
        key = f"{day:%m-%d}"
        for name, stretches in self.seasons.items():
            for one in stretches:
                wraps = one.from_day > one.until_day
                inside = key >= one.from_day or key <= one.until_day if wraps else one.from_day <= key <= one.until_day
                if inside:
                    return name
        return "other"

    def period_at(self, at: datetime) -> str | None:
        """Name the period of a local time; None if the tariff has none for it."""
        day = at.date()
        minute = at.hour * 60 + at.minute
        season = self.season_on(day)
        for period in self.periods:
            if period.seasons is not None and season not in period.seasons:
                continue
            if any(self._is(day, kind) for kind in period.days) and any(_within(minute, one) for one in period.hours):
                return period.name
        return None

    def is_holiday(self, day: date) -> bool:
        return (
            day in self.holidays.days
            or f"{day:%m-%d}" in self.holidays.every_year
            or any(_in_set(day, one, rules=self.holidays) for one in self.holidays.sets)
        )

    def _is(self, day: date, kind: Days) -> bool:
        match kind:
            case "every":
                return True
            case "holiday":
                return self.is_holiday(day)
            case "weekday":
                return day.weekday() < 5 and not self.is_holiday(day)
            case "weekend":
                return day.weekday() >= 5
            case _:
                return WEEKDAYS[day.weekday()] == kind


def changes_between(calendar: Calendar, *, first: date, end: date) -> Iterator[date]:
    """Give the days after `first` and before `end` on which another season begins."""
    day = first + timedelta(days=1)
    while day < end:
        if calendar.season_on(day) != calendar.season_on(day - timedelta(days=1)):
            yield day
        day += timedelta(days=1)


def _within(minute: int, hours: str) -> bool:
    start, end = (int(part[:2]) * 60 + int(part[3:]) for part in hours.split("-"))
    return start <= minute < end if start < end else minute >= start or minute < end


def _in_set(day: date, name: HolidaySet, *, rules: Holidays) -> bool:
    if name == "jp":
        return jpholiday.is_holiday(day)
    known = NERC if name == "us_nerc" else FEDERAL
    for year in (day.year, day.year + 1):
        for one in _american(year, known):
            observed = one
            if one.weekday() == 6 and rules.sunday_moves_to_monday:
                observed = one + timedelta(days=1)
            elif one.weekday() == 5 and rules.saturday_moves_to_friday:
                observed = one - timedelta(days=1)
            if day == observed:
                return True
    return False


# Month and day, or month, weekday and which one of the month (-1: the last).
NERC: tuple[tuple[int, ...], ...] = ((1, 1), (5, 0, -1), (7, 4), (9, 0, 1), (11, 3, 4), (12, 25))
FEDERAL = (*NERC, (1, 0, 3), (2, 0, 3), (6, 19), (10, 0, 2), (11, 11))


def _american(year: int, rules: Sequence[tuple[int, ...]]) -> Iterator[date]:
    for rule in rules:
        if len(rule) == 2:
            yield date(year, rule[0], rule[1])
            continue
        month, weekday, which = rule
        first = date(year, month, 1)
        days = [first + timedelta(days=n) for n in range(31) if (first + timedelta(days=n)).month == month]
        matching = [day for day in days if day.weekday() == weekday]
        yield matching[which - 1 if which > 0 else which]
