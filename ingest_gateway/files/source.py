"""A file of readings: what kind it is, in which encoding, and its hash; its lines, one after the other."""

import codecs
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from ingest_gateway.domain.files import cmep
from ingest_gateway.domain.files.columns import Columns, columns_of, is_blank, reading_of
from ingest_gateway.domain.files.lines import FileLine, FileOptions, FileUnusable
from ingest_gateway.domain.wire import Refused
from ingest_gateway.files import sheet, text

MAX_BYTES = 256 * 2**20
# What a file begins with that says its encoding, and what is tried where it does not.
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
UNMARKED = ("utf-8", "cp932")

FileFormat = Literal["csv", "xlsx", "cmep"]
Progress = Callable[[float], None]  # how much of the file was read, from 0 to 1


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was looked at: `digest` is the SHA-256 of its bytes; `encoding` is empty for a sheet."""

    path: Path
    name: str
    format: FileFormat
    encoding: str
    size: int  # bytes
    digest: bytes
    changed_ns: int


def look_at(path: Path, *, name: str | None = None) -> Source:
    """Tell what kind of file it is.

    :raises FileUnusable: if it cannot be opened, is too long, empty, or nothing that we read
    """
    try:
        about = path.stat()
        if not path.is_file():
            raise FileUnusable(f"{path} is no file")
        if about.st_size > MAX_BYTES:
            raise FileUnusable(f"{path} has {about.st_size} bytes, and at most {MAX_BYTES} are read: cut it into parts")
        if about.st_size == 0:
            raise FileUnusable(f"{path} is empty")
        with path.open("rb") as file:
            head = file.read(8)
        digest = _digest(path)
        kind, encoding = _kind(path, head)
    except OSError as error:
        raise FileUnusable(f"{path} cannot be read: {error.strerror or error}") from error
    return Source(path, name or path.name, kind, encoding, about.st_size, digest, about.st_mtime_ns)


def read(
    source: Source, *, zone: ZoneInfo, options: FileOptions, left_out: Counter[str], progress: Progress
) -> Iterator[FileLine]:
    """Read the lines; what is no reading of a register is counted in `left_out` by what it is.

    :raises FileUnusable: at the first place from which on the file cannot be understood
    """
    try:
        yield from _lines(source, zone=zone, options=options, left_out=left_out, progress=progress)
        about = source.path.stat()
    except OSError as error:
        raise FileUnusable(f"{source.path} cannot be read: {error.strerror or error}") from error
    if (about.st_size, about.st_mtime_ns) != (source.size, source.changed_ns):
        raise FileUnusable(f"{source.path} changed while it was read: wait until it is whole, and try again")


def _lines(
    source: Source, *, zone: ZoneInfo, options: FileOptions, left_out: Counter[str], progress: Progress
) -> Iterator[FileLine]:
    if source.format == "xlsx":
        with sheet.open_rows(source.path, left_out=left_out, progress=progress) as rows:
            yield from _table(rows, zone=zone, options=options, left_out=left_out, is_padded=True)
        return
    with source.path.open("rb") as raw:
        stream = text.Stream(raw, encoding=source.encoding, size=source.size, progress=progress)
        if source.format == "cmep":
            yield from cmep.readings(text.records(stream, delimiter=","), options=options, left_out=left_out)
        else:
            rows = text.records(stream, delimiter=None)
            yield from _table(rows, zone=zone, options=options, left_out=left_out, is_padded=False)


def _table(
    rows: Iterator[tuple[int, str, list[str]]],
    *,
    zone: ZoneInfo,
    options: FileOptions,
    left_out: Counter[str],
    is_padded: bool,
) -> Iterator[FileLine]:
    """Read a table; `is_padded` says that cells missing at the end of a row are empty ones, as in a sheet."""
    columns: Columns | None = None
    for number, said, cells in rows:
        if is_blank(cells):
            continue
        if columns is None:
            columns = columns_of(cells, line=number, options=options)
            left_out.update(f"column {name}" for name in columns.left_out)
            continue
        cells = _fitted(cells, width=columns.width, is_padded=is_padded)
        try:
            yield FileLine(number, said, reading_of(cells, columns=columns, zone=zone, options=options))
        except Refused as error:
            yield FileLine.refused(number, said, error)
    if columns is None:
        raise FileUnusable("the file holds nothing but empty lines")


def _fitted(cells: list[str], *, width: int, is_padded: bool) -> list[str]:
    if len(cells) > width and is_blank(cells[width:]):
        return cells[:width]
    if is_padded and len(cells) < width:
        return cells + [""] * (width - len(cells))
    return cells


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _kind(path: Path, head: bytes) -> tuple[FileFormat, str]:
    if head.startswith(b"PK\x03\x04"):
        return "xlsx", ""
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        raise FileUnusable(f"{path} is an Excel file of the old kind, or has a password: save it as .xlsx without one")
    marked = [encoding for mark, encoding in MARKS if head.startswith(mark)]
    for encoding in marked or UNMARKED:
        if text.first_problem(path, encoding=encoding) is None:
            return _kind_of_text(path, encoding)
    line = text.first_problem(path, encoding=(marked or UNMARKED)[0])
    raise FileUnusable(
        f"{path}: line {line} is neither text in UTF-8 nor in Shift_JIS: save it as CSV in UTF-8, or as .xlsx"
    )


def _kind_of_text(path: Path, encoding: str) -> tuple[FileFormat, str]:
    with path.open(encoding=encoding, newline="") as file:
        first = file.readline(text.MAX_LINE_CHARACTERS)
    word = first.split(",", 1)[0].strip().strip('"').upper()
    return ("cmep" if word in cmep.RECORD_TYPES else "csv"), encoding
