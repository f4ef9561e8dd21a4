"""Putting into words what a detector found at a place of the view."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.detector import Detector, label
from ingest_gateway.domain.checking.findings import Finding, Kind, Outlet, Scope
from ingest_gateway.domain.checking.view import View

NO_EVIDENCE: Mapping[str, Any] = {}


def told(
    view: View,
    detector: Detector,
    *,
    kind: Kind,
    opened: bool,
    scope: Scope,
    place: int,
    since_s: int,
    rows: NDArray[np.intp],
    score: float = 1.0,
    outlet: Outlet = "ticket",
    evidence: Mapping[str, Any] = NO_EVIDENCE,
) -> Finding:
    """Make a finding of this tick; `place` is the row of its meter, zone or gateway, `rows` the meters showing it."""
    cohort = view.cohort
    ids = {"meter": cohort.meters.meter_id, "zone": cohort.zones.ids, "gateway": cohort.gateways.ids}[scope]
    return Finding(
        kind=kind,
        opened=opened,
        scope=scope,
        place_id=int(ids[place]),
        at_s=view.ready_s,
        since_s=since_s,
        outlet=outlet,
        score=round(float(score), 3),
        meter_ids=tuple(cohort.meters.meter_id[rows].tolist()),
        detector=label(detector),
        evidence=evidence,
    )
