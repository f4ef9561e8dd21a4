"""Sending orders to meters: each leaves after the commit that marks it as sent, and again until it is answered."""

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

import msgspec
import psycopg
import structlog
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.books import Books
from ingest_gateway.commands import GUARDED_PURPOSE, CommandState, GuardVerdict, QueuedCommand, ReleaseGuard
from ingest_gateway.domain.gaps import AskLimits
from ingest_gateway.domain.meters import MeterBook
from ingest_gateway.monitor import Monitor
from ingest_gateway.operations.commands import publish_changed
from ingest_gateway.operations.gaps import ask_for_backfill, sample_clocks
from ingest_gateway.settings import GatewaySettings
from ingest_gateway.store import commands, gap_asks
from kernel.clock import Clock
from kernel.database import Pool, Scope, transaction

log = structlog.get_logger()

AWAY_S = 1.0
GAP_LOOK_SHARE = 0.02  # of the time, at most: with many meters a look takes long, and comes more seldom


class Publisher(Protocol):
    """Publishes while there is a connection."""

    def publish(self, *, topic: str, payload: bytes, qos: int) -> bool: ...

    @property
    def is_up(self) -> bool: ...


class Dispatcher:
    """Runs in one thread. Nothing leaves while there is no broker, so that an order does not count as sent in vain."""

    def __init__(
        self,
        *,
        pool: Pool,
        clock: Clock,
        publisher: Publisher,
        release_guard: ReleaseGuard,
        monitor: Monitor,
        settings: GatewaySettings,
        books: Books,
        stop: threading.Event,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._publisher = publisher
        self._release_guard = release_guard
        self._monitor = monitor
        self._settings = settings
        self._stop = stop
        self._books = books
        self._gaps_gauge = monitor.metrics.gauge("suiden_gaps_open", "Stretches of meters' readings that are missing")
        self._missing_gauge = monitor.metrics.gauge("suiden_readings_missing", "Readings that are missing in them")
        self.gaps_health: Mapping[str, int] = {}
        self._gaps_at_s = time.monotonic() + settings.gap_look_s
        # how often each order had left, and since when (monotonic)
        self._seen_s: dict[tuple[int, int], tuple[int, float]] = {}
        self._held_s: dict[tuple[int, int], float] = {}  # when one could not be sent, monotonic

    def run(self) -> None:
        """Send what is due until `stop`; a database that is away is waited for."""
        while not self._stop.wait(self._settings.command_poll_s):
            try:
                self.send_due()
                self._look_after_gaps()
            except Exception as error:  # noqa: BLE001 - this thread goes on, whatever the database or the guard says
                log.warning("commands.interrupted", error=f"{type(error).__name__}: {error}"[:300])
                self._stop.wait(AWAY_S)

    def send_due(self) -> int:
        """Look once at every utility's open orders; return how many left."""
        sent = 0
        for book in self._books.all():
            now = self._clock.now()
            scope = Scope(utility_id=book.utility_id, actor="gateway", now=now)
            with transaction(self._pool, scope=scope) as conn:
                for changed in commands.expire(conn, utility_id=book.utility_id, at=now):
                    publish_changed(conn, utility_id=book.utility_id, changed=changed, at=now)
                    self._monitor.command(changed.state)
                open_orders = commands.open_commands(conn, utility_id=book.utility_id)
            self._forget_closed(book.utility_id, {order.command_id for order in open_orders})
            for order in open_orders:
                if self._is_due(book.utility_id, order) and self._publisher.is_up:
                    sent += self._try_to_send(book, order.command_id)
        return sent

    def _look_after_gaps(self) -> None:
        """Ask meters for what they have not sent, now and then; here, because nobody can be asked without a line."""
        if not self._publisher.is_up:
            # What waits at the broker comes first, or every meter would seem silent after an outage of ours.
            self._gaps_at_s = time.monotonic() + self._settings.gap_look_s
        elif time.monotonic() >= self._gaps_at_s:
            began_s = time.monotonic()
            self._gaps_at_s = began_s + self._settings.gap_look_s
            gaps, readings = 0, 0
            for book in self._books.all():
                now, rate = self._clock.now(), self._clock.rate()
                limits = AskLimits.at_rate(
                    rate,
                    grace_s=self._settings.backfill_grace_s,
                    kept_days=self._settings.backfill_kept_days,
                    most_open=self._settings.backfill_open,
                    most_open_per_sender=self._settings.backfill_open_per_sender,
                )
                scope = Scope(utility_id=book.utility_id, actor="gateway", now=now)
                with transaction(self._pool, scope=scope) as conn:
                    asked = ask_for_backfill(conn, utility_id=book.utility_id, limits=limits, clock_rate=rate, at=now)
                    sample_clocks(conn, utility_id=book.utility_id, at=now)
                    found = gap_asks.open_totals(conn, utility_id=book.utility_id)
                gaps, readings = gaps + found[0], readings + found[1]
                if asked:
                    log.info("gaps.asked", utility=book.code, meters=asked)
            self._gaps_gauge.set(gaps)
            self._missing_gauge.set(readings)
            spent_s = time.monotonic() - began_s
            self._gaps_at_s = began_s + max(self._settings.gap_look_s, spent_s / GAP_LOOK_SHARE)
            self.gaps_health = {"gaps_open": gaps, "readings_missing": readings}

    def _is_due(self, utility_id: int, order: commands.OpenCommand) -> bool:
        key = (utility_id, order.command_id)
        held_s = self._held_s.get(key)
        if held_s is not None and time.monotonic() - held_s < self._settings.command_resend_s:
            return False
        if order.state == "queued":
            return True
        # When another worker sent it, or we in an earlier life, the wait begins as we see it: they may be waiting too.
        sends, since_s = self._seen_s.get(key, (None, 0.0))
        if sends != order.sends:
            self._seen_s[key] = (order.sends, time.monotonic())
            return False
        return time.monotonic() - since_s >= self._settings.command_resend_s

    def _try_to_send(self, book: MeterBook, command_id: int) -> bool:
        """Send one order; one that cannot be judged is tried again later, and does not hold up the others."""
        try:
            return self._send(book, command_id)
        except psycopg.OperationalError:
            raise
        except Exception:
            log.exception("command.not_sent", command_id=command_id)
            self._held_s[book.utility_id, command_id] = time.monotonic()
            return False

    def _send(self, book: MeterBook, command_id: int) -> bool:
        """Mark one order as sent, then publish it; the guard has its word in between, each time.

        The guard locks the account, and only then is the order locked: a payment that takes an order back holds the
        account before it comes to the order, and two that lock in two orders would stop each other.
        """
        now = self._clock.now()
        scope = Scope(utility_id=book.utility_id, actor="gateway", now=now)
        with transaction(self._pool, scope=scope) as conn:
            order = commands.open_order(conn, utility_id=book.utility_id, command_id=command_id)
            if order is None or order.expires_at <= now or order.sends >= self._settings.command_max_sends:
                if order is not None:
                    self._seen_s[book.utility_id, command_id] = (order.sends, time.monotonic())
                return False
            proof = None
            if order.purpose.startswith(GUARDED_PURPOSE):
                verdict = self._release_guard(conn, order, now)
                proof = verdict.proof
                if not verdict.allowed:
                    self._refuse(order, verdict, conn=conn, now=now)
                    return False
            if not commands.mark_sent(conn, order=order, proof=proof, at=now):
                conn.rollback()  # answered, taken back or sent by another process meanwhile
                return False
            if order.state == "queued":
                self._tell(order, "sent", conn=conn, now=now)
        self._seen_s[book.utility_id, command_id] = (order.sends + 1, time.monotonic())
        return self._publish(book, order)

    def _refuse(
        self, order: QueuedCommand, verdict: GuardVerdict, *, conn: Connection[TupleRow], now: datetime
    ) -> None:
        state = commands.refuse(conn, order=order, detail=verdict.reason, proof=verdict.proof)
        if state is not None:
            self._tell(order, state, conn=conn, now=now)

    def _publish(self, book: MeterBook, order: QueuedCommand) -> bool:
        meter = next((meter for meter in book.meters.values() if meter.meter_id == order.meter_id), None)
        if meter is None:
            log.warning("commands.meter_unknown", command_id=order.command_id, meter_id=order.meter_id)
            return False
        payload = msgspec.json.encode(
            {
                "id": order.command_id,
                "meter": meter.serial,
                "command": order.command,
                "expires_at": _rfc3339(order.expires_at),
                "args": order.arguments,
            }
        )
        published = False
        for name in sorted(meter.sender_names):
            if name in book.senders and book.senders[name].kind != "import":
                topic = f"suiden/v1/{book.code}/{name}/down"
                published |= self._publisher.publish(topic=topic, payload=payload, qos=1)
        log.info("command.sent", command_id=order.command_id, command=order.command, published=published)
        return published

    def _tell(self, order: QueuedCommand, state: CommandState, *, conn: Connection[TupleRow], now: datetime) -> None:
        changed = commands.Changed(
            command_id=order.command_id,
            meter_id=order.meter_id,
            purpose=order.purpose,
            state=state,
            command=order.command,
        )
        publish_changed(conn, utility_id=order.utility_id, changed=changed, at=now)
        self._monitor.command(state)

    def _forget_closed(self, utility_id: int, open_ids: set[int]) -> None:
        for kept in (self._seen_s, self._held_s):
            for key in [key for key in kept if key[0] == utility_id and key[1] not in open_ids]:
                del kept[key]


def _rfc3339(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
