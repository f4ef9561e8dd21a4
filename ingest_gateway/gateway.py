"""The gateway process: readings in, commands out, and a watch on its own threads."""

import gc
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from ingest_gateway import probes
from ingest_gateway.books import Books
from ingest_gateway.commands import ReleaseGuard
from ingest_gateway.dispatch import Dispatcher
from ingest_gateway.monitor import Monitor, Totals
from ingest_gateway.mqtt.buffer import Buffer
from ingest_gateway.mqtt.connection import Connection
from ingest_gateway.mqtt.link import BrokerAddress, LinkOptions
from ingest_gateway.own_connection import OwnConnection
from ingest_gateway.preparer import Preparer
from ingest_gateway.settings import GatewaySettings
from ingest_gateway.settler import Settler
from ingest_gateway.shared import Shared
from ingest_gateway.writer import Writer
from kernel.clock import Clock, UtilityClock, wall_now
from kernel.database import Pool, open_pool
from kernel.heartbeat import beat
from kernel.metrics import Metrics

log = structlog.get_logger()

WATCH_S = 0.25
BEAT_S = 1.0
JOIN_S = 10.0
# A thread that comes back from the database or the socket is to be let in soon, or they wait for one that computes.
SWITCH_INTERVAL_S = 0.0005
# A batch makes ten thousand lists that are all gone with it: looked through at every 700th, as Python does by itself,
# they cost a third of the time.
GARBAGE_THRESHOLDS = (200_000, 50, 100)


def run(
    *,
    database_url: str,
    mqtt_url: str,
    client_id: str,
    release_guard: ReleaseGuard,
    stop: threading.Event,
    settings: GatewaySettings | None = None,
    metrics: Metrics | None = None,
    clock: Clock | None = None,
) -> None:
    """Run the gateway until `stop` is set. `client_id` must stay the same from start to start: it names our session.

    :raises BrokerAddressUnusable: if the broker's URL, or a file that it names, cannot be read
    """
    address = BrokerAddress.of(mqtt_url)
    if address.tls:
        address.tls_context()  # says at once what is wrong with its files
    pool = open_pool(database_url, role="suiden_gateway", process="gateway", max_size=4)
    try:
        gateway = Gateway(
            database_url=database_url,
            pool=pool,
            address=address,
            client_id=client_id,
            release_guard=release_guard,
            stop=stop,
            settings=settings or GatewaySettings(),
            metrics=metrics or Metrics(),
            clock=clock or UtilityClock(pool),
        )
        gateway.run()
    finally:
        pool.close()


