"""Whether a reading can be true, and what is stored of it."""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, Protocol

from ingest_gateway.domain import flags
from ingest_gateway.domain.meters import Meter
from ingest_gateway.domain.wire import Refused, TotalReading, WireReading, from_us, instant_us

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
MIN_AHEAD_S = 15 * 60
LATENCY_S = 2.0  # of wall time that a message may be on its way without its clock being called wrong
DEFAULT_MAX_AGE_DAYS = 800

FLOW_LIMIT = 1e9  # L/h or W
PRESSURE_RANGE_KPA = (-101.4, 20_000.0)  # from a vacuum to ten times what pipes are built for
VOLTAGE_LIMIT_V = 1e6
TOLERANCE_DIGITS = 6  # a register may fall by 10^(digits - 6): what swings back through a meter that stands still
BELIEVED_AFTER = 4  # lower registers in a row, each higher than the one before: the meter counts on from there
ROLLOVER_SHARE = 10  # a fall is a rollover if the register then went forward by less than this part of its range


class Row(NamedTuple):
    """A reading as it is stored; times in microseconds of the Unix epoch."""

    meter_id: int
    read_at_us: int
    register: int | None
    export_register: int | None
    flow: float | None
    pressure_kpa: float | None
    voltage_1_v: float | None
    voltage_2_v: float | None
    voltage_3_v: float | None
    battery_pct: int | None
    flags: int


class Fall(NamedTuple):
    """The last register that was refused as lower than the newest stored one, and how many counted up to it."""

    read_at_us: int
    register: int
    readings: int


class Baseline(NamedTuple):
    """The newest register that is stored for a meter, and what was refused since as lower."""

    read_at_us: int
    register: int
    fall: Fall | None = None


class Baselines(Protocol):
    """Where the newest stored register of a meter is looked up."""

    def of(self, meter_id: int) -> Baseline | None:
        """Give it as it is remembered."""
        ...

    def fresh(self, meter_id: int) -> Baseline | None:
        """Give it as it is stored now."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Between which instants a reading may lie."""

    oldest_us: int
    newest_us: int

    @classmethod
    def at(cls, now_us: int, *, rate: float, max_age_days: int = DEFAULT_MAX_AGE_DAYS) -> "Limits":
        """Set them for a moment of utility time that runs `rate` times as fast as the wall's."""
        ahead_s = max(MIN_AHEAD_S, LATENCY_S * rate)
        return cls(oldest_us=now_us - max_age_days * DAY_US, newest_us=now_us + int(ahead_s * SECOND_US))


def check(reading: WireReading, *, meter: Meter, limits: Limits) -> Row:
    """Turn what was sent into what is stored.

    :raises Refused: if it cannot be true, or not of this meter
    """
    read_at_us = instant_us(reading.at)
    if read_at_us > limits.newest_us:
        raise Refused("clock_ahead", f"read at {from_us(read_at_us).isoformat()}, which has not come yet")
    if read_at_us < limits.oldest_us:
        raise Refused(
            "too_old", f"read at {from_us(read_at_us).isoformat()}, before {from_us(limits.oldest_us).date()}"
        )
    register, export_register = reading.register, reading.export_register
    if isinstance(reading, TotalReading):
        register = _least_digits(reading.total, unit=reading.unit, meter=meter)
        export_register = _least_digits(reading.export_total, unit=reading.unit, meter=meter)
    _check_kind(reading, meter=meter)
    _check_range(register, meter=meter)
    _check_range(export_register, meter=meter)
    voltages = reading.voltage_v or []
    first_v, second_v, third_v = (*voltages, None, None, None)[:3]
    row = Row(
        meter.meter_id,
        read_at_us,
        register,
        export_register,
        _measure(reading.flow, low=-FLOW_LIMIT, high=FLOW_LIMIT, name="flow"),
        _measure(reading.pressure_kpa, low=PRESSURE_RANGE_KPA[0], high=PRESSURE_RANGE_KPA[1], name="pressure_kpa"),
        _measure(first_v, low=0.0, high=VOLTAGE_LIMIT_V, name="voltage_v"),
        _measure(second_v, low=0.0, high=VOLTAGE_LIMIT_V, name="voltage_v"),
        _measure(third_v, low=0.0, high=VOLTAGE_LIMIT_V, name="voltage_v"),
        reading.battery_pct,
        flags.to_bits(reading.flags) if reading.flags else 0,
    )
    if reading.battery_pct is not None and not 0 <= reading.battery_pct <= 100:
        raise Refused("out_of_range", f"battery_pct is {reading.battery_pct}")
    if row[2:10] == _NOTHING and row.flags == 0:
        raise Refused("no_register", "the reading says nothing: neither a register nor any other measure")
    return row


