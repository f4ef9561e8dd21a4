"""One connection to the broker. A new connection is a new link, so a message id can never outlive its own."""

import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

import paho.mqtt.client as paho
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest_gateway.mqtt.client import FrameClient, can_read_frames
from ingest_gateway.mqtt.frames import Frames, publication

log = structlog.get_logger()

Protocol = Literal["5", "3.1.1"]
CONNECT_TIMEOUT_S = 10.0
V5_ANSWER_S = 2.0  # a broker that speaks only 3.1.1 may close the line, refuse, or say nothing at all
LOOP_S = 0.5
PLAIN_LOOP_S = 0.01
GATHERED = 500  # messages that plain paho reads before they are handed on
NO_TOPIC = b"not UTF-8"


class BrokerAddressUnusable(ValueError):
    """The broker's address cannot be read."""


class NotConnected(Exception):
    """The broker could not be reached, or did not let us in."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is and who we are there."""

    host: str
    port: int
    username: str | None
    password: str | None
    tls: bool
    protocol: Protocol | None = None  # None: MQTT 5 where the broker speaks it, else 3.1.1
    ca_file: str | None = None  # None: the machine's own authorities
    certificate_file: str | None = None
    key_file: str | None = None  # None: the key is in the certificate's file

    @classmethod
    def of(cls, url: str) -> "BrokerAddress":
        """:raises BrokerAddressUnusable: if the URL is not mqtt:// or mqtts://"""
        parts = urlsplit(url)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise BrokerAddressUnusable("MQTT_URL must look like mqtt://user:password@host:port or mqtts://…")
        options = {name: values[0] for name, values in parse_qs(parts.query).items()}
        asked = options.get("protocol")
        if asked not in (None, "5", "3.1.1"):
            raise BrokerAddressUnusable("the protocol in MQTT_URL must be 5 or 3.1.1, as in mqtt://host?protocol=3.1.1")
        return cls(
            host=parts.hostname,
            port=parts.port or (8883 if parts.scheme == "mqtts" else 1883),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            tls=parts.scheme == "mqtts",
            protocol=asked,
            ca_file=options.get("ca"),
            certificate_file=options.get("certificate"),
            key_file=options.get("key"),
        )

    def tls_context(self) -> ssl.SSLContext:
        """Give what holds for a line with TLS: whom we trust, and our own certificate. The files are read anew.

        :raises BrokerAddressUnusable: if one of the files cannot be used
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.certificate_file is not None:
                context.load_cert_chain(self.certificate_file, self.key_file)
        except OSError as error:
            named = ", ".join(name for name in (self.ca_file, self.certificate_file, self.key_file) if name)
            raise BrokerAddressUnusable(f"MQTT_URL names {named}, which cannot be used: {error}") from error
        return context


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """How we connect. `session_expiry_s` is how long the broker keeps for us what comes while we are away."""

    client_id: str
    subscriptions: Sequence[str]
    receive_maximum: int
    session_expiry_s: int
    keepalive_s: int
    plain_paho: bool = False  # paho as it comes, slower: for a release of it that was not looked at


OnFrames = Callable[["Link", Frames], None]


class Link:
    """A connection, run by one thread; others acknowledge and publish on it."""

    def __init__(
        self, *, address: BrokerAddress, options: LinkOptions, protocol: Protocol, on_frames: OnFrames
    ) -> None:
        self._address = address
        self._options = options
        self.protocol: Protocol = protocol
        self._refusal: str | None = None
        self._subscribed = False
        self._connected = False
        self.was_answered = False  # something listens at the address
        self.closed = False
        self.looped_s = time.monotonic()
        self._heard_s = float("-inf")  # when messages came last
        self._gathered = Frames()
        self._to_acknowledge: deque[int] = deque()
        self._is_v5 = protocol == "5"
        self._on_frames = on_frames
        self._client = self._new_client()
        client = self._client
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(65_535)
        if address.username:
            client.username_pw_set(address.username, address.password)
        if address.tls:
            client.tls_set_context(address.tls_context())
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        # Says that another thread's packets are written by the loop alone: two writers would mix theirs.
        client.on_socket_register_write = _leave_it_to_the_loop

    @property
    def is_up(self) -> bool:
        """Whether messages come in on it."""
        return self._connected and self._subscribed and not self.closed

    def open(self) -> None:
        """Connect and subscribe.

        :raises NotConnected: if that cannot be done; `was_answered` tells whether a broker was there
        """
        try:
            self._connect()
        except (OSError, ValueError) as error:
            raise NotConnected(f"{self._address.host}:{self._address.port}: {error}") from error
        self.was_answered = True
        began_s = time.monotonic()
        is_trial = self.protocol == "5" and self._address.protocol is None
        while not self._subscribed:
            if self._refusal is not None or self.turn() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise NotConnected(self._refusal or "the broker closed the connection")
            limit_s = V5_ANSWER_S if is_trial and not self._connected else CONNECT_TIMEOUT_S
            # What waited for us may come before the answer.
            if time.monotonic() - max(began_s, self._heard_s) > limit_s:
                raise NotConnected("the broker did not answer in time")

    def turn(self) -> MQTTErrorCode:
        """Read and write what there is; anything but success means that the connection is over."""
        self.looped_s = time.monotonic()
        if isinstance(self._client, FrameClient):
            return self._client.loop(timeout=LOOP_S)
        return self._turn_plainly()

    def _turn_plainly(self) -> MQTTErrorCode:
        """Read with paho as it comes what there is, and acknowledge what others asked for.

        paho looks for its socket, its own wake-up and its keep-alive at each message, and is woken for each
        acknowledgement: from another thread the two would take turns at every message. So messages are acknowledged
        here, and read one after the other as long as they come.
        """
        while self._to_acknowledge:
            self._client.ack(self._to_acknowledge.popleft(), 1)
        answer = self._client.loop(timeout=PLAIN_LOOP_S)
        message_ids, before = self._gathered.message_ids, 0
        while answer == MQTTErrorCode.MQTT_ERR_SUCCESS and before < len(message_ids) < GATHERED:
            before = len(message_ids)
            answer = self._client.loop_read()
        if message_ids:
            self._hand_on_gathered()
        return answer

    def close(self) -> None:
        """Leave; the broker keeps our session. Twice is safe."""
        self.closed = True
        try:
            if self._connected:
                self._client.disconnect()
                self._client.loop_write()
        except (OSError, ValueError) as error:
            log.info("mqtt.close_failed", error=str(error))
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def acknowledge(self, message_ids: list[int]) -> None:
        """Tell the broker that messages of this connection are durable; nothing happens if it is gone."""
        if self.closed:
            return
        if isinstance(self._client, FrameClient):
            self._client.acknowledge(message_ids)
            return
        self._to_acknowledge.extend(message_ids)

    def publish(self, *, topic: str, payload: bytes, qos: int) -> bool:
        """Send a message; False if the connection is gone."""
        if not self.is_up:
            return False
        return self._client.publish(topic, payload, qos=qos).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def publish_all(self, messages: list[tuple[str, bytes]]) -> bool:
        """Send messages, by topic and payload, of quality 0; False if the connection is gone."""
        if not self.is_up:
            return False
        if not isinstance(self._client, FrameClient):
            return all(self.publish(topic=topic, payload=payload, qos=0) for topic, payload in messages)
        self._client.send_packets(
            b"".join(
                [publication(topic=topic.encode(), payload=payload, is_v5=self._is_v5) for topic, payload in messages]
            )
        )
        return True

    def _new_client(self) -> paho.Client:
        options: dict[str, Any] = {
            "client_id": self._options.client_id,
            "clean_session": None if self._is_v5 else False,
            "protocol": MQTTProtocolVersion.MQTTv5 if self._is_v5 else MQTTProtocolVersion.MQTTv311,
            "manual_ack": True,
            "reconnect_on_failure": False,
        }
        if self._options.plain_paho or not can_read_frames():
            return paho.Client(CallbackAPIVersion.VERSION2, **options)
        return FrameClient(
            CallbackAPIVersion.VERSION2,
            on_frames=self._hear,
            is_v5=self._is_v5,
            **options,
        )

    def _hear(self, frames: Frames) -> None:
        self._heard_s = time.monotonic()
        self._on_frames(self, frames)

    def _on_message(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        """Gather what paho reads by itself, one by one, as long as more comes."""
        gathered = self._gathered
        gathered.message_ids.append(message.mid if message.qos else 0)
        gathered.topics.append(_topic_of(message))
        gathered.payloads.append(bytes(message.payload))
        gathered.payload_bytes += len(message.payload)
        gathered.is_redelivered |= message.dup

    def _hand_on_gathered(self) -> None:
        gathered, self._gathered = self._gathered, Frames()
        self._hear(gathered)

    def _connect(self) -> None:
        address, options = self._address, self._options
        if self.protocol == "3.1.1":
            self._client.connect(address.host, address.port, keepalive=options.keepalive_s)
            return
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = options.session_expiry_s
        properties.ReceiveMaximum = options.receive_maximum
        self._client.connect(
            address.host, address.port, keepalive=options.keepalive_s, clean_start=False, properties=properties
        )

    def _on_connect(self, client: paho.Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._refusal = f"the broker refused the connection: {reason}"
            return
        self._connected = True
        client.subscribe([(subscription, 1) for subscription in self._options.subscriptions])

    def _on_subscribe(self, _client: Any, _userdata: Any, _mid: int, reasons: list[Any], _properties: Any) -> None:
        refused = [
            subscription
            for subscription, reason in zip(self._options.subscriptions, reasons, strict=False)
            if reason.is_failure
        ]
        if refused:
            self._refusal = f"the broker refused the subscription to {', '.join(refused)}"
            return
        self._subscribed = True

    def _on_disconnect(self, _client: Any, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._connected = False
        if not self.closed:
            log.info("mqtt.disconnected", reason=str(reason))


def _topic_of(message: paho.MQTTMessage) -> bytes:
    """Give a topic as bytes; paho shows none that is not UTF-8, and no decoder would know it."""
    try:
        return message.topic.encode()
    except UnicodeDecodeError:
        return NO_TOPIC


def _leave_it_to_the_loop(_client: Any, _userdata: Any, _socket: Any) -> None:
    pass
