"""How findings of each kind hang together: what has one cause, what explains what, and how long trouble is held.

Trouble with a definite end, such as an outage, is held for a few hours; a fault that stays where it is until somebody
mends it, such as a leak, is held for 18 and comes back as the same for three days.
"""

from collections.abc import Mapping
from dataclasses import dataclass

HOUR_S = 3600
DAY_S = 24 * HOUR_S

FLOOD_WINDOW_S = 600
FLOOD_LASTS_S = HOUR_S  # so long after it began a flood takes in what is too much; it outlasts the window
FLOOD_TICKETS = 5  # most tickets that open in the window, the flood's own among them
ZONE_WIDE_FROM = 3  # meters' findings that make a fault one of the whole zone, whose customers are all told
STORM_SHARE = 3  # one in so many of a concentrator's meters silent: the concentrator; of all meters: a storm
LASTING_H = 24 * 30  # as long as the incident lasts
LONGEST_RETURN_S = 4 * DAY_S  # nothing that was over and mended for longer comes back
GROWTH_S = 12 * HOUR_S  # a burst that begins so long after a leak in its zone is a second fault


@dataclass(frozen=True, slots=True)
class GroupingRule:
    """Of a kind of finding."""

    cause: str  # findings of one cause at one place are one fault
    rank: int  # among the kinds of an incident, the highest names it
    shared_s: int  # meters of one zone that begin within so long of each other show one fault; 0: each has its own
    hold_s: int  # quiet for so long: over
    return_s: int  # after it was over for less than this, it is the same fault again
    spread_s: int = 0  # zones of one network that begin within so long of each other show one fault
    explains: frozenset[str] = frozenset()  # other causes that trouble of this kind accounts for where it is
    explains_for_s: int = 30 * DAY_S  # so long after it began


def _rule(
    cause: str,
    rank: int,
    *,
    shared_h: float = 0.0,
    hold_h: float = 18.0,
    return_h: float = 72.0,
    spread_h: float = 0.0,
    explains: tuple[str, ...] = (),
    explains_for_h: float = 24 * 30,
) -> GroupingRule:
    return GroupingRule(
        cause=cause,
        rank=rank,
        shared_s=int(shared_h * HOUR_S),
        hold_s=int(hold_h * HOUR_S),
        return_s=int(return_h * HOUR_S),
        spread_s=int(spread_h * HOUR_S),
        explains=frozenset(explains),
        explains_for_s=int(explains_for_h * HOUR_S),
    )


RULES: Mapping[str, GroupingRule] = {
    "pipe_burst": _rule(
        "leak",
        9,
        shared_h=LASTING_H,
        return_h=0,
        spread_h=2,
        explains=("low pressure", "sensor"),
        explains_for_h=24,
    ),
    "slow_leak": _rule(
        "leak", 5, shared_h=LASTING_H, return_h=24, spread_h=6, explains=("low pressure",), explains_for_h=12
    ),
    "valve_closure": _rule(
        "low pressure", 7, shared_h=LASTING_H, hold_h=6, return_h=0, spread_h=2, explains=("sensor",)
    ),
    "pressure_sag": _rule(
        "low pressure", 6, shared_h=LASTING_H, hold_h=6, return_h=0, spread_h=2, explains=("sensor",)
    ),
    "household_leak": _rule("customer leak", 4),
    "stuck_meter": _rule("under-registration", 4),
    "tamper": _rule("under-registration", 4),
    "theft": _rule("under-registration", 4),
    "backflow": _rule("backflow", 5, shared_h=1),
    "sensor_drift": _rule("sensor", 3),
    "voltage_sag": _rule(
        "low voltage", 6, shared_h=LASTING_H, hold_h=3, return_h=0, spread_h=0.5, explains=("sensor",)
    ),
    "voltage_swell": _rule(
        "high voltage", 6, shared_h=LASTING_H, hold_h=3, return_h=0, spread_h=0.5, explains=("sensor",)
    ),
    "phase_loss": _rule("power loss", 7, shared_h=1, hold_h=6, return_h=0, explains=("low voltage", "sensor")),
    "outage": _rule(
        "power loss",
        8,
        shared_h=1,
        hold_h=3,
        return_h=0,
        spread_h=0.5,
        explains=("low voltage", "sensor", "silence", "under-registration", "export"),
    ),
    "unregistered_export": _rule("export", 4),
    "silent_meter": _rule("silence", 2, shared_h=6, hold_h=6, return_h=24),
    "concentrator_lost": _rule("silence", 3, shared_h=6, hold_h=6, return_h=24, spread_h=1),
    "storm": _rule("silence", 4, shared_h=6, hold_h=6, return_h=24),
    "low_battery": _rule("battery", 1),
}
REPORTED = _rule("reported", 4)  # what people report, and every kind without a line above


def rule_of(kind: str) -> GroupingRule:
    """Give the rule of a kind."""
    return RULES.get(kind, REPORTED)
