"""Loading the past of a utility when it is founded: arrays of readings, straight into the table."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain.packing import COLUMNS, POSTGRES_EPOCH_US
from ingest_gateway.domain.wire import from_us
from ingest_gateway.store import counts, latest, readings

ROWS_AT_ONCE = 100_000


class HistoryUnusable(ValueError):
    """The arrays of a history do not fit together."""


@dataclass(frozen=True, slots=True)
class ReadingBlock:
    """Readings as arrays of one length; `read_at_us` in microseconds of the Unix epoch.

    An absent register is -1, an absent battery -1, an absent measure NaN; an array that is None is absent in every row.
    """

    meter_id: NDArray[np.int64]
    read_at_us: NDArray[np.int64]
    register: NDArray[np.int64]
    export_register: NDArray[np.int64] | None = None
    flow: NDArray[np.float64] | None = None
    pressure_kpa: NDArray[np.float64] | None = None
    voltage_1_v: NDArray[np.float64] | None = None
    voltage_2_v: NDArray[np.float64] | None = None
    voltage_3_v: NDArray[np.float64] | None = None
    battery_pct: NDArray[np.int64] | None = None
    flags: NDArray[np.int64] | None = None


_NULLABLE: tuple[tuple[str, str, int], ...] = (
    ("register", ">i8", 8),
    ("export_register", ">i8", 8),
    ("flow", ">f4", 4),
    ("pressure_kpa", ">f4", 4),
    ("voltage_1_v", ">f4", 4),
    ("voltage_2_v", ">f4", 4),
    ("voltage_3_v", ">f4", 4),
    ("battery_pct", ">i2", 2),
)


def load_history(conn: Connection[TupleRow], *, utility_id: int, readings: ReadingBlock, now: datetime) -> int:
    """Store readings that are all new, as one batch of source `history`; return how many.

    No event tells of it, so that the past is not checked for anomalies: `rebuild_rollups` is to follow.

    :raises HistoryUnusable: if the arrays differ in length
    :raises psycopg.errors.UniqueViolation: if one of the readings is stored already
    """
    length = len(readings.meter_id)
    for name in ("read_at_us", *(name for name, _, _ in _NULLABLE), "flags"):
        column = getattr(readings, name)
        if column is not None and len(column) != length:
            raise HistoryUnusable(f"{name} has {len(column)} values and meter_id has {length}")
    if length == 0:
        return 0
    return _load(conn, utility_id=utility_id, block=readings, now=now)


def packed(block: ReadingBlock, *, utility_id: int, batch_id: int) -> bytes:
    """Give the rows of a block as they go into COPY, without header and trailer: for benchmarks, which pack first."""
    return _packed(block, slice(0, len(block.meter_id)), utility_id=utility_id, batch_id=batch_id)


def _load(conn: Connection[TupleRow], *, utility_id: int, block: ReadingBlock, now: datetime) -> int:
    batch_id = readings.next_batch_id(conn)
    length = len(block.meter_id)
    readings.copy_stream(
        conn,
        parts=(
            _packed(block, slice(start, min(start + ROWS_AT_ONCE, length)), utility_id=utility_id, batch_id=batch_id)
            for start in range(0, length, ROWS_AT_ONCE)
        ),
    )
    meter_ids = [int(meter_id) for meter_id in np.unique(block.meter_id)]
    read_from, read_to = from_us(int(block.read_at_us.min())), from_us(int(block.read_at_us.max()))
    readings.insert_batch(
        conn,
        utility_id=utility_id,
        batch_id=batch_id,
        received_at=now,
        source="history",
        meter_ids=meter_ids,
        read_from=read_from,
        read_to=read_to,
        stored=length,
    )
    latest.advance_from(
        conn,
        utility_id=utility_id,
        batch_id=batch_id,
        meter_ids=meter_ids,
        read_from=read_from,
        read_to=read_to,
        received_at=now,
    )
    counts.add_counts(
        conn,
        utility_id=utility_id,
        source="history",
        worker="founding",
        received=length,
        stored=length,
        duplicates=0,
        rejected=0,
        at=now,
    )
    return length


def _packed(block: ReadingBlock, part: slice, *, utility_id: int, batch_id: int) -> bytes:
    """Write a part of the block as COPY rows; rows with the same columns absent are packed together."""
    values: dict[str, NDArray[np.generic]] = {}
    present = np.zeros(part.stop - part.start, dtype=np.int64)
    for bit, (name, _, _) in enumerate(_NULLABLE):
        column = getattr(block, name)
        if column is None:
            continue
        values[name] = column[part]
        is_there = np.isfinite(column[part]) if column.dtype.kind == "f" else column[part] >= 0
        present |= is_there.astype(np.int64) << bit
    packed: list[bytes] = []
    for mask in np.unique(present):
        chosen = present == mask
        packed.append(_packed_alike(block, part, chosen, int(mask), values, utility_id=utility_id, batch_id=batch_id))
    return b"".join(packed)


def _packed_alike(
    block: ReadingBlock,
    part: slice,
    chosen: NDArray[np.bool_],
    mask: int,
    values: dict[str, NDArray[np.generic]],
    *,
    utility_id: int,
    batch_id: int,
) -> bytes:
    layout: list[tuple[str, str]] = [("columns", ">i2")]
    layout += [("utility_id#", ">i4"), ("utility_id", ">i4"), ("meter_id#", ">i4"), ("meter_id", ">i8")]
    layout += [("read_at#", ">i4"), ("read_at", ">i8"), ("batch_id#", ">i4"), ("batch_id", ">i8")]
    for bit, (name, code, _) in enumerate(_NULLABLE):
        layout += [(f"{name}#", ">i4")] + ([(name, code)] if mask >> bit & 1 else [])
    layout += [("flags#", ">i4"), ("flags", ">i4")]
    rows = np.zeros(int(chosen.sum()), dtype=layout)
    rows["columns"] = len(COLUMNS)
    rows["utility_id#"], rows["utility_id"] = 4, utility_id
    rows["meter_id#"], rows["meter_id"] = 8, block.meter_id[part][chosen]
    rows["read_at#"], rows["read_at"] = 8, block.read_at_us[part][chosen] - POSTGRES_EPOCH_US
    rows["batch_id#"], rows["batch_id"] = 8, batch_id
    for bit, (name, _, size) in enumerate(_NULLABLE):
        if mask >> bit & 1:
            rows[f"{name}#"], rows[name] = size, values[name][chosen]
        else:
            rows[f"{name}#"] = -1
    rows["flags#"], rows["flags"] = 4, 0 if block.flags is None else block.flags[part][chosen]
    return rows.tobytes()
