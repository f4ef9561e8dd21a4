"""Use as draws with a start, an end and a rate: exact at any instant, whatever the meter's interval."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from simulators.noise import Floats


@dataclass(frozen=True, slots=True)
class Pulses:
    """Draws of one customer; instants in seconds since the set began, rates in litres an hour or watts."""

    start_s: Floats
    end_s: Floats
    rate: Floats

    def total(self, at_s: Floats) -> Floats:
        """Tell the litres or watt-hours drawn before each instant."""
        begun = _ramp(self.start_s, self.rate, at_s)
        return (begun - _ramp(self.end_s, self.rate, at_s)) / 3600.0

    def rate_at(self, at_s: Floats) -> Floats:
        """Tell the rate at each instant."""
        return _step(self.start_s, self.rate, at_s) - _step(self.end_s, self.rate, at_s)

    def outside(self, start_s: float, end_s: float) -> "Pulses":
        """Leave out the draws that begin in a window."""
        stays = (self.start_s < start_s) | (self.start_s >= end_s)
        return Pulses(self.start_s[stays], self.end_s[stays], self.rate[stays])

    def within(self, start_s: float, end_s: float) -> "Pulses":
        """Keep only the draws that begin in a window."""
        stays = (self.start_s >= start_s) & (self.start_s < end_s)
        return Pulses(self.start_s[stays], self.end_s[stays], self.rate[stays])


def steady(start_s: float, end_s: float, rate: float) -> Pulses:
    """One draw without a pause."""
    return Pulses(np.array([float(start_s)]), np.array([float(end_s)]), np.array([float(rate)]))


def joined(parts: Iterable[Pulses]) -> Pulses:
    """Put the draws of several causes together; they add up where they overlap."""
    listed = list(parts)
    if not listed:
        return Pulses(np.empty(0), np.empty(0), np.empty(0))
    return Pulses(
        np.concatenate([p.start_s for p in listed]),
        np.concatenate([p.end_s for p in listed]),
        np.concatenate([p.rate for p in listed]),
    )


def _ramp(edges_s: Floats, rate: Floats, at_s: Floats) -> Floats:
    order = np.argsort(edges_s, kind="stable")
    edges, rates = edges_s[order], rate[order]
    passed = np.searchsorted(edges, at_s, side="right")
    sums = np.concatenate([[0.0], np.cumsum(rates)])
    weighted = np.concatenate([[0.0], np.cumsum(rates * edges)])
    return sums[passed] * at_s - weighted[passed]


def _step(edges_s: Floats, rate: Floats, at_s: Floats) -> Floats:
    order = np.argsort(edges_s, kind="stable")
    passed = np.searchsorted(edges_s[order], at_s, side="right")
    return np.concatenate([[0.0], np.cumsum(rate[order])])[passed]
