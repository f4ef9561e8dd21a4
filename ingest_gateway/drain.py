"""Taking a worker out of service: it gets nothing new, takes in what the broker keeps for it, and leaves no session."""

import queue
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn

import paho.mqtt.client as paho
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest_gateway.gateway import Gateway
from ingest_gateway.mqtt.link import BrokerAddress, NotConnected, Protocol
from ingest_gateway.settings import GatewaySettings
from kernel import heartbeat
from kernel.clock import Clock, UtilityClock, wall_now
from kernel.database import Pool, open_pool
from kernel.metrics import Metrics

log = structlog.get_logger()

ANSWER_S = 10.0
QUIET_S = 5.0
LEFT_OVER_S = 1.0
LOOK_S = 0.1
ALIVE_S = 5.0
NEVER_S = 1e6


class WorkerStillRuns(Exception):
    """A worker that is to be drained is at work: two that use one session would take it from each other."""


@dataclass(frozen=True, slots=True)
class Drained:
    """What was still kept for a worker."""

    client_id: str
    messages: int
    readings: int


def drain(
    *,
    database_url: str,
    mqtt_url: str,
    client_id: str,
    settings: GatewaySettings,
    stop: threading.Event,
    quiet_s: float = QUIET_S,
    clock: Clock | None = None,
) -> Drained | None:
    """Take in what the broker keeps for a worker that is stopped, then end its session; None if `stop` came first.

    Nothing is lost if this is cut short, for the session ends last; it may be begun again.

    :raises NotConnected: if the broker cannot be reached
    :raises WorkerStillRuns: if the worker gives signs of life
    """
    pool = open_pool(database_url, role="suiden_gateway", process="gateway", max_size=4)
    try:
        with pool.connection() as conn:
            _refuse_if_alive(heartbeat.heartbeats(conn), process=settings.process, now=wall_now())
        session = _Session(BrokerAddress.of(mqtt_url), client_id=client_id, settings=settings)
        session.unsubscribe(_filters(settings))
        intake = _Intake(
            pool, database_url=database_url, mqtt_url=mqtt_url, client_id=client_id, settings=settings, clock=clock
        )
        while not stop.is_set():
            intake.run_until_quiet(quiet_s=quiet_s, stop=stop)
            if not stop.is_set() and session.end_if_empty():
                with pool.connection() as conn:
                    heartbeat.forget(conn, process=settings.process)
                log.info("gateway.drained", client_id=client_id, messages=intake.messages)
                return Drained(client_id, messages=intake.messages, readings=intake.readings)
        return None
    finally:
        pool.close()


def _refuse_if_alive(beats: Sequence[heartbeat.Heartbeat], *, process: str, now: datetime) -> None:
    for beat in beats:
        if beat.process == process and now - beat.seen_at < timedelta(seconds=ALIVE_S):
            raise WorkerStillRuns(f"{process} was seen a moment ago: stop it, then drain it")


def _filters(settings: GatewaySettings) -> list[str]:
    """Name all that the session may hold: as one of the group, and by itself from a time before it."""
    alone = settings.model_copy(update={"share": ""}).filters
    return [*dict.fromkeys([*settings.filters, *alone])]


class _Intake:
    """The gateway as ever, but that it asks the broker for nothing new and sends no orders."""

    def __init__(
        self,
        pool: Pool,
        *,
        database_url: str,
        mqtt_url: str,
        client_id: str,
        settings: GatewaySettings,
        clock: Clock | None,
    ) -> None:
        self._pool, self._client_id, self._clock = pool, client_id, clock or UtilityClock(pool)
        self._database_url = database_url
        self._address = BrokerAddress.of(mqtt_url)
        nothing = (f"suiden/drained/{secrets.token_hex(8)}",)
        changes = {"subscriptions": nothing, "share": "", "command_poll_s": NEVER_S, "metrics_port": None}
        self._settings = settings.model_copy(update=changes)
        self.messages = self.readings = 0

    def run_until_quiet(self, *, quiet_s: float, stop: threading.Event) -> None:
        """Take in until nothing has come for a while, all was stored, and nothing is under way."""
        done = threading.Event()
        gateway = Gateway(
            database_url=self._database_url,
            pool=self._pool,
            address=self._address,
            client_id=self._client_id,
            release_guard=_no_orders,
            stop=done,
            settings=self._settings,
            metrics=Metrics(),
            clock=self._clock,
        )
        running = threading.Thread(target=gateway.run, name="drain")
        running.start()
        seen, since_s = -1, time.monotonic()
        while running.is_alive() and time.monotonic() - since_s < quiet_s and not stop.wait(LOOK_S):
            messages = gateway.totals.messages
            if messages != seen or not gateway.is_at_rest:
                seen, since_s = messages, time.monotonic()
        done.set()
        running.join()
        self.messages += gateway.totals.messages
        self.readings += gateway.totals.received


