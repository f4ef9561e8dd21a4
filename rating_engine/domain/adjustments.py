"""What a bill would be by the registers that are known now, with everything else as the bill pins it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from rating_engine.domain.bill_input import BillInput
from rating_engine.domain.segments import MeterSpan, RegisterMissing, Registers, segment
from rating_engine.domain.use import RegisterPoint, Segment

FIXED = frozenset({"installed", "removed"})  # an exchange's registers are the registry's, not the meter's readings


@dataclass(frozen=True, slots=True)
class BilledSpan:
    """A bill's input and the time that it bills; `follows` says that a standing bill ends where it begins."""

    given: BillInput
    start: datetime
    end: datetime
    follows: bool


def as_now(billed: BilledSpan, *, registers: Registers, handed_over: Mapping[int, RegisterPoint]) -> BillInput:
    """Give the input that the bill would have now.

    `registers` are those known at the ends of its time, by meter and instant; `handed_over` the closing registers that
    the bill before it would have now, by meter. What is not known stays as it was billed.
    """
    found = [_as_now(one, billed=billed, registers=registers, handed_over=handed_over) for one in billed.given.segments]
    segments = tuple(one for one, _ in found)
    if segments == billed.given.segments:
        return billed.given
    notes = tuple(note for _, notes in found for note in notes)
    return replace(billed.given, segments=segments, notes=notes)


def _as_now(
    was: Segment, *, billed: BilledSpan, registers: Registers, handed_over: Mapping[int, RegisterPoint]
) -> tuple[Segment, tuple[str, ...]]:
    notes = tuple(note for note in billed.given.notes if note.split("|")[1:2] == [was.serial])
    opening = was.opening
    if opening.method not in FIXED:
        if was.meter_id in handed_over:
            opening = handed_over[was.meter_id]
        elif not billed.follows:
            opening = registers.get((was.meter_id, billed.start), opening)
    opened = replace(was, opening=opening)
    if was.closing.method in FIXED or (was.meter_id, billed.end) not in registers:
        return opened, notes
    span = MeterSpan(
        meter_id=was.meter_id,
        serial=was.serial,
        unit=was.unit,
        scale=was.scale,
        digits=was.digits,
        start=billed.start,
        end=billed.end,
        installed_register=None,
        removed_register=None,
    )
    try:
        return segment(span, registers=registers, handed_over=opening, before=None)
    except RegisterMissing:
        return opened, notes  # what is known is older than where the bill begins: the estimate stands
