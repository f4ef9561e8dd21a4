"""What a bill pins: everything that rating used, in one canonical form whose hash stands on the bill."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rating_engine.domain.decimals import plain
from rating_engine.domain.rate import Line, Rating, Use, rate
from rating_engine.domain.tariff import Tariff
from rating_engine.domain.use import RegisterPoint, Segment, billed_quantity, exact_use

FORMAT = 1


@dataclass(frozen=True, slots=True)
class BillInput:
    """All that a bill depends on, beside the tariff version it names."""

    tariff_code: str
    tariff_version: int
    tariff_hash: str
    customer_class: str
    size_mm: int | None
    capacity_a: int | None
    first_day: str  # local, of the billed part of the cycle
    end_day: str  # local, the day after the last
    days: int
    cycle_days: int
    months: tuple[str, ...]
    segments: tuple[Segment, ...]
    notes: tuple[str, ...]  # why a register was estimated or carried, for people


def as_json(given: BillInput) -> dict[str, Any]:
    """Give the input as plain JSON values."""
    return {
        "format": FORMAT,
        "tariff": {"code": given.tariff_code, "version": given.tariff_version, "hash": given.tariff_hash},
        "class": given.customer_class,
        "size_mm": given.size_mm,
        "capacity_a": given.capacity_a,
        "period": {
            "first_day": given.first_day,
            "end_day": given.end_day,
            "days": given.days,
            "cycle_days": given.cycle_days,
            "months": list(given.months),
        },
        "segments": [asdict(segment) for segment in given.segments],
        "use": use_text(given.segments),
        "notes": list(given.notes),
    }


def from_json(stored: dict[str, Any]) -> BillInput:
    """Read an input back."""
    assert stored["format"] == FORMAT, "one form so far"
    tariff, period = stored["tariff"], stored["period"]
    return BillInput(
        tariff_code=tariff["code"],
        tariff_version=tariff["version"],
        tariff_hash=tariff["hash"],
        customer_class=stored["class"],
        size_mm=stored["size_mm"],
        capacity_a=stored["capacity_a"],
        first_day=period["first_day"],
        end_day=period["end_day"],
        days=period["days"],
        cycle_days=period["cycle_days"],
        months=tuple(period["months"]),
        segments=tuple(_segment(one) for one in stored["segments"]),
        notes=tuple(stored["notes"]),
    )


def use_of(given: BillInput, *, tariff: Tariff) -> Use:
    """Tell what is rated.

    :raises UnitMismatch: if a meter does not count in the tariff's unit
    :raises RegisterRanBackwards: if a register fell without rolling over
    """
    return Use(
        quantity=billed_quantity(given.segments, rule=tariff.quantity),
        size_mm=given.size_mm,
        capacity_a=given.capacity_a,
        customer_class=given.customer_class,
        days=given.days,
        cycle_days=given.cycle_days,
        months=given.months,
        first_day=given.first_day,
    )


def rate_input(given: BillInput, *, tariff: Tariff) -> Rating:
    """Rate a bill from what it pins. Raises as `use_of` and `rate` do."""
    return rate(tariff, use=use_of(given, tariff=tariff))


def use_text(segments: Sequence[Segment]) -> str:
    """Write what the meters counted as an exact decimal in their unit."""
    units, scale = exact_use(segments)
    return plain(units, digits=-scale) if scale < 0 else str(units * 10**scale)


def canonical(value: object) -> bytes:
    """Write JSON values in one form only: keys in order, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def hash_of(value: object) -> bytes:
    """Hash JSON values in their canonical form."""
    return hashlib.sha256(canonical(value)).digest()


def lines_as_json(lines: Sequence[Line]) -> list[list[str | int]]:
    """Give lines as plain JSON values, in the order of the columns of bill_line."""
    return [
        [
            line.service,
            line.item,
            line.label,
            line.quantity,
            line.unit,
            line.unit_price,
            line.amount_minor,
            line.tax_rate,
            line.arithmetic,
        ]
        for line in lines
    ]


def _segment(stored: dict[str, Any]) -> Segment:
    return Segment(
        meter_id=stored["meter_id"],
        serial=stored["serial"],
        unit=stored["unit"],
        scale=stored["scale"],
        digits=stored["digits"],
        opening=RegisterPoint(**stored["opening"]),
        closing=RegisterPoint(**stored["closing"]),
    )
