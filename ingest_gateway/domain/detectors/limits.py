"""A measure beyond its limit for some samples in a row, until it is well inside again for as many."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.detectors.base import Finding, Kind, Samples, instant, text

DTYPE = np.dtype(
    [
        ("open", "?"),
        ("beyond", "i4"),  # samples in a row beyond the limit
        ("since_us", "i8"),  # the first of them
        ("first", "f8"),
        ("inside", "i4"),  # samples in a row well inside, while open
        ("inside_us", "i8"),  # the first of them
        ("worst", "f8"),
    ]
)


@dataclass(frozen=True, slots=True)
class Limit:
    """`sign` is 1 for an upper limit and -1 for a lower one; `slack` is how far inside the limit ends it."""

    detector: str
    kind: Kind
    sign: int
    slack: float
    in_a_row: int
    unit: str


def check_limit(
    limit: Limit,
    *,
    state: NDArray[np.void],
    samples: Samples,
    measure: NDArray[np.float64],
    limits: NDArray[np.float64],
) -> list[Finding]:
    """Compare each sample's measure with its meter's limit; a measure that was not sent changes nothing."""
    known = ~np.isnan(measure) & ~np.isnan(limits)
    row, at_us, value, bound = samples.row[known], samples.at_us[known], measure[known], limits[known]
    s = state[row]
    beyond = limit.sign * value > limit.sign * bound
    inside = limit.sign * value <= limit.sign * bound - limit.slack
    was_open = s["open"].copy()

    begins = beyond & (s["beyond"] == 0) & ~was_open
    s["since_us"] = np.where(begins, at_us, s["since_us"])
    s["first"] = np.where(begins, value, s["first"])
    s["beyond"] = np.where(was_open | ~beyond, 0, s["beyond"] + 1)
    opens = ~was_open & (s["beyond"] >= limit.in_a_row) & samples.may_open[known]

    s["worst"] = np.where(
        was_open | (s["beyond"] > 1), limit.sign * np.maximum(limit.sign * value, limit.sign * s["worst"]), value
    )
    s["inside_us"] = np.where(was_open & inside & (s["inside"] == 0), at_us, s["inside_us"])
    s["inside"] = np.where(was_open & inside, s["inside"] + 1, 0)
    ends = was_open & (s["inside"] >= limit.in_a_row)
    s["open"] = (was_open | opens) & ~ends
    s["beyond"] = np.where(opens, 0, s["beyond"])
    state[row] = s
    findings = [_opened(limit, s[n], row=row[n], at_us=at_us[n], value=value[n], bound=bound[n]) for n in _where(opens)]
    findings += [_ended(limit, s[n], row=row[n], value=value[n]) for n in _where(ends)]
    state["inside"][row[ends]] = 0
    return findings


def _where(mask: NDArray[np.bool_]) -> list[int]:
    return [int(n) for n in np.flatnonzero(mask)]


def _opened(limit: Limit, s: Any, *, row: int, at_us: int, value: float, bound: float) -> Finding:
    evidence = {
        "limit": round(float(bound), 3),
        "unit": limit.unit,
        "readings": [
            {"at": text(s["since_us"]), "value": round(float(s["first"]), 3)},
            {"at": text(at_us), "value": round(float(value), 3)},
        ],
        "worst": round(float(s["worst"]), 3),
        "parameters": {"in_a_row": limit.in_a_row, "slack": limit.slack},
    }
    return Finding(True, limit.detector, limit.kind, int(row), instant(s["since_us"]), evidence)


def _ended(limit: Limit, s: Any, *, row: int, value: float) -> Finding:
    evidence = {"worst": round(float(s["worst"]), 3), "value_at_end": round(float(value), 3)}
    return Finding(False, limit.detector, limit.kind, int(row), instant(s["inside_us"]), evidence)
