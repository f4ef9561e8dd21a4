"""What the gateway knows of the meters and senders of one utility."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

MAX_COUNTED_DIGITS = 18  # what a 64-bit integer counts; a longer register is checked one by one


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
class Speaker:
    """A sender with the slots of the meters that it may speak for, by serial; under None its own, if it is a meter."""

    sender: Sender
    slots: Mapping[str | None, int]


@dataclass(frozen=True, slots=True)
class MeterTable:
    """The meters of a book as columns; a meter's place in them is its slot."""

    meter_ids: NDArray[np.int64]  # in order
    is_water: NDArray[np.bool_]
    register_end: NDArray[np.int64]  # the first number that the register does not show; 0: not to be checked here
    speakers: Mapping[str, Speaker]

    def slots_of(self, meter_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the slots of meters that are in the table."""
        return np.searchsorted(self.meter_ids, meter_ids)


@dataclass(frozen=True)
class MeterBook:
    """The meters and senders of one utility, as they were when the book was read."""

    utility_id: int
    code: str
    zone: ZoneInfo
    meters: Mapping[str, Meter]
    senders: Mapping[str, Sender]

    @cached_property
    def sender_names(self) -> Mapping[int, str]:
        """Give the senders' names by id; made once."""
        return {sender.sender_id: sender.name for sender in self.senders.values()}

    @cached_property
    def table(self) -> MeterTable:
        """Give the meters as columns; made once."""
        meters = sorted(self.meters.values(), key=lambda meter: meter.meter_id)
        slots: dict[str, dict[str | None, int]] = {name: {} for name in self.senders}
        for slot, meter in enumerate(meters):
            for name in meter.sender_names & slots.keys():
                slots[name][meter.serial] = slot
                if name == meter.serial:
                    slots[name][None] = slot
        return MeterTable(
            meter_ids=np.array([meter.meter_id for meter in meters], dtype=np.int64),
            is_water=np.array([meter.kind == "water" for meter in meters], dtype=np.bool_),
            register_end=np.array(
                [10**meter.digits if meter.digits <= MAX_COUNTED_DIGITS else 0 for meter in meters], dtype=np.int64
            ),
            speakers={name: Speaker(self.senders[name], slots[name]) for name in self.senders},
        )
