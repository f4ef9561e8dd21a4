"""The newest reading that is stored of each meter, remembered as columns."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.columns import Columns
from ingest_gateway.domain.meters import MeterTable
from ingest_gateway.domain.validation import Baseline, Fall

NEVER_US = -(1 << 62)
NO_REGISTER = -1
AT_ONCE = 1_000  # meters that are loaded at least where one is missed: the others will be missed soon


class Newest(NamedTuple):
    """A meter's newest stored reading, the register it last said, and what was refused since as lower."""

    read_at_us: int
    register: int | None
    fall: Fall | None = None


Load = Callable[[list[int]], Mapping[int, Newest]]


class KnownRegisters:
    """What one utility's meters last said, by slot of the table; what is not known yet is loaded when it is asked for.

    `load` reads the newest stored readings of meters by id; those that have none are left out.
    """

    def __init__(self, table: MeterTable, *, load: Load) -> None:
        self._table = table
        self._load = load
        size = len(table.meter_ids)
        self.read_at_us: NDArray[np.int64] = np.full(size, NEVER_US, dtype=np.int64)
        self.register: NDArray[np.int64] = np.full(size, NO_REGISTER, dtype=np.int64)
        self._is_known: NDArray[np.bool_] = np.zeros(size, dtype=np.bool_)
        self._falls: dict[int, Fall] = {}

    def on(self, table: MeterTable) -> "KnownRegisters":
        """Carry what is known over to another table."""
        other = KnownRegisters(table, load=self._load)
        if not len(table.meter_ids) or not len(self._table.meter_ids):
            return other
        places = np.minimum(self._table.slots_of(table.meter_ids), len(self._table.meter_ids) - 1)
        same = self._table.meter_ids[places] == table.meter_ids
        other.read_at_us[same] = self.read_at_us[places[same]]
        other.register[same] = self.register[places[same]]
        other._is_known[same] = self._is_known[places[same]]
        for slot, fall in self._falls.items():
            place = int(table.slots_of(self._table.meter_ids[slot : slot + 1])[0])
            if place < len(table.meter_ids) and table.meter_ids[place] == self._table.meter_ids[slot]:
                other._falls[place] = fall
        return other

    def doubt(self) -> None:
        """Have everything compared with what is stored when it is next asked for: other processes write too."""
        self._is_known[:] = False

    def ensure(self, slots: NDArray[np.int64]) -> None:
        """Load those that are not known yet, and some more that are not."""
        unknown = np.unique(slots[~self._is_known[slots]])
        if not len(unknown):
            return
        if len(unknown) < AT_ONCE:
            others = np.flatnonzero(~self._is_known)[:AT_ONCE]
            unknown = np.union1d(unknown, others[: AT_ONCE - len(unknown)])
        self._reload(unknown)

    def advance(self, slots: NDArray[np.int64], columns: Columns) -> None:
        """Note readings that are newer than what is known, with registers that did not fall."""
        np.maximum.at(self.read_at_us, slots, columns.read_at_us)
        if columns.register is None:
            return
        np.maximum.at(self.register, slots, columns.register)
        if self._falls:
            for slot in slots[columns.register >= 0].tolist():
                self._falls.pop(slot, None)

    def note(self, meter_id: int, baseline: Baseline) -> None:
        """Note one meter's newest register, with what was refused since as lower."""
        slot = self._slot(meter_id)
        self.read_at_us[slot] = max(self.read_at_us[slot], baseline.read_at_us)
        self.register[slot] = baseline.register
        self._falls.pop(slot, None)
        if baseline.fall is not None:
            self._falls[slot] = baseline.fall

    def of(self, meter_id: int) -> Baseline | None:
        """Give it as it is remembered."""
        slot = self._slot(meter_id)
        if not self._is_known[slot]:
            self._reload(np.array([slot]))
        if self.register[slot] == NO_REGISTER:
            return None
        return Baseline(int(self.read_at_us[slot]), int(self.register[slot]), self._falls.get(slot))

    def fresh(self, meter_id: int) -> Baseline | None:
        """Compare it with what is stored, and give it."""
        self._is_known[self._slot(meter_id)] = False
        return self.of(meter_id)

    def _slot(self, meter_id: int) -> int:
        return int(np.searchsorted(self._table.meter_ids, meter_id))

    def _reload(self, slots: NDArray[np.int64]) -> None:
        """Read what is stored. What is remembered stays where it is newer: it may be on its way to the store."""
        found = self._load(self._table.meter_ids[slots].tolist())
        self._is_known[slots] = True
        for slot in slots.tolist():
            stored = found.get(int(self._table.meter_ids[slot]))
            if stored is None or stored.read_at_us < self.read_at_us[slot]:
                continue
            self.read_at_us[slot] = stored.read_at_us
            if stored.register is not None:
                self.register[slot] = stored.register
            self._falls.pop(slot, None)
            if stored.fall is not None:
                self._falls[slot] = stored.fall
