"""A line of a file of readings, and how a refused one is kept so that it can be sent through again."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated

import msgspec

from ingest_gateway.domain.meters import MeterBook, Sender
from ingest_gateway.domain.wire import Reason, Refused, Telegram, TotalReading, WireReading

TOPIC = "file"  # file/{utility}/{hash}: where a refused line came from
SPEAKER = "file"
KEPT_CHARACTERS = 4_000


class FileUnusable(Exception):
    """A file of readings cannot be taken in at all; the message names the line, where one is to blame, and the cure."""


@dataclass(frozen=True, slots=True)
class FileLine:
    """One reading of a file, or why there is none. `number` counts lines of text or rows of a sheet, from 1."""

    number: int
    text: str
    reading: WireReading | None = None
    reason: Reason | None = None
    detail: str = ""

    @classmethod
    def refused(cls, number: int, text: str, error: Refused) -> "FileLine":
        return cls(number, text, None, error.reason, error.detail)


@dataclass(frozen=True, slots=True)
class FileOptions:
    """What a file does not say of itself.

    `unit` is that of totals without one, `left_out` names columns to pass over, `meter_field` is the field of CMEP
    records (counted from 1) that holds the serial: 8 by the specification, and some head-ends use others.
    """

    unit: str = ""
    left_out: frozenset[str] = frozenset()
    meter_field: int = 8


class _KeptReading(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    at: str
    meter: str
    register: int | None = None
    export_register: int | None = None
    unit: str = ""
    total: Decimal | None = None
    export_total: Decimal | None = None
    flow: float | None = None
    pressure_kpa: float | None = None
    voltage_v: Annotated[list[float | None], msgspec.Meta(max_length=3)] | None = None
    battery_pct: int | None = None
    flags: list[str] | None = None


class _KeptLine(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    line: int
    text: str
    reading: _KeptReading | None = None


_DECODER = msgspec.json.Decoder(_KeptLine)


def as_speaker(book: MeterBook) -> MeterBook:
    """Let a file speak for every meter of the utility: who may import answers for it, not a sender."""
    speaker = frozenset([SPEAKER])
    return replace(
        book,
        meters={serial: replace(meter, sender_names=speaker) for serial, meter in book.meters.items()},
        senders={SPEAKER: Sender(sender_id=0, name=SPEAKER, kind="import")},
    )


def telegram_of(line: FileLine, *, topic: str, utility: str) -> Telegram:
    """Put a line that was read into the form of a message."""
    assert line.reading is not None, "a line that could not be read has no message"
    return Telegram(topic=topic, payload=kept(line), utility=utility, sender=SPEAKER, readings=[line.reading])


def kept(line: FileLine) -> bytes:
    """Write a line as it is kept if it is refused."""
    return msgspec.json.encode(_KeptLine(line.number, line.text[:KEPT_CHARACTERS], _kept_reading(line.reading)))


def telegram_again(payload: bytes, *, topic: str, utility: str) -> Telegram:
    """Read a line that was kept.

    :raises Refused: if it could not be read when it came: the file has to be mended
    """
    try:
        line = _DECODER.decode(payload)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Refused("malformed", "this is not a line of a file") from error
    if line.reading is None:
        raise Refused("malformed", "the line could not be read: mend it in the file, and import the file again")
    reading = msgspec.convert(
        {name: told for name, told in msgspec.to_builtins(line.reading).items() if name not in ("", None)},
        TotalReading if line.reading.unit else WireReading,
        strict=False,
    )
    return Telegram(topic=topic, payload=payload, utility=utility, sender=SPEAKER, readings=[reading])


def is_of_a_file(topic: str) -> bool:
    """Tell whether a refused message was a line of a file."""
    return topic.startswith(f"{TOPIC}/")


def _kept_reading(reading: WireReading | None) -> _KeptReading | None:
    if reading is None:
        return None
    assert not isinstance(reading.at, int), "a line names its time as people do"
    assert reading.meter is not None, "a line names its meter"
    told = _KeptReading(
        at=reading.at.isoformat(),
        meter=reading.meter,
        register=reading.register,
        export_register=reading.export_register,
        flow=reading.flow,
        pressure_kpa=reading.pressure_kpa,
        voltage_v=reading.voltage_v,
        battery_pct=reading.battery_pct,
        flags=reading.flags,
    )
    if isinstance(reading, TotalReading):
        told.unit, told.total, told.export_total = reading.unit, reading.total, reading.export_total
    return told
