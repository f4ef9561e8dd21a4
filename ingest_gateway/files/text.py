"""Records of a text file: CSV with commas, semicolons or tabs, each with its line number and its text as it stands."""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from ingest_gateway.domain.files.lines import FileUnusable

MAX_LINE_CHARACTERS = 262_144
MAX_CELL_CHARACTERS = 65_536
MAX_RECORD_LINES = 100
PART = 1 << 20
# What the decoder makes of bytes that mean nothing in Shift_JIS, and NUL, which no text holds.
NUL = re.compile("\0")
NO_TEXT = re.compile("[\0\x80\xa0\uf8f0-\uf8f3]")
DELIMITERS = (",", ";", "\t")


class Stream:
    """The lines of a text file, with their ends, each within bounds."""

    def __init__(self, raw: BinaryIO, *, encoding: str, size: int, progress: Callable[[float], None]) -> None:
        self._raw = raw
        self._text = io.TextIOWrapper(raw, encoding=encoding, newline="", errors="strict")
        self._size = max(size, 1)
        self._progress = progress
        self.number = 0  # of the line that was given last
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(MAX_LINE_CHARACTERS)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) >= MAX_LINE_CHARACTERS:
            raise FileUnusable(
                f"line {self.number} is longer than {MAX_LINE_CHARACTERS} characters: is this a CSV file?"
            )
        if self.number % 1000 == 0:
            self._progress(min(self._raw.tell() / self._size, 1.0))
        self.taken.append(line)
        if len(self.taken) > MAX_RECORD_LINES:
            first = self.number - len(self.taken) + 1
            raise FileUnusable(f"line {first}: a quotation mark opens and does not close: mend it, or double it inside")
        return line


def records(stream: Stream, *, delimiter: str | None) -> Iterator[tuple[int, str, list[str]]]:
    """Give number, text and cells of each record; without a delimiter, the one that the first line uses most.

    :raises FileUnusable: where quotation marks do not match, or a cell is longer than any that means something
    """
    lines: Iterator[str] = stream
    if delimiter is None:
        first = next((line for line in stream if line.strip()), "")
        delimiter = max(DELIMITERS, key=first.count)
        stream.taken.clear()
        lines = _after(first, stream)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            first_line = stream.number - max(len(stream.taken) - 1, 0)
            raise FileUnusable(
                f"line {first_line}: {error}: quotation marks go around a whole cell, and are doubled inside"
            ) from error
        if cells is None:
            return
        said = "".join(stream.taken).rstrip("\r\n")
        number = stream.number - max(len(stream.taken) - 1, 0)
        stream.taken.clear()
        if any(len(cell) > MAX_CELL_CHARACTERS for cell in cells):
            raise FileUnusable(f"line {number}: a cell is longer than {MAX_CELL_CHARACTERS} characters")
        yield number, said, cells


def first_problem(path: Path, *, encoding: str) -> int | None:
    """Tell the first line that is no text in this encoding; None where all of it is."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    line = 1
    with path.open("rb") as file:
        while True:
            part = file.read(PART)
            try:
                decoded = decoder.decode(part, final=not part)
            except UnicodeDecodeError as error:
                return line + part[: error.start].count(b"\n")
            strange = (NO_TEXT if encoding == "cp932" else NUL).search(decoded)
            if strange:
                return line + decoded[: strange.start()].count("\n")
            if not part:
                return None
            line += decoded.count("\n")


def _after(first: str, stream: Stream) -> Iterator[str]:
    if first:
        stream.taken.append(first)
        yield first
    yield from stream
