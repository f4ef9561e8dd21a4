"""Rows of the first sheet of an Excel file, as text, read within bounds."""

import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from ingest_gateway.domain.files.columns import MAX_COLUMNS
from ingest_gateway.domain.files.lines import FileUnusable

MAX_PARTS = 10_000
MAX_INFLATED = 512 * 2**20
MAX_SHARED_TEXT = 96 * 2**20
MAX_ROWS = 1_048_576  # of a sheet, by its format
MAX_CELL_CHARACTERS = 32_767
READ = 1 << 20
ROWS_AT_ONCE = 500
UNREADABLE = (
    InvalidFileException,
    zipfile.BadZipFile,
    zlib.error,
    ParseError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
)

Row = tuple[int, str, list[str]]


@contextmanager
def open_rows(path: Path, *, left_out: Counter[str], progress: Callable[[float], None]) -> Iterator[Iterator[Row]]:
    """Open the first visible sheet; other sheets are counted in `left_out`.

    :raises FileUnusable: if this is no whole Excel file, or it unpacks to more than anyone needs
    """
    _check_parts(path)
    # Opened here: of a file that it cannot read openpyxl would leave the archive open.
    with path.open("rb") as file:
        with _readable(path), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        try:
            sheets = [one for one in book.worksheets if one.sheet_state == "visible"]
            if not sheets:
                raise FileUnusable(f"{path} has no sheet of cells")
            left_out.update(f"sheet {one.title}" for one in sheets[1:])
            yield _rows(path, sheets[0], progress=progress)
        finally:
            book.close()


def _rows(path: Path, sheet: Any, *, progress: Callable[[float], None]) -> Iterator[Row]:
    expected = max(min(sheet.max_row or 1, MAX_ROWS), 1)
    sheet.reset_dimensions()
    cells = sheet.iter_rows(max_col=MAX_COLUMNS + 1)
    number = 0
    while True:
        with _readable(path), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            part = [[_text(cell) for cell in row] for row in islice(cells, ROWS_AT_ONCE)]
        if not part:
            return
        for row in part:
            number += 1
            if number > MAX_ROWS:
                raise FileUnusable(f"{path} has more than {MAX_ROWS} rows, which no sheet has")
            while row and not row[-1]:
                row.pop()
            yield number, "\t".join(row), row
        progress(min(number / expected, 1.0))


def _text(cell: Any) -> str:
    """Write a cell as people see it: whole numbers without a point, others with the 15 digits that a sheet keeps."""
    value = cell.value
    match value:
        case None:
            return ""
        case bool():
            return "TRUE" if value else "FALSE"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case float():
            return f"{value:.15g}"
        case datetime():
            # A sheet counts days in floats: what is a hair before a second is that second.
            value = (value + timedelta(microseconds=500)).replace(microsecond=0)
            is_day = value.time() == time() and "h" not in str(cell.number_format).casefold()
            return value.date().isoformat() if is_day else value.isoformat(sep=" ")
        case date() | time():
            return value.isoformat()
        case timedelta():
            hours, seconds = divmod(round(value.total_seconds()), 3600)
            return f"{hours}:{seconds // 60:02}:{seconds % 60:02}"
        case _:
            return str(value)[:MAX_CELL_CHARACTERS].replace("\t", " ").replace("\r", " ").replace("\n", " ").strip()


def _check_parts(path: Path) -> None:
    """Unpack all of it once, and throw it away: what it claims of its own size is not believed."""
    left = MAX_INFLATED
    with _readable(path), zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        if len(parts) > MAX_PARTS:
            raise FileUnusable(f"{path} packs {len(parts)} files; an Excel file has less than {MAX_PARTS}")
        if not any(part.filename == "xl/workbook.xml" for part in parts):
            raise FileUnusable(f"{path} is a ZIP archive and no .xlsx file: unpack it, or save it as .xlsx")
        for part in parts:
            room = min(left, MAX_SHARED_TEXT) if part.filename == "xl/sharedStrings.xml" else left
            left -= _unpacked(path, archive, part, room=room)


def _unpacked(path: Path, archive: zipfile.ZipFile, part: zipfile.ZipInfo, *, room: int) -> int:
    size = 0
    with archive.open(part) as stream:
        while data := stream.read(READ):
            if size == 0 and (b"<!DOCTYPE" in data[:4096] or b"<!ENTITY" in data[:4096]):
                raise FileUnusable(f"{path}: {part.filename} declares a document type, which no sheet needs")
            size += len(data)
            if size > room:
                raise FileUnusable(
                    f"{path} unpacks to more than {MAX_INFLATED >> 20} MiB: cut it into parts, or use CSV"
                )
    return size


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        what = str(error) or type(error).__name__
        raise FileUnusable(
            f"{path} is no whole Excel file ({what[:200]}): save it again as .xlsx, or as CSV in UTF-8"
        ) from error
