"""What the checker must know of the meters, in columns; and what hangs together: zones, concentrators, feeders."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

WATER, ELECTRICITY = 0, 1
CUSTOMER, ZONE_INLET = 0, 1
RESIDENTIAL, APARTMENT_BLOCK, COMMERCIAL, BULK = 0, 1, 2, 3
SERVICES = {"water": WATER, "electricity": ELECTRICITY}
ROLES = {"customer": CUSTOMER, "zone_inlet": ZONE_INLET}
SEGMENTS = {
    "residential": RESIDENTIAL,
    "apartment_block": APARTMENT_BLOCK,
    "commercial": COMMERCIAL,
    "bulk": BULK,
}
NOWHERE = -1  # no zone, no concentrator, no feeder


@dataclass(frozen=True, slots=True)
class Meters:
    """A meter is a row in each column. Places (zone, network, …) are ids of the caller's; NOWHERE: there is none."""

    meter_id: NDArray[np.int64]  # rising
    service: NDArray[np.int8]
    role: NDArray[np.int8]
    zone_id: NDArray[np.int64]
    network_id: NDArray[np.int64]  # zones that feed one another
    gateway_id: NDArray[np.int64]  # the concentrator that it speaks through
    feeder_id: NDArray[np.int64]
    interval_s: NDArray[np.int64]
    utc_offset_s: NDArray[np.int64]
    segment: NDArray[np.int8]
    base_per_unit: NDArray[np.float64]  # litres or Wh in the register's least digit
    ring: NDArray[np.int64]  # where the register begins again, in its least digit; 0: not known
    resolution: NDArray[np.float64]  # litres or Wh by which the register moves at least
    mean_flow: NDArray[np.bool_]  # flow is the mean since the reading before, not of the moment
    has_pressure: NDArray[np.bool_]
    phases: NDArray[np.int8]  # 0: water
    nominal_v: NDArray[np.float64]  # NaN: not known
    may_export: NDArray[np.bool_]  # feeding in was agreed

    def __len__(self) -> int:
        """Count the meters."""
        return len(self.meter_id)

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Give the meters at these rows."""
        return type(self)(**{column.name: getattr(self, column.name)[rows] for column in fields(self)})


class Groups:
    """Meters that share a place. `of` is the group of each meter, NOWHERE for none; `ids` the place of each group."""

    def __init__(self, place_ids: NDArray[np.int64]) -> None:
        somewhere = place_ids != NOWHERE
        self.ids: NDArray[np.int64]
        self.ids, inverse = np.unique(place_ids[somewhere], return_inverse=True)
        self.of: NDArray[np.intp] = np.full(len(place_ids), NOWHERE, dtype=np.intp)
        self.of[somewhere] = inverse
        self.size: NDArray[np.intp] = np.bincount(inverse, minlength=len(self.ids))
        self._bins = np.where(somewhere, self.of, len(self.ids))  # the last bin is thrown away
        self._tables = list(_tables(self.of, self.size))

    def __len__(self) -> int:
        """Count the groups."""
        return len(self.ids)

    def count(self, mask: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Count in each group the meters where `mask` is true."""
        return np.bincount(self._bins[mask], minlength=len(self.ids) + 1)[: len(self.ids)]

    def total(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Add up the values of each group; NaN counts nothing."""
        known = np.nan_to_num(values, nan=0.0)
        sums: NDArray[np.float64] = np.bincount(self._bins, weights=known, minlength=len(self.ids) + 1).astype(
            np.float64
        )
        return sums[: len(self.ids)]

    def median(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Give the median of what is known in each group (the lower of the two middle ones); NaN where nothing is."""
        return self.quantile(values, 0.5)

    def quantile(self, values: NDArray[np.floating[Any]], share: float) -> NDArray[np.float64]:
        """Give in each group the value below which `share` of the known ones lie, one of them itself."""
        found = np.full(len(self.ids), np.nan)
        padded = np.append(values.astype(np.float64), np.nan)
        for groups, members in self._tables:
            ordered = np.sort(padded[members], axis=1)  # NaN last
            known = np.count_nonzero(~np.isnan(ordered), axis=1)
            at = np.maximum(np.ceil(known * share).astype(np.intp) - 1, 0)
            found[groups] = ordered[np.arange(len(groups)), at]
        return found

    def to_meters(self, values: NDArray[Any], *, nowhere: Any) -> NDArray[Any]:
        """Give each meter the value of its group; `nowhere` to those of none."""
        return np.append(values, np.array([nowhere], dtype=values.dtype))[self._bins]


def _tables(of: NDArray[np.intp], size: NDArray[np.intp]) -> Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Lay the members of groups of about one size into tables; an empty place points behind the last meter."""
    order = np.argsort(of, kind="stable")
    order = order[len(of) - int(size.sum()) :]
    starts = np.concatenate(([0], np.cumsum(size)))[:-1]
    made: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = []
    classes = np.ceil(np.log2(np.maximum(size, 1))).astype(np.intp)
    for class_ in np.unique(classes):
        groups = np.flatnonzero(classes == class_)
        width = int(size[groups].max())
        places = np.arange(width)[None, :]
        inside = places < size[groups][:, None]
        at = np.minimum(starts[groups][:, None] + places, len(order) - 1)
        made.append((groups, np.where(inside, order[at], len(of))))
    return made
