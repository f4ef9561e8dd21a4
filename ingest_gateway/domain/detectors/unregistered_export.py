"""Power fed into the grid by a meter for which no feeding in was agreed.

Rule, at each settled tick: the export register moved by more than a trickle in at least three slots (two of an hour or
more) and by 150 Wh in all, with no more than two days between them. A register that goes back begins anew, so a reading
of another meter that was put down to this one tells nothing. Ends after a week without.
Units: Wh, W. Source: ours; a plug-in panel of 300 W feeds 150 Wh in on a fair day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ingest_gateway.domain.checking.detector import Number
from ingest_gateway.domain.checking.findings import Finding, Kind
from ingest_gateway.domain.checking.meters import ELECTRICITY
from ingest_gateway.domain.checking.parameters import parameter
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Stage, View
from ingest_gateway.domain.detectors.habits import DAY_S, HOUR_S
from ingest_gateway.domain.detectors.telling import told

TRICKLE_W = 10.0
MOST_W = 60_000.0  # more is another meter's register
TIMES, TIMES_OF_LONG_SLOTS = 3, 2
TOGETHER_S = 2 * DAY_S
ENDED_S = 7 * DAY_S
MOST_TIMES = 10_000
LONG_AGO = 2**30  # seconds


@dataclass(frozen=True, slots=True)
class UnregisteredExport:
    """Feeding in that was not agreed."""

    name: ClassVar[str] = "unregistered_export"
    version: ClassVar[int] = 1
    kinds: ClassVar[tuple[Kind, ...]] = ("unregistered_export",)
    services: ClassVar[tuple[int, ...]] = (ELECTRICITY,)
    stages: ClassVar[tuple[Stage, ...]] = (Stage.SETTLED,)

    least_wh: Number = parameter(150.0, unit="Wh", low=10, high=100_000, about="least energy fed in that is told")

    def fields(self, _cohort: Cohort) -> Sequence[Field]:
        return [
            Field("fed", "f4"),  # Wh
            Field("times", "i2"),  # slots
            Field("none_s", "i4", fill=LONG_AGO),  # since it last fed in
            Field("since_s", "i8"),
            Field("open", "?"),
        ]

    def check(self, view: View, state: Arrays) -> list[Finding]:
        cohort, is_open, none_s = view.cohort, state["open"], state["none_s"]
        watts = view.export * (HOUR_S / cohort.interval_s)
        feeds = (watts > TRICKLE_W) & (watts < MOST_W) & ~cohort.meters.may_export
        anew = ((view.export < 0) | (none_s > TOGETHER_S)) & ~is_open
        if anew.any():
            state["fed"][anew], state["times"][anew] = 0, 0
        np.copyto(state["since_s"], view.slot_s - cohort.interval_s, where=feeds & (state["times"] == 0) & ~is_open)
        state["fed"] += np.where(feeds, view.export, 0).astype(np.float32)
        state["times"][:] = np.minimum(state["times"] + feeds, MOST_TIMES)
        none_s[:] = np.where(feeds, 0, np.minimum(none_s + cohort.interval_s, LONG_AGO))
        times = TIMES if cohort.interval_s < HOUR_S else TIMES_OF_LONG_SLOTS
        begins = feeds & ~is_open & ~view.quiet & (state["fed"] >= self.least_wh) & (state["times"] >= times)
        ends = is_open & (none_s >= ENDED_S)
        is_open[:] = (is_open | begins) & ~ends
        return [self._tell(view, state, int(row), opened=bool(begins[row])) for row in np.flatnonzero(begins | ends)]

    def _tell(self, view: View, state: Arrays, row: int, *, opened: bool) -> Finding:
        least_wh = float(np.broadcast_to(self.least_wh, len(view.seen))[row])
        fed_wh = float(state["fed"][row])
        return told(
            view,
            self,
            kind="unregistered_export",
            opened=opened,
            scope="meter",
            place=row,
            since_s=int(state["since_s"][row]) if opened else view.slot_s - int(state["none_s"][row]),
            rows=np.array([row]),
            score=fed_wh / least_wh,
            evidence={"fed_wh": round(fed_wh), "limit_wh": least_wh, "slots": int(state["times"][row])},
        )
