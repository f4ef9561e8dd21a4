"""What the gateway counts and says of itself."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from ingest_gateway.operations.intake import Taken
from kernel.metrics import Metrics

WAIT_STEP_S = 1e-4
WAIT_BUCKETS = 100_000
FINE_BUCKETS = 1_000


@dataclass(frozen=True, slots=True)
class Totals:
    """Readings since the start; received = stored + duplicates + rejected."""

    received: int = 0
    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    messages: int = 0
    batches: int = 0

    def plus(self, taken: Taken, *, messages: int) -> "Totals":
        return Totals(
            received=self.received + taken.received,
            stored=self.stored + taken.stored,
            duplicates=self.duplicates + taken.duplicates,
            rejected=self.rejected + taken.rejected,
            messages=self.messages + messages,
            batches=self.batches + 1,
        )


class Waits:
    """How long messages took from the socket to their commit, in tenths of a millisecond up to ten seconds."""

    def __init__(self) -> None:
        self._counts = np.zeros(WAIT_BUCKETS, dtype=np.int64)
        self._before = np.zeros(WAIT_BUCKETS, dtype=np.int64)  # as they were when percentiles were last asked for

    def add(self, waited_s: float, *, count: int) -> None:
        self._counts[min(int(waited_s / WAIT_STEP_S), WAIT_BUCKETS - 1)] += count

    def percentiles_ms(self) -> dict[str, float]:
        """Give the percentiles of all that was added since the last call."""
        counts = self._counts.copy()
        running = np.cumsum(counts - self._before)
        self._before = counts
        total = int(running[-1])
        if not total:
            return {}
        return {
            name: round(float(np.searchsorted(running, share * total) + 1) * WAIT_STEP_S * 1000, 1)
            for name, share in (("commit_ms_p50", 0.5), ("commit_ms_p95", 0.95), ("commit_ms_p99", 0.99))
        }

    def counts_by_ms(self) -> dict[str, int]:
        """Count all since the start by the millisecond (beyond 100: by the 10 ms) that they had not passed."""
        fine = self._counts[:FINE_BUCKETS].reshape(-1, 10).sum(axis=1)
        coarse = self._counts[FINE_BUCKETS:].reshape(-1, 100).sum(axis=1)
        limits = [*range(1, len(fine) + 1), *range(len(fine) + 10, len(fine) + 10 * len(coarse) + 1, 10)]
        counts = np.concatenate([fine, coarse])
        return {str(limits[place]): int(counts[place]) for place in np.flatnonzero(counts).tolist()}


class Monitor:
    """Counters of one gateway process; written by the writer, read by the health thread."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self.totals = Totals()
        self.last_commit_at: datetime | None = None  # wall time
        self._commit_error = self._settle_error = ""
        self._beat_error = "not asked yet"
        self._lock = threading.Lock()
        self._readings = metrics.counter("suiden_readings_total", "Readings by what became of them", ("outcome",))
        self._rejected = metrics.counter("suiden_readings_rejected_total", "Refused readings by reason", ("reason",))
        self._messages = metrics.counter("suiden_messages_total", "Messages taken in")
        self._commit = metrics.histogram("suiden_intake_commit_seconds", "Time from taking a batch to its commit")
        self._wait = metrics.histogram(
            "suiden_intake_wait_seconds", "Age of a batch's first message when it was committed"
        )
        self._commands = metrics.counter("suiden_commands_total", "Commands by the state they came to", ("state",))
        self.gauges = {
            name: metrics.gauge(f"suiden_gateway_{name}", text)
            for name, text in (
                ("buffer_messages", "Messages received and not yet stored"),
                ("buffer_bytes", "Bytes received and not yet stored"),
                ("broker_connected", "1 while messages come in"),
                ("database_ok", "1 while batches are committed"),
                ("connects", "Connections made to the broker"),
                ("thread_restarts", "Times that the connection's thread was started anew"),
            )
        }
        self.waits = Waits()
        self._rated = (time.monotonic(), self.totals)

    def committed(
        self, taken: Taken, *, messages: int, took_s: float, waited: Sequence[tuple[float, int]], at: datetime
    ) -> None:
        """Count a committed batch; `waited` says how long its messages took from the socket to here, and how many."""
        with self._lock:
            self.totals = self.totals.plus(taken, messages=messages)
        self.last_commit_at = at
        self._commit_error = self._beat_error = ""
        for outcome, count in (
            ("received", taken.received),
            ("stored", taken.stored),
            ("duplicate", taken.duplicates),
            ("rejected", taken.rejected),
        ):
            self._readings.labels(outcome).inc(count)
        for reason, count in taken.reasons.items():
            self._rejected.labels(reason).inc(count)
        self._messages.inc(messages)
        self._commit.observe(took_s)
        for waited_s, count in waited:
            self.waits.add(waited_s, count=count)
        if waited:
            self._wait.observe(waited[0][0])

    @property
    def database_error(self) -> str:
        return self._commit_error or self._settle_error or self._beat_error

    @property
    def database_ok(self) -> bool:
        return not self.database_error

    def database_failed(self, error: Exception) -> None:
        """Note that a batch could not be committed; only a commit says that this is over."""
        self._commit_error = f"{type(error).__name__}: {error}"[:300]

    def settling(self, error: Exception | None) -> None:
        """Note whether the last settlement was committed: no commit of readings says that it was, nor it of theirs."""
        self._settle_error = "" if error is None else f"{type(error).__name__}: {error}"[:300]

    def heartbeat(self, error: Exception | None) -> None:
        """Note whether the last heartbeat reached the database: where nothing comes in, no commit would tell."""
        self._beat_error = "" if error is None else f"{type(error).__name__}: {error}"[:300]

    def command(self, state: str) -> None:
        self._commands.labels(state).inc()

    def rates(self) -> Mapping[str, float]:
        """Tell how many readings and messages came in a second since the last call."""
        since_s, before = self._rated
        now_s, totals = time.monotonic(), self.totals
        self._rated = (now_s, totals)
        span_s = max(now_s - since_s, 1e-3)
        return {
            "readings_per_s": round((totals.received - before.received) / span_s, 1),
            "messages_per_s": round((totals.messages - before.messages) / span_s, 1),
        }

    def health(self) -> dict[str, Any]:
        """Tell the counters, for the heartbeat."""
        totals = self.totals
        return {
            "received": totals.received,
            "stored": totals.stored,
            "duplicates": totals.duplicates,
            "rejected": totals.rejected,
            "messages": totals.messages,
            "batches": totals.batches,
            "last_commit_at": self.last_commit_at.isoformat() if self.last_commit_at else None,
            "database_ok": self.database_ok,
            "database_error": self.database_error,
        }
