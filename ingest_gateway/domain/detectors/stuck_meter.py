"""A meter whose register stands still.

Rule 1 (`frozen`): for 24 hours the register did not move while the meter reported flow that should have moved it, at
least 20 litres or 500 Wh. Rule 2 (`idle`): no use for 10 days, and three times as long as the longest pause, at a meter
in regular use: watched for 14 days with no pause over 2 days (a longer pause is forgotten by half in 30 days).
Ends when the register moves. Source: the usual zero-consumption exception reports of billing; the figures are ours.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.detectors.base import DAY_US, HOUR_US, Finding, Fleet, Samples, instant, register_steps, text


@dataclass(frozen=True, slots=True)
class StuckMeter:
    """Parameters may be set by each utility; flow in L/h or W, amounts in L or Wh."""

    name: ClassVar[str] = "stuck_meter"
    version: ClassVar[int] = 1
    dtype: ClassVar[np.dtype[np.void]] = np.dtype(
        [
            ("open", "?"),
            ("seen", "?"),
            ("register", "i8"),
            ("at_us", "i8"),
            ("watched_us", "i8"),  # first sample
            ("moved_us", "i8"),  # last sample that had moved the register
            ("reported", "f8"),  # what the reported flow adds up to since then
            ("longest_us", "f8"),  # longest pause in use, forgotten by half in `forget_days`
        ]
    )
    frozen_hours: float = 24.0
    frozen_litres: float = 20.0
    frozen_wh: float = 500.0
    longest_gap_h: float = 3.0
    idle_days: float = 10.0
    idle_pauses: float = 3.0
    regular_days: float = 14.0
    regular_pause_days: float = 2.0
    forget_days: float = 30.0

    def check(self, *, state: NDArray[np.void], fleet: Fleet, samples: Samples) -> list[Finding]:
        taken = samples.only(samples.has_register)
        row, at_us = taken.row, taken.at_us
        s = state[row]
        first = ~s["seen"]
        for name in ("watched_us", "moved_us", "at_us"):
            s[name] = np.where(first, at_us, s[name])
        s["register"] = np.where(first, taken.register, s["register"])
        moved = register_steps(before=s["register"], after=taken.register, ring=fleet.ring[row]) != 0
        pause_us = (at_us - s["moved_us"]).astype(np.float64)
        kept = s["longest_us"] * 0.5 ** (pause_us / (self.forget_days * DAY_US))
        passed_us = np.minimum(at_us - s["at_us"], self.longest_gap_h * HOUR_US)
        flowed = np.where(np.isnan(taken.flow), 0.0, np.maximum(taken.flow, 0.0)) * passed_us / HOUR_US

        before = s.copy()
        s["reported"] = np.where(moved, 0.0, s["reported"] + flowed)
        s["longest_us"] = np.where(moved, np.maximum(kept, pause_us), s["longest_us"])
        s["moved_us"] = np.where(moved, at_us, s["moved_us"])
        s["seen"], s["register"], s["at_us"] = True, taken.register, at_us

        enough = np.where(fleet.water[row], self.frozen_litres, self.frozen_wh)
        frozen = ~moved & (pause_us >= self.frozen_hours * HOUR_US) & (s["reported"] >= enough)
        regular = (s["moved_us"] - s["watched_us"] >= self.regular_days * DAY_US) & (
            s["longest_us"] <= self.regular_pause_days * DAY_US
        )
        idle = (
            ~moved & regular & (pause_us >= self.idle_days * DAY_US) & (pause_us >= self.idle_pauses * s["longest_us"])
        )
        was_open = before["open"]
        opens = ~was_open & (frozen | idle) & taken.may_open
        ends = was_open & moved
        s["open"] = (was_open | opens) & ~ends
        state[row] = s
        findings = [
            self._opened(s[n], rule="frozen" if frozen[n] else "idle", row=int(row[n]), water=bool(fleet.water[row[n]]))
            for n in np.flatnonzero(opens)
        ]
        findings += [self._ended(before[n], row=int(row[n]), at_us=int(at_us[n])) for n in np.flatnonzero(ends)]
        return findings

    def _opened(self, s: Any, *, rule: str, row: int, water: bool) -> Finding:
        limit = self.idle_days * 24 if rule == "idle" else self.frozen_hours
        evidence = {
            "rule": rule,
            "limit": limit,
            "unit": "h",
            "readings": [
                {"at": text(s["moved_us"]), "register": int(s["register"])},
                {"at": text(s["at_us"]), "register": int(s["register"])},
            ],
            "reported": round(float(s["reported"]), 1),
            "reported_unit": "L" if water else "Wh",
            "longest_pause_h": round(float(s["longest_us"]) / HOUR_US, 1),
            "parameters": {
                "frozen_hours": self.frozen_hours,
                "frozen_litres": self.frozen_litres,
                "frozen_wh": self.frozen_wh,
                "idle_days": self.idle_days,
                "idle_pauses": self.idle_pauses,
                "regular_days": self.regular_days,
                "regular_pause_days": self.regular_pause_days,
            },
        }
        return Finding(True, f"{self.name} {self.version}", "stuck_meter", row, instant(s["moved_us"]), evidence)

    def _ended(self, s: Any, *, row: int, at_us: int) -> Finding:
        evidence = {"still_until": text(at_us), "register_before": int(s["register"])}
        return Finding(False, f"{self.name} {self.version}", "stuck_meter", row, instant(at_us), evidence)
