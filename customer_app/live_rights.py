"""Streams that must end: their session is over, a right was taken, or a meter is another's now."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

import structlog

from customer_app.live_viewer import Standing, Viewer

log = structlog.get_logger()

Check = Callable[[int, Sequence[Standing]], list[Standing]]  # of a utility, those that stand no more; in a thread


class StandingWatch:
    """Ends streams whose grounds are gone."""

    def __init__(self, *, check: Check, every_s: float) -> None:
        self._check = check
        self._every_s = every_s

    async def look(self, viewers: Collection[Viewer]) -> None:
        """Check all these streams, and end those that stand no more."""
        by_utility: dict[int, dict[Standing, list[Viewer]]] = defaultdict(lambda: defaultdict(list))
        for viewer in viewers:
            if viewer.standing is not None:
                by_utility[viewer.utility_id][viewer.standing].append(viewer)
        for utility_id, by_standing in by_utility.items():
            for fallen in await asyncio.to_thread(self._check, utility_id, list(by_standing)):
                for viewer in by_standing[fallen]:
                    viewer.end()

    async def look_on(self, viewers: Callable[[], Collection[Viewer]]) -> None:
        """Check again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.look(list(viewers()))
            except Exception as error:  # noqa: BLE001  # the database is away, and so is all that could be shown
                log.warning("live.standings_unchecked", error=f"{type(error).__name__}: {error}")
