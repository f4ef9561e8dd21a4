"""What detectors keep between ticks: plain arrays by name that can be saved, brought back, carried to other meters."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

Per = Literal["meter", "zone", "gateway"]
Arrays = dict[str, NDArray[Any]]


class StateUnreadable(Exception):
    """A saved state was written by a newer release."""


@dataclass(frozen=True, slots=True)
class Field:
    """An array that a detector keeps: a row for each meter, zone or concentrator; `shape` is that of one row."""

    name: str
    dtype: str  # as numpy writes it: f4, i8, ?
    per: Per = "meter"
    shape: tuple[int, ...] = ()
    fill: float = 0.0


Places = Mapping[Per, NDArray[np.int64]]  # the ids that stand for the rows of an array


def fresh(fields: Iterable[Field], *, places: Places) -> Arrays:
    """Make the arrays as they are before the first tick."""
    return {
        field.name: np.full((len(places[field.per]), *field.shape), field.fill, dtype=np.dtype(field.dtype))
        for field in fields
    }


def carried(arrays: Arrays, *, fields: Sequence[Field], before: Places, now: Places) -> Arrays:
    """Give the arrays for other meters or zones: what is known goes with the id, the rest begins afresh.

    Arrays that are missing, or of another shape or type than the field says, begin afresh as well.
    """
    made = fresh(fields, places=now)
    for field in fields:
        old = arrays.get(field.name)
        new = made[field.name]
        if old is None or old.dtype != new.dtype or old.shape[1:] != new.shape[1:]:
            continue
        _, from_rows, to_rows = np.intersect1d(before[field.per], now[field.per], return_indices=True)
        new[to_rows] = old[from_rows]
    return made


class _Saved(msgspec.Struct, array_like=True):
    dtype: str
    shape: list[int]
    data: bytes


def packed(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Write arrays as bytes."""
    return msgspec.msgpack.encode(
        {
            name: _Saved(array.dtype.str, list(array.shape), np.ascontiguousarray(array).tobytes())
            for name, array in arrays.items()
        }
    )


def unpacked(data: bytes) -> Arrays:
    """Read what `packed` wrote.

    :raises StateUnreadable: if it is something else
    """
    try:
        saved = msgspec.msgpack.decode(data, type=dict[str, _Saved])
        return {
            name: np.frombuffer(one.data, dtype=np.dtype(one.dtype)).reshape(one.shape).copy()
            for name, one in saved.items()
        }
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise StateUnreadable(f"the checker's saved state cannot be read: {error}") from error
