"""What many open pages ask for alike, read once for all of them."""

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

LEAST_AGE_S = 0.5
AGE_PER_COST = 20.0  # a read that takes a second is used for twenty: it never takes more than a twentieth of the time
KEPT = 100

T = TypeVar("T")


@dataclass(slots=True)
class _Read:
    """The last answer to one question; whoever asks meanwhile waits for it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    answer: Any = None
    read_s: float = float("-inf")  # monotonic
    cost_s: float = 0.0

    def is_fresh(self) -> bool:
        return time.monotonic() - self.read_s < max(LEAST_AGE_S, self.cost_s * AGE_PER_COST)


class SharedReads:
    """Answers by question. Only for what does not depend on who asks, and whoever asks has been let in before."""

    def __init__(self) -> None:
        self._reads: dict[Hashable, _Read] = {}
        self._lock = threading.Lock()

    def get(self, question: Hashable, read: Callable[[], T], *, anew: bool) -> T:
        """Give the last answer while it is fresh; `anew`: read in any case."""
        with self._lock:
            known = self._reads.pop(question, None) or _Read()
            self._reads[question] = known  # the newest at the end
            while len(self._reads) > KEPT:
                self._reads.pop(next(iter(self._reads)))
        asked_s = time.monotonic()
        with known.lock:
            if known.read_s < asked_s if anew else not known.is_fresh():
                started_s = time.monotonic()
                known.answer = read()
                known.read_s = started_s
                known.cost_s = time.monotonic() - started_s
            return known.answer
