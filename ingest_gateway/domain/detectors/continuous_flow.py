"""Water that never stops: a leak behind the meter, or a tap left open.

Rule: for 24 hours no sample was dry, and the register moved. A sample is dry when the flow it reports is below 2 L/h;
where no flow is reported, when the mean flow since the sample before is. A gap longer than two hours, or than twice the
meter's interval, begins the count anew, for nobody knows what flowed in it. Ends at the first dry sample.
The leak's rate is the lowest flow of the whole time; its litres so far are that rate times the time.
Source: AWWA M36 and meter makers' leak flags use the same rule, no zero flow in 24 hours.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.detectors.base import HOUR_US, Finding, Fleet, Samples, instant, register_steps, text


@dataclass(frozen=True, slots=True)
class ContinuousFlow:
    """Parameters may be set by each utility; flows in L/h."""

    name: ClassVar[str] = "continuous_flow"
    version: ClassVar[int] = 1
    dtype: ClassVar[np.dtype[np.void]] = np.dtype(
        [
            ("open", "?"),
            ("seen", "?"),
            ("wet", "?"),
            ("register", "i8"),
            ("at_us", "i8"),
            ("since_us", "i8"),  # first sample of the wet time
            ("lowest", "f8"),  # L/h
            ("litres", "f8"),  # all that passed the meter in the wet time
        ]
    )
    hours: float = 24.0
    dry_below_l_h: float = 2.0
    longest_gap_h: float = 2.0

    def check(self, *, state: NDArray[np.void], fleet: Fleet, samples: Samples) -> list[Finding]:
        taken = samples.only(fleet.water[samples.row] & samples.has_register)
        row, at_us = taken.row, taken.at_us
        s = state[row]
        passed_us = np.maximum(at_us - s["at_us"], 1)
        steps = register_steps(before=s["register"], after=taken.register, ring=fleet.ring[row])
        litres = np.where(s["seen"], steps * fleet.base_per_unit[row], 0.0)
        reported = ~np.isnan(taken.flow)
        level = np.where(reported, taken.flow, litres * HOUR_US / passed_us)
        gap = passed_us > np.maximum(self.longest_gap_h * HOUR_US, 2 * fleet.interval_us[row])
        # Where no flow is reported, the first sample says nothing, and neither does one after a gap.
        wet = (level >= self.dry_below_l_h) & (reported | (s["seen"] & ~gap))
        was_open = s["open"].copy()
        goes_on = wet & s["wet"] & (~gap | was_open) & (steps >= 0)
        starts = wet & ~goes_on
        s["since_us"] = np.where(starts, np.where(reported | ~s["seen"] | gap, at_us, s["at_us"]), s["since_us"])
        s["lowest"] = np.where(goes_on, np.minimum(s["lowest"], level), level)
        s["litres"] = np.where(goes_on, s["litres"] + litres, 0.0)
        s["wet"] = wet
        s["seen"], s["register"], s["at_us"] = True, taken.register, at_us
        long_enough = (at_us - s["since_us"]) >= self.hours * HOUR_US
        opens = ~was_open & goes_on & long_enough & (s["litres"] > 0) & taken.may_open
        ends = was_open & ~wet
        # The run of an open finding is told to its end, so that the end knows when it began.
        s["open"] = (was_open | opens) & ~ends
        before = state[row]
        state[row] = s
        findings = [self._opened(s[n], row=int(row[n]), at_us=int(at_us[n])) for n in np.flatnonzero(opens)]
        findings += [self._ended(before[n], row=int(row[n]), at_us=int(at_us[n])) for n in np.flatnonzero(ends)]
        return findings

    def _opened(self, s: Any, *, row: int, at_us: int) -> Finding:
        evidence = {
            "limit": self.dry_below_l_h,
            "unit": "L/h",
            "readings": [{"at": text(s["since_us"])}, {"at": text(at_us), "register": int(s["register"])}],
            **_amounts(s, until_us=at_us),
            "parameters": {"hours": self.hours, "longest_gap_h": self.longest_gap_h},
        }
        return Finding(True, f"{self.name} {self.version}", "continuous_flow", row, instant(s["since_us"]), evidence)

    def _ended(self, s: Any, *, row: int, at_us: int) -> Finding:
        evidence = {"ended_by": text(at_us), **_amounts(s, until_us=at_us)}
        return Finding(False, f"{self.name} {self.version}", "continuous_flow", row, instant(at_us), evidence)


def _amounts(s: Any, *, until_us: int) -> dict[str, float]:
    lowest = float(s["lowest"])
    hours = (until_us - int(s["since_us"])) / HOUR_US
    return {
        "litres_per_hour": round(lowest, 1),
        "litres_so_far": round(lowest * hours, 0),
        "litres_through_meter": round(float(s["litres"]), 0),
    }
