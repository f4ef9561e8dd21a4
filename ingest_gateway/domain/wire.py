"""What a message says, whatever format it came in, before it is mapped to a known meter."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

Reason = Literal[
    "malformed",
    "too_large",
    "too_deep",
    "unknown_topic",
    "unknown_utility",
    "unknown_sender",
    "unknown_meter",
    "unknown_format",
    "not_this_sender",
    "not_finite",
    "out_of_range",
    "clock_ahead",
    "too_old",
    "conflict",
    "register_backwards",
    "unit_mismatch",
    "no_register",
    "unknown_command",
]

Instant = Annotated[datetime, msgspec.Meta(tz=True)] | int

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
MAX_EPOCH_MS = 253_402_300_799_000  # the year 9999, the last that a datetime can hold


class Refused(Exception):
    """A message, or a part of it, cannot be accepted; `reason` is one of the closed list."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason: Reason = reason
        self.detail = detail


class WireReading(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One reading as it was sent. `flow` is in L/h, or in W; `register` counts the meter's least digit."""

    at: Instant
    meter: str | None = None
    register: int | None = None
    export_register: int | None = None
    flow: float | None = None
    pressure_kpa: float | None = None
    voltage_v: Annotated[list[float | None], msgspec.Meta(max_length=3)] | None = None
    battery_pct: int | None = None
    flags: Annotated[list[str], msgspec.Meta(max_length=32)] | None = None


class TotalReading(WireReading, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A reading whose totals are in units (m3, kWh) and not in the meter's least digit."""

    unit: str = ""
    total: Decimal | None = None
    export_total: Decimal | None = None


class Answer(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What a meter says of a command it was sent."""

    id: Annotated[int, msgspec.Meta(ge=1, lt=1 << 62)]
    state: Literal["done", "failed"]
    at: Instant | None = None
    detail: Annotated[str, msgspec.Meta(max_length=500)] = ""


@dataclass(frozen=True, slots=True)
class Fragment:
    """A part of a message that could not be read, as it came; it counts as one reading."""

    payload: bytes
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Telegram:
    """One decoded message. `sequence` is the sender's number of it, `kept_from` the lowest number it still holds."""

    topic: str
    payload: bytes
    utility: str
    sender: str
    readings: list[WireReading]
    answers: list[Answer] = field(default_factory=list[Answer])
    fragments: tuple[Fragment, ...] = ()
    sequence: int | None = None
    boot: str | None = None
    kept_from: int | None = None

    @property
    def count(self) -> int:
        """How many readings the message counts for."""
        return len(self.readings) + len(self.fragments)


def instant_us(instant: datetime | int) -> int:
    """Give an instant in microseconds of the Unix epoch; an integer on the wire is in milliseconds.

    :raises Refused: if no calendar holds it
    """
    if isinstance(instant, int):
        if not -MAX_EPOCH_MS <= instant <= MAX_EPOCH_MS:
            raise Refused("out_of_range", f"the time {instant} ms is in no year that we know")
        return instant * 1000
    return (instant - _EPOCH) // _MICROSECOND


def from_us(instant_us: int) -> datetime:
    """Give the instant of a number of microseconds since the Unix epoch; what no year holds becomes the nearest."""
    if not -62_135_596_800_000_000 <= instant_us < 253_402_300_800_000_000:
        return datetime.max.replace(tzinfo=UTC) if instant_us > 0 else datetime.min.replace(tzinfo=UTC)
    return _EPOCH + timedelta(microseconds=instant_us)
