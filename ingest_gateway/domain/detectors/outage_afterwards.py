"""No supply that nobody could tell from lost radio while it lasted: the register is the witness afterwards.

Rule: a meter is back after a gap of two hours and more, and over the gap its register moved by less than a quarter of
what it never falls short of (a running low quantile of its use in a slot); one meter alone tells it to the watch list,
for solar panels and a register that got stuck look the same. Of a zone, most of whose meters come back in one slot, all
of them together: less than four tenths, for each has one slot of common use at the end of the gap. Gaps in which work
was planned, or whose outage was told while it lasted, tell nothing.
Units: Wh. Source: the register as the witness of supply; a fridge alone moves it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Floats, Mask, View

LEAST_GAP_S = 7_200
LEAST_SLOTS = 3
LEAST_OF_ZONE = 3
HOURS_TO_LEARN = 48
USUAL_S = 3 * 86_400
LOW_QUANTILE = 0.2
STEP = 0.1  # of the mean use, by which the low quantile moves
MOVED_ALONE = 0.25
MOVED_OF_ZONE = 0.4
LEAST_WH_ALONE = 100.0
LEAST_WH_OF_ZONE = 50.0

FIELDS: Sequence[Field] = (
    Field("learnt", "i2"),
    Field("mean", "f8"),  # Wh a slot
    Field("least", "f8"),  # Wh a slot
    Field("known", "?"),  # why it is silent: work was planned, or an outage was told, since it last spoke
)


@dataclass(frozen=True, slots=True)
class Stood:
    """Where registers stood still over the gap that this slot ends."""

    zones: Mask
    meters: Mask
    back: Mask  # the meters that came back
    moved: Floats  # Wh
    least: Floats  # Wh that they never fell short of

    def evidence(self, view: View, rows: NDArray[np.intp]) -> dict[str, int]:
        """Tell of some meters what their registers say."""
        return {
            "silent_meters": len(rows),
            "moved_wh": round(float(self.moved[rows].sum())),
            "least_wh": round(float(self.least[rows].sum())),
            "gap_slots": int(np.median(view.gap_slots[rows])),
        }


def look_back(view: View, state: Arrays, *, explained: Mask) -> Stood | None:
    """See what the registers say of the gaps that end now; `explained` are the meters whose silence is known by now."""
    state["known"] |= explained | view.quiet
    back = view.gap_slots * view.cohort.interval_s >= LEAST_GAP_S
    back &= (view.gap_slots >= LEAST_SLOTS) & (state["learnt"] >= HOURS_TO_LEARN) & (view.gap_step >= 0)
    back &= ~state["known"]
    stood = _stood(view, state, back=back) if back.any() else None
    np.copyto(state["known"], False, where=view.seen & ~view.quiet & ~explained)
    return stood


def _stood(view: View, state: Arrays, *, back: Mask) -> Stood:
    zones = view.cohort.zones
    least = np.where(back, state["least"] * view.gap_slots, 0.0)
    moved = np.where(back, view.gap_step, 0.0)
    least_of_zone, returned = zones.total(least), zones.count(back)
    of_zone = (zones.total(moved) < MOVED_OF_ZONE * least_of_zone) & (least_of_zone >= LEAST_WH_OF_ZONE)
    of_zone &= (returned >= LEAST_OF_ZONE) & (2 * returned > zones.count(view.seen))
    alone = back & (moved < MOVED_ALONE * least) & (least >= LEAST_WH_ALONE)
    alone &= ~zones.to_meters(returned >= LEAST_OF_ZONE, nowhere=False)
    return Stood(of_zone, alone, back, moved, least)


def learn(view: View, state: Arrays) -> None:
    """Learn from an hour's use what a meter uses in a slot, in the mean and at least."""
    known = ~np.isnan(view.hour_use)
    hour_s = view.cohort.per_hour * view.cohort.interval_s
    use = np.where(known, view.hour_use, 0.0) * (view.cohort.interval_s / 3600)
    mean, least, learnt = state["mean"], state["least"], state["learnt"]
    share = np.maximum(min(1.0, hour_s / USUAL_S), 1.0 / (learnt + 1.0))
    mean += np.where(known, share * (use - mean), 0.0)
    step = STEP * mean * np.where(use >= least, LOW_QUANTILE, LOW_QUANTILE - 1)
    np.maximum(least + np.where(known, step, 0.0), 0.0, out=least)
    learnt += known & (learnt < HOURS_TO_LEARN)
