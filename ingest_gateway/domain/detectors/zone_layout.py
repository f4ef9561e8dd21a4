"""How the zones of a water cohort hang together: inlets, gauges that speak for their pressure, networks."""

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.meters import NOWHERE, ZONE_INLET, Groups
from ingest_gateway.domain.checking.view import Cohort
from ingest_gateway.domain.detectors.order import median_of_known

GAUGES = 32  # of a zone: so many tell its pressure as well as all do
SMALL_NETWORK = 12  # zones; in larger ones a zone's own weight in the middle of all is nothing

Values = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Layout:
    """Tables have a row for each zone (or network) and point behind the last meter (or zone) where a place is empty."""

    behind: int  # the place behind the last meter
    inlets: NDArray[np.intp]
    gauges: NDArray[np.intp]
    network: NDArray[np.intp]  # of each zone; zones of no network that is known are one each
    members: NDArray[np.intp]  # the zones of each network
    utc_offset_s: NDArray[np.int64]

    @property
    def has_inlet(self) -> NDArray[np.bool_]:
        """Tell which zones have a meter at their inlet."""
        return np.asarray((self.inlets < self.behind).any(axis=1))

    def inflow(self, use: Values) -> NDArray[np.float64]:
        """Add up what a zone's inlets took; NaN unless all are known, or where there is none."""
        padded = np.append(use, 0.0)
        sums: NDArray[np.float64] = padded[self.inlets].sum(axis=1)
        return np.where(self.has_inlet, sums, np.nan)

    def middle_gauge(self, values: Values) -> NDArray[np.float64]:
        """Give each zone's median over its gauges."""
        return median_of_known(np.append(values, np.nan)[self.gauges])

    def in_network(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Tell for each zone whether something holds for any zone of its network."""
        return np.bincount(self.network, weights=mask, minlength=len(self.members))[self.network] > 0

    def mean_of_network(self, values: Values) -> NDArray[np.float64]:
        """Give each zone the mean of what is known in its network; 0 where nothing is."""
        known = np.isfinite(values)
        sums = np.bincount(self.network, weights=np.where(known, values, 0.0), minlength=len(self.members))
        counts = np.bincount(self.network, weights=known, minlength=len(self.members))
        return (sums / np.maximum(counts, 1))[self.network]

    def middle_of_others(self, values: Values, weights: Values) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Give each zone the weighted median of the other zones of its network, and how many had weight."""
        rows = self.members
        value = np.append(values, np.nan)[rows]
        weight = np.append(weights, 0.0)[rows]
        weight = np.where(np.isfinite(value), weight, 0.0)
        order = np.argsort(np.where(weight > 0, value, np.inf), axis=1, kind="stable")
        value, weight = np.take_along_axis(value, order, axis=1), np.take_along_axis(weight, order, axis=1)
        width = rows.shape[1]
        large = width > SMALL_NETWORK + 1  # a place of each row is empty
        others = np.ones((1, 1)) if large else 1.0 - np.eye(width)
        part = weight[:, None, :] * others
        reached = np.cumsum(part, axis=-1)
        total = reached[..., -1:]
        slack = total * 1e-9
        low = np.minimum((reached < total / 2 - slack).sum(axis=-1), width - 1)
        high = np.minimum((reached <= total / 2 + slack).sum(axis=-1), width - 1)
        middle = (np.take_along_axis(value, low, axis=1) + np.take_along_axis(value, high, axis=1)) / 2
        count = (part > 0).sum(axis=-1)
        if large:
            middle, count = np.repeat(middle, width, axis=1), np.repeat(count, width, axis=1)
        found = np.full(len(values) + 1, np.nan)
        counted = np.zeros(len(values) + 1, dtype=np.intp)
        zone = np.take_along_axis(rows, order, axis=1)
        found[zone] = np.where(count > 0, middle, np.nan)
        counted[zone] = count
        return found[:-1], counted[:-1]


_made: WeakKeyDictionary[Groups, Layout] = WeakKeyDictionary()


def layout_of(cohort: Cohort) -> Layout:
    """Give the layout of a cohort, which is made once."""
    known = _made.get(cohort.zones)
    if known is None:
        known = _made[cohort.zones] = _layout(cohort)
    return known


def _layout(cohort: Cohort) -> Layout:
    meters, zones = cohort.meters, cohort.zones
    in_zone = zones.of != NOWHERE
    inlet = in_zone & (meters.role == ZONE_INLET)
    gauge = in_zone & (meters.role != ZONE_INLET) & meters.has_pressure
    first = np.full(len(zones), len(meters), dtype=np.intp)
    np.minimum.at(first, zones.of[in_zone], np.flatnonzero(in_zone))
    networks = meters.network_id[first]
    networks = np.where(networks == NOWHERE, -2 - np.arange(len(zones)), networks)
    network = np.unique(networks, return_inverse=True)[1].astype(np.intp)
    count = int(network.max()) + 1 if len(network) else 0
    return Layout(
        behind=len(meters),
        inlets=_table(zones.of[inlet], np.flatnonzero(inlet), count=len(zones), empty=len(meters)),
        gauges=_table(zones.of[gauge], np.flatnonzero(gauge), count=len(zones), empty=len(meters))[:, :GAUGES],
        network=network,
        members=_table(network, np.arange(len(zones)), count=count, empty=len(zones)),
        utc_offset_s=meters.utc_offset_s[first],
    )


def _table(group: NDArray[np.intp], member: NDArray[np.intp], *, count: int, empty: int) -> NDArray[np.intp]:
    """Lay members into a row for each group; at least one place of a row stays empty."""
    order = np.argsort(group, kind="stable")
    size = np.bincount(group, minlength=count)
    table = np.full((count, int(size.max(initial=0)) + 1), empty, dtype=np.intp)
    place = np.arange(len(group)) - np.repeat(np.cumsum(size) - size, size)
    table[group[order], place] = member[order]
    return table
