"""What the gateway knows of the meters and senders of one utility."""

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Meter:
    """A known meter: how it counts, and which senders may speak for it."""

    meter_id: int
    serial: str
    kind: str
    unit: str
    scale: int  # register * 10^scale is in unit
    digits: int  # the register runs from 0 to 10^digits - 1
    sender_names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Sender:
    """A credential that speaks, for itself or for its meters."""

    sender_id: int
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class MeterBook:
    """The meters and senders of one utility, as they were when the book was read."""

    utility_id: int
    code: str
    zone: ZoneInfo
    meters: Mapping[str, Meter]
    senders: Mapping[str, Sender]
