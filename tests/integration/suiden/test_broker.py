"""The broker we start: logins, topics, and what it keeps for a client that is away."""

import os
import queue
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from suiden.embedded.access import Login
from suiden.embedded.broker import BrokerUnusable, EmbeddedBroker, MosquittoBroker, find_mosquitto

SERVICE = Login(name="gateway", password="let me in", is_service=True)
METER = Login(name="W-0001", password="meter's own")
UP = "suiden/v1/tokyo/W-0001/up"

pytestmark = pytest.mark.gateway


# Mosquitto where it is installed; the embedded one always.
KINDS = [EmbeddedBroker, *([MosquittoBroker] if find_mosquitto() else [])]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EmbeddedBroker | MosquittoBroker]:
    started = request.param(data_dir=tmp_path / "broker", logins=[SERVICE, METER])
    started.start()
    yield started
    started.stop()


@contextmanager
def connected(port: int, login: Login, *, keep: bool = False) -> Iterator[tuple[mqtt.Client, queue.Queue[bytes]]]:
    """A client that is connected, and the payloads it gets."""
    received: queue.Queue[bytes] = queue.Queue()
    answers: queue.Queue[bool] = queue.Queue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"test-{login.name}", clean_session=not keep)
    client.username_pw_set(login.name, login.password)
    client.on_message = lambda _c, _u, message: received.put(bytes(message.payload))
    client.on_connect = lambda _c, _u, _flags, reason, _p: answers.put(not reason.is_failure)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        if not answers.get(timeout=5):
            raise PermissionError(login.name)
        yield client, received
    finally:
        client.disconnect()
        client.loop_stop()


def subscribe(client: mqtt.Client, topic: str) -> bool:
    """Subscribe and tell whether the broker agreed."""
    granted: queue.Queue[bool] = queue.Queue()
    client.on_subscribe = lambda _c, _u, _mid, reasons, _p: granted.put(not reasons[0].is_failure)
    client.subscribe(topic, qos=1)
    return granted.get(timeout=5)


def publish(client: mqtt.Client, topic: str, payload: bytes) -> None:
    client.publish(topic, payload, qos=1).wait_for_publish(timeout=5)


def settle() -> None:
    """Wait until amqtt has handed out what it acknowledged: when the publisher leaves, it drops the rest."""
    time.sleep(1)


def port_of(broker: EmbeddedBroker | MosquittoBroker) -> int:
    assert broker.port is not None
    return broker.port


def test_a_message_reaches_a_subscriber(broker: EmbeddedBroker | MosquittoBroker) -> None:
    with connected(port_of(broker), SERVICE) as (gateway, received), connected(port_of(broker), METER) as (meter, _):
        assert subscribe(gateway, "suiden/v1/+/+/up")
        publish(meter, UP, b"17")
        assert received.get(timeout=5) == b"17"


def test_a_session_keeps_what_came_while_its_client_was_away(broker: EmbeddedBroker | MosquittoBroker) -> None:
    with connected(port_of(broker), SERVICE, keep=True) as (gateway, _):
        assert subscribe(gateway, "suiden/v1/+/+/up")
    with connected(port_of(broker), METER) as (meter, _):
        for number in range(50):
            publish(meter, UP, str(number).encode())
        settle()
    with connected(port_of(broker), SERVICE, keep=True) as (_, received):
        assert [received.get(timeout=5) for _ in range(50)] == [str(number).encode() for number in range(50)]


def test_a_wrong_password_is_refused(broker: EmbeddedBroker | MosquittoBroker) -> None:
    with pytest.raises(PermissionError), connected(port_of(broker), Login(name="W-0001", password="wrong")):
        pass


def test_a_meter_can_neither_read_nor_write_what_is_another_ones(broker: EmbeddedBroker | MosquittoBroker) -> None:
    with connected(port_of(broker), SERVICE) as (gateway, received), connected(port_of(broker), METER) as (meter, own):
        assert subscribe(gateway, "#")
        subscribe(meter, "suiden/v1/+/W-0002/down")  # Mosquitto agrees, and then delivers nothing
        publish(meter, "suiden/v1/tokyo/W-0002/up", b"forged")
        publish(gateway, "suiden/v1/tokyo/W-0002/down", b"not for W-0001")
        publish(meter, UP, b"own")
        arrived = {received.get(timeout=5), received.get(timeout=5)}
        assert arrived == {b"not for W-0001", b"own"}
        assert own.empty()


def test_a_new_login_needs_no_restart(broker: EmbeddedBroker | MosquittoBroker) -> None:
    added = Login(name="W-0002", password="new")
    broker.set_logins([SERVICE, METER, added])
    deadline_s = time.monotonic() + 5
    while True:
        try:
            with connected(port_of(broker), added):
                return
        except PermissionError:
            assert time.monotonic() < deadline_s, "the new login is still refused"


def test_a_killed_broker_can_be_started_again(broker: EmbeddedBroker | MosquittoBroker) -> None:
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGKILL)
    while broker.pid is not None:
        time.sleep(0.01)
    broker.start()
    with connected(port_of(broker), SERVICE):
        pass


def test_a_taken_port_is_named(broker: EmbeddedBroker | MosquittoBroker, tmp_path: Path) -> None:
    second = EmbeddedBroker(data_dir=tmp_path / "second", logins=[], port=port_of(broker))
    with pytest.raises(BrokerUnusable, match=f"port {port_of(broker)}"):
        second.start()


def test_who_connects_anew_while_the_old_connection_stands_goes_on_hearing(
    broker: EmbeddedBroker | MosquittoBroker,
) -> None:
    old = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"test-{SERVICE.name}", clean_session=False)
    old.username_pw_set(SERVICE.name, SERVICE.password)
    old.connect("127.0.0.1", port_of(broker))
    while not old.is_connected():
        old.loop(0.1)
    with connected(port_of(broker), SERVICE, keep=True) as (gateway, received):
        assert subscribe(gateway, "suiden/v1/+/+/up")
        old_line = old.socket()
        assert old_line is not None
        old_line.close()
        time.sleep(0.3)  # until the broker has seen its end
        with connected(port_of(broker), METER) as (meter, _):
            publish(meter, UP, b"heard")
            assert received.get(timeout=5) == b"heard"
