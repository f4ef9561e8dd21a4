"""From registers to what is billed: segments of one meter each, rollover, and cutting to billed units."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rating_engine.domain.rounding import divide
from rating_engine.domain.tariff import QuantityRule

Method = Literal["read", "handheld", "edited", "estimated", "customer", "installed", "removed", "billed", "carried"]
# A register that falls by more than this share of its range has rolled over; one that falls by less ran backwards.
ROLLOVER_FALL = (1, 2)


class RegisterRanBackwards(Exception):
    """A register is lower at the end than at the start, and it did not roll over."""


class UnitMismatch(Exception):
    """The meter counts in a unit that the tariff does not price."""


@dataclass(frozen=True, slots=True)
class RegisterPoint:
    """A register at one end of a segment, in the meter's least digit: when it was read, and how it was got."""

    register: int
    read_at: str  # ISO, UTC
    method: Method


@dataclass(frozen=True, slots=True)
class Segment:
    """One meter's part of a billed period; a register times 10^scale is in `unit`."""

    meter_id: int
    serial: str
    unit: str
    scale: int
    digits: int
    opening: RegisterPoint
    closing: RegisterPoint


def use_units(segment: Segment, *, step: int = 1) -> int:
    """Tell what one meter counted, in its least digit; with `step`, both registers are cut to multiples of it first.

    :raises RegisterRanBackwards: if the register fell without rolling over
    """
    opening = segment.opening.register // step * step
    closing = segment.closing.register // step * step
    if closing >= opening:
        return closing - opening
    span = 10**segment.digits
    if (opening - closing) * ROLLOVER_FALL[1] <= span * ROLLOVER_FALL[0]:
        raise RegisterRanBackwards(
            f"meter {segment.serial} went from {segment.opening.register} to {segment.closing.register}"
        )
    return closing + span - opening


def billed_quantity(segments: Sequence[Segment], *, rule: QuantityRule) -> int:
    """Tell what is billed, scaled to the tariff's decimals.

    :raises UnitMismatch: if a meter does not count in the tariff's unit
    :raises RegisterRanBackwards: if a register fell without rolling over
    """
    for segment in segments:
        if segment.unit != rule.unit:
            raise UnitMismatch(f"meter {segment.serial} counts {segment.unit}, the tariff prices {rule.unit}")
    if rule.of == "registers":
        return sum(_cut(segment, rule=rule) for segment in segments)
    finest = min((segment.scale for segment in segments), default=0)
    used = sum(use_units(segment) * 10 ** (segment.scale - finest) for segment in segments)
    return _rescaled(used, shift=rule.decimals + finest, rule=rule)


def exact_use(segments: Sequence[Segment]) -> tuple[int, int]:
    """Tell what the meters counted in all, as an integer and its scale.

    :raises RegisterRanBackwards: if a register fell without rolling over
    """
    finest = min((segment.scale for segment in segments), default=0)
    return sum(use_units(segment) * 10 ** (segment.scale - finest) for segment in segments), finest


def _cut(segment: Segment, *, rule: QuantityRule) -> int:
    # Whole billed units as the dial shows them at each end: the bills of years add up to the dial, nothing is lost.
    shift = rule.decimals + segment.scale
    step = 10**-shift if shift < 0 else 1
    return _rescaled(use_units(segment, step=step), shift=shift, rule=rule)


def _rescaled(units: int, *, shift: int, rule: QuantityRule) -> int:
    return units * 10**shift if shift >= 0 else divide(units, 10**-shift, mode=rule.mode)
