"""deploy/mosquitto.conf, on a real Mosquitto: what it takes it keeps, and nobody uses another's topics."""

import os
import queue
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from suiden import secret_files
from suiden.embedded.broker import NOBODY_UID, find_mosquitto
from suiden.embedded.child import start_child, stop_child

ROOT = Path(__file__).resolve().parents[3]
SENDER, OTHER = "C-D1", "W-0001"
MANY = 3_000  # three times what Mosquitto keeps for a client by default


class ProductionBroker:
    """Mosquitto with our file for production; only its port and its folders are others."""

    def __init__(self, folder: Path, *, program: Path) -> None:
        secret_files.make(
            folder / "secrets", sender_names=(SENDER, OTHER), database_host="d:1", broker_host="127.0.0.1:1"
        )
        (folder / "data").mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        settings = (ROOT / "deploy" / "mosquitto.conf").read_text()
        for there, here in (
            ("listener 1883", f"listener {self.port} 127.0.0.1"),
            ("/run/secrets", str(folder / "secrets")),
            ("/mosquitto/data", str(folder / "data")),
        ):
            assert there in settings
            settings = settings.replace(there, here)
        (folder / "mosquitto.conf").write_text(settings)
        self._uid = NOBODY_UID if os.geteuid() == 0 else None
        if self._uid is not None:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, self._uid, self._uid)
        self.folder, self.log_path, self._program = folder, folder / "broker.log", program
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = start_child(
            command=[str(self._program), "-c", str(self.folder / "mosquitto.conf")],
            log_path=self.log_path,
            death_signal=signal.SIGTERM,
            uid=self._uid,
        )
        deadline_s = time.monotonic() + 20
        while not self._answers():
            assert self.process.poll() is None, self.log_path.read_text()
            assert time.monotonic() < deadline_s, self.log_path.read_text()
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        if self.process is not None:
            stop_child(self.process, signals=[(signal.SIGTERM, 15.0)])
            self.process = None

    def connect(self, name: str, *, keep: bool = False) -> tuple[paho.Client, queue.Queue[str]]:
        """Connect with the login that was made for it; return the client, and the topics of what it gets."""
        password = (self.folder / "secrets" / "meter_password").read_text()
        if name == secret_files.SERVICE_NAME:
            password = (self.folder / "secrets" / "mqtt_url").read_text().split(":", 2)[2].partition("@")[0]
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=not keep)
        client.username_pw_set(name, password)
        client.max_inflight_messages_set(1000)
        received: queue.Queue[str] = queue.Queue()
        answered: queue.Queue[bool] = queue.Queue()
        client.on_message = lambda _client, _data, message: received.put(bytes(message.payload).decode())
        client.on_connect = lambda _client, _data, _flags, reason, _properties: answered.put(not reason.is_failure)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        assert answered.get(timeout=10), f"{name} is let in"
        return client, received


def leave(client: paho.Client) -> None:
    client.disconnect()
    client.loop_stop()


def subscribe(client: paho.Client, topic: str) -> None:
    granted: queue.Queue[bool] = queue.Queue()
    client.on_subscribe = lambda _client, _data, _mid, reasons, _properties: granted.put(not reasons[0].is_failure)
    client.subscribe(topic, qos=1)
    assert granted.get(timeout=10)


@pytest.fixture
def broker() -> Iterator[ProductionBroker]:
    program = find_mosquitto()
    if program is None:
        pytest.skip("Mosquitto is not installed here; .ci/run has one")
    folder = Path(tempfile.mkdtemp(prefix="suiden-test-broker-"))  # where another user can come: it is not run as root
    started = ProductionBroker(folder, program=program)
    try:
        started.start()
        yield started
    finally:
        started.stop()
        shutil.rmtree(folder)


def test_all_is_kept_for_a_gateway_that_is_away_even_over_a_restart(broker: ProductionBroker) -> None:
    gateway, _ = broker.connect(secret_files.SERVICE_NAME, keep=True)
    subscribe(gateway, "suiden/+/+/+/up")
    leave(gateway)
    sender, _ = broker.connect(SENDER)
    sent = [sender.publish(f"suiden/v1/hinode/{SENDER}/up", str(number), qos=1) for number in range(MANY)]
    for message in sent:
        message.wait_for_publish(timeout=30)
    assert all(message.is_published() for message in sent)
    leave(sender)
    broker.stop()
    broker.start()
    gateway, received = broker.connect(secret_files.SERVICE_NAME, keep=True)
    got = {int(received.get(timeout=20)) for _ in range(MANY)}
    leave(gateway)
    assert got == set(range(MANY))


def test_a_sender_is_not_heard_on_the_topic_of_another(broker: ProductionBroker) -> None:
    gateway, received = broker.connect(secret_files.SERVICE_NAME)
    subscribe(gateway, "suiden/#")
    sender, _ = broker.connect(SENDER)
    for topic in (f"suiden/v1/hinode/{OTHER}/up", f"suiden/v1/hinode/{SENDER}/down"):
        sender.publish(topic, "not mine", qos=1).wait_for_publish(timeout=10)
    sender.publish(f"suiden/v1/hinode/{SENDER}/up", "mine", qos=1).wait_for_publish(timeout=10)
    assert received.get(timeout=10) == "mine"
    assert received.empty()
    leave(sender)
    leave(gateway)


def test_nobody_comes_in_without_a_login(broker: ProductionBroker) -> None:
    refused: queue.Queue[bool] = queue.Queue()
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="stranger")
    client.on_connect = lambda _client, _data, _flags, reason, _properties: refused.put(reason.is_failure)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    assert refused.get(timeout=10)
    leave(client)


def test_the_file_has_nothing_that_mosquitto_complains_of(broker: ProductionBroker) -> None:
    log = broker.log_path.read_text()
    complaints = [line for line in log.splitlines() if "Error" in line or "Unknown" in line or "Invalid" in line]
    assert not complaints, log
