"""The last slots of a cohort: which reading stands for which slot, whatever the order in which they came."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.arrivals import MISSING, Arrivals
from ingest_gateway.domain.checking.state import Arrays

EMPTY = np.iinfo(np.int64).min
_KEPT = {
    "at_s": np.int64,
    "register": np.int64,
    "export_register": np.int64,
    "flow": np.float32,
    "pressure_kpa": np.float32,
    "v1": np.float32,
    "v2": np.float32,
    "v3": np.float32,
    "battery_pct": np.int8,
    "flags": np.int32,
}
_BLANK = {"at_s": EMPTY, "register": MISSING, "export_register": MISSING, "battery_pct": MISSING, "flags": 0}
WATER_KEEPS = ("at_s", "register", "flow", "pressure_kpa", "battery_pct", "flags")
ELECTRICITY_KEEPS = ("at_s", "register", "export_register", "flow", "v1", "v2", "v3", "battery_pct", "flags")


class Ring:
    """`depth` slots of `meters` meters. A slot's cells are blank until `open_slot` has been passed to them."""

    def __init__(self, *, meters: int, depth: int, interval_s: int, keeps: tuple[str, ...]) -> None:
        self.meters, self.depth, self.interval_s, self.keeps = meters, depth, interval_s, keeps
        self.arrays: Arrays = {
            name: np.full((depth, meters), _BLANK.get(name, np.nan), dtype=_KEPT[name]) for name in keeps
        }
        self._turn = np.zeros(depth * meters, dtype=np.int32)

    def clear_slot(self, slot: int) -> None:
        """Make the cells of a slot blank, for one that comes `depth` slots later."""
        for name in self.keeps:
            self.arrays[name][slot % self.depth] = _BLANK.get(name, np.nan)

    def slot_of(self, at_s: NDArray[np.int64]) -> NDArray[np.int64]:
        """Tell which slot an instant is nearest to; the earlier one of two."""
        return -((-at_s + self.interval_s // 2) // self.interval_s)

    def put(self, arrivals: Arrivals, *, row: NDArray[np.int64], slot: NDArray[np.int64]) -> None:
        """Lay readings into their cells. Of several for a cell the one nearest to its slot's time stays,
        of two as near the earlier.

        So the same readings leave the same cells, in whatever order they come and however often.
        """
        cell = (slot % self.depth) * self.meters + row
        distance = arrivals.at_s - slot * self.interval_s
        held = self.arrays["at_s"].ravel()
        waiting = np.arange(len(cell), dtype=np.int32)
        while len(waiting):
            here = cell[waiting]
            self._turn[here] = waiting
            first = self._turn[here] == waiting  # one reading for each cell at a time
            self._put_apart(arrivals, waiting[first], here[first], held, slot, distance)
            waiting = waiting[~first]

    def _put_apart(
        self,
        arrivals: Arrivals,
        which: NDArray[np.int32],
        cell: NDArray[np.int64],
        held: NDArray[np.int64],
        slot: NDArray[np.int64],
        distance: NDArray[np.int64],
    ) -> None:
        old = held[cell]
        new = distance[which]
        old_distance = np.where(old == EMPTY, np.int64(self.interval_s), old - slot[which] * self.interval_s)
        better = (np.abs(new) < np.abs(old_distance)) | ((np.abs(new) == np.abs(old_distance)) & (new < old_distance))
        if not better.all():
            which, cell = which[better], cell[better]
        for name in self.keeps:
            self.arrays[name].reshape(-1)[cell] = getattr(arrivals, name)[which]

    def at(self, name: str, slot: int) -> NDArray[Any]:
        """Give a kept measure of a slot, a row for each meter."""
        return self.arrays[name][slot % self.depth]

    def seen(self, slot: int) -> NDArray[np.bool_]:
        """Tell which meters have a reading in the slot."""
        return self.at("at_s", slot) != EMPTY
