"""Readings in PostgreSQL's binary COPY format."""

import struct
from collections.abc import Callable, Iterable
from functools import cache

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
