"""Which registers a bill goes from and to: read, handed over from the bill before, or estimated, and which it was."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rating_engine.domain.rounding import divide
from rating_engine.domain.use import RegisterPoint, Segment

SURE = frozenset({"read", "handheld", "edited", "customer", "installed", "removed"})


class RegisterMissing(Exception):
    """No register is known at an end of the period, and there is nothing to estimate it from."""


@dataclass(frozen=True, slots=True)
class MeterSpan:
    """A meter's part of a billed period.

    `installed_register` is given where the meter was put in at the start, `removed_register` where it was taken out at
    the end.
    """

    meter_id: int
    serial: str
    unit: str
    scale: int
    digits: int
    start: datetime
    end: datetime
    installed_register: int | None
    removed_register: int | None


@dataclass(frozen=True, slots=True)
class UseBefore:
    """What earlier bills of the point came to: `units` times 10^scale of `unit` in `days` days."""

    unit: str
    units: int
    scale: int
    days: int
    bills: int


Registers = Mapping[tuple[int, datetime], RegisterPoint]


def segment(
    span: MeterSpan, *, registers: Registers, handed_over: RegisterPoint | None, before: UseBefore | None
) -> tuple[Segment, tuple[str, ...]]:
    """Find the registers at both ends; return notes on what was not read, for people.

    `handed_over` is the closing register of the bill that ended where this span starts.

    :raises RegisterMissing: if an end has no register and none can be estimated
    """
    opening = _opening(span, registers=registers, handed_over=handed_over)
    closing, notes = _closing(span, opening=opening, registers=registers, before=before)
    found = Segment(
        meter_id=span.meter_id,
        serial=span.serial,
        unit=span.unit,
        scale=span.scale,
        digits=span.digits,
        opening=opening,
        closing=closing,
    )
    return found, notes


def use_before(earlier: Sequence[tuple[Sequence[Segment], int, int, int]]) -> UseBefore | None:
    """Add up earlier bills of one unit, given as (segments, use in least digits, scale, days), newest first."""
    same = [one for one in earlier if one[0] and one[0][0].unit == earlier[0][0][0].unit] if earlier else []
    days = sum(one[3] for one in same)
    if not days:
        return None
    finest = min(one[2] for one in same)
    units = sum(one[1] * 10 ** (one[2] - finest) for one in same)
    return UseBefore(unit=same[0][0][0].unit, units=units, scale=finest, days=days, bills=len(same))


def _opening(span: MeterSpan, *, registers: Registers, handed_over: RegisterPoint | None) -> RegisterPoint:
    if handed_over is not None:
        return handed_over
    if span.installed_register is not None:
        return RegisterPoint(span.installed_register, span.start.isoformat(), "installed")
    known = registers.get((span.meter_id, span.start))
    if known is None:
        raise RegisterMissing(f"meter {span.serial} has no reading near {span.start:%Y-%m-%d %H:%M} UTC")
    return known


def _closing(
    span: MeterSpan, *, opening: RegisterPoint, registers: Registers, before: UseBefore | None
) -> tuple[RegisterPoint, tuple[str, ...]]:
    if span.removed_register is not None:
        return RegisterPoint(span.removed_register, span.end.isoformat(), "removed"), ()
    known = registers.get((span.meter_id, span.end))
    if known is None or datetime.fromisoformat(known.read_at) < datetime.fromisoformat(opening.read_at):
        return _estimated(span, opening=opening, before=before)
    fell_by = opening.register - known.register
    if 0 < fell_by <= 10**span.digits // 2 and opening.method not in SURE:
        # The estimate before was too high: nothing is charged until the meter has caught up with it.
        note = f"carried|{span.serial}|{known.register}|{opening.register}"
        return RegisterPoint(opening.register, known.read_at, "carried"), (note,)
    return known, ()


def _estimated(
    span: MeterSpan, *, opening: RegisterPoint, before: UseBefore | None
) -> tuple[RegisterPoint, tuple[str, ...]]:
    if before is None or before.unit != span.unit:
        raise RegisterMissing(
            f"meter {span.serial} has no reading near {span.end:%Y-%m-%d %H:%M} UTC, and no earlier bill to go by"
        )
    days = max(1, round((span.end - span.start).total_seconds() / 86_400))
    shift = before.scale - span.scale
    numerator = before.units * days * 10 ** max(0, shift)
    estimate = divide(numerator, before.days * 10 ** max(0, -shift), mode="half_up")
    register = (opening.register + estimate) % 10**span.digits
    note = f"estimated|{span.serial}|{before.bills}|{before.days}|{days}"
    return RegisterPoint(register, span.end.isoformat(), "estimated"), (note,)
