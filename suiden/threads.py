"""The threads of one process: when one of them ends before its time, the process does."""

import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger()


class ThreadEnded(Exception):
    """A thread ended that should run as long as its process; what it raised is in the log."""


class Threads:
    """Threads that all run until `stop`; one that ends before sets `stop`, and `join` raises.

    A process that lives on without one of its threads says that it lives, and part of its work is never done.
    """

    def __init__(self, *, stop: threading.Event) -> None:
        self._stop = stop
        self._threads: list[threading.Thread] = []
        self._ended: set[str] = set()

    def start(self, name: str, work: Callable[[], object]) -> None:
        """Start a thread under a name."""
        thread = threading.Thread(target=self._run, args=(name, work), name=name)
        self._threads.append(thread)
        thread.start()

    def health(self) -> dict[str, bool]:
        """Tell for each thread whether it runs, or was stopped and not ended of itself."""
        return {thread.name: thread.name not in self._ended for thread in tuple(self._threads)}

    def join(self) -> None:
        """Wait until all have ended.

        :raises ThreadEnded: if one ended before `stop` was set
        """
        for thread in self._threads:
            thread.join()
        if self._ended:
            raise ThreadEnded(f"ended before the process was stopped: {', '.join(sorted(self._ended))}; see the log")

    def _run(self, name: str, work: Callable[[], object]) -> None:
        ended_well = False
        try:
            work()
            ended_well = self._stop.is_set()
            if not ended_well:
                log.error("thread.ended", thread=name)
        except Exception:
            log.exception("thread.failed", thread=name)
        finally:
            if not ended_well:
                self._ended.add(name)
                self._stop.set()
