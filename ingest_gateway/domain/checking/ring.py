"""The last slots of a cohort: which reading stands for which slot, whatever the order in which they came."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.arrivals import MISSING, Arrivals
from ingest_gateway.domain.checking.state import Arrays

EMPTY = np.iinfo(np.int64).min
_AT_S = 0  # its place among the integers
WHOLE_OF_WATER = ("at_s", "register", "flags")
WHOLE_OF_ELECTRICITY = ("at_s", "register", "export_register", "flags")
MEASURES_OF_WATER = ("flow", "pressure_kpa", "battery_pct")
MEASURES_OF_ELECTRICITY = ("flow", "v1", "v2", "v3", "battery_pct")
_BLANK = {"at_s": EMPTY, "register": MISSING, "export_register": MISSING, "battery_pct": MISSING, "flags": 0}


class Ring:
    """`depth` slots of `meters` meters. What a reading says lies side by side: readings come in no order of meters."""

    def __init__(
        self, *, meters: int, depth: int, interval_s: int, whole: tuple[str, ...], measures: tuple[str, ...]
    ) -> None:
        self.meters, self.depth, self.interval_s = meters, depth, interval_s
        self.whole, self.measures = whole, measures
        self._blank = {
            "whole": np.array([_BLANK[name] for name in whole], dtype=np.int64),
            "measures": np.array([_BLANK.get(name, np.nan) for name in measures], dtype=np.float32),
        }
        self.arrays: Arrays = {name: np.tile(blank, (depth, meters, 1)) for name, blank in self._blank.items()}
        self._turn = np.zeros(depth * meters, dtype=np.int32)

    def clear_slot(self, slot: int) -> None:
        """Make the cells of a slot blank, for one that comes `depth` slots later."""
        for name, blank in self._blank.items():
            self.arrays[name][slot % self.depth] = blank

    def slot_of(self, at_s: NDArray[np.int64]) -> NDArray[np.int64]:
        """Tell which slot an instant is nearest to; the earlier one of two."""
        return -((-at_s + self.interval_s // 2) // self.interval_s)

    def put(self, arrivals: Arrivals, *, row: NDArray[np.int64], slot: NDArray[np.int64]) -> None:
        """Lay readings into their cells. Of several for a cell the one nearest to its slot's time stays,
        of two as near the earlier.

        So the same readings leave the same cells, in whatever order they come and however often.
        """
        cell = (slot % self.depth) * self.meters + row
        slot_s = slot * self.interval_s
        whole = np.column_stack([getattr(arrivals, name) for name in self.whole])
        measures = np.column_stack([getattr(arrivals, name) for name in self.measures]).astype(np.float32, copy=False)
        waiting = np.arange(len(cell), dtype=np.int32)
        self._turn[cell] = waiting
        apart = self._turn[cell] == waiting  # one reading for each cell at a time
        if apart.all():
            self._put_apart(cell, slot_s, whole, measures)
            return
        while len(waiting):
            self._turn[cell[waiting]] = waiting
            apart = self._turn[cell[waiting]] == waiting
            now = waiting[apart]
            self._put_apart(cell[now], slot_s[now], whole[now], measures[now])
            waiting = waiting[~apart]

    def _put_apart(
        self,
        cell: NDArray[np.int64],
        slot_s: NDArray[np.int64],
        whole: NDArray[np.int64],
        measures: NDArray[np.float32],
    ) -> None:
        wholes = self.arrays["whole"].reshape(-1, len(self.whole))
        held_s = wholes[cell, _AT_S]
        if (held_s != EMPTY).any():
            old = np.where(held_s == EMPTY, np.int64(self.interval_s), held_s - slot_s)
            new = whole[:, _AT_S] - slot_s
            better = (np.abs(new) < np.abs(old)) | ((np.abs(new) == np.abs(old)) & (new < old))
            cell, whole, measures = cell[better], whole[better], measures[better]
        wholes[cell] = whole
        self.arrays["measures"].reshape(-1, len(self.measures))[cell] = measures

    def at(self, name: str, slot: int) -> NDArray[Any]:
        """Give a kept measure of a slot, a row for each meter."""
        if name in self.whole:
            return self.arrays["whole"][slot % self.depth, :, self.whole.index(name)]
        return self.arrays["measures"][slot % self.depth, :, self.measures.index(name)]

    def keeps(self, name: str) -> bool:
        """Tell whether a measure is kept of these meters."""
        return name in self.whole or name in self.measures

    def seen(self, slot: int) -> NDArray[np.bool_]:
        """Tell which meters have a reading in the slot."""
        return self.at("at_s", slot) != EMPTY
