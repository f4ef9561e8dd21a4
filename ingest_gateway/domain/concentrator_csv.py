"""The decoder of CSV batches of concentrators: a line for each reading below a line of names."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from zoneinfo import ZoneInfo

from ingest_gateway.domain import told
from ingest_gateway.domain.inflate import GZIP_MAGIC, inflate
from ingest_gateway.domain.measures import (
    FLOW,
    FLOW_THOUSANDS,
    NAMES,
    TOTAL_KWH,
    TOTAL_L,
    TOTAL_M3,
    TOTAL_WH,
    VOLTAGE,
    Measure,
    Said,
    decimal_of,
    flags_of,
    reading_of,
)
from ingest_gateway.domain.suiden_json import MAX_READINGS
from ingest_gateway.domain.wire import Fragment, Refused, Telegram, WireReading

MAX_COLUMNS = 500
MAX_LINE_CHARACTERS = 20_000
MAX_KEPT_NAMES = 2_500  # characters

METER_COLUMNS = ("meter", "serial", "meter_id", "device-identification")
TIME_COLUMNS = ("at", "timestamp", "time", "created")
FLAGS_COLUMN = "flags"

# Of the concentrators of wired M-Bus: quantity, unit, function, storage, tariff, subunit. The value of now, of all
# tariffs, of the meter itself is all that we read.
_MBUS: Mapping[str, Measure] = {
    "volume,m3": TOTAL_M3,
    "volume,l": TOTAL_L,
    "energy,wh": TOTAL_WH,
    "energy,kwh": TOTAL_KWH,
    "power,w": FLOW,
    "power,kw": FLOW_THOUSANDS,
    "volume-flow,m3/h": FLOW_THOUSANDS,
    "volume-flow,l/h": FLOW,
    "voltage,v": VOLTAGE[0],
}
MEASURES: Mapping[str, Measure] = {
    **NAMES,
    **{f"{name},inst-value,0,0,0": measure for name, measure in _MBUS.items()},
}

_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")


@dataclass(frozen=True, slots=True)
class _Header:
    line: str
    delimiter: str
    columns: int
    meter: int | None
    time: int
    flags: int | None
    measures: Sequence[tuple[int, str, Measure]]


def decode(*, topic: str, payload: bytes, utility: str, sender: str, zone: ZoneInfo | None) -> Telegram:
    """Read one batch, packed by gzip or not. A line that cannot be read is put aside, and the others go on.

    :raises Refused: if the batch as a whole cannot be read
    """
    lines = _lines(payload)
    header = _header(next(lines, ""))
    readings: list[WireReading] = []
    fragments: list[Fragment] = []
    for line in lines:
        if len(readings) + len(fragments) == MAX_READINGS:
            raise Refused("too_large", f"more than {MAX_READINGS} lines")
        try:
            readings.append(_reading(line, header, zone=zone))
        except Refused as refused:
            fragments.append(Fragment(_part(header, line), refused.reason, refused.detail))
    if not readings and not fragments:
        raise Refused("no_register", "no line follows the names")
    return Telegram(
        topic=topic,
        payload=payload,
        utility=utility,
        sender=sender,
        readings=readings,
        fragments=tuple(fragments),
    )


def _part(header: _Header, line: str) -> bytes:
    """Give a line as it is kept: below its names, unless these are so long that bad lines would fill memory."""
    part = f"{header.line}\n{line}" if len(header.line) <= MAX_KEPT_NAMES else line
    return part.encode("utf-8", "replace")


def _lines(payload: bytes) -> Iterator[str]:
    if payload.startswith(GZIP_MAGIC):
        payload = inflate(payload)
    try:
        text = payload.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = payload.decode("latin-1")  # what older concentrators send; what we read of it is ASCII
    for line in text.split("\n"):
        if line.strip():
            yield line.rstrip("\r")


def _header(line: str) -> _Header:
    delimiter = next((mark for mark in ";\t" if mark in line), ",")
    names = [name.strip().lstrip("#").lower() for name in _cells(line, delimiter)]
    if len(names) > MAX_COLUMNS:
        raise Refused("unknown_format", f"more than {MAX_COLUMNS} columns")
    time = next((names.index(name) for name in TIME_COLUMNS if name in names), None)
    measures = [(index, name, MEASURES[name]) for index, name in enumerate(names) if name in MEASURES]
    if time is None or not (measures or FLAGS_COLUMN in names):
        raise Refused("unknown_format", "the first line names no time, or no measure that we know")
    return _Header(
        line=line,
        delimiter=delimiter,
        columns=len(names),
        meter=next((names.index(name) for name in METER_COLUMNS if name in names), None),
        time=time,
        flags=names.index(FLAGS_COLUMN) if FLAGS_COLUMN in names else None,
        measures=measures,
    )


def _reading(line: str, header: _Header, *, zone: ZoneInfo | None) -> WireReading:
    cells = _cells(line, header.delimiter)
    if len(cells) != header.columns:
        raise Refused("malformed", f"{len(cells)} columns, and {header.columns} names")
    meter = None if header.meter is None else cells[header.meter].strip()
    if meter is not None and not 0 < len(meter) <= told.MAX_SERIAL_CHARACTERS:
        raise Refused("malformed", "the line does not say which meter it is of")
    at = told.instant(cells[header.time].strip(), name="the time", zone=zone)
    flags = None if header.flags is None else flags_of(cells[header.flags])
    return reading_of(_said(cells, header), at=at, meter=meter, flags=flags)


def _said(cells: Sequence[str], header: _Header) -> Iterator[Said]:
    for index, name, measure in header.measures:
        cell = cells[index].strip()
        if cell:
            yield measure, _number(cell, name=name, delimiter=header.delimiter)


def _number(cell: str, *, name: str, delimiter: str) -> Decimal:
    """Read a number; where the comma parts no columns, it is the decimal point that many countries write."""
    if delimiter != "," and _DECIMAL_COMMA.fullmatch(cell):
        cell = cell.replace(",", ".")
    return decimal_of(cell, name=name)


def _cells(line: str, delimiter: str) -> list[str]:
    if len(line) > MAX_LINE_CHARACTERS:
        raise Refused("malformed", f"a line of more than {MAX_LINE_CHARACTERS} characters")
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), list[str]())
    except csv.Error as error:
        raise Refused("malformed", f"not a line of CSV: {error}") from error
