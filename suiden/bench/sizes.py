"""Sizes as people write them: 50M readings, 100k meters."""

import re

BUFFERS = "1200MB"  # of a database with 100,000 meters, as docs/operators.md says
FACTORS = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}
WRITTEN = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]?)", re.IGNORECASE)


class SizeUnreadable(ValueError):
    """What was given is not a size."""


def size(text: str) -> int:
    """Read a size: 5000, 100k, 1.5M.

    :raises SizeUnreadable: if it is not a whole number above zero
    """
    found = WRITTEN.fullmatch(text.strip().replace("_", "").replace(",", ""))
    if found is None:
        raise SizeUnreadable(f"{text!r} is no size: write it as in 5000, 100k or 50M")
    exact = float(found.group(1)) * FACTORS[found.group(2).lower()]
    if exact < 1 or exact != int(exact):
        raise SizeUnreadable(f"{text!r} is no whole number above zero")
    return int(exact)


def written(count: int) -> str:
    """Write a size shortly: 50M, 1.5M, 100k."""
    for letter, factor in (("M", 1_000_000), ("k", 1_000)):
        if count >= factor:
            return f"{count / factor:.10g}{letter}"
    return str(count)
