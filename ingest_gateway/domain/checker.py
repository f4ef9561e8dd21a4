"""The checker: all detectors over all meters of a utility, fed with batches of readings in the order of their commits.

What it finds depends only on the sequence of each meter's readings: not on how batches cut it, and not on a restart in
between. A reading that is not newer than the meter's newest is left out, so duplicates and late readings raise nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.detectors.base import Detector, Finding, Fleet, Samples

STATE_VERSION = 1
BLOCK_METERS = 128  # meters are saved in blocks of their ids, so that a batch saves only what it touched
SEEN = "newest"
SEEN_DTYPE = np.dtype([("open", "?"), ("at_us", "i8")])


class StateUnreadable(Exception):
    """A saved state was written by a newer release."""


@dataclass(frozen=True, slots=True)
class Readings:
    """A batch in arrays, each reading a place in each of them; NaN is a measure that was not sent."""

    meter_id: NDArray[np.int64]
    at_us: NDArray[np.int64]
    register: NDArray[np.int64]
    has_register: NDArray[np.bool_]
    flow: NDArray[np.float64]
    pressure_kpa: NDArray[np.float64]
    low_v: NDArray[np.float64]
    high_v: NDArray[np.float64]
    fresh: NDArray[np.bool_]  # False: too old when it came to raise anything by itself


@dataclass(slots=True)
class Checker:
    """Detectors and their state; `watched` is False for meters whose supply is off or whose zone has planned work."""

    detectors: Sequence[Detector]
    fleet: Fleet
    watched: NDArray[np.bool_]
    states: dict[str, NDArray[np.void]] = field(default_factory=dict[str, NDArray[np.void]])

    def __post_init__(self) -> None:
        size = len(self.fleet.meter_id)
        for name, dtype in self._dtypes().items():
            self.states.setdefault(name, np.zeros(size, dtype=dtype))

    def feed(self, readings: Readings) -> list[Finding]:
        """Take in one batch; give what begins and ends, in the order of the batch's readings."""
        found: list[Finding] = []
        for samples in self._turns(readings):
            found += self._check(samples)
        return found

    def refleet(self, fleet: Fleet, *, watched: NDArray[np.bool_]) -> None:
        """Go on with other meters or what is newly known of them; state goes with the meter's id."""
        kept, old, new = np.intersect1d(self.fleet.meter_id, fleet.meter_id, return_indices=True)
        assert len(kept) <= len(fleet.meter_id), "a meter is one row"
        for name, dtype in self._dtypes().items():
            state = np.zeros(len(fleet.meter_id), dtype=dtype)
            state[new] = self.states[name][old]
            self.states[name] = state
        self.fleet, self.watched = fleet, watched

    def forget(self, finding: Finding) -> None:
        """Undo an opening that was refused: the rule starts anew at this meter."""
        self.states[finding.detector.split()[0]][finding.row] = 0

    def dump(self, *, meter_ids: Iterable[int]) -> dict[int, bytes]:
        """Give the state of every block that holds one of the meters."""
        wanted = {meter_id // BLOCK_METERS for meter_id in meter_ids}
        block_of = self.fleet.meter_id // BLOCK_METERS
        return {block: self._dump_rows(np.flatnonzero(block_of == block)) for block in sorted(wanted)}

    def load(self, saved: bytes) -> None:
        """Take in the state of one block; meters that are gone are left out, fields that are new stay at zero.

        :raises StateUnreadable: if a newer release wrote it
        """
        block = msgspec.msgpack.decode(saved, type=_Block)
        if block.version > STATE_VERSION:
            raise StateUnreadable(f"checker state is of version {block.version}, this release reads {STATE_VERSION}")
        meter_ids = np.frombuffer(block.meter_ids, dtype=np.int64)
        _, old, new = np.intersect1d(meter_ids, self.fleet.meter_id, return_indices=True)
        for name, part in block.parts.items():
            if name not in self.states:
                continue
            rows = np.frombuffer(part.rows, dtype=np.dtype([(column, kind) for column, kind in part.fields]))
            for column in set(rows.dtype.names or ()) & set(self.states[name].dtype.names or ()):
                self.states[name][column][new] = rows[column][old]

    def open_rows(self) -> dict[str, NDArray[np.intp]]:
        """Tell which meters have something open, by detector."""
        return {detector.name: np.flatnonzero(self.states[detector.name]["open"]) for detector in self.detectors}

    def _dtypes(self) -> Mapping[str, np.dtype[np.void]]:
        return {SEEN: SEEN_DTYPE, **{detector.name: detector.dtype for detector in self.detectors}}

    def _turns(self, readings: Readings) -> Iterable[Samples]:
        """Cut a batch into turns in which each meter has at most one reading, oldest first."""
        order = np.lexsort((readings.at_us, readings.meter_id))
        meter_id, at_us = readings.meter_id[order], readings.at_us[order]
        row = np.searchsorted(self.fleet.meter_id, meter_id)
        known = row < len(self.fleet.meter_id)
        known[known] = self.fleet.meter_id[row[known]] == meter_id[known]
        order, meter_id, at_us, row = order[known], meter_id[known], at_us[known], row[known]
        if len(row) == 0:
            return
        newer = at_us > self.states[SEEN]["at_us"][row]
        newer[1:] &= (meter_id[1:] != meter_id[:-1]) | (at_us[1:] != at_us[:-1])
        order, at_us, row = order[newer], at_us[newer], row[newer]
        if len(row) == 0:
            return
        starts = np.flatnonzero(np.concatenate(([True], row[1:] != row[:-1])))
        turn = np.arange(len(row)) - np.repeat(starts, np.diff(np.append(starts, len(row))))
        for number in range(int(turn.max()) + 1):
            here = turn == number
            yield _samples(readings, place=order[here], row=row[here])

    def _check(self, samples: Samples) -> list[Finding]:
        self.states[SEEN]["at_us"][samples.row] = samples.at_us
        watched = self.watched[samples.row]
        found: list[Finding] = []
        for detector in self.detectors:
            state = self.states[detector.name]
            # Unwatched, nothing begins and what had begun to build up is forgotten; what is open may end.
            takes = watched | state["open"][samples.row]
            state[samples.row[~takes]] = 0
            taken = samples if bool(takes.all()) else samples.only(takes)
            found += detector.check(state=state, fleet=self.fleet, samples=taken)
        return found

    def _dump_rows(self, rows: NDArray[np.intp]) -> bytes:
        parts = {
            name: _Part(
                fields=[(column, state.dtype[column].str) for column in state.dtype.names or ()],
                rows=state[rows].tobytes(),
            )
            for name, state in self.states.items()
        }
        return msgspec.msgpack.encode(_Block(STATE_VERSION, self.fleet.meter_id[rows].tobytes(), parts))


class _Part(msgspec.Struct, array_like=True):
    fields: list[tuple[str, str]]
    rows: bytes


class _Block(msgspec.Struct, array_like=True):
    version: int
    meter_ids: bytes
    parts: dict[str, _Part]


def _samples(readings: Readings, *, place: NDArray[np.intp], row: NDArray[np.intp]) -> Samples:
    return Samples(
        row=row,
        at_us=readings.at_us[place],
        register=readings.register[place],
        has_register=readings.has_register[place],
        flow=readings.flow[place],
        pressure_kpa=readings.pressure_kpa[place],
        low_v=readings.low_v[place],
        high_v=readings.high_v[place],
        may_open=readings.fresh[place],
    )
