"""Where nothing is to be found for a while: planned work, closed supply, an exchanged meter."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.meters import Meters


@dataclass(frozen=True, slots=True)
class QuietSpan:
    """From `from_s` until `until_s` (both since 1970) at a meter, or at all meters of a zone or network."""

    scope: Literal["meter", "zone", "network"]
    place_id: int
    from_s: int
    until_s: int


class Quiet:
    """The spans that concern a cohort."""

    def __init__(self, spans: Sequence[QuietSpan], meters: Meters) -> None:
        columns = {"meter": meters.meter_id, "zone": meters.zone_id, "network": meters.network_id}
        found = [(span, np.flatnonzero(columns[span.scope] == span.place_id)) for span in spans]
        found = [(span, rows) for span, rows in found if len(rows)]
        self._from_s = np.array([span.from_s for span, _ in found], dtype=np.int64)
        self._until_s = np.array([span.until_s for span, _ in found], dtype=np.int64)
        self._rows = [rows for _, rows in found]
        self._none = np.zeros(len(meters), dtype=np.bool_)

    def during(self, *, slot_s: int, interval_s: int) -> NDArray[np.bool_]:
        """Tell which meters are quiet in the interval that ends at a slot, or begins there."""
        under_way = (self._from_s - interval_s <= slot_s) & (slot_s <= self._until_s + interval_s)
        if not under_way.any():
            return self._none
        quiet = self._none.copy()
        for number in np.flatnonzero(under_way):
            quiet[self._rows[number]] = True
        return quiet
