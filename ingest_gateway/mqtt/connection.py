"""Staying connected to the broker: a thread that runs one link after the other, and someone who watches it."""

import random
import threading
import time
from collections.abc import Callable

import structlog
from paho.mqtt.enums import MQTTErrorCode

from ingest_gateway.mqtt.buffer import Buffer, Delivery
from ingest_gateway.mqtt.client import can_read_frames
from ingest_gateway.mqtt.frames import Frames
from ingest_gateway.mqtt.link import BrokerAddress, Link, LinkOptions, NotConnected, Protocol

log = structlog.get_logger()

PUT_TIMEOUT_S = 2.0
STUCK_S = 20.0
MIN_WAIT_S, MAX_WAIT_S = 0.2, 5.0


class Connection:
    """Receives into the buffer, and reconnects when the link is lost, its thread dies, or the buffer overflowed."""

    def __init__(self, *, address: BrokerAddress, options: LinkOptions, buffer: Buffer, stop: threading.Event) -> None:
        self._address = address
        self._options = options
        self._buffer = buffer
        self._stop = stop
        self._thread: threading.Thread | None = None
        # The one that worked last comes first.
        self._protocols: list[Protocol] = [address.protocol] if address.protocol else _preferred(options)
        self.link: Link | None = None
        self.connects = 0
        self.restarts = 0
        self.overflowed = False
        self.last_error = ""

    @property
    def is_up(self) -> bool:
        return self.link is not None and self.link.is_up

    def publish(self, *, topic: str, payload: bytes, qos: int) -> bool:
        """Send a message; False if there is no connection."""
        link = self.link
        return link is not None and link.publish(topic=topic, payload=payload, qos=qos)

    def publish_all(self, messages: list[tuple[str, bytes]]) -> bool:
        """Send messages, by topic and payload, of quality 0; False if there is no connection."""
        link = self.link
        return link is not None and link.publish_all(messages)

    def watch(self) -> None:
        """Start the thread, or another one when it died or is stuck; called again and again."""
        thread, link = self._thread, self.link
        is_dead = thread is None or not thread.is_alive()
        is_stuck = link is not None and not link.closed and time.monotonic() - link.looped_s > STUCK_S
        if self._stop.is_set() or not (is_dead or is_stuck):
            return
        if thread is not None:
            self.restarts += 1
            log.error("mqtt.thread_restarted", reason="dead" if is_dead else "stuck")
        self._leave(link)
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        me = threading.current_thread()
        failures = 0
        while not self._stop.is_set() and self._thread is me:
            try:
                link = self._open()
                failures = 0
                self._serve(link, is_mine=lambda: self._thread is me)
            except NotConnected as error:
                failures += 1
                if self.last_error != str(error):
                    log.warning("mqtt.not_connected", error=str(error))
                self.last_error = str(error)
            except Exception as error:
                # A message's callback raised, or paho did: only this connection is given up.
                failures += 1
                self.last_error = f"{type(error).__name__}: {error}"
                log.exception("mqtt.loop_failed")
            if self._thread is me:
                self._leave(self.link)
            self._stop.wait(min(MAX_WAIT_S, MIN_WAIT_S * 2**failures) * random.uniform(0.5, 1.0) if failures else 0.05)

    def _open(self) -> Link:
        link = Link(address=self._address, options=self._options, protocol=self._protocols[0], on_frames=self._receive)
        self.link = link
        self.overflowed = False
        try:
            link.open()
        except NotConnected:
            if link.was_answered:
                self._protocols.reverse()
            raise
        self.connects += 1
        self.last_error = ""
        log.info("mqtt.connected", protocol=link.protocol, host=self._address.host, port=self._address.port)
        return link

    def _serve(self, link: Link, *, is_mine: Callable[[], bool]) -> None:
        while not self._stop.is_set() and is_mine():
            if link.turn() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return
            if self.overflowed and self._buffer.messages == 0:
                log.info("mqtt.reconnecting", reason="to be sent again what there was no room for")
                return

    def _leave(self, link: Link | None) -> None:
        if link is None or link.closed:
            return
        link.close()
        dropped = self._buffer.drop(link)
        if dropped:
            log.info("mqtt.dropped_unacknowledged", messages=dropped)

    def _receive(self, link: Link, frames: Frames) -> None:
        """Put what came into the buffer; where there is no room it stays un-acknowledged, and we reconnect later."""
        if self.overflowed:
            return
        delivery = Delivery(
            link=link,
            message_ids=frames.message_ids,
            topics=frames.topics,
            payloads=frames.payloads,
            payload_bytes=frames.payload_bytes,
            is_redelivered=frames.is_redelivered,
            received_s=time.monotonic(),
        )
        if not self._buffer.put(delivery, timeout_s=PUT_TIMEOUT_S):
            self.overflowed = True
            log.warning("mqtt.buffer_full", messages=self._buffer.messages, bytes=self._buffer.bytes)


def _preferred(options: LinkOptions) -> list[Protocol]:
    """List the protocols, the better first: MQTT 5 says how long a session is kept, and knows groups of workers.

    paho as it comes makes objects of what MQTT 5 adds to each message, which halves its speed.
    """
    is_plain = options.plain_paho or not can_read_frames()
    is_in_group = any(subscription.startswith("$share/") for subscription in options.subscriptions)
    return ["3.1.1", "5"] if is_plain and not is_in_group else ["5", "3.1.1"]
