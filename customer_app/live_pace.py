"""A pace for what makes pages ask again, so that many open pages never ask for more than the process can serve."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from customer_app.live_viewer import Viewer


@dataclass(slots=True)
class _Waiting:
    """What a viewer is to be told, from when on; times of the event loop."""

    due_s: float
    changed_s: float
    topics: set[str] = field(default_factory=set[str])


class Pace:
    """Wakes viewers first come, first served, so many topics a second in all. Only the event loop touches it.

    With few viewers each is told at once, with many in turn. What changes while a viewer waits is told in one go, and
    after `delay_s`, which what follows from a change is given to be made, it is told again if it changed meanwhile.
    """

    def __init__(self, *, per_s: float, delay_s: float = 0.0) -> None:
        self._gap_s = 1 / per_s
        self._delay_s = delay_s
        self._waiting: dict[Viewer, _Waiting] = {}  # in the order of their coming
        self._timer: asyncio.TimerHandle | None = None

    def tell(self, viewer: Viewer, topics: Iterable[str]) -> None:
        now_s = asyncio.get_running_loop().time()
        waiting = self._waiting.setdefault(viewer, _Waiting(now_s + self._delay_s, now_s))
        waiting.topics.update(topics)
        waiting.changed_s = now_s
        if self._timer is None:
            self._tell_next()

    def owes(self, viewer: Viewer) -> bool:
        return viewer in self._waiting

    def forget(self, viewer: Viewer) -> None:
        self._waiting.pop(viewer, None)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _tell_next(self) -> None:
        self._timer = None
        if not self._waiting:
            return
        loop = asyncio.get_running_loop()
        viewer, first = next(iter(self._waiting.items()))
        wait_s = first.due_s - loop.time()
        if wait_s <= 0:
            del self._waiting[viewer]
            viewer.wake(first.topics)
            if first.changed_s + self._delay_s > loop.time():
                self._waiting[viewer] = _Waiting(first.changed_s + self._delay_s, first.changed_s, first.topics)
            wait_s = self._gap_s * max(1, len(first.topics))
        self._timer = loop.call_later(wait_s, self._tell_next)
