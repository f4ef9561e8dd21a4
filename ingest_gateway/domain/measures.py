"""The names that a foreign format may give to a meter's measures, and the reading that they make."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal
from typing import Literal

from ingest_gateway.domain.wire import Refused, TotalReading, WireReading

Slot = Literal[
    "register",
    "export_register",
    "total",
    "export_total",
    "flow",
    "pressure_kpa",
    "voltage_1_v",
    "voltage_2_v",
    "voltage_3_v",
    "battery_pct",
]

MAX_DIGITS = 28  # of a number; no register has more, and all reckoning with fewer is exact
MAX_FLAGS = 32

_EXACT = Context(prec=2 * MAX_DIGITS)
_DOUBLE = Context(prec=15)
_DOUBLE_EXPONENT = 400  # beyond it, reckoning with a decimal would overflow
_NUMBER = re.compile(r"[+-]?[0-9]{1,100}(?:\.[0-9]{1,100})?(?:[eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Measure:
    """Where a number belongs in a reading, and by what it is multiplied to be in our unit. Totals name their unit."""

    slot: Slot
    factor: Decimal = Decimal(1)
    unit: str = ""


_MILLI = Decimal("0.001")
_KILO = Decimal(1000)

TOTAL_M3 = Measure("total", unit="m3")
TOTAL_L = Measure("total", _MILLI, "m3")
TOTAL_KWH = Measure("total", unit="kWh")
TOTAL_WH = Measure("total", _MILLI, "kWh")
EXPORT_KWH = Measure("export_total", unit="kWh")
EXPORT_WH = Measure("export_total", _MILLI, "kWh")
FLOW = Measure("flow")
FLOW_THOUSANDS = Measure("flow", _KILO)  # of m3/h in L/h, of kW in W
VOLTAGE = (Measure("voltage_1_v"), Measure("voltage_2_v"), Measure("voltage_3_v"))

NAMES: Mapping[str, Measure] = {
    "register": Measure("register"),
    "export_register": Measure("export_register"),
    "total_m3": TOTAL_M3,
    "total_l": TOTAL_L,
    "total_kwh": TOTAL_KWH,
    "total_wh": TOTAL_WH,
    "export_total_kwh": EXPORT_KWH,
    "export_total_wh": EXPORT_WH,
    "flow": FLOW,
    "flow_lh": FLOW,
    "flow_m3h": FLOW_THOUSANDS,
    "power_w": FLOW,
    "power_kw": FLOW_THOUSANDS,
    "pressure_kpa": Measure("pressure_kpa"),
    "pressure_mpa": Measure("pressure_kpa", _KILO),
    "pressure_bar": Measure("pressure_kpa", Decimal(100)),
    "voltage_v": VOLTAGE[0],
    "voltage_1_v": VOLTAGE[0],
    "voltage_2_v": VOLTAGE[1],
    "voltage_3_v": VOLTAGE[2],
    "battery_pct": Measure("battery_pct"),
}

Said = tuple[Measure, Decimal]


def decimal_of(text: str, *, name: str) -> Decimal:
    """Read a number that was sent as text.

    :raises Refused: if it is none, or has more digits than any register
    """
    if _NUMBER.fullmatch(text) is None:
        if text.strip("+-").lower() in ("nan", "inf", "infinity"):
            raise Refused("not_finite", f"{name} is {text}")
        raise Refused("malformed", f"{name} is not a number")
    return exact(Decimal(text), name=name)


def exact(number: Decimal, *, name: str) -> Decimal:
    """Give a number back that can be reckoned with exactly.

    :raises Refused: if it is not finite, or has more digits than any register
    """
    if not number.is_finite():
        raise Refused("not_finite", f"{name} is {number}")
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int), "a finite number has an exponent"
    if len(digits) > MAX_DIGITS or exponent < -MAX_DIGITS or number.adjusted() > MAX_DIGITS:
        if not number:
            return Decimal(0)
        raise Refused("out_of_range", f"{name} has more than {MAX_DIGITS} digits")
    return number


def of_double(number: Decimal, *, name: str) -> Decimal:
    """Give what a 64-bit float was meant to say: it keeps 15 digits of any decimal, and the rest is noise of reckoning.

    :raises Refused: if it is not finite, or beyond what a meter shows
    """
    if not number.is_finite():
        raise Refused("not_finite", f"{name} is {number}")
    if number and abs(number.adjusted()) > _DOUBLE_EXPONENT:
        raise Refused("out_of_range", f"{name} is no number that a 64-bit float holds")
    return exact(_DOUBLE.plus(number), name=name)


def flags_of(words: str) -> list[str] | None:
    """List the flags of a text; too many become fewer, none is None."""
    return words.lower().split(maxsplit=MAX_FLAGS)[:MAX_FLAGS] or None


def reading_of(
    said: Iterable[Said], *, at: datetime | int, meter: str | None, flags: list[str] | None = None
) -> WireReading:
    """Make one reading of what was said at one instant; `at` as an integer is in milliseconds.

    :raises Refused: if nothing was said, one thing twice and differently, or a total in two units
    """
    found: dict[Slot, Decimal] = {}
    unit = ""
    for measure, number in said:
        if measure.unit:
            if unit and unit != measure.unit:
                raise Refused("unit_mismatch", f"a total in {unit} and another in {measure.unit}: which meter is it?")
            unit = measure.unit
        value = _EXACT.multiply(number, measure.factor)
        if found.setdefault(measure.slot, value) != value:
            raise Refused("malformed", f"{measure.slot} is said twice: {found[measure.slot]} and {value}")
    if not found and not flags:
        raise Refused("no_register", "nothing in it is a measure that we know by its name")
    return _reading(found, unit=unit, at=at, meter=meter, flags=flags)


def _reading(
    found: Mapping[Slot, Decimal], *, unit: str, at: datetime | int, meter: str | None, flags: list[str] | None
) -> WireReading:
    register = _whole(found, "register")
    export_register = _whole(found, "export_register")
    flow, pressure_kpa = _float(found, "flow"), _float(found, "pressure_kpa")
    voltage_v, battery_pct = _voltages(found), found.get("battery_pct")
    battery = None if battery_pct is None else round(battery_pct)
    if not unit:
        return WireReading(
            at, meter, register, export_register, flow, pressure_kpa, voltage_v, battery, flags
        )  # fmt: skip
    if register is not None or export_register is not None:
        raise Refused("malformed", "both a register and a total: one of them says it all")
    return TotalReading(
        at=at,
        meter=meter,
        flow=flow,
        pressure_kpa=pressure_kpa,
        voltage_v=voltage_v,
        battery_pct=battery,
        flags=flags,
        unit=unit,
        total=found.get("total"),
        export_total=found.get("export_total"),
    )


def _whole(found: Mapping[Slot, Decimal], slot: Slot) -> int | None:
    number = found.get(slot)
    if number is None:
        return None
    if number != number.to_integral_value():
        raise Refused("unit_mismatch", f"{slot} {number} does not count the meter's least digit")
    return int(number)


def _float(found: Mapping[Slot, Decimal], slot: Slot) -> float | None:
    number = found.get(slot)
    return None if number is None else float(number)


def _voltages(found: Mapping[Slot, Decimal]) -> list[float | None] | None:
    voltages = [_float(found, slot) for slot in ("voltage_1_v", "voltage_2_v", "voltage_3_v")]
    while voltages and voltages[-1] is None:
        voltages.pop()
    return voltages or None
