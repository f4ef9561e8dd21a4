"""One cohort on its way through time: readings are laid into slots, ticks are made of them, detectors look at each."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.arrivals import MISSING, Arrivals
from ingest_gateway.domain.checking.detector import Detector
from ingest_gateway.domain.checking.findings import REPLACED, Finding, Kind
from ingest_gateway.domain.checking.meters import WATER
from ingest_gateway.domain.checking.quiet import Quiet
from ingest_gateway.domain.checking.ring import (
    MEASURES_OF_ELECTRICITY,
    MEASURES_OF_WATER,
    WHOLE_OF_ELECTRICITY,
    WHOLE_OF_WATER,
    Ring,
)
from ingest_gateway.domain.checking.state import Arrays, Field, Places, carried, fresh
from ingest_gateway.domain.checking.view import Cohort, Floats, Mask, Stage, View

DEAF_FROM = 8  # so many meters are never silent all at once by themselves
NEVER = -(2**40)  # the slot of a meter's last reading where none ever came

_HEAD = (
    Field("hour_use", "f8"),
    Field("hour_export", "f8"),
    Field("ahead_s", "i8", fill=NEVER),  # the newest instant of a clock that is far ahead
    *(
        Field(f"{stage}_{what}", "i8", fill=fill)
        for stage in ("early", "settled")
        for what, fill in (("slot", NEVER), ("register", MISSING), ("seen", NEVER))
    ),
)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a slot is waited for. A reading counts for a tick if it came no later than so long after its slot.

    `early_s` is for what must be told at once, `settled_s` at least for all else; of meters that report seldom a
    settled tick is one interval after the early one at the least.
    """

    early_s: int = 300
    settled_s: int = 7_200

    def slots_between(self, interval_s: int) -> int:
        """Count the slots by which settled ticks follow the early ones."""
        return max(1, -(-(self.settled_s - self.early_s) // interval_s))


class Lane:
    """A cohort's ring, clock and detectors. `clock_s` is the newest arrival; nothing later was looked at."""

    def __init__(self, cohort: Cohort, *, detectors: Sequence[Detector], quiet: Quiet, patience: Patience) -> None:
        self.cohort, self.quiet, self.patience = cohort, quiet, patience
        self.detectors = detectors
        self.behind = patience.slots_between(cohort.interval_s)
        self.next_slot: int | None = None  # of the next early tick
        water = bool(np.all(cohort.meters.service == WATER))
        # A meter whose clock is ahead may be one slot before its time, and the early tick waits.
        self.ahead = 3 + -(-patience.early_s // cohort.interval_s)
        depth = self.behind + self.ahead + 2
        self.ring = Ring(
            meters=len(cohort.meters),
            depth=depth,
            interval_s=cohort.interval_s,
            whole=WHOLE_OF_WATER if water else WHOLE_OF_ELECTRICITY,
            measures=MEASURES_OF_WATER if water else MEASURES_OF_ELECTRICITY,
        )
        ring = cohort.meters.ring
        self._half_ring = np.where(ring > 0, ring // 2, np.iinfo(np.int64).max)
        self.head = fresh(_HEAD, places=self.places)
        self.states = {one.name: fresh(one.fields(cohort), places=self.places) for one in detectors}

    @property
    def places(self) -> Places:
        """Give the ids that stand for the rows of the arrays."""
        return {
            "meter": self.cohort.meters.meter_id,
            "zone": self.cohort.zones.ids,
            "gateway": self.cohort.gateways.ids,
        }

    def take(
        self, arrivals: Arrivals, *, row: NDArray[np.int64], clock_s: int, heard_s: NDArray[np.int64]
    ) -> list[Finding]:
        """Take in readings in the order of their arrival, of which `clock_s` is the newest anywhere.

        `heard_s` tells when readings of any lane arrived: these, and the last one before them.
        """
        findings: list[Finding] = []
        if self.next_slot is None:
            if len(arrivals) == 0:
                return findings
            first_s = int(arrivals.received_s[0])
            self.next_slot = -(-(first_s - self.patience.early_s) // self.cohort.interval_s)
        start = 0
        while self._ready_s() < clock_s:
            end = int(np.searchsorted(arrivals.received_s, self._ready_s(), side="right"))
            if end > start:
                self._put(arrivals.take(slice(start, end)), row=row[start:end])
                start = end
            last_heard = int(np.searchsorted(heard_s, self._ready_s(), side="right")) - 1
            findings += self._tick(heard_s=int(heard_s[last_heard]) if last_heard >= 0 else NEVER)
        if start < len(arrivals):
            self._put(arrivals.take(slice(start, None)) if start else arrivals, row=row[start:])
        return findings

    def next_look_s(self) -> int | None:
        """Tell after which arrival the next slot is looked at; None before the first reading."""
        return None if self.next_slot is None else self._ready_s()

    def rebase(self, *, kinds: Collection[Kind], meter_ids: NDArray[np.int64], zone_ids: NDArray[np.int64]) -> None:
        """Let the detectors of kinds whose repair puts another device there begin afresh at meters and zones."""
        rows = {"meter": meter_ids, "zone": zone_ids}
        for detector in self.detectors:
            if not set(detector.kinds) & set(kinds) & REPLACED:
                continue
            for one in detector.fields(self.cohort):
                if one.per in rows:
                    which = np.isin(self.places[one.per], rows[one.per])
                    self.states[detector.name][one.name][which] = one.fill

    def saved(self) -> dict[str, Arrays]:
        """Give all that the lane knows, in parts; `restore` takes it back."""
        slot = NEVER if self.next_slot is None else self.next_slot
        return {
            "head": {**self.head, "next_slot": np.array(slot, dtype=np.int64)},
            "places": {str(per): ids for per, ids in self.places.items()},
            "ring": self.ring.arrays,
            **self.states,
        }

    def restore(self, saved: Mapping[str, Arrays]) -> None:
        """Go on from what was saved; what it says of meters, zones or fields that are no more is left out."""
        before = _places(saved["places"])
        slot = int(saved["head"]["next_slot"])
        self.next_slot = None if slot == NEVER else slot
        self.head = carried(saved["head"], fields=_HEAD, before=before, now=self.places)
        for detector in self.detectors:
            fields = detector.fields(self.cohort)
            known = saved.get(detector.name, {})
            self.states[detector.name] = carried(known, fields=fields, before=before, now=self.places)
        _, from_rows, to_rows = np.intersect1d(before["meter"], self.places["meter"], return_indices=True)
        for name, held in self.ring.arrays.items():
            cells = saved["ring"].get(name)
            if cells is not None and (len(cells), cells.shape[2]) == (self.ring.depth, held.shape[2]):
                held[:, to_rows] = cells[:, from_rows]

    def _ready_s(self) -> int:
        assert self.next_slot is not None, "the first reading sets it"
        return self.next_slot * self.cohort.interval_s + self.patience.early_s

    def _put(self, arrivals: Arrivals, *, row: NDArray[np.int64]) -> None:
        interval_s = self.cohort.interval_s
        ahead = arrivals.at_s > arrivals.received_s + interval_s
        if ahead.any():
            arrivals, row = self._set_right(arrivals, row=row, ahead=ahead)
        slot = self.ring.slot_of(arrivals.at_s)
        after_s = arrivals.received_s - slot * interval_s
        counts = (after_s <= self.patience.early_s + self.behind * interval_s) & (after_s >= -interval_s)
        if counts.all():
            self.ring.put(arrivals, row=row, slot=slot)
        elif counts.any():
            self.ring.put(arrivals.take(counts), row=row[counts], slot=slot[counts])

    def _set_right(
        self, arrivals: Arrivals, *, row: NDArray[np.int64], ahead: Mask
    ) -> tuple[Arrivals, NDArray[np.int64]]:
        """Take readings of clocks that are far ahead for the time when they came; what comes again is left out."""
        newest_s = self.head["ahead_s"]
        kept = np.ones(len(arrivals), dtype=np.bool_)
        for place in np.flatnonzero(ahead):
            kept[place] = arrivals.at_s[place] > newest_s[row[place]]
            newest_s[row[place]] = max(newest_s[row[place]], arrivals.at_s[place])
        at_s = np.where(ahead, arrivals.received_s, arrivals.at_s)
        return replace(arrivals, at_s=at_s).take(kept), row[kept]

    def _tick(self, *, heard_s: int) -> list[Finding]:
        assert self.next_slot is not None, "a tick has a slot"
        slot, ready_s = self.next_slot, self._ready_s()
        deaf = heard_s < slot * self.cohort.interval_s - self.cohort.interval_s // 2
        findings = self._ask(self._view(Stage.EARLY, slot, ready_s, deaf=deaf))
        settled = self._view(Stage.SETTLED, slot - self.behind, ready_s, deaf=True)
        findings += self._ask(settled)
        if self._add_to_hour(settled):
            settled.stage = Stage.HOUR
            findings += self._ask(settled)
        self.ring.clear_slot(slot + self.ahead)
        self.next_slot = slot + 1
        return findings

    def _ask(self, view: View) -> list[Finding]:
        if view.deaf:
            return []
        return [
            finding
            for detector in self.detectors
            if view.stage in detector.stages
            for finding in detector.check(view, self.states[detector.name])
        ]

    def _view(self, stage: Stage, slot: int, ready_s: int, *, deaf: bool) -> View:
        """Lay a slot out; if `deaf`, and nobody is seen in it, it is our own ear, and says nothing of meters."""
        seen = self.ring.seen(slot)
        register, before = self.ring.at("register", slot), self.ring.at("register", slot - 1)
        counted = seen & (register != MISSING)
        step = np.where(counted & (before != MISSING), self._steps(before, register), np.nan)
        last_slot, last_register = self.head[f"{stage.value}_slot"], self.head[f"{stage.value}_register"]
        gap_slots = np.where(counted & (last_slot > NEVER) & np.isnan(step), slot - last_slot, 0)
        gap_step = (
            np.where(gap_slots > 0, self._steps(last_register, register), np.nan)
            if gap_slots.any()
            else np.full(len(seen), np.nan)
        )
        np.copyto(last_slot, slot, where=counted)
        np.copyto(last_register, register, where=counted)
        last_seen = self.head[f"{stage.value}_seen"]
        np.copyto(last_seen, slot, where=seen)
        deaf = deaf and len(seen) >= DEAF_FROM and not seen.any()
        if deaf:
            last_seen[last_seen > NEVER] += 1  # `missed` counts what others were heard in
        slot_s = slot * self.cohort.interval_s
        return View(
            stage=stage,
            cohort=self.cohort,
            slot=slot,
            slot_s=slot_s,
            ready_s=ready_s,
            seen=seen,
            step=step,
            use=np.where(step < 0, np.nan, step),
            export=self._export(slot, seen),
            gap_slots=gap_slots,
            gap_step=gap_step,
            flow=self._measure("flow", slot),
            pressure_kpa=self._measure("pressure_kpa", slot),
            v1=self._measure("v1", slot),
            v2=self._measure("v2", slot),
            v3=self._measure("v3", slot),
            battery_pct=self._battery(slot),
            flags=self.ring.at("flags", slot),
            missed=slot - last_seen,
            quiet=self.quiet.during(slot_s=slot_s, interval_s=self.cohort.interval_s),
            hour_use=self.head["hour_use"],
            hour_export=self.head["hour_export"],
            deaf=deaf,
        )

    def _steps(self, before: NDArray[np.int64], after: NDArray[np.int64]) -> Floats:
        """Count from one register to the next in litres or Wh, the shorter way round where the ring is known."""
        steps = after - before
        far = np.abs(steps) > self._half_ring
        if far.any():
            ring = self.cohort.meters.ring[far]
            steps[far] -= np.sign(steps[far]) * ring
        return steps * self.cohort.meters.base_per_unit

    def _measure(self, name: str, slot: int) -> Floats:
        if not self.ring.keeps(name):
            return np.full(len(self.cohort.meters), np.nan)
        return self.ring.at(name, slot).astype(np.float64)

    def _battery(self, slot: int) -> Floats:
        battery = self.ring.at("battery_pct", slot)
        return np.where(battery == MISSING, np.nan, battery)

    def _export(self, slot: int, seen: NDArray[np.bool_]) -> Floats:
        if not self.ring.keeps("export_register"):
            return np.full(len(seen), np.nan)
        after, before = self.ring.at("export_register", slot), self.ring.at("export_register", slot - 1)
        return np.where((after != MISSING) & (before != MISSING), self._steps(before, after), np.nan)

    def _add_to_hour(self, view: View) -> bool:
        """Add a settled slot to its hour; tell whether the hour is whole."""
        per_hour = self.cohort.per_hour
        place = (view.slot - 1) % per_hour
        hours = per_hour * self.cohort.interval_s / 3600
        for name, value in (("hour_use", view.use), ("hour_export", view.export)):
            if place == 0:
                self.head[name][:] = 0.0
            self.head[name] += value / hours
        return place == per_hour - 1


def _places(saved: Arrays) -> Places:
    return {"meter": saved["meter"], "zone": saved["zone"], "gateway": saved["gateway"]}
