"""The flags that a meter may raise with a reading, and the bits they are stored as."""

from collections.abc import Iterable

TAMPER = 1
LEAK = 1 << 1
BURST = 1 << 2
BACKFLOW = 1 << 3
DRY = 1 << 4
BATTERY_LOW = 1 << 5
MAGNETIC = 1 << 6
VALVE_CLOSED = 1 << 7
RELAY_OPEN = 1 << 8
POWER_LOST = 1 << 9
CLOCK_SET = 1 << 10
FAULT = 1 << 11
OTHER = 1 << 30  # a flag that we have no bit for: seen, not lost

BITS = {
    "tamper": TAMPER,
    "leak": LEAK,
    "burst": BURST,
    "backflow": BACKFLOW,
    "dry": DRY,
    "battery_low": BATTERY_LOW,
    "magnetic": MAGNETIC,
    "valve_closed": VALVE_CLOSED,
    "relay_open": RELAY_OPEN,
    "power_lost": POWER_LOST,
    "clock_set": CLOCK_SET,
    "fault": FAULT,
    "other": OTHER,
}


def to_bits(names: Iterable[str]) -> int:
    """Join flags into the integer that is stored."""
    bits = 0
    for name in names:
        bits |= BITS.get(name.lower(), OTHER)
    return bits


def to_names(bits: int) -> tuple[str, ...]:
    """Name the flags of a stored integer."""
    return tuple(name for name, bit in BITS.items() if bits & bit)
