"""Kinds of trouble: how urgent each is, by when it is promised to be mended, and what joins one incident."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

Grouping = Literal["zone", "point"]

RETURN_WINDOW = timedelta(days=3)  # trouble that comes back so soon after a repair is the same trouble
ZONE_WIDE_FROM = 3  # findings that make a fault one of the whole zone, whose customers are all told


@dataclass(frozen=True, slots=True)
class KindPolicy:
    """`priority` 1 is the most urgent; `promise` counts from the opening."""

    priority: int
    promise: timedelta
    grouping: Grouping


POLICIES: Mapping[str, KindPolicy] = {
    "pressure_low": KindPolicy(1, timedelta(hours=8), "zone"),
    "pressure_high": KindPolicy(2, timedelta(hours=12), "zone"),
    "voltage_low": KindPolicy(1, timedelta(hours=4), "zone"),
    "voltage_high": KindPolicy(1, timedelta(hours=4), "zone"),
    "continuous_flow": KindPolicy(3, timedelta(days=7), "point"),
    "stuck_meter": KindPolicy(4, timedelta(days=14), "point"),
}
REPORTED = KindPolicy(2, timedelta(days=1), "point")  # what people report, and every kind without a line above


def policy(kind: str, *, settings: Mapping[str, Any]) -> KindPolicy:
    """Give the policy of a kind; `settings["repairs"][kind]` may set `priority` and `promise_h` of a utility's own."""
    standard = POLICIES.get(kind, REPORTED)
    own: Mapping[str, Any] = settings.get("repairs", {}).get(kind, {})
    return replace(
        standard,
        priority=int(own.get("priority", standard.priority)),
        promise=timedelta(hours=float(own["promise_h"])) if "promise_h" in own else standard.promise,
    )
