"""Many MQTT connections in one thread: each sender has its own, as it has its own credential."""

import selectors
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

log = structlog.get_logger()

KEEPALIVE_S = 60
RETRY_S, RETRY_LONGEST_S = 0.5, 10.0
Received = Callable[[str, str, bytes], None]  # link, topic, payload


class BrokerAddressUnusable(ValueError):
    """The broker's address is not mqtt://user:password@host:port."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    host: str
    port: int
    user: str
    password: str
    is_encrypted: bool

    @classmethod
    def of(cls, url: str) -> "BrokerAddress":
        """:raises BrokerAddressUnusable: if it is no such address"""
        parts = urlsplit(url)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise BrokerAddressUnusable(f"MQTT_URL must be mqtt://user:password@host:port, not {parts.scheme}://…")
        encrypted = parts.scheme == "mqtts"
        port = parts.port or (8883 if encrypted else 1883)
        return cls(parts.hostname, port, unquote(parts.username or ""), unquote(parts.password or ""), encrypted)


@dataclass(slots=True)
class _Link:
    name: str
    client: mqtt.Client
    subscriptions: tuple[str, ...]
    is_up: bool = False
    retry_at_s: float = 0.0
    retry_wait_s: float = RETRY_S
    refusal: str = ""


class Links:
    """Connections that come back by themselves, moved on by `turn`."""

    def __init__(self, address: BrokerAddress, *, received: Received, connected: Callable[[str], None]) -> None:
        """Take where the broker is and whom to tell of messages and of new connections."""
        self._address = address
        self._received = received
        self._connected = connected
        self._links: dict[str, _Link] = {}
        self._selector = selectors.DefaultSelector()
        self._misc_at_s = 0.0

    def add(self, name: str, *, user: str, password: str, subscriptions: tuple[str, ...]) -> None:
        """Add a connection; it is made in the next turn."""
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False, protocol=mqtt.MQTTv311)
        client.username_pw_set(user, password)
        if self._address.is_encrypted:
            client.tls_set()
        link = _Link(name, client, subscriptions)
        client.user_data_set(link)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_socket_open = self._on_socket_open
        client.on_socket_close = self._on_socket_close
        self._links[name] = link

    def is_up(self, name: str) -> bool:
        return self._links[name].is_up

    @property
    def up_count(self) -> int:
        return sum(link.is_up for link in self._links.values())

    def publish(self, name: str, topic: str, payload: bytes) -> None:
        self._links[name].client.publish(topic, payload, qos=1)

    def turn(self, *, now_s: float, wait_s: float) -> None:
        """Wait at most so long for something to arrive, and handle it."""
        if now_s >= self._misc_at_s:
            self._misc_at_s = now_s + 1.0
            self._keep_up(now_s)
        for key, events in self._selector.select(max(0.0, wait_s)):
            link: _Link = key.data
            if events & selectors.EVENT_WRITE:
                link.client.loop_write()
            if events & selectors.EVENT_READ:
                link.client.loop_read()
                while _has_more(link.client.socket()):
                    link.client.loop_read()
        for key in list(self._selector.get_map().values()):
            link = key.data
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if link.client.want_write() else 0)
            if wanted != key.events:
                self._selector.modify(key.fileobj, wanted, link)

    def close(self) -> None:
        """Say goodbye on every connection."""
        for link in self._links.values():
            link.client.disconnect()
            link.client.loop_write()
        self._selector.close()

    def _keep_up(self, now_s: float) -> None:
        for link in self._links.values():
            if link.client.socket() is not None:
                link.client.loop_misc()
            elif now_s >= link.retry_at_s:
                link.retry_at_s = now_s + link.retry_wait_s
                link.retry_wait_s = min(RETRY_LONGEST_S, link.retry_wait_s * 2)
                self._connect(link)

    def _connect(self, link: _Link) -> None:
        try:
            link.client.connect(self._address.host, self._address.port, keepalive=KEEPALIVE_S)
        except OSError as error:
            self._say_refusal(link, str(error))

    def _on_connect(self, client: mqtt.Client, link: _Link, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._say_refusal(link, str(reason))
            return
        link.is_up, link.retry_wait_s, link.refusal = True, RETRY_S, ""
        if link.subscriptions:
            client.subscribe([(topic, 1) for topic in link.subscriptions])
        self._connected(link.name)

    def _on_disconnect(self, _client: mqtt.Client, link: _Link, _flags: Any, reason: Any, _properties: Any) -> None:
        link.is_up = False
        if reason.is_failure:
            self._say_refusal(link, str(reason))

    def _on_message(self, _client: mqtt.Client, link: _Link, message: mqtt.MQTTMessage) -> None:
        self._received(link.name, message.topic, bytes(message.payload))

    def _say_refusal(self, link: _Link, why: str) -> None:
        if why != link.refusal:  # once, not at every try
            link.refusal = why
            log.warning("town.not_connected", sender=link.name, why=why)

    def _on_socket_open(self, _client: mqtt.Client, link: _Link, sock: Any) -> None:
        self._selector.register(sock, selectors.EVENT_READ, link)

    def _on_socket_close(self, _client: mqtt.Client, _link: _Link, sock: Any) -> None:
        if sock in self._selector.get_map():
            self._selector.unregister(sock)


def _has_more(sock: Any) -> bool:
    """Tell whether decrypted bytes wait where the selector cannot see them."""
    return sock is not None and hasattr(sock, "pending") and sock.pending() > 0
