"""What a detector sees at a tick or at the end of an hour: one value of each measure for every meter of a cohort."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.meters import Groups, Meters

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Stage(Enum):
    """When a detector is asked."""

    EARLY = "early"  # soon after a slot's time, with what had come by then
    SETTLED = "settled"  # later, when late readings have come too
    HOUR = "hour"  # after the last settled slot of an hour; meters that report less often: after each slot


@dataclass(frozen=True, slots=True)
class Cohort:
    """The meters of one service that report at one interval, and what hangs together among them."""

    meters: Meters
    interval_s: int
    zones: Groups
    gateways: Groups
    networks: Groups
    feeders: Groups

    @property
    def per_hour(self) -> int:
        """Slots in an hour; 1 for meters that report less often."""
        return max(1, 3600 // self.interval_s)


def cohort_of(meters: Meters, *, interval_s: int) -> Cohort:
    """Lay meters of one service and interval together."""
    return Cohort(
        meters=meters,
        interval_s=interval_s,
        zones=Groups(meters.zone_id),
        gateways=Groups(meters.gateway_id),
        networks=Groups(meters.network_id),
        feeders=Groups(meters.feeder_id),
    )


@dataclass(slots=True)
class View:
    """One slot of a cohort. Arrays have a row for each of its meters; NaN is not known. Nobody writes into them."""

    stage: Stage
    cohort: Cohort
    slot: int  # the slot's number: its time divided by the interval
    slot_s: int  # the slot's time
    ready_s: int  # the arrival clock: what is found now could be known then, and not before
    seen: Mask  # a reading of this slot has come
    step: Floats  # litres or Wh since the reading of the slot before; negative where the register went back
    use: Floats  # the same, NaN where it went back
    export: Floats  # Wh fed in since the slot before
    gap_slots: NDArray[np.int64]  # slots since the reading before this one, where it is more than one; 0 elsewhere
    gap_step: Floats  # litres or Wh over them
    flow: Floats  # L/h or W
    pressure_kpa: Floats
    v1: Floats
    v2: Floats
    v3: Floats
    battery_pct: Floats
    flags: NDArray[np.int64]
    missed: NDArray[np.int64]  # slots in a row up to this one without a reading; very many where none ever came
    quiet: Mask  # planned work, closed supply, an exchange: nothing begins here
    hour_use: Floats  # at the end of an hour: litres or Wh an hour over it, NaN unless all of it is known
    hour_export: Floats
    deaf: bool = False  # nothing at all arrived: no detector is asked
    _shared: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def local_hour(self) -> NDArray[np.int64]:
        """Hour of the day, 0–23, in which the slot's interval began, by the meter's local time."""
        return self.shared("local_hour", lambda: (self._local_s() // 3600) % 24)

    @property
    def weekday(self) -> NDArray[np.int64]:
        """Day of the week, Monday 0, in which the slot's interval began, by the meter's local time."""
        return self.shared("weekday", lambda: (self._local_s() // 86_400 + 3) % 7)

    def shared(self, name: str, make: Callable[[], Any]) -> Any:
        """Give a value that several detectors need; it is made once in a tick."""
        if name not in self._shared:
            self._shared[name] = make()
        return self._shared[name]

    def _local_s(self) -> NDArray[np.int64]:
        return self.slot_s - 1 + self.cohort.meters.utc_offset_s