def is_backwards(row: Row, *, meter: Meter, baseline: Baseline | None) -> bool:
    """Tell whether the register fell, beyond what swings back, since the newest stored reading, and did not roll over.

    Late data (not newer than the newest) is never called backwards.
    """
    if baseline is None or row.register is None or row.read_at_us <= baseline.read_at_us:
        return False
    return has_fallen(row.register, before=baseline.register, digits=meter.digits)


def has_fallen(register: int, *, before: int, digits: int) -> bool:
    """Tell whether a register of so many digits is lower than before, and neither swung back nor rolled over."""
    fall = before - register
    if fall <= 10 ** max(0, digits - TOLERANCE_DIGITS):
        return False
    register_range = 10**digits
    return register_range - fall >= register_range // ROLLOVER_SHARE


def fall_with(row: Row, *, before: Fall | None) -> Fall:
    """Count a register that fell: one more where it is higher than the last that did; sent again, it counts once."""
    assert row.register is not None, "what says no register does not fall"
    if before is None or (row.read_at_us > before.read_at_us and row.register < before.register):
        return Fall(row.read_at_us, row.register, 1)
    if row.read_at_us <= before.read_at_us:
        return before
    return Fall(row.read_at_us, row.register, before.readings + (row.register > before.register))


_NOTHING = (None,) * 8


def _check_kind(reading: WireReading, *, meter: Meter) -> None:
    if meter.kind == "water" and any(voltage is not None for voltage in reading.voltage_v or ()):
        raise Refused("unit_mismatch", "a water meter does not measure voltage")
    if meter.kind == "electricity" and reading.pressure_kpa is not None:
        raise Refused("unit_mismatch", "an electricity meter does not measure pressure")


def _check_range(register: int | None, *, meter: Meter) -> None:
    if register is not None and not 0 <= register < 10**meter.digits:
        raise Refused("out_of_range", f"register {register} is not between 0 and {meter.digits} nines")


def _least_digits(total: Decimal | None, *, unit: str, meter: Meter) -> int | None:
    """Count a total in the meter's least digit, exactly."""
    if total is None:
        return None
    if unit != meter.unit:
        raise Refused("unit_mismatch", f"the total is in {unit} and the meter counts {meter.unit}")
    if not total.is_finite():
        raise Refused("not_finite", "the total is not a finite number")
    if total.adjusted() > 30 or total.adjusted() < -30:
        if total == 0:
            return 0
        raise Refused("out_of_range", f"the total {total} is not on the meter's register")
    register = total.scaleb(-meter.scale)
    if register != register.to_integral_value():
        raise Refused(
            "unit_mismatch", f"the total {total} {unit} is finer than the meter's least digit, 10^{meter.scale}"
        )
    return int(register)


def _measure(number: float | None, *, low: float, high: float, name: str) -> float | None:
    if number is None:
        return None
    if low <= number <= high:
        return number + 0.0  # no negative zero: equal values are stored alike
    if not math.isfinite(number):
        raise Refused("not_finite", f"{name} is {number}")
    raise Refused("out_of_range", f"{name} is {number}")
