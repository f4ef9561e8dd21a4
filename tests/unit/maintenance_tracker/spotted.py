"""Findings as these tests write them."""

from itertools import count
from typing import Any

from maintenance_tracker.domain.findings import Finding, FindingScope, Outlet
from maintenance_tracker.domain.grouping import Grouping

T0 = 1_760_000_000
MINUTE = 60
HOUR = 3600
DAY = 24 * HOUR
POWER = frozenset({"voltage_sag", "voltage_swell", "phase_loss", "outage", "theft", "unregistered_export"})
_ids = count(1)


def grouping(**more: Any) -> Grouping:
    """Make an empty one whose incidents are numbered from 1."""
    return Grouping(new_id=count(1).__next__, **more)


def meter(kind: str, meter_id: int, *, zone: int = 1, at: int = T0, **more: Any) -> Finding:
    """Find something at a meter."""
    return _finding(kind, "meter", zone=zone, meter_id=meter_id, at=at, **more)


def zone(kind: str, zone_id: int, *, at: int = T0, **more: Any) -> Finding:
    """Find something in a whole zone."""
    return _finding(kind, "zone", zone=zone_id, meter_id=None, at=at, **more)


def gateway(gateway_id: int, *, at: int = T0, **more: Any) -> Finding:
    """Find that a concentrator says nothing any more."""
    return _finding("concentrator_lost", "gateway", zone=None, meter_id=None, at=at, gateway_id=gateway_id, **more)


def _finding(
    kind: str,
    scope: FindingScope,
    *,
    zone: int | None,
    meter_id: int | None,
    at: int,
    since: int | None = None,
    network: int = 1,
    gateway_id: int | None = 1,
    score: float = 1.0,
    outlet: Outlet = "ticket",
    meter_ids: tuple[int, ...] = (),
    finding_id: int | None = None,
) -> Finding:
    return Finding(
        finding_id=next(_ids) if finding_id is None else finding_id,
        kind=kind,
        service="electricity" if kind in POWER else "water",
        scope=scope,
        network_id=network,
        zone_id=zone,
        gateway_id=gateway_id,
        meter_id=meter_id,
        at_s=at,
        since_s=at if since is None else since,
        score=score,
        outlet=outlet,
        meter_ids=meter_ids,
    )
