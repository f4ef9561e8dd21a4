"""Row types whose arrays arrive as tuples, so that a frozen row is frozen to the bottom."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from psycopg import Cursor
from psycopg.rows import RowMaker

Row = TypeVar("Row")


def frozen_row(row_type: type[Row]) -> Callable[[Cursor[Any]], RowMaker[Row]]:
    """Make a row factory for a dataclass that has tuples among its fields; otherwise like psycopg's class_row."""

    def factory(cursor: Cursor[Any]) -> RowMaker[Row]:
        names = [column.name for column in cursor.description or ()]

        def make(values: Sequence[Any]) -> Row:
            fields = (tuple(cast(list[Any], value)) if isinstance(value, list) else value for value in values)
            return row_type(**dict(zip(names, fields, strict=True)))

        return make

    return factory
