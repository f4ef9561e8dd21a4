"""Readings in PostgreSQL's binary COPY format."""

import struct
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.columns import ABSENT, Columns, Integers
from ingest_gateway.domain.validation import Row

COLUMNS = (
    "utility_id",
    "meter_id",
    "read_at",
    "batch_id",
    "register",
    "export_register",
    "flow",
    "pressure_kpa",
    "voltage_1_v",
    "voltage_2_v",
    "voltage_3_v",
    "battery_pct",
    "flags",
)
HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER = struct.pack(">h", -1)
POSTGRES_EPOCH_US = 946_684_800_000_000  # 2000-01-01 in microseconds of the Unix epoch

_FORMATS = "qqfffffh"  # register … battery_pct, each of which may be NULL
_SIZES = {"q": 8, "f": 4, "h": 2}


def pack(rows: Iterable[Row], *, utility_id: int, batch_id: int) -> bytes:
    """Write rows as one COPY stream."""
    parts = [HEADER]
    for row in rows:
        measures = row[2:10]
        writer, present = _writer(tuple([measure is None for measure in measures]))
        parts.append(
            writer(
                len(COLUMNS),
                4,
                utility_id,
                8,
                row.meter_id,
                8,
                row.read_at_us - POSTGRES_EPOCH_US,
                8,
                batch_id,
                *[part for size, index in present for part in ((size, measures[index]) if index >= 0 else (size,))],
                4,
                row.flags,
            )
        )
    parts.append(TRAILER)
    return b"".join(parts)


def packed_measures(row: Row) -> bytes:
    """Give what is stored of a row as bytes: equal where the stored values are equal."""
    return pack((row,), utility_id=0, batch_id=0)


@cache
def _writer(absent: tuple[bool, ...]) -> tuple[Callable[..., bytes], tuple[tuple[int, int], ...]]:
    """Make the writer of rows with these columns absent: its struct, and each column's size and place (-1: NULL)."""
    layout = ">hiiiqiqiq"
    present: list[tuple[int, int]] = []
    for index, (code, is_absent) in enumerate(zip(_FORMATS, absent, strict=True)):
        layout += "i" if is_absent else f"i{code}"
        present.append((-1, -1) if is_absent else (_SIZES[code], index))
    return struct.Struct(layout + "ii").pack, tuple(present)


def pack_columns(columns: Columns, *, meter_ids: Integers, utility_id: int, batch_id: int) -> bytes:
    """Write readings row by row, without header and trailer; rows with the same columns absent come together."""
    optional = _optional_columns(columns)
    patterns, always_absent = _patterns(optional, size=len(columns))
    if patterns is None:
        return _pack_alike(columns, optional, always_absent, meter_ids, utility_id=utility_id, batch_id=batch_id)
    parts: list[bytes] = []
    for pattern in np.unique(patterns).tolist():
        chosen = np.flatnonzero(patterns == pattern)
        some = columns.take(chosen)
        packed = _pack_alike(
            some,
            _optional_columns(some),
            always_absent | pattern,
            meter_ids[chosen],
            utility_id=utility_id,
            batch_id=batch_id,
        )
        parts.append(packed)
    return b"".join(parts)


def _optional_columns(columns: Columns) -> list[Any]:
    return [
        columns.register,
        columns.export_register,
        columns.flow,
        columns.pressure_kpa,
        columns.voltage_1_v,
        columns.voltage_2_v,
        columns.voltage_3_v,
        columns.battery_pct,
    ]


def _patterns(optional: list[Any], *, size: int) -> tuple[NDArray[np.int64] | None, int]:
    """Tell by bits which columns each row lacks, None where all lack the same; and those that every row lacks."""
    patterns: NDArray[np.int64] | None = None
    always_absent = 0
    for bit, column in enumerate(optional):
        if column is None:
            always_absent |= 1 << bit
            continue
        absent = np.isnan(column) if column.dtype.kind == "f" else column == ABSENT
        if not absent.any():
            continue
        if absent.all():
            always_absent |= 1 << bit
            continue
        patterns = np.zeros(size, dtype=np.int64) if patterns is None else patterns
        patterns |= absent.astype(np.int64) << bit
    return patterns, always_absent


def _pack_alike(
    columns: Columns, optional: list[Any], absent: int, meter_ids: Integers, *, utility_id: int, batch_id: int
) -> bytes:
    """Pack rows that lack the same columns."""
    record, constants = _record(absent)
    rows = np.empty(len(columns), dtype=record)
    head = constants.copy()
    head["utility_id"], head["batch_id"] = utility_id, batch_id
    rows[:] = head
    rows["meter_id"] = meter_ids
    rows["read_at"] = columns.read_at_us - POSTGRES_EPOCH_US
    if columns.flags is not None:
        rows["flags"] = columns.flags
    for bit, column in enumerate(optional):
        if not absent >> bit & 1:
            rows[_OPTIONAL[bit]] = column
    return rows.tobytes()


_OPTIONAL = COLUMNS[4:12]


@cache
def _record(absent: int) -> tuple[np.dtype[Any], NDArray[Any]]:
    """Make the layout of a row that lacks some columns, and such a row with all that is the same in each."""
    layout: list[tuple[str, str]] = [("columns", ">i2")]
    sizes = {"columns": len(COLUMNS)}
    formats = (
        "i4",
        "i8",
        "i8",
        "i8",
        *(code.replace("q", "i8").replace("f", "f4").replace("h", "i2") for code in _FORMATS),
    )
    for name, form in zip(COLUMNS, (*formats, "i4"), strict=True):
        is_absent = name in _OPTIONAL and absent >> _OPTIONAL.index(name) & 1
        layout.append((f"{name}_bytes", ">i4"))
        sizes[f"{name}_bytes"] = -1 if is_absent else int(form[1])
        if not is_absent:
            layout.append((name, f">{form}"))
    record = np.dtype(layout)
    constants = np.zeros((), dtype=record)
    for name, size in sizes.items():
        constants[name] = size
    return record, constants
