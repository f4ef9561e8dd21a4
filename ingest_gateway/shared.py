"""What the threads that take readings in have in common."""

import queue
import threading
from dataclasses import dataclass, field

from ingest_gateway.batches import Ready, Windows
from ingest_gateway.books import Books
from ingest_gateway.monitor import Monitor
from ingest_gateway.settings import GatewaySettings
from kernel.clock import Clock
from kernel.database import Pool

READY_BATCHES = 1  # beside the one being written and the one being prepared


def _ready() -> "queue.Queue[Ready]":
    return queue.Queue(maxsize=READY_BATCHES)


@dataclass(frozen=True, slots=True)
class Shared:
    """Where preparer, writer and settler look things up, tell what happened, and hand work to one another."""

    pool: Pool
    clock: Clock
    books: Books
    monitor: Monitor
    settings: GatewaySettings
    worker: str
    stop: threading.Event
    windows: Windows = field(default_factory=Windows)
    ready: "queue.Queue[Ready]" = field(default_factory=_ready)
    # Set when what an earlier life left is settled: before, nothing is prepared.
    may_begin: threading.Event = field(default_factory=threading.Event)
    # Set when something was not as it seemed: what is remembered is then compared with what is stored.
    doubts: threading.Event = field(default_factory=threading.Event)
