"""Publishing at full speed over bare sockets, to take little of the machine; messages that wait at the broker."""

import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from suiden.bench.live.publisher import Line
from suiden.bench.live.publisher import publish as packet

AT_ONCE = 200
WINDOW = 2_000
WAIT_S = 60.0
KEPT_S = 3_600


class BacklogImpossible(Exception):
    """The broker did not take or give what it should."""


def hold_for(mqtt_url: str, *, client_id: str, subscriptions: Sequence[str], is_v5: bool = True) -> None:
    """Have the broker keep messages for a client that is away."""
    client = _client(mqtt_url, client_id=client_id, is_v5=is_v5)
    subscribed: list[object] = []
    client.on_subscribe = lambda *arguments: subscribed.append(arguments)
    client.loop_start()
    client.subscribe([(subscription, 1) for subscription in subscriptions])
    deadline_s = time.monotonic() + WAIT_S
    while not subscribed and time.monotonic() < deadline_s:
        time.sleep(0.01)
    client.disconnect()
    client.loop_stop()
    if not subscribed:
        raise BacklogImpossible("the broker did not take the subscription")


def forget(mqtt_url: str, *, client_id: str) -> None:
    """Have the broker forget a client."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=True)
    _connect(client, mqtt_url)
    client.loop_start()
    time.sleep(0.2)
    client.disconnect()
    client.loop_stop()


def publish(mqtt_url: str, messages: Sequence[tuple[bytes, bytes]]) -> float:
    """Publish messages with quality 1 as fast as the broker takes them; return messages a second."""
    packets = [
        packet(topic, payload, packet_id=number % 60_000 + 1) for number, (topic, payload) in enumerate(messages)
    ]
    line = Line(mqtt_url)
    began_s = time.perf_counter()
    deadline_s = time.monotonic() + 10 * WAIT_S
    sent = 0
    while line.acknowledged < len(packets):
        if sent < len(packets) and sent - line.acknowledged < WINDOW:
            line.send(b"".join(packets[sent : sent + AT_ONCE]))
            sent = min(len(packets), sent + AT_ONCE)
            line.take_acks(within_s=0.0)
        else:
            line.take_acks(within_s=1.0)
        if time.monotonic() > deadline_s:
            raise BacklogImpossible(f"the broker took {line.acknowledged} of {len(packets)}")
    took_s = time.perf_counter() - began_s
    line.close()
    return len(packets) / took_s


def receive_with_bare_paho(mqtt_url: str, *, client_id: str, count: int) -> float:
    """Receive what waits with paho as it comes, doing nothing with it; return messages a second."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False)
    seen = 0

    def count_one(_client: object, _userdata: object, _message: object) -> None:
        nonlocal seen
        seen += 1

    client.on_message = count_one
    _connect(client, mqtt_url)
    began_s = time.perf_counter()
    deadline_s = time.monotonic() + 10 * WAIT_S
    while seen < count:
        client.loop(timeout=1.0)
        if time.monotonic() > deadline_s:
            raise BacklogImpossible(f"{seen} of {count} messages came")
    took_s = time.perf_counter() - began_s
    client.disconnect()
    client.loop(timeout=0.1)
    return count / took_s


def _client(mqtt_url: str, *, client_id: str, is_v5: bool) -> paho.Client:
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=None if is_v5 else False,
        protocol=MQTTProtocolVersion.MQTTv5 if is_v5 else MQTTProtocolVersion.MQTTv311,
    )
    properties = None
    if is_v5:
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = KEPT_S
    _connect(client, mqtt_url, properties=properties)
    return client


def _connect(client: paho.Client, mqtt_url: str, *, properties: Properties | None = None) -> None:
    address = urlsplit(mqtt_url)
    client.username_pw_set(address.username, address.password)
    if properties is None:
        client.connect(address.hostname or "127.0.0.1", address.port or 1883)
    else:
        client.connect(address.hostname or "127.0.0.1", address.port or 1883, clean_start=False, properties=properties)
