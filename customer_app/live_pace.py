"""A pace for what makes pages ask again, so that many open pages never ask for more than the process can serve."""

import asyncio
from collections.abc import Iterable

from customer_app.live_viewer import Viewer


class Pace:
    """Wakes viewers first come, first served, so many topics a second in all. Only the event loop touches it.

    What waits is told once, however often it changes meanwhile: with few viewers at once, with many in turn.
    """

    def __init__(self, *, per_s: float) -> None:
        self._gap_s = 1 / per_s
        self._waiting: dict[Viewer, set[str]] = {}  # in the order of their coming
        self._timer: asyncio.TimerHandle | None = None

    def tell(self, viewer: Viewer, topics: Iterable[str]) -> None:
        self._waiting.setdefault(viewer, set()).update(topics)
        if self._timer is None:
            self._tell_next()

    def forget(self, viewer: Viewer) -> None:
        self._waiting.pop(viewer, None)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _tell_next(self) -> None:
        if not self._waiting:
            self._timer = None
            return
        viewer = next(iter(self._waiting))
        topics = self._waiting.pop(viewer)
        viewer.wake(topics)
        pause_s = self._gap_s * max(1, len(topics))
        self._timer = asyncio.get_running_loop().call_later(pause_s, self._tell_next)
