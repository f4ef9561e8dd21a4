"""Files of head-ends in the California Metering Exchange Protocol: records MEPMD01 that hold registers."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from ingest_gateway.domain.files.cells import shown
from ingest_gateway.domain.files.lines import FileLine, FileOptions
from ingest_gateway.domain.wire import Refused, TotalReading

RECORD_TYPES = frozenset(
    (
        "MEPAD01",
        "MEPAD02",
        "MEPMD01",
        "MEPMD02",
        "MEPBD01",
        "MEPBD02",
        "MEPBD03",
        "MEPLF01",
        "MEPEC01",
        "MEPRR01",
        "MLA01",
    )
)
# What a record's units say: the unit that meters count in, how many of it one is, and whether it was given back.
REGISTERS = {
    "KWHREG": ("kWh", Decimal(1), False),
    "GKWHREG": ("kWh", Decimal(1), True),
    "GALREG": ("gal", Decimal(1), False),
    "KGALREG": ("gal", Decimal(1000), False),
    "CFREG": ("ft3", Decimal(1), False),
    "CCFREG": ("ft3", Decimal(100), False),
    "MCFREG": ("ft3", Decimal(1000), False),
    "M3REG": ("m3", Decimal(1), False),
}
TAKEN_PURPOSES = frozenset({"", "OK", "RESEND", "HISTORY"})
COMMODITIES = {"E": "kWh", "W": "m3 gal ft3"}
HEAD = 14  # fields before the data: time, flag and value, time, flag and value …
MAX_TRIPLES = 10_000
WAITING = 20_000  # readings of one meter that wait for their other half

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[EeDd][+-]?\d{1,3})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Record:
    """The head of one record, read."""

    serial: str
    unit: str
    factor: Decimal
    is_export: bool
    interval: timedelta | None


def readings(
    rows: Iterable[tuple[int, str, list[str]]], *, options: FileOptions, left_out: Counter[str]
) -> Iterator[FileLine]:
    """Read records; what is no register is left out, and counted by what it is.

    What a meter took and what it gave back at one instant stand in two records, one after the other: one reading.
    """
    waiting: dict[datetime, FileLine] = {}
    serial = ""
    for number, text, fields in rows:
        for line in _record_lines(number, text, [field.strip() for field in fields], options, left_out):
            reading = line.reading
            if reading is None:
                yield line
                continue
            assert isinstance(reading.at, datetime), "a record tells instants"
            if reading.meter != serial or len(waiting) >= WAITING:
                yield from waiting.values()
                waiting, serial = {}, reading.meter or ""
            before = waiting.get(reading.at)
            joined = None if before is None else _joined(before, line)
            if before is not None and joined is None:
                yield before
            waiting[reading.at] = line if joined is None else joined
    yield from waiting.values()


def _record_lines(
    number: int, text: str, fields: Sequence[str], options: FileOptions, left_out: Counter[str]
) -> Iterator[FileLine]:
    kind = fields[0].upper() if fields else ""
    if kind not in RECORD_TYPES:
        yield FileLine.refused(number, text, Refused("malformed", f"{shown(kind)} is no type of CMEP record"))
        return
    if kind != "MEPMD01":
        left_out[f"records {kind}"] += 1
        return
    try:
        record = _head(fields, options=options, left_out=left_out)
        if record is None:
            return
        triples = _triples(fields)
    except Refused as error:
        yield FileLine.refused(number, text, error)
        return
    at: datetime | None = None
    for time, flag, value in triples:
        said = f"{record.serial} {fields[10]} {time} {flag} {value}"
        try:
            at = _instant(time, before=at, interval=record.interval)
            if flag[:1].upper() == "N" or not (time or flag or value):
                left_out["values that the head-end marks as empty"] += 1
                continue
            yield FileLine(number, said, _reading(record, at=at, flag=flag, value=value))
        except Refused as error:
            yield FileLine.refused(number, said, error)


def _head(fields: Sequence[str], *, options: FileOptions, left_out: Counter[str]) -> _Record | None:
    """Read what stands before the data; None for what is left out.

    :raises Refused: if it cannot be read
    """
    if len(fields) < HEAD:
        raise Refused("malformed", f"{len(fields)} fields; a record MEPMD01 has {HEAD} and then its data")
    purpose, commodity, units = (fields[place].upper() for place in (8, 9, 10))
    if purpose not in TAKEN_PURPOSES:
        left_out[f"records with purpose {purpose[:20]}"] += 1
        return None
    if not units.endswith("REG"):
        left_out[f"records of {units[:20] or 'no unit'}, which is no register"] += 1
        return None
    known = REGISTERS.get(units)
    if known is None:
        raise Refused("unit_mismatch", f"no meter here counts in {shown(units)}; known: {', '.join(REGISTERS)}")
    unit, factor, is_export = known
    if commodity and unit not in COMMODITIES.get(commodity, "").split():
        raise Refused("unit_mismatch", f"commodity {shown(commodity)} is not counted in {units}")
    serial = fields[options.meter_field - 1]
    if not serial:
        raise Refused(
            "malformed",
            f"field {options.meter_field} holds no serial: if the head-end writes it elsewhere, say --meter-field 6",
        )
    constant = _number(fields[11], name="the calculation constant") if fields[11] else Decimal(1)
    return _Record(serial, unit, factor * constant, is_export, _interval(fields[12]))


def _triples(fields: Sequence[str]) -> list[tuple[str, str, str]]:
    """Cut the data; a check sum may follow it."""
    if not re.fullmatch(r"\d{1,6}", fields[13], re.ASCII) or int(fields[13]) > MAX_TRIPLES:
        raise Refused("malformed", f"the count of values is {shown(fields[13])}")
    count, data = int(fields[13]), list(fields[HEAD:])
    if len(data) == count * 3 + 1 and (not data[-1] or re.fullmatch(r"[Hh][0-9A-Fa-f]{1,4}", data[-1])):
        data.pop()
    if len(data) != count * 3:
        raise Refused("malformed", f"{count} values are announced, and {len(data)} fields of data are there")
    return [(data[n], data[n + 1], data[n + 2]) for n in range(0, len(data), 3)]


def _reading(record: _Record, *, at: datetime, flag: str, value: str) -> TotalReading:
    if flag[:1].upper() in ("E", "A"):
        raise Refused("no_register", "the head-end estimated or adjusted this value: it was not read from the meter")
    if flag and not re.fullmatch(r"[Rr]\d*|\d+", flag, re.ASCII):
        raise Refused("malformed", f"the flag {shown(flag)} is not known")
    total = _number(value, name="the value") * record.factor
    if record.is_export:
        return TotalReading(at=at, meter=record.serial, unit=record.unit, export_total=total)
    return TotalReading(at=at, meter=record.serial, unit=record.unit, total=total)


def _joined(first: FileLine, second: FileLine) -> FileLine | None:
    """Make one reading of what was taken and what was given back; None where they are not these two."""
    one, other = first.reading, second.reading
    assert isinstance(one, TotalReading), "a record tells totals"
    assert isinstance(other, TotalReading), "a record tells totals"
    taken, given = (one, other) if one.total is not None else (other, one)
    if taken.total is None or taken.export_total is not None or given.total is not None or given.unit != taken.unit:
        return None
    joined = TotalReading(
        at=taken.at, meter=taken.meter, unit=taken.unit, total=taken.total, export_total=given.export_total
    )
    return FileLine(first.number, f"{first.text}; {second.text}", joined)


def _instant(text: str, *, before: datetime | None, interval: timedelta | None) -> datetime:
    if not text:
        if before is None or not interval:
            raise Refused("malformed", "a value has no time, and nothing to count it from")
        try:
            return before + interval
        except OverflowError as error:
            raise Refused("malformed", "the times run past the calendar") from error
    if not re.fullmatch(r"\d{12}", text, re.ASCII):
        raise Refused("malformed", f"the time is {shown(text)} and not YYYYMMDDHHMM")
    try:
        parts = [int(text[:4]), *(int(text[place : place + 2]) for place in range(4, 12, 2))]
        return datetime(parts[0], parts[1], parts[2], parts[3], parts[4], tzinfo=UTC)
    except ValueError as error:
        raise Refused("malformed", f"the time {shown(text)} is in no calendar: {error}") from error


def _interval(text: str) -> timedelta | None:
    """Read MMDDHHMM; months have no fixed length, and are refused."""
    if not text or not text.strip("0"):
        return None
    if not re.fullmatch(r"00\d{6}", text, re.ASCII):
        raise Refused("malformed", f"the interval is {shown(text)} and not 00DDHHMM")
    return timedelta(days=int(text[2:4]), hours=int(text[4:6]), minutes=int(text[6:8]))


def _number(text: str, *, name: str) -> Decimal:
    if len(text) > 40 or not _NUMBER.fullmatch(text):
        raise Refused("malformed", f"{name} is {shown(text)}, which is no number")
    try:
        return Decimal(re.sub("[Dd]", "E", text))
    except InvalidOperation as error:
        raise Refused("malformed", f"{name} is {shown(text)}, which is no number") from error