class Gateway:
    """Holds the threads together; the thread that calls `run` watches the others."""

    def __init__(
        self,
        *,
        database_url: str,
        pool: Pool,
        address: BrokerAddress,
        client_id: str,
        release_guard: ReleaseGuard,
        stop: threading.Event,
        settings: GatewaySettings,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._pool = pool
        self._client_id = client_id
        self._stop = stop
        self._settings = settings
        self._clock = clock
        self._buffer = Buffer(
            max_messages=settings.buffer_messages,
            max_bytes=settings.buffer_bytes,
            max_age_s=settings.buffer_age_s,
        )
        self._monitor = Monitor(metrics)
        self._connection = _line(address, client_id=client_id, settings=settings, buffer=self._buffer, stop=stop)
        self._books = Books(pool=pool, refresh_s=settings.book_refresh_s)
        self._own = [
            OwnConnection(database_url, process="gateway writer"),
            # A settlement that is lost is made again from what the commits noted, and what rests on it is lost with it.
            OwnConnection(database_url, process="gateway settler", waits_for_disk=False),
        ]
        shared = Shared(
            pool=pool,
            clock=clock,
            books=self._books,
            monitor=self._monitor,
            settings=settings,
            worker=client_id,
            stop=stop,
        )
        writing, settling = self._own
        self._preparer = Preparer(shared, buffer=self._buffer)
        self._writer = Writer(shared, connection=writing)
        self._settler = Settler(shared, connection=settling, line=self._connection)
        self._dispatcher = Dispatcher(
            pool=pool,
            clock=clock,
            publisher=self._connection,
            release_guard=release_guard,
            monitor=self._monitor,
            settings=settings,
            books=self._books,
            stop=stop,
        )
        self._threads: dict[str, tuple[Callable[[], None], threading.Thread | None]] = {
            "books": (lambda: self._books.keep_fresh(stop=stop), None),
            "settler": (self._settler.run, None),
            "preparer": (self._preparer.run, None),
            "writer": (self._writer.run, None),
            "commands": (self._dispatcher.run, None),
            "health": (self._beat_until_stop, None),
        }

    @property
    def totals(self) -> Totals:
        """What it took in since its start."""
        return self._monitor.totals

    @property
    def is_at_rest(self) -> bool:
        """Whether it is connected, the database answers, and nothing waits in the buffer."""
        return not self._problems() and self._buffer.messages == 0

    def run(self) -> None:
        """Start the threads and watch them until `stop`."""
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        gc.freeze()
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        server = None
        if self._settings.metrics_port is not None:
            server = probes.serve(
                port=self._settings.metrics_port,
                metrics=self._monitor.metrics,
                problems=self._problems,
                refresh=self._set_gauges,
            )
        log.info("gateway.started", client_id=self._client_id)
        while not self._stop.wait(WATCH_S):
            self._connection.watch()
            for own in self._own:
                own.cut_if_stuck(deadline_s=self._settings.database_deadline_s)
            self._start_dead_threads()
        self._connection.join(JOIN_S)
        for _, thread in self._threads.values():
            if thread is not None:
                thread.join(JOIN_S)
        if server is not None:
            server.shutdown()
        log.info("gateway.stopped", **self._monitor.health())

    def _start_dead_threads(self) -> None:
        for name, (target, thread) in self._threads.items():
            if thread is None or not thread.is_alive():
                if thread is not None:
                    log.error("gateway.thread_restarted", thread=name)
                started = threading.Thread(target=target, name=name, daemon=True)
                self._threads[name] = (target, started)
                started.start()

    def _beat_until_stop(self) -> None:
        while not self._stop.wait(BEAT_S):
            began_s = time.monotonic()
            health = self._health()
            try:
                with self._pool.connection(timeout=BEAT_S * 2) as conn:
                    beat(conn, process=self._settings.process, health=health, wall_now=wall_now())
                self._monitor.heartbeat(None)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told and tried again
                self._monitor.heartbeat(error)
                log.warning(
                    "gateway.no_heartbeat", error=str(error)[:200], after_s=round(time.monotonic() - began_s, 1)
                )

    def _problems(self) -> list[str]:
        """Say which parts are away, so that messages wait; nothing: they are stored as they come."""
        connection, monitor = self._connection, self._monitor
        broker = [] if connection.is_up else [f"broker: {connection.last_error or 'not connected'}"]
        return broker + ([] if monitor.database_ok else [f"database: {monitor.database_error}"])

    def _set_gauges(self) -> Mapping[str, float]:
        gauges = {
            "buffer_messages": self._buffer.messages,
            "buffer_bytes": self._buffer.bytes,
            "broker_connected": self._connection.is_up,
            "database_ok": self._monitor.database_ok,
            "connects": self._connection.connects,
            "thread_restarts": self._connection.restarts,
        }
        for name, number in gauges.items():
            self._monitor.gauges[name].set(float(number))
        return gauges

    def _health(self) -> Mapping[str, Any]:
        connection, monitor = self._connection, self._monitor
        link = connection.link
        return {
            **monitor.health(),
            **monitor.rates(),
            **monitor.waits.percentiles_ms(),
            "commit_waits_ms": monitor.waits.counts_by_ms(),
            **self._set_gauges(),
            **self._dispatcher.gaps_health,
            "client_id": self._client_id,
            "share": self._settings.share,
            "broker_protocol": link.protocol if link is not None else None,
            "broker_error": connection.last_error,
        }


def _line(
    address: BrokerAddress, *, client_id: str, settings: GatewaySettings, buffer: Buffer, stop: threading.Event
) -> Connection:
    options = LinkOptions(
        client_id=client_id,
        subscriptions=settings.filters,
        receive_maximum=settings.buffer_messages,
        session_expiry_s=settings.session_expiry_s,
        keepalive_s=settings.keepalive_s,
        plain_paho=settings.plain_mqtt,
    )
    return Connection(address=address, options=options, buffer=buffer, stop=stop)
