"""A recount of all rollups from raw readings in plain Python, written apart from the SQL that makes them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from registry.book import RegisterUnit

TICK = timedelta(microseconds=1)
NO_SENSOR_KPA = (0.0, 6553.5)


class Reading(NamedTuple):
    """What a meter sent, or where `sent` is False, an estimate that stands in its place."""

    meter_id: int
    at: datetime
    register: int | None
    export: int | None = None
    flow: float | None = None
    pressure: float | None = None
    volts: tuple[float, ...] = ()
    sent: bool = True


class Hung(NamedTuple):
    """A meter's time at a point."""

    meter_id: int
    zone_id: int
    ring: int
    opened: datetime
    opening: int
    closed: datetime | None = None
    closing: int | None = None


class Kind(NamedTuple):
    """What a meter counts in."""

    unit: RegisterUnit
    scale: int
    nominal_v: float


@dataclass(frozen=True)
class Counted:
    """One register, or one measure without a register, with what was used since the one before it."""

    at: datetime
    zone_id: int | None
    use: int
    export: int
    before: int | None
    register: int | None
    segment: int
    reading: Reading | None


def revised(readings: Iterable[Reading], revisions: Sequence[Reading]) -> list[Reading]:
    """Let the last revision of an instant take the register's place; one without a reading stands by itself."""
    known = {(one.meter_id, one.at): one for one in readings}
    for revision in revisions:
        key = revision.meter_id, revision.at
        known[key] = known.get(key, revision._replace(sent=False))._replace(register=revision.register)
    return list(known.values())


def walk(readings: Sequence[Reading], installations: Sequence[Hung], *, meter_id: int) -> list[Counted]:
    """Go through one meter's life in the order of time, each installation by itself, and what lies outside of them."""
    hung = sorted((one for one in installations if one.meter_id == meter_id), key=lambda one: one.opened)
    own = sorted((one for one in readings if one.meter_id == meter_id), key=lambda one: one.at)
    found: list[Counted] = []
    for segment, place in enumerate(hung):
        inside = [one for one in own if place.opened <= one.at and (place.closed is None or one.at < place.closed)]
        own = [one for one in own if one not in inside]
        steps = [(place.opened, place.opening, None, None)]
        steps += [(one.at, one.register, one.export, one) for one in inside if one.register is not None]
        if place.closed is not None and place.closing is not None:
            steps.append((place.closed, place.closing, None, None))
        found.append(Counted(place.opened, place.zone_id, 0, 0, None, place.opening, segment, None))
        for (_, before, export_before, _), (at, register, export, reading) in pairwise(steps):
            use = shorter_way(before, register, ring=place.ring)
            out = 0 if export is None or export_before is None else shorter_way(export_before, export, ring=place.ring)
            found.append(Counted(at, place.zone_id, use, out, before, register, segment, reading))
        found += [
            Counted(one.at, place.zone_id, 0, 0, None, None, segment, one) for one in inside if one.register is None
        ]
    found += [Counted(one.at, None, 0, 0, None, one.register, -1, one) for one in own]
    return found


def shorter_way(before: int, after: int, *, ring: int) -> int:
    forward = (after - before) % ring
    return forward if forward < ring - ring // 2 else forward - ring


def days(counted: Sequence[Counted], *, zone: ZoneInfo) -> dict[date, tuple[object, ...]]:
    """Give the columns of meter_day from use_units on."""
    by_day: dict[date, list[Counted]] = defaultdict(list)
    for one in counted:
        by_day[(one.at - TICK).astimezone(zone).date()].append(one)
    return {day: _day(group) for day, group in by_day.items()}


def _day(group: Sequence[Counted]) -> tuple[object, ...]:
    with_register = sorted((one for one in group if one.register is not None), key=lambda one: (one.at, one.segment))
    segments: dict[int, list[Counted]] = defaultdict(list)
    for one in with_register:
        segments[one.segment].append(one)
    openings = [(one[0].at, one[0].register if one[0].before is None else one[0].before) for one in segments.values()]
    closings = [(one[-1].at, one[-1].register) for one in segments.values()]
    sent = [one.reading for one in group if one.reading is not None]
    flows, kpa = _known(one.flow for one in sent), _known(_pressure(one) for one in sent)
    volts = [volt for one in sent for volt in one.volts]
    return (
        sum(one.use for one in group),
        sum(one.export for one in group),
        min(openings)[1] if openings else None,
        max(closings)[1] if closings else None,
        sum(1 for one in sent if one.sent),
        max(flows, default=None),
        min(flows, default=None),
        min(kpa, default=None),
        max(kpa, default=None),
        min(volts, default=None),
        max(volts, default=None),
    )


def hours(counted: Sequence[Counted], *, zone: ZoneInfo) -> dict[datetime, tuple[object, ...]]:
    """Give the columns of meter_hour from zone_id on; an hour begins at full local hours."""
    by_hour: dict[datetime, list[Counted]] = defaultdict(list)
    for one in sorted(counted, key=lambda one: one.at):
        local = (one.at - TICK).astimezone(zone)
        into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        by_hour[(one.at - TICK - into).astimezone(UTC)].append(one)
    return {hour: _hour(group) for hour, group in by_hour.items()}


def _hour(group: Sequence[Counted]) -> tuple[object, ...]:
    sent = [one.reading for one in group if one.reading is not None]
    flows, kpa = _known(one.flow for one in sent), _known(_pressure(one) for one in sent)
    lows, highs = [min(one.volts) for one in sent if one.volts], [max(one.volts) for one in sent if one.volts]
    middles = [(low + high) / 2 for low, high in zip(lows, highs, strict=True)]
    return (
        max((one.zone_id for one in group if one.zone_id is not None), default=None),
        sum(one.use for one in group),
        sum(1 for one in sent if one.sent),
        _mean(flows),
        min(kpa, default=None),
        _mean(kpa),
        min(lows, default=None),
        _mean(middles),
        max(highs, default=None),
    )


def zone_hours(
    of_meters: Mapping[tuple[int, datetime], tuple[object, ...]], kinds: Mapping[int, Kind]
) -> dict[tuple[object, ...], tuple[object, ...]]:
    """Give zone_hour from the meters' hours: keyed by zone, hour, unit and nominal voltage."""
    groups: dict[tuple[object, ...], list[tuple[int, tuple[object, ...]]]] = defaultdict(list)
    for (meter_id, hour), row in sorted(of_meters.items(), key=lambda item: item[0]):
        if row[0] is not None:
            groups[row[0], hour, kinds[meter_id].unit, kinds[meter_id].nominal_v].append((meter_id, row))
    return {key: _zone_hour(group, kinds) for key, group in groups.items()}


def _zone_hour(group: Sequence[tuple[int, tuple[object, ...]]], kinds: Mapping[int, Kind]) -> tuple[object, ...]:
    def known(column: int) -> list[float]:
        return _known(row[column] for _, row in group)  # type: ignore[misc]

    flows = known(3)
    return (
        len(group),
        sum(row[2] for _, row in group),  # type: ignore[misc]
        sum((Decimal(row[1]).scaleb(kinds[meter].scale) for meter, row in group), Decimal(0)),  # type: ignore[arg-type]
        float(np.float32(sum(flows))) if flows else None,
        len(known(5)),
        min(known(4), default=None),
        _mean(known(5)),
        min(known(6), default=None),
        _mean(known(7)),
        max(known(8), default=None),
    )


def _pressure(one: Reading) -> float | None:
    return None if one.pressure in NO_SENSOR_KPA else one.pressure


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.float32(sum(values) / len(values))) if values else None
