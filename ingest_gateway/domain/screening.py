"""Which readings of a batch are as they should be, told for all at once; the others are looked at one by one.

What is passed here would pass `sorting.Sorter` with the same outcome; what is not passed need not be wrong. A meter of
which one reading is not passed has none passed, so that its readings meet each other in the order they came.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.columns import ABSENT, Columns, Integers, Mask
from ingest_gateway.domain.meters import MeterTable
from ingest_gateway.domain.registers import KnownRegisters
from ingest_gateway.domain.validation import FLOW_LIMIT, PRESSURE_RANGE_KPA, VOLTAGE_LIMIT_V, Limits


@dataclass(frozen=True, slots=True)
class Screened:
    """Readings of a batch by place: `fresh` are newer than all that is stored of their meter, `late` are not and may
    be stored already, `others` are to be looked at one by one."""

    fresh: Integers
    late: Integers
    others: Integers


def screen(
    columns: Columns,
    *,
    slots: Integers,
    table: MeterTable,
    limits: Limits,
    known: KnownRegisters,
    touched: Integers,
) -> Screened:
    """Screen readings; `slots` says whose each is, `known` has them all. Meters in `touched` are not passed."""
    sound = _is_sound(columns, slots=slots, table=table, limits=limits)
    is_late = sound & (columns.read_at_us <= known.read_at_us[slots])
    sound &= ~_is_repeated(columns.read_at_us, slots=slots, among=np.flatnonzero(is_late))
    is_late &= sound
    candidates = np.flatnonzero(sound & ~is_late)
    order, in_line = _lines(columns, slots=slots, candidates=candidates, known=known)
    is_fresh = np.zeros(len(columns), dtype=np.bool_)
    is_fresh[order] = in_line
    passed = is_fresh | is_late
    if len(touched) or not passed.all():
        is_odd = np.zeros(len(table.meter_ids), dtype=np.bool_)
        is_odd[touched] = True
        is_odd[slots[~passed]] = True
        clean = ~is_odd[slots]
        is_fresh &= clean
        is_late &= clean
    return Screened(
        fresh=np.flatnonzero(is_fresh),
        late=np.flatnonzero(is_late),
        others=np.flatnonzero(~(is_fresh | is_late)),
    )


def _is_sound(columns: Columns, *, slots: Integers, table: MeterTable, limits: Limits) -> Mask:
    """Tell which readings say something that can be true, by themselves."""
    is_water = table.is_water[slots]
    sound = (columns.read_at_us >= limits.oldest_us) & (columns.read_at_us <= limits.newest_us)
    says = np.zeros(len(columns), dtype=np.bool_) if columns.flags is None else columns.flags != 0
    for register in (columns.register, columns.export_register):
        if register is not None:
            is_absent = register == ABSENT
            sound &= is_absent | ((register >= 0) & (register < table.register_end[slots]))
            says |= ~is_absent
    if columns.battery_pct is not None:
        is_absent = columns.battery_pct == ABSENT
        sound &= is_absent | ((columns.battery_pct >= 0) & (columns.battery_pct <= 100))
        says |= ~is_absent
    for measure, low, high in (
        (columns.flow, -FLOW_LIMIT, FLOW_LIMIT),
        (columns.pressure_kpa, *PRESSURE_RANGE_KPA),
        (columns.voltage_1_v, 0.0, VOLTAGE_LIMIT_V),
        (columns.voltage_2_v, 0.0, VOLTAGE_LIMIT_V),
        (columns.voltage_3_v, 0.0, VOLTAGE_LIMIT_V),
    ):
        if measure is not None:
            is_absent = np.isnan(measure)
            sound &= is_absent | ((measure >= low) & (measure <= high))
            says |= ~is_absent
    if columns.pressure_kpa is not None:
        sound &= is_water | np.isnan(columns.pressure_kpa)
    for voltage in (columns.voltage_1_v, columns.voltage_2_v, columns.voltage_3_v):
        if voltage is not None:
            sound &= ~is_water | np.isnan(voltage)
    return sound & says


def _is_repeated(read_at_us: Integers, *, slots: Integers, among: Integers) -> Mask:
    """Tell which of the late readings share meter and instant with another of them."""
    repeated = np.zeros(len(read_at_us), dtype=np.bool_)
    if len(among) > 1:
        order = among[np.lexsort((read_at_us[among], slots[among]))]
        same = (slots[order[1:]] == slots[order[:-1]]) & (read_at_us[order[1:]] == read_at_us[order[:-1]])
        repeated[order[1:][same]] = True
        repeated[order[:-1][same]] = True
    return repeated


def _lines(columns: Columns, *, slots: Integers, candidates: Integers, known: KnownRegisters) -> tuple[Integers, Mask]:
    """Follow each meter's readings in the order they came.

    Returns the candidates in the order of their meters, and which of them are newer than the one before with a register
    that did not fall.
    """
    if not len(candidates):
        return candidates, np.zeros(0, dtype=np.bool_)
    of_slot = slots[candidates]
    if bool((of_slot[1:] < of_slot[:-1]).any()):
        candidates = candidates[np.argsort(of_slot, kind="stable")]
        of_slot = slots[candidates]
    first = np.empty(len(candidates), dtype=np.bool_)
    first[0] = True
    np.not_equal(of_slot[1:], of_slot[:-1], out=first[1:])
    read_at_us = columns.read_at_us[candidates]
    in_line = first.copy()
    in_line[1:] |= read_at_us[1:] > read_at_us[:-1]
    if columns.register is not None:
        in_line &= _does_not_fall(columns.register[candidates], of_slot=of_slot, first=first, known=known)
    return candidates, in_line


def _does_not_fall(register: Integers, *, of_slot: Integers, first: Mask, known: KnownRegisters) -> Mask:
    """Compare each register with the one said before it, in this batch or before; where none is said none falls."""
    before: NDArray[np.int64] = np.empty_like(register)
    before[1:] = register[:-1]
    before[first] = known.register[of_slot[first]]
    said = register != ABSENT
    if not said.all():
        before = _last_said(register, said=said, first=first, stored=known.register[of_slot])
    return ~said | (register >= before)


def _last_said(register: Integers, *, said: Mask, first: Mask, stored: Integers) -> Integers:
    """Give for each reading the register that its meter said last before it, or the stored one."""
    places = np.arange(len(register))
    last = np.maximum.accumulate(np.where(said, places, -1))
    last_before = np.concatenate([[-1], last[:-1]])
    start = np.maximum.accumulate(np.where(first, places, 0))
    return np.where(last_before >= start, register[np.maximum(last_before, 0)], stored)
