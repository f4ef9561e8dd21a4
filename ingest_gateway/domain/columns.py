"""Readings as columns: many at a time are checked and packed in one pass.

Columns are numpy arrays of one length. What a reading does not say is `ABSENT` in an integer column and NaN in a
column of measures; a column that is None is absent in every reading.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain import flags
from ingest_gateway.domain.validation import Row
from ingest_gateway.domain.wire import MAX_EPOCH_MS, TotalReading, WireReading, instant_us

Integers = NDArray[np.int64]
Measures = NDArray[np.float64]
Mask = NDArray[np.bool_]

ABSENT = -(1 << 62)
BEYOND = ABSENT + 1  # a number that no column holds; no check lets it pass
LARGEST = 1 << 61


@dataclass(frozen=True, slots=True)
class Columns:
    """Readings, in the order they came. `read_at_us` is in microseconds of the Unix epoch, or `BEYOND`."""

    read_at_us: Integers
    register: Integers | None = None
    export_register: Integers | None = None
    flow: Measures | None = None
    pressure_kpa: Measures | None = None
    voltage_1_v: Measures | None = None
    voltage_2_v: Measures | None = None
    voltage_3_v: Measures | None = None
    battery_pct: Integers | None = None
    flags: Integers | None = None  # bits; None: no flag anywhere

    def __len__(self) -> int:
        return len(self.read_at_us)

    def take(self, chosen: Mask | Integers) -> "Columns":
        """Give some of the readings, by mask or by place."""
        chosen_columns: dict[str, Any] = {}
        for name in NAMES:
            column = getattr(self, name)
            chosen_columns[name] = None if column is None else column[chosen]
        return Columns(**chosen_columns)

    def with_column(self, name: str, column: Any) -> "Columns":
        """Give the same readings with one column changed."""
        return replace(self, **{name: column})


NAMES = tuple(field.name for field in fields(Columns))
MEASURES = ("flow", "pressure_kpa", "voltage_1_v", "voltage_2_v", "voltage_3_v")
INTEGERS = ("register", "export_register", "battery_pct")


def columns_of(readings: Sequence[WireReading]) -> Columns:
    """Turn decoded readings into columns; none may be a `TotalReading`, whose totals are for the meter to count."""
    assert not any(type(reading) is TotalReading for reading in readings[:1]), "totals are counted one by one"
    first_v, second_v, third_v = _voltages([reading.voltage_v for reading in readings])
    return Columns(
        read_at_us=_instants([reading.at for reading in readings]),
        register=_integers([reading.register for reading in readings]),
        export_register=_integers([reading.export_register for reading in readings]),
        flow=_measures([reading.flow for reading in readings]),
        pressure_kpa=_measures([reading.pressure_kpa for reading in readings]),
        voltage_1_v=first_v,
        voltage_2_v=second_v,
        voltage_3_v=third_v,
        battery_pct=_integers([reading.battery_pct for reading in readings]),
        flags=_flags([reading.flags for reading in readings]),
    )


def columns_of_rows(rows: Sequence[Row]) -> Columns:
    """Turn stored rows into columns."""
    values = list(zip(*rows, strict=True))[1:]
    return Columns(
        read_at_us=np.array(values[0], dtype=np.int64),
        register=_integers(values[1]),
        export_register=_integers(values[2]),
        flow=_measures(values[3]),
        pressure_kpa=_measures(values[4]),
        voltage_1_v=_measures(values[5]),
        voltage_2_v=_measures(values[6]),
        voltage_3_v=_measures(values[7]),
        battery_pct=_integers(values[8]),
        flags=np.array(values[9], dtype=np.int64),
    )


def join(blocks: Sequence[Columns]) -> Columns:
    """Put blocks of columns one behind the other."""
    if len(blocks) == 1:
        return blocks[0]
    joined: dict[str, Any] = {"read_at_us": np.concatenate([block.read_at_us for block in blocks])}
    for name in NAMES[1:]:
        columns = [getattr(block, name) for block in blocks]
        if any(column is not None for column in columns):
            joined[name] = np.concatenate(
                [
                    _absent(name, len(block)) if column is None else column
                    for block, column in zip(blocks, columns, strict=True)
                ]
            )
    return Columns(**joined)


def _absent(name: str, size: int) -> Any:
    if name in MEASURES:
        return np.full(size, np.nan)
    return np.full(size, 0 if name == "flags" else ABSENT, dtype=np.int64)


def _instants(instants: list[datetime | int]) -> Integers:
    """Give instants in microseconds; numbers on the wire are milliseconds."""
    size = len(instants)
    kinds = set(map(type, instants))
    if kinds == {int}:
        try:
            milliseconds = np.fromiter(cast("list[int]", instants), np.int64, size)
        except OverflowError:
            return _instants_one_by_one(instants)
        beyond = (milliseconds > MAX_EPOCH_MS) | (milliseconds < -MAX_EPOCH_MS)
        return np.where(beyond, BEYOND, np.where(beyond, 0, milliseconds) * 1000)
    if int not in kinds:
        # Exact to the microsecond in all years that a reading may be of: a double has 22 bits for the fraction there.
        times = cast("list[datetime]", instants)
        seconds = np.fromiter([instant.timestamp() for instant in times], np.float64, size)
        return np.rint(seconds * 1e6).astype(np.int64)
    return _instants_one_by_one(instants)


def _instants_one_by_one(instants: list[datetime | int]) -> Integers:
    return np.array(
        [
            BEYOND if isinstance(instant, int) and not -MAX_EPOCH_MS <= instant <= MAX_EPOCH_MS else instant_us(instant)
            for instant in instants
        ],
        dtype=np.int64,
    )


def _integers(values: Sequence[int | None]) -> Integers | None:
    absent = values.count(None)
    if not absent:
        try:
            column = np.fromiter(cast("Sequence[int]", values), np.int64, len(values))
            return np.maximum(column, BEYOND)  # what was sent is never taken for absent
        except OverflowError:
            pass
    elif absent == len(values):
        return None
    return np.array(
        [ABSENT if value is None else value if -LARGEST < value < LARGEST else BEYOND for value in values],
        dtype=np.int64,
    )


def _measures(values: Sequence[float | None]) -> Measures | None:
    absent = values.count(None)
    if not absent:
        column = np.fromiter(cast("Sequence[float]", values), np.float64, len(values))
    elif absent == len(values):
        return None
    else:
        column = np.array(values, dtype=np.float64)  # None becomes NaN
    return column + 0.0  # no negative zero: equal values are stored alike


def _voltages(values: Sequence[Sequence[float | None] | None]) -> Iterable[Measures | None]:
    if values.count(None) == len(values):
        return (None, None, None)
    padded = [(*(phases or ()), None, None, None)[:3] for phases in values]
    return [_measures(phase) for phase in zip(*padded, strict=True)]


def _flags(values: Sequence[list[str] | None]) -> Integers | None:
    if values.count(None) == len(values):
        return None
    return np.fromiter([flags.to_bits(names) if names else 0 for names in values], np.int64, len(values))
