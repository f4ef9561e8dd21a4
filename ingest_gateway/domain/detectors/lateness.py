"""Meters that come too late for early ticks as a rule, as with a clock that is behind: settled ticks judge them."""

from collections.abc import Sequence

import numpy as np

from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Mask, Stage, View

FIELDS: Sequence[Field] = (
    Field("early_share", "f4"),  # of the slots that had a reading in time for the early tick
    Field("settled_share", "f4"),
)
SHARE_S = 86_400  # time constant
SELDOM = 0.3  # of the readings that come in time for settled ticks
ENOUGH = 0.1


def judged_now(view: View, state: Arrays) -> Mask | None:
    """Tell which meters are to be judged at this tick, early or settled; None: all of them."""
    share = state["early_share" if view.stage is Stage.EARLY else "settled_share"]
    share += np.float32(min(1.0, view.cohort.interval_s / SHARE_S)) * (view.seen - share)
    settled = state["settled_share"]
    late = (state["early_share"] < SELDOM * settled) & (settled > ENOUGH)
    if view.stage is Stage.EARLY:
        return ~late if late.any() else None
    return late