def _no_orders(*_: Any) -> NoReturn:
    raise AssertionError("a worker that is drained sends no orders")


class _Session:
    """What the broker keeps for a client id, looked at without taking anything from it."""

    def __init__(self, address: BrokerAddress, *, client_id: str, settings: GatewaySettings) -> None:
        self._address, self._client_id, self._settings = address, client_id, settings
        self._protocols: list[Protocol] = [address.protocol] if address.protocol else ["5", "3.1.1"]

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """Let nothing more be put into it.

        :raises NotConnected: if the broker cannot be reached, or does not answer
        """
        with self._visit() as (client, events):
            client.on_unsubscribe = lambda *_: events.put("unsubscribed")
            client.unsubscribe(list(filters))
            while (found := _next(events, timeout_s=ANSWER_S)) != "unsubscribed":
                if found is None:
                    raise NotConnected("the broker did not answer to the end of the subscriptions")

    def end_if_empty(self) -> bool:
        """End it if it holds nothing; False if it does.

        :raises NotConnected: if the broker cannot be reached
        """
        with self._visit() as (client, events):
            if _next(events, timeout_s=LEFT_OVER_S) is not None:
                return False
            if self._protocols[0] == "5":
                last = Properties(PacketTypes.DISCONNECT)
                last.SessionExpiryInterval = 0
                client.disconnect(properties=last)
                return True
        with self._visit(clean=True):
            return True

    @contextmanager
    def _visit(self, *, clean: bool = False) -> Iterator[tuple[paho.Client, "queue.Queue[str]"]]:
        events: queue.Queue[str] = queue.Queue()
        client = self._connected(events, clean=clean)
        try:
            yield client, events
        finally:
            client.disconnect()
            client.loop_stop()

    def _connected(self, events: "queue.Queue[str]", *, clean: bool) -> paho.Client:
        for protocol in list(self._protocols):
            client = self._client(protocol, events, clean=clean)
            try:
                self._connect(client, protocol, clean=clean)
            except OSError as error:
                raise NotConnected(f"{self._address.host}:{self._address.port}: {error}") from error
            client.loop_start()
            if _next(events, timeout_s=ANSWER_S) == "connected":
                self._protocols = [protocol]
                return client
            client.disconnect()
            client.loop_stop()
        raise NotConnected(f"{self._address.host}:{self._address.port}: the broker does not let {self._client_id} in")

    def _client(self, protocol: Protocol, events: "queue.Queue[str]", *, clean: bool) -> paho.Client:
        is_v5 = protocol == "5"
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=None if is_v5 else clean,
            protocol=MQTTProtocolVersion.MQTTv5 if is_v5 else MQTTProtocolVersion.MQTTv311,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        if self._address.username:
            client.username_pw_set(self._address.username, self._address.password)
        if self._address.tls:
            client.tls_set_context(self._address.tls_context())
        client.on_connect = lambda _c, _d, _f, reason, _p: events.put("refused" if reason.is_failure else "connected")
        client.on_disconnect = lambda *_: events.put("lost")
        client.on_message = lambda *_: events.put("message")
        return client

    def _connect(self, client: paho.Client, protocol: Protocol, *, clean: bool) -> None:
        address, keepalive_s = self._address, self._settings.keepalive_s
        if protocol == "3.1.1":
            client.connect(address.host, address.port, keepalive=keepalive_s)
            return
        kept = Properties(PacketTypes.CONNECT)
        kept.SessionExpiryInterval = 0 if clean else self._settings.session_expiry_s
        client.connect(address.host, address.port, keepalive=keepalive_s, clean_start=clean, properties=kept)


def _next(events: "queue.Queue[str]", *, timeout_s: float) -> str | None:
    try:
        return events.get(timeout=timeout_s)
    except queue.Empty:
        return None
