"""What every page shares: settings, database, clock, templates, the live hub."""

import threading
import time
from dataclasses import dataclass, field

from fastapi import Request
from psycopg import Connection
from psycopg.rows import TupleRow

from customer_app.checker_trials import Trials
from customer_app.live import Hub
from customer_app.rendering import Renderer
from customer_app.settings import WebSettings
from customer_app.shared_reads import SharedReads
from kernel.clock import Clock
from kernel.database import Pool
from kernel.metrics import Metrics
from registry import queries as registry_queries
from registry.queries import Utility

UTILITY_KEPT_S = 10.0
VIEW_LASTS_S = 600.0
VIEWS_KEPT = 20_000


@dataclass(slots=True)
class RecentViews:
    """Which login saw what in the last minutes, so that a live page is recorded once and not at each refresh."""

    _seen: dict[tuple[int, str, str], float] = field(default_factory=dict[tuple[int, str, str], float])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def is_new(self, key: tuple[int, str, str]) -> bool:
        """Tell whether login, action and object were not seen together lately, and remember them."""
        now_s = time.monotonic()
        with self._lock:
            before_s = self._seen.get(key)
            if before_s is not None and now_s - before_s < VIEW_LASTS_S:
                return False
            if len(self._seen) >= VIEWS_KEPT:
                self._seen.clear()  # at worst some views are recorded twice
            self._seen[key] = now_s
            return True


@dataclass(slots=True)
class Services:
    """Made once by `create_app`; a request finds it as `request.app.state.services`."""

    settings: WebSettings
    pool: Pool
    clock: Clock
    metrics: Metrics
    hub: Hub
    renderer: Renderer
    paths: frozenset[str]  # the pages that this process serves
    recent_views: RecentViews = field(default_factory=RecentViews)
    shared_reads: SharedReads = field(default_factory=SharedReads)
    trials: Trials = field(default_factory=Trials)
    _utility: Utility | None = None
    _utility_read_at_s: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def utility(self, conn: Connection[TupleRow]) -> Utility:
        """Give the utility that is served; its settings are read again every few seconds."""
        with self._lock:
            if self._utility is None or time.monotonic() - self._utility_read_at_s > UTILITY_KEPT_S:
                self._utility = registry_queries.utility(conn, code=self.settings.utility)
                self._utility_read_at_s = time.monotonic()
            return self._utility

    def known_utility(self) -> Utility | None:
        """Give the utility if it was read before, for pages that must show without a database."""
        return self._utility


def services_of(request: Request) -> Services:
    services = request.app.state.services
    assert isinstance(services, Services)
    return services
