"""The evidence of findings: what its names mean, in which unit its amounts are, and what they are for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from customer_app.formats import Formats
from kernel.i18n import Translate, mark

Role = Literal["seen", "usual", "limit", ""]


class Reader(Protocol):
    """Whoever reads it."""

    @property
    def translate(self) -> Translate: ...

    @property
    def formats(self) -> Formats: ...


@dataclass(frozen=True, slots=True)
class Amount:
    """One number of the evidence."""

    name: str
    amount: float
    unit: str
    role: Role


@dataclass(frozen=True, slots=True)
class Sample:
    """A reading that the finding rests on."""

    at: datetime
    amount: float


NAMES: Mapping[str, str] = {
    "volts": mark("Voltage seen"),
    "v1": mark("Voltage of line 1"),
    "v2": mark("Voltage of line 2"),
    "v3": mark("Voltage of line 3"),
    "usual_v": mark("Usual voltage"),
    "limit_v": mark("Limit"),
    "pressure_kpa": mark("Pressure seen"),
    "usual_kpa": mark("Usual pressure"),
    "limit_kpa": mark("Limit"),
    "meters_showing": mark("Meters that show it"),
    "meters_known": mark("Meters that can show it"),
    "known_meters": mark("Meters that can show it"),
    "silent_meters": mark("Silent meters"),
    "speaking_meters": mark("Meters that speak again"),
    "heard_otherwise": mark("Silent meters whose station is heard"),
    "last_gasps": mark("Last messages on losing power"),
    "silent_h": mark("Silent for"),
    "battery_pct": mark("Battery"),
    "limit_pct": mark("Limit"),
    "off_share": mark("Off from the neighbours"),
    "usual_share": mark("Usually off by"),
    "limit_share": mark("Limit"),
    "litres_per_hour": mark("Flow that never stops"),
    "litres_so_far": mark("Lost so far"),
    "litres_through_meter": mark("Passed the meter when it was found"),
    "moved_wh": mark("Counted in the gap"),
    "least_wh": mark("Would have been used at least"),
    "gap_slots": mark("Readings missing"),
}
# What a name ends with tells the unit; longer endings first.
UNITS: Sequence[tuple[str, str]] = (
    ("litres_per_hour", "L/h"),
    ("_lph", "L/h"),
    ("_l_h", "L/h"),
    ("_kpa", "kPa"),
    ("_kwh", "kWh"),
    ("_wh", "Wh"),
    ("_pct", "%"),
    ("_share", "share"),
    ("_days", "d"),
    ("litres_so_far", "L"),
    ("litres_through_meter", "L"),
    ("_litres", "L"),
    ("_l", "L"),
    ("volts", "V"),
    ("_v", "V"),
    ("v1", "V"),
    ("v2", "V"),
    ("v3", "V"),
    ("_w", "W"),
    ("_hours", "h"),
    ("_h", "h"),
    ("_s", "s"),
)
USUAL = ("usual", "expected", "baseline")
LIMIT = ("limit", "least_allowed", "most_allowed")
MEASURED = frozenset({"V", "kPa", "L/h", "W", "%", "share", "L", "Wh", "h"})


def amounts(told: Mapping[str, Any]) -> list[Amount]:
    """List the numbers of the evidence, as they stand in it."""
    return [
        Amount(name, float(found), unit_of(name), role_of(name))
        for name, found in told.items()
        if isinstance(found, int | float) and not isinstance(found, bool)
    ]


def amount(told: Mapping[str, Any], name: str) -> float | None:
    """Give one number by its name."""
    found = told.get(name)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def main(told: Mapping[str, Any], *, role: str, unit: str = "") -> Amount | None:
    """Give the number that plays the role, in the unit if one is named; None if there is none."""
    known = [one for one in amounts(told) if one.role == role and (unit in ("", one.unit))]
    return known[0] if known else None


def samples(told: Mapping[str, Any]) -> list[Sample]:
    """List the readings that were kept with the finding."""
    kept = told.get("readings", ())
    return [
        Sample(datetime.fromisoformat(str(one["at"])), float(one["value"]))
        for one in kept
        if isinstance(one, Mapping) and isinstance(one.get("value"), int | float) and "at" in one
    ]


def unit_of(name: str) -> str:
    return next((unit for ending, unit in UNITS if name.endswith(ending)), "")


def role_of(name: str) -> Role:
    if name.startswith(USUAL):
        return "usual"
    if name.startswith(LIMIT):
        return "limit"
    return "seen" if unit_of(name) in MEASURED else ""


def label(_: Translate, name: str) -> str:
    """Name a number; what has no words yet stands as the detector wrote it."""
    return _(NAMES[name]) if name in NAMES else name.replace("_", " ")


def text(reader: Reader, one: Amount) -> str:
    """Write a number with its unit."""
    if one.unit == "share":
        return f"{reader.formats.number(one.amount * 100, decimals=1)} %"
    if one.unit == "d":
        return reader.translate("%(n)s days", n=number(reader.formats, one.amount))
    return f"{number(reader.formats, one.amount)} {one.unit}".strip()


def number(formats: Formats, found: float) -> str:
    return formats.number(found, decimals=0 if found.is_integer() or abs(found) >= 1000 else 1)
