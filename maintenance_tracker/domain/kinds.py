"""Kinds of trouble: how urgent each is, and by when it is promised to be mended."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

RETURN_WINDOW = timedelta(days=3)  # trouble that comes back so soon after a repair is the same trouble


@dataclass(frozen=True, slots=True)
class KindPolicy:
    """`priority` 1 is the most urgent; `promise` counts from the opening; `told`: customers concerned hear of it."""

    priority: int
    promise: timedelta
    told: bool = True


POLICIES: Mapping[str, KindPolicy] = {
    "pipe_burst": KindPolicy(1, timedelta(hours=8)),
    "outage": KindPolicy(1, timedelta(hours=4)),
    "voltage_sag": KindPolicy(1, timedelta(hours=4)),
    "voltage_swell": KindPolicy(1, timedelta(hours=4)),
    "phase_loss": KindPolicy(1, timedelta(hours=8)),
    "backflow": KindPolicy(1, timedelta(hours=12)),  # what flows back may spoil the water of others
    "pressure_sag": KindPolicy(1, timedelta(hours=8)),
    "valve_closure": KindPolicy(2, timedelta(hours=12)),
    "storm": KindPolicy(2, timedelta(hours=12), told=False),
    "concentrator_lost": KindPolicy(2, timedelta(days=1), told=False),
    "slow_leak": KindPolicy(3, timedelta(days=5)),
    "household_leak": KindPolicy(3, timedelta(days=7)),
    "unregistered_export": KindPolicy(3, timedelta(days=14), told=False),
    "tamper": KindPolicy(3, timedelta(days=14), told=False),
    "theft": KindPolicy(3, timedelta(days=14), told=False),
    "stuck_meter": KindPolicy(4, timedelta(days=14)),
    "sensor_drift": KindPolicy(4, timedelta(days=30), told=False),
    "silent_meter": KindPolicy(4, timedelta(days=7), told=False),
    "low_battery": KindPolicy(4, timedelta(days=60), told=False),
}
REPORTED = KindPolicy(2, timedelta(days=1))  # what people report, and every kind without a line above


def policy(kind: str, *, settings: Mapping[str, Any]) -> KindPolicy:
    """Give the policy of a kind; `settings["repairs"][kind]` may set `priority` and `promise_h` of a utility's own."""
    standard = POLICIES.get(kind, REPORTED)
    own: Mapping[str, Any] = settings.get("repairs", {}).get(kind, {})
    return replace(
        standard,
        priority=int(own.get("priority", standard.priority)),
        promise=timedelta(hours=float(own["promise_h"])) if "promise_h" in own else standard.promise,
    )
