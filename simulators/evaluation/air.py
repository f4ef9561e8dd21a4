"""From a meter's clock to the platform: jitter, lateness, losses, repeats, gaps and silent concentrators."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulators.evaluation.options import DAY_S, HOUR_S, SetOptions
from simulators.evaluation.register import Meter
from simulators.evaluation.truth import Happening
from simulators.noise import Floats, Ints

WRONG_CLOCKS = 0.03
MOST_WRONG_S = 290.0
LOST, LATE, REPEATED = 0.01, 0.015, 0.006
GAPS_PER_DAY = 0.025


@dataclass(frozen=True, slots=True)
class Silence:
    """A concentrator that hears its meters or is heard no more; what it kept comes afterwards."""

    gateway: str
    start_s: float
    end_s: float
    is_backfilled: bool


@dataclass(frozen=True, slots=True)
class Slots:
    """When a meter reads: true instants and what its own clock says, in seconds since the set began."""

    at_s: Floats
    stamped_s: Floats


@dataclass(frozen=True, slots=True)
class Arrival:
    """Which reading came when, in order of arrival; a reading can come twice."""

    row: Ints
    received_s: Floats


def slots(meter: Meter, *, options: SetOptions, wild: bool = False) -> Slots:
    """Tell when a meter reads; a `wild` one does so as it likes, about as often."""
    chance = options.chance("clock", meter.meter_id)
    count = options.duration_s // meter.interval_s
    at = np.arange(count) * float(meter.interval_s)
    if wild:
        steps = meter.interval_s * chance.choice([0.5, 0.8, 1.0, 1.25, 2.0], count, p=[0.1, 0.2, 0.45, 0.15, 0.1])
        at = np.cumsum(steps)
        at = at[at < options.duration_s]
    wrong = chance.uniform(-MOST_WRONG_S, MOST_WRONG_S) if chance.random() < WRONG_CLOCKS else chance.normal(0, 7)
    true = np.clip(at + chance.normal(0, 4, len(at)), 0.0, None)
    return Slots(true, true + wrong)


def silences(meters: Sequence[Meter], *, options: SetOptions, usual: float, domain: str) -> list[Silence]:
    """Choose which concentrators fall silent, and when; also while the checker learns."""
    names = sorted({meter.gateway for meter in meters if not meter.gateway.endswith("SCADA")})
    found: list[Silence] = []
    chance = options.chance("silence", meters[0].site, domain)
    for _ in range(max(1, round(usual * options.events * options.days / 42))):
        start = float(chance.uniform(DAY_S, options.duration_s - 12 * HOUR_S))
        lasts = float(chance.uniform(1.5, 11)) * HOUR_S
        found.append(Silence(str(chance.choice(names)), start, start + lasts, bool(chance.random() < 0.7)))
    return found


def as_happenings(found: Sequence[Silence], *, meters: Sequence[Meter], domain: str) -> list[Happening]:
    """Label silences: no anomaly of any meter."""
    return [
        Happening(
            "gateway_outage", domain, meters[0].site, "gateway",
            tuple(meter.meter_id for meter in meters if meter.gateway == silence.gateway), (),
            int(silence.start_s), int(silence.end_s), is_fault=False,
            params={"backfilled": silence.is_backfilled}, gateway=silence.gateway,
        )
        for silence in found
    ]  # fmt: skip


def carry(
    meter: Meter,
    when: Slots,
    *,
    options: SetOptions,
    found: Sequence[Silence],
    dead: Sequence[tuple[float, float]] = (),
) -> Arrival:
    """Carry a meter's readings to the platform. `dead`: stretches in which it has no supply and says nothing."""
    chance = options.chance("air", meter.meter_id)
    at, size, noise = when.at_s, len(when.at_s), options.noise
    quiet = np.array(chance.random(size) < LOST * noise)
    for _ in range(int(chance.poisson(GAPS_PER_DAY * noise * options.days))):
        start = chance.uniform(0, options.duration_s)
        quiet |= (at >= start) & (at < start + chance.exponential(2.0 * HOUR_S) + meter.interval_s)
    received = at + chance.gamma(1.4, chance.lognormal(2.6, 0.6), size) + 1.0
    late = chance.random(size) < LATE * noise
    received[late] += np.exp(chance.normal(8.0, 1.1, int(late.sum())))
    for silence in found:
        if silence.gateway != meter.gateway:
            continue
        inside = (at >= silence.start_s) & (at < silence.end_s)
        received[inside] = silence.end_s + chance.uniform(20, 900, int(inside.sum()))
        quiet |= inside & (not silence.is_backfilled)
    for start, end in dead:
        quiet |= (at > start) & (at < end)
    row = np.flatnonzero(~quiet)
    again = row[chance.random(len(row)) < REPEATED * noise]
    rows = np.concatenate([row, again])
    when_received = np.concatenate([received[row], received[again] + chance.exponential(600.0, len(again)) + 2.0])
    order = np.argsort(when_received, kind="stable")
    return Arrival(rows[order].astype(np.int64), when_received[order])
