"""A stand-in for the utility's gateway: hears the senders, acknowledges when told to, gives orders."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from simulators.links import BrokerAddress


class UtilityEar:
    """What the utility heard, and what it said."""

    def __init__(self, url: str, *, acknowledges: bool = True) -> None:
        self.acknowledges = acknowledges
        self.readings: dict[tuple[str, Any], dict[str, Any]] = {}
        self.answers: list[dict[str, Any]] = []
        self.numbers: dict[tuple[str, str], set[int]] = {}
        self.deaf_to: set[int] = set()  # numbers that get lost once
        self._lock = threading.Lock()
        self._subscribed = threading.Event()
        address = BrokerAddress.of(url)
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"ear-{id(self)}")
        self._client.username_pw_set(address.user, address.password)
        self._client.on_connect = lambda *_: self._subscribe()
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._heard
        self._client.connect(address.host, address.port)
        self._client.loop_start()
        assert self._subscribed.wait(10)

    def order(self, sender: str, body: dict[str, Any]) -> None:
        self._client.publish(f"suiden/v1/hinode/{sender}/down", json.dumps(body), qos=1)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _subscribe(self) -> None:
        self._client.subscribe("suiden/v1/+/+/up", qos=1)

    def _heard(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        body, sender = json.loads(message.payload), message.topic.split("/")[3]
        with self._lock:
            if body["seq"] in self.deaf_to:
                self.deaf_to.discard(body["seq"])
                return
            for reading in body["readings"]:
                self.readings[reading.get("meter", sender), reading["at"]] = reading
            self.answers += body.get("answers", [])
            seen = self.numbers.setdefault((sender, body["boot"]), set())
            seen.add(body["seq"])
            if self.acknowledges:
                missing = [seq for seq in range(1, max(seen)) if seq not in seen]
                ack = json.dumps({"through": max(seen), "missing": missing})
                self._client.publish(f"suiden/v1/hinode/{sender}/ack", ack, qos=1)


def wait_until(is_so: Callable[[], bool], *, timeout_s: float = 15.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.02)
