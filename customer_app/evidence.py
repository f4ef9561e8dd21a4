"""The evidence of findings: what its names mean, in which unit its amounts are, and what they are for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from customer_app.formats import Formats
from customer_app.reader import Reader
from kernel.i18n import Translate, mark

Role = Literal["seen", "usual", "limit", ""]


@dataclass(frozen=True, slots=True)
class Amount:
    """One number of the evidence."""

    name: str
    amount: float
    unit: str
    role: Role


NAMES: Mapping[str, str] = {
    "volts": mark("Voltage seen"),
    "v1": mark("Voltage of line 1"),
    "v2": mark("Voltage of line 2"),
    "v3": mark("Voltage of line 3"),
    "usual_v": mark("Usual voltage"),
    "limit_v": mark("Limit"),
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
    "rate_lph": mark("Flow"),
    "rest_lph": mark("Flow at rest before"),
    "hours_lph": mark("The hours before"),
    "month_l": mark("In a month, if it goes on"),
    "odds": mark("Odds, as a logarithm"),
    "limit_lph": mark("Limit"),
    "inflow_lph": mark("Inflow"),
    "expected_lph": mark("Inflow expected"),
    "excess_lph": mark("Inflow beyond what is expected"),
    "shown_kpa": mark("Pressure seen"),
    "shares_by_day": mark("Off from the neighbours, by day"),
    "fall_kpa": mark("Fall of pressure"),
    "away_kpa": mark("Away from the neighbours"),
    "days_l": mark("The days before"),
    "expected_l": mark("Expected of these days"),
    "usual_l": mark("Usual use of a day"),
    "counted_share": mark("Counted, of what is expected"),
    "base_w": mark("Base load"),
    "usual_base_w": mark("Usual base load"),
    "limit_w": mark("Limit"),
    "day_wh": mark("Use of the day"),
    "usual_day_wh": mark("Usual use of a day"),
    "back_l": mark("Flowed back"),
    "fed_wh": mark("Fed in"),
    "limit_wh": mark("Limit"),
    "slots": mark("Readings that show it"),
    "still_h": mark("Stood still for"),
    "limit_h": mark("Limit"),
    "reported_l": mark("Flow reported meanwhile"),
    "reported_wh": mark("Flow reported meanwhile"),
    "longest_pause_h": mark("Longest pause before"),
    "rule": mark("What gave it away"),
    "said_by_meter": mark("The meter says so itself"),
    "moved_wh": mark("Counted in the gap"),
    "least_wh": mark("Would have been used at least"),
    "gap_slots": mark("Readings missing"),
}
WORDS: Mapping[str, str] = {
    "frozen": mark("flow without counting"),
    "idle": mark("no use for unusually long"),
}
# What flows away, whatever the detector calls it.
RATES = ("rate_lph", "excess_lph")
# Differences are no measures themselves.
DIFFERENCES = ("fall", "away", "off", "excess", "longest", "month")
MOST_LISTED = 24
# What a name ends with tells the unit; longer endings first.
UNITS: Sequence[tuple[str, str]] = (
    ("_lph", "L/h"),
    ("_l_h", "L/h"),
    ("_kpa", "kPa"),
    ("_kwh", "kWh"),
    ("_wh", "Wh"),
    ("_pct", "%"),
    ("_share", "share"),
    ("shares_by_day", "share"),
    ("_days", "d"),
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


def rate_lph(told: Mapping[str, Any]) -> float | None:
    """Tell how many litres an hour flow away, where that is known."""
    return next((found for name in RATES if (found := amount(told, name)) is not None), None)


def seen_and_usual(told: Mapping[str, Any]) -> tuple[Amount, Amount] | None:
    """Give what was seen beside what is usual, in one unit; None where the evidence holds no such pair."""
    usual = main(told, role="usual")
    if usual is None:
        return None
    seen = main(told, role="seen", unit=usual.unit)
    fall = amount(told, "fall_kpa")
    if seen is None and usual.unit == "kPa" and fall is not None:
        seen = replace(usual, amount=max(0.0, usual.amount - fall), role="seen")
    return None if seen is None else (seen, usual)


def words(reader: Reader, name: str, found: Any) -> str:
    """Write what stands under a name: a number with its unit, several of them, or a word."""
    if isinstance(found, bool):
        return reader.translate("yes") if found else ""
    if isinstance(found, int | float):
        return text(reader, Amount(name, float(found), unit_of(name), role_of(name)))
    if isinstance(found, str):
        return reader.translate(WORDS[found]) if found in WORDS else found
    if isinstance(found, Sequence) and found and all(one is None or isinstance(one, int | float) for one in found):
        listed = [one for one in found if one is not None][-MOST_LISTED:]
        unit = unit_of(name)
        factor = 100 if unit == "share" else 1
        numbers = ", ".join(number(reader.formats, float(one) * factor) for one in listed)
        return f"{numbers} {'%' if unit == 'share' else unit}".strip()
    return ""


def unit_of(name: str) -> str:
    return next((unit for ending, unit in UNITS if name.endswith(ending)), "")


def role_of(name: str) -> Role:
    if name.startswith(USUAL):
        return "usual"
    if name.startswith(LIMIT):
        return "limit"
    if name.startswith(DIFFERENCES):
        return ""
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
