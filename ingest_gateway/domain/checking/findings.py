"""What detectors say: something began at a meter or in a zone, or it ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Kind = Literal[
    "pipe_burst",
    "slow_leak",
    "household_leak",
    "stuck_meter",
    "backflow",
    "tamper",
    "sensor_drift",
    "pressure_sag",
    "valve_closure",
    "low_battery",
    "silent_meter",
    "voltage_sag",
    "voltage_swell",
    "phase_loss",
    "outage",
    "theft",
    "unregistered_export",
    "concentrator_lost",
]
# A repair of these puts another device there: what was learnt of the old one is void. Of all others the usual was
# learnt without the fault, and is what the repair brings back.
REPLACED: frozenset[Kind] = frozenset({"sensor_drift"})
Outlet = Literal["ticket", "watch"]  # people are sent out; a person looks at it first
Scope = Literal["meter", "zone", "gateway"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One step of an anomaly. Its identity is (kind, scope, place_id, since_s of the opening)."""

    kind: Kind
    opened: bool  # False: it ended
    scope: Scope
    place_id: int  # meter_id, zone_id or the concentrator's id
    at_s: int  # the arrival clock when it could be known
    since_s: int  # when it began, by the readings; of an end, when it ended
    outlet: Outlet
    score: float  # how far beyond the limit, in multiples of it
    meter_ids: tuple[int, ...]  # that show it, the worst first
    detector: str  # name and version
    evidence: Mapping[str, Any]


def instant(at_s: int) -> datetime:
    """Turn seconds since 1970 into an instant."""
    return datetime.fromtimestamp(at_s, tz=UTC)
