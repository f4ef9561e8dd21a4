"""The checker of a utility: its meters in lanes by service and interval, fed with readings in the order they arrived.

What it finds is a function of the readings and of when each arrived: not of how the stream was cut into batches, of
repetitions, of the order of what came in time for its tick, or of a restart in between.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.arrivals import Arrivals
from ingest_gateway.domain.checking.detector import Detector
from ingest_gateway.domain.checking.findings import Finding, Kind
from ingest_gateway.domain.checking.lane import NEVER, Lane, Patience
from ingest_gateway.domain.checking.meters import Meters
from ingest_gateway.domain.checking.quiet import Quiet, QuietSpan
from ingest_gateway.domain.checking.state import packed, unpacked
from ingest_gateway.domain.checking.view import Cohort, cohort_of

DetectorsFor = Callable[[Cohort], Sequence[Detector]]
NO_MORE = -1  # a row whose meter is in no lane


class OutOfOrder(Exception):
    """Readings were handed in that arrived before others which were looked at already."""


class Checker:
    """Made anew when meters, parameters or planned work change, and given what the one before had `saved`."""

    def __init__(
        self,
        meters: Meters,
        *,
        detectors_for: DetectorsFor,
        quiet: Sequence[QuietSpan] = (),
        patience: Patience | None = None,
    ) -> None:
        self.meters = meters
        self.clock_s: int | None = None  # the newest arrival
        self._heard_s = NEVER  # when the last reading arrived
        self._lanes: dict[str, Lane] = {}
        self._lane_of = np.zeros(len(meters), dtype=np.int16)
        self._row_in_lane = np.zeros(len(meters), dtype=np.int64)
        kinds = np.unique(np.stack([meters.service.astype(np.int64), meters.interval_s]), axis=1).T
        for number, (service, interval_s) in enumerate(kinds.tolist()):
            rows = np.flatnonzero((meters.service == service) & (meters.interval_s == interval_s))
            cohort = cohort_of(meters.take(rows), interval_s=interval_s)
            self._lane_of[rows] = number
            self._row_in_lane[rows] = np.arange(len(rows))
            self._lanes[f"{service}/{interval_s}"] = Lane(
                cohort,
                detectors=detectors_for(cohort),
                quiet=Quiet(quiet, cohort.meters),
                patience=patience or Patience(),
            )

    def take(self, arrivals: Arrivals, *, clock_s: int | None = None) -> list[Finding]:
        """Take in readings as they arrived; give what that and the time tell, oldest first.

        `clock_s` moves the clock beyond the newest of them.

        :raises OutOfOrder: if one of them arrived before what was taken in already, or they are not in order
        """
        self._move_clock(arrivals, clock_s)
        if self.clock_s is None:
            return []
        alone = len(self._lanes) == 1
        lane_of = self._lane_of[arrivals.row]
        findings: list[Finding] = []
        heard_s = np.concatenate(([self._heard_s], arrivals.received_s))
        for number, lane in enumerate(self._lanes.values()):
            here = slice(None) if alone else np.flatnonzero(lane_of == number)
            own = arrivals if alone else arrivals.take(here)
            findings += lane.take(own, row=self._row_in_lane[own.row], clock_s=self.clock_s, heard_s=heard_s)
        if len(arrivals):
            self._heard_s = int(arrivals.received_s[-1])
        return sorted(findings, key=_order)

    def next_look_s(self) -> int | None:
        """Tell after which arrival the next slot is looked at; None before the first reading."""
        return min(
            (ready_s for lane in self._lanes.values() if (ready_s := lane.next_look_s()) is not None), default=None
        )

    def rebase(self, *, kinds: Collection[Kind], meter_ids: Collection[int], zone_ids: Collection[int]) -> None:
        """Let what was learnt begin afresh at meters and zones after a repair, where that put another device there."""
        meters, zones = (np.array(sorted(ids), dtype=np.int64) for ids in (meter_ids, zone_ids))
        for lane in self._lanes.values():
            lane.rebase(kinds=kinds, meter_ids=meters, zone_ids=zones)

    def saved(self) -> dict[str, bytes]:
        """Give all that the checker knows, in named parts."""
        clock = np.array(-1 if self.clock_s is None else self.clock_s, dtype=np.int64)
        parts = {"checker": packed({"clock_s": clock, "heard_s": np.array(self._heard_s, dtype=np.int64)})}
        for key, lane in self._lanes.items():
            for name, arrays in lane.saved().items():
                parts[f"{key}/{name}"] = packed(arrays)
        return parts

    def restore(self, saved: Mapping[str, bytes]) -> None:
        """Go on from what was saved, by this checker or by one of other meters; state goes with the meter.

        :raises StateUnreadable: if a part is not what `saved` gave
        """
        times = unpacked(saved["checker"])
        clock_s, self._heard_s = int(times["clock_s"]), int(times["heard_s"])
        self.clock_s = None if clock_s < 0 else clock_s
        for key, lane in self._lanes.items():
            parts = {name.removeprefix(f"{key}/"): data for name, data in saved.items() if name.startswith(f"{key}/")}
            if parts:
                lane.restore({name: unpacked(data) for name, data in parts.items()})

    def _move_clock(self, arrivals: Arrivals, clock_s: int | None) -> None:
        received_s: NDArray[np.int64] = arrivals.received_s
        before = self.clock_s
        if len(arrivals):
            first, last = int(received_s[0]), int(received_s[-1])
            if (before is not None and first < before) or bool((received_s[1:] < received_s[:-1]).any()):
                raise OutOfOrder(f"readings arrived at {first} (since 1970) and were handed in after {before}")
            self.clock_s = last
        if clock_s is not None:
            self.clock_s = max(clock_s, self.clock_s or clock_s)


def _order(finding: Finding) -> tuple[int, str, str, int, bool]:
    return finding.at_s, finding.kind, finding.scope, finding.place_id, finding.opened
