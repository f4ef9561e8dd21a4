"""Messages reach the gateway alike by whole stretches of the stream and by paho as it comes."""

import queue
import secrets
import threading
import time

import pytest

from ingest_gateway.mqtt import link as links
from ingest_gateway.mqtt.frames import Frames
from ingest_gateway.mqtt.link import BrokerAddress, Link, LinkOptions
from tests.gateway_running import UP, Client, Running, known_protocol, reading

pytestmark = [pytest.mark.store, pytest.mark.gateway]

PAYLOADS = [b"", b"x", bytes(range(256)), b"y" * 127, b"z" * 128, b"w" * 20_000, *[b"%d" % n for n in range(60)]]


class Taking:
    """A connection of our own that keeps what it is sent, and acknowledges all of it."""

    def __init__(self, url: str, topic: str, *, is_plain: bool) -> None:
        address = BrokerAddress.of(url)
        options = LinkOptions(
            client_id=f"taking-{secrets.token_hex(4)}",
            subscriptions=[topic],
            receive_maximum=20,  # so that more come only where these are acknowledged
            session_expiry_s=60,
            keepalive_s=60,
            plain_paho=is_plain,
        )
        self.came: queue.Queue[tuple[bytes, bytes]] = queue.Queue()
        self._stop = threading.Event()
        self._link = Link(address=address, options=options, protocol=address.protocol or "5", on_frames=self._on_frames)
        self._link.open()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def all(self, count: int) -> list[tuple[bytes, bytes]]:
        found = [self.came.get(timeout=20) for _ in range(count)]
        time.sleep(0.05)
        assert self.came.empty()
        return found

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)
        self._link.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._link.turn()

    def _on_frames(self, link: Link, frames: Frames) -> None:
        for topic, payload in zip(frames.topics, frames.payloads, strict=True):
            self.came.put((topic, payload))
        link.acknowledge(frames.message_ids)


def test_the_same_messages_come_by_frames_and_by_plain_paho(broker_url: str, client: Client) -> None:
    topic = f"test/{secrets.token_hex(4)}"
    both = [Taking(known_protocol(broker_url), f"{topic}/#", is_plain=is_plain) for is_plain in (False, True)]
    try:
        for number, payload in enumerate(PAYLOADS):
            client.publish(f"{topic}/{number}", payload)
        by_frames, by_paho = (taking.all(len(PAYLOADS)) for taking in both)
    finally:
        for taking in both:
            taking.close()
    expected = [(f"{topic}/{number}".encode(), payload) for number, payload in enumerate(PAYLOADS)]
    assert by_frames == expected
    assert by_paho == expected


@pytest.mark.parametrize("by", ["setting", "another release"])
def test_the_gateway_takes_in_and_answers_by_plain_paho_too(
    founded: str, broker_url: str, client: Client, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    if by == "another release":
        monkeypatch.setattr(links, "can_read_frames", lambda: False)

    def no_frames(*_: object, **__: object) -> None:
        raise AssertionError("paho is to be used as it comes")

    monkeypatch.setattr(links.FrameClient, "__init__", no_frames)
    running = Running(founded, known_protocol(broker_url), plain_mqtt=by == "setting")
    try:
        for number in range(1, 6):
            client.publish(UP, {"seq": number, "readings": [reading("W-0001", f"2026-04-01T0{number % 3}:00:00Z", 5)]})
        running.wait_for_received(5)
        assert running.counts() == {"received": 5, "stored": 3, "duplicate": 2, "rejected": 0}
        running.wait_for(lambda: any(told.get("through") == 5 for _, told in client.received))
    finally:
        running.close()
