"""What the meters showed before the town was alive: hourly for the last weeks, once a day before."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulators import measures
from simulators.measures import Grid
from simulators.noise import Floats, Ints
from simulators.use import LOCAL_HOURS_AHEAD

if TYPE_CHECKING:
    from simulators.town import Town

HOURLY_DAYS = 40
NO_BATTERY = -1
Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class History:
    """One entry for each reading, oldest first; NaN stands for what a meter does not measure or no longer keeps."""

    serials: tuple[str, ...]
    meter: NDArray[np.int32]  # index into `serials`
    read_at_s: Ints  # seconds since 1970
    register: Ints  # as the meter counts, past its end it begins again at 0
    flow: Float32  # L/h or W, mean of the hour before
    pressure_kpa: Float32
    voltage_1_v: Float32
    voltage_2_v: Float32
    voltage_3_v: Float32
    battery_pct: NDArray[np.int16]  # NO_BATTERY: it has none

    def __len__(self) -> int:
        return len(self.meter)


def readings(town: "Town", *, first: datetime, until: datetime) -> History:
    """Read all meters from `first` up to, not including, `until`; both at full hours.

    The last 40 days before `until` have a reading an hour with all measures; earlier ones one at each local midnight,
    of the register alone, as the archive of an old system has.

    :raises ValueError: if `first` lies before the town's known history
    """
    laid = measures.grid(town)
    first_h, until_h = _hour(first), _hour(until)
    hourly_from = max(first_h, (until_h + LOCAL_HOURS_AHEAD) // 24 * 24 - LOCAL_HOURS_AHEAD - HOURLY_DAYS * 24)
    midnights = np.arange(-(-(first_h + LOCAL_HOURS_AHEAD) // 24) * 24 - LOCAL_HOURS_AHEAD, hourly_from, 24)
    stretches = [
        _stretch(town, laid, hours=hours, measured=measured)
        for hours, measured in ((midnights, False), (np.arange(hourly_from, until_h), True))
        if len(hours)
    ]
    names = ("meter", "read_at_s", "register", "flow", "pressure_kpa", "voltage_1_v", "voltage_2_v", "voltage_3_v",
             "battery_pct")  # fmt: skip
    joined = {name: np.concatenate([getattr(stretch, name) for stretch in stretches]) for name in names}
    return History(serials=tuple(meter.serial for meter in town.meters), **joined)


def _stretch(town: "Town", laid: Grid, *, hours: Ints, measured: bool) -> History:
    used = laid.model.at_hours(hours)
    shape = used.shape
    meter, register = _registers(town, laid, hours=hours, used=used)
    flow, pressure, battery, volts = _nothing(shape), _nothing(shape), np.full(shape, NO_BATTERY), _nothing(shape)
    if measured:
        flow = (used - laid.model.at_hours(hours - 1)).astype(np.float64)
        water = laid.water_count
        with_sensor = np.array([m.has_pressure for m in laid.meters[:water]])
        pressure[:, :water] = np.where(
            with_sensor, measures.pressure_kpa(laid, hours=hours, flow_lph=flow[:, :water]), np.nan
        )
        volts[:, water:] = measures.voltage_v(laid, hours=hours, load_w=flow[:, water:])
        battery[:, :water] = measures.battery_pct(laid, hours=hours)
    phases = np.array([m.phases for m in laid.meters])
    return History(
        serials=(),
        meter=meter.ravel(),
        read_at_s=np.broadcast_to(hours[:, None] * 3600, shape).ravel(),
        register=register.ravel(),
        flow=_small(flow),
        pressure_kpa=_small(pressure.round(1)),
        voltage_1_v=_small(volts.round(1)),
        voltage_2_v=_small(np.where(phases == 3, volts.round(1), np.nan)),
        voltage_3_v=_small(np.where(phases == 3, volts.round(1), np.nan)),
        battery_pct=battery.ravel().astype(np.int16),
    )


def _registers(town: "Town", laid: Grid, *, hours: Ints, used: Ints) -> tuple[NDArray[np.int32], Ints]:
    """Tell which meter was read at each hour and point, and what it showed."""
    index_of = {meter.serial: at for at, meter in enumerate(town.meters)}
    current = np.array([index_of[meter.serial] for meter in laid.meters], dtype=np.int32)
    meter = np.broadcast_to(current, used.shape).copy()
    register = used + laid.opening
    digits = {m.serial: m.digits for m in town.meters}
    for installation in town.installations:
        if installation.valid_to is None:
            continue
        column = laid.model.columns.index_of[installation.point_number]
        old = hours * 3600 < installation.valid_to.timestamp()
        meter[old, column] = index_of[installation.serial]
        register[old, column] = used[old, column] + town.register_base[installation.serial]
    ends = np.array([10 ** digits[m.serial] for m in laid.meters], dtype=np.int64)
    return meter, register % ends


def _nothing(shape: tuple[int, ...]) -> Floats:
    return np.full(shape, np.nan)


def _small(wide: Floats) -> Float32:
    return wide.ravel().astype(np.float32)


def _hour(instant: datetime) -> int:
    return int(instant.timestamp()) // 3600
