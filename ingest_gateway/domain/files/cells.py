"""What a cell of a table says: numbers, times, units, flags."""

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

from ingest_gateway.domain.wire import Refused

MAX_NUMBER_CHARACTERS = 40
SHOWN_CHARACTERS = 60
NO_NUMBER = frozenset({"nan", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"})
# What a total may be written in: the unit that meters count in, and how many of it one is.
UNITS = {
    "m3": ("m3", Decimal(1)),
    "立方メートル": ("m3", Decimal(1)),
    "l": ("m3", Decimal("0.001")),
    "kwh": ("kWh", Decimal(1)),
    "wh": ("kWh", Decimal("0.001")),
    "gal": ("gal", Decimal(1)),
    "ft3": ("ft3", Decimal(1)),
}

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)", re.ASCII)
_EXPONENT = re.compile(r"[+-]?\d*\.?\d+[eE][+-]?\d+", re.ASCII)
_INSTANT = re.compile(
    r"(\d{4})(?:[-/.](\d{1,2})[-/.](\d{1,2})|年\s*(\d{1,2})月\s*(\d{1,2})日|(\d{2})(\d{2}))"
    r"(?:[T\s]*(?:(\d{1,2})[:時](\d{1,2})(?:(?:[:分])(\d{1,2})(?:\.(\d{1,9}))?秒?|分)?|(?<=\d{8})(\d{2})(\d{2})(\d{2})?))?"
    r"\s*(Z|[+-]\d{2}:?\d{2})?",
    re.ASCII,
)


def plain(text: str) -> str:
    """Bring full-width characters to plain ones, and cut white space at both ends."""
    return unicodedata.normalize("NFKC", text).strip()


def number_of(text: str, *, name: str) -> Decimal:
    """:raises Refused: if the cell holds no number as it stands"""
    told = plain(text)
    if len(told) <= MAX_NUMBER_CHARACTERS and _NUMBER.fullmatch(told):
        return Decimal(told)
    if told.casefold() in NO_NUMBER:
        raise Refused("not_finite", f"{name} is {shown(told)}")
    if _EXPONENT.fullmatch(told):
        raise Refused("malformed", f"{name} is {shown(told)}: digits were lost; show the whole number and save again")
    if "," in told:
        raise Refused("malformed", f"{name} is {shown(told)}: write it without commas, with a point before decimals")
    raise Refused("malformed", f"{name} is {shown(told)}, which is no number")


def integer_of(text: str, *, name: str) -> int:
    """:raises Refused: if the cell holds no whole number"""
    number = number_of(text, name=name)
    if number != number.to_integral_value():
        raise Refused("malformed", f"{name} is {shown(text)}, and must be whole")
    return int(number)


def unit_of(text: str) -> tuple[str, Decimal]:
    """Give the unit that meters count in, and how many of it one of the unit told is.

    :raises Refused: if we know no such unit
    """
    known = UNITS.get(plain(text).casefold())
    if known is None:
        raise Refused("unit_mismatch", f"the unit {shown(text)} is none of {', '.join(sorted(UNITS))}")
    return known


def instant_of(text: str, *, zone: ZoneInfo) -> datetime:
    """Read a time, in UTC; one without its zone is a local time of the utility.

    :raises Refused: if it is none, names no time of day, or is one that clocks show twice or never
    """
    told = plain(text)
    found = _INSTANT.fullmatch(told) if len(told) <= MAX_NUMBER_CHARACTERS else None
    if found is None:
        raise Refused("malformed", f"the time is {shown(text)}: write it as 2026-04-01 09:30, with the year first")
    year, *rest = found.groups()
    month, day = (part for part in rest[:6] if part is not None)
    hour, minute, second, fraction = rest[6] or rest[10], rest[7] or rest[11], rest[8] or rest[12] or "0", rest[9] or ""
    if hour is None or minute is None:
        raise Refused("malformed", f"{shown(text)} names no time of day: add it")
    is_end = int(hour) == 24  # of the day
    try:
        local = datetime(int(year), int(month), int(day)) + timedelta(days=is_end)  # noqa: DTZ001 - its zone follows
        local = local.replace(
            hour=0 if is_end else int(hour),
            minute=int(minute),
            second=int(second),
            microsecond=int(fraction.ljust(6, "0")[:6]),
        )
        if is_end and (local.minute or local.second or local.microsecond):
            raise Refused("malformed", f"the time is {shown(text)}, and no day is that long")
        return _in_utc(local, offset=rest[13], zone=zone, text=text)
    except (ValueError, OverflowError) as error:
        raise Refused("malformed", f"the time {shown(text)} is in no calendar: {error}") from error


def words_of(text: str) -> list[str]:
    """Split flags at white space, commas, semicolons and bars."""
    return [word for word in re.split(r"[\s,;|、]+", plain(text)) if word]


def shown(text: str) -> str:
    """Quote what a cell holds, cut where it is long."""
    return repr(text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…")


def _in_utc(local: datetime, *, offset: str | None, zone: ZoneInfo, text: str) -> datetime:
    if offset == "Z":
        return local.replace(tzinfo=UTC)
    if offset is not None:
        sign = -1 if offset[0] == "-" else 1
        ahead = timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:]))
        return local.replace(tzinfo=timezone(sign * ahead)).astimezone(UTC)
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() != second.utcoffset():
        raise Refused("malformed", f"clocks show {shown(text)} twice or never: write the zone, as in +01:00")
    return first.astimezone(UTC)
