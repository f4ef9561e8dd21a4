"""Mosquitto with the files of deploy/, and visitors who try what they may do there."""

import os
import queue
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from suiden import certificates, secret_files
from suiden.embedded.broker import NOBODY_UID, find_mosquitto
from suiden.embedded.child import start_child, stop_child
from suiden.embedded.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
LIMIT_S = 10
QUIET_S = 0.5


def mosquitto_program() -> Path:
    """Find Mosquitto, or skip: where everything is installed for the tests, a skip fails."""
    found = os.environ.get("SUIDEN_TEST_MOSQUITTO")
    program = Path(found) if found else find_mosquitto()
    if program is None:
        pytest.skip("Mosquitto is not installed here; .ci/run has one")
    return program


class ProductionBroker:
    """Mosquitto with our files for production; only its ports and its folders are others."""

    def __init__(self, folder: Path, *, sender_names: tuple[str, ...] = (), with_tls: bool = False) -> None:
        self.folder, self.secrets = folder, folder / "secrets"
        self.log_path = folder / "broker.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._program = mosquitto_program()
        self._uid = NOBODY_UID if os.geteuid() == 0 else None
        self.ports = {given: free_port() for given in ("1884", *(("8883", "8884") if with_tls else ("1883",)))}
        address = f"127.0.0.1:{self.ports['1884']}"
        secret_files.make(self.secrets, sender_names=sender_names, database_host="d:1", broker_host=address)
        self.certificates = folder / "certificates"
        if with_tls:
            certificates.make_authority(self.certificates, name="Suiden meters")
            certificates.make_certificate(self.certificates, name="broker", hosts=["127.0.0.1"], days=2)
        self._write_settings("listeners-tls" if with_tls else "listeners")

    def _write_settings(self, listeners: str) -> None:
        (self.folder / "data").mkdir()
        (self.folder / "listeners").mkdir()
        places = {
            "/run/access": self.secrets / "broker",
            "/mosquitto/config/listeners": self.folder / "listeners",
            "/mosquitto/data": self.folder / "data",
            "/run/certificates": self.certificates,
        }
        here = {there: str(place) for there, place in places.items()}
        here |= {f"listener {given}\n": f"listener {port} 127.0.0.1\n" for given, port in self.ports.items()}
        texts = {
            "mosquitto.conf": (ROOT / "deploy" / "mosquitto.conf").read_text(),
            "listeners/listeners.conf": (ROOT / "deploy" / listeners / "listeners.conf").read_text(),
        }
        for name, text in texts.items():
            for there, place in here.items():
                text = text.replace(there, place)
            (self.folder / name).write_text(text)

    def start(self) -> None:
        self.give_to_its_user()
        self.process = start_child(
            command=[str(self._program), "-c", str(self.folder / "mosquitto.conf")],
            log_path=self.log_path,
            death_signal=signal.SIGTERM,
            uid=self._uid,
        )
        deadline_s = time.monotonic() + 20
        while not all(_answers(port) for port in self.ports.values()):
            assert self.process.poll() is None, self.log_path.read_text()
            assert time.monotonic() < deadline_s, self.log_path.read_text()
            time.sleep(0.05)

    def give_to_its_user(self) -> None:
        """Let the user that it runs as read its files, as the container's may."""
        if self._uid is not None:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, self._uid, self._uid)

    def stop(self) -> None:
        if self.process is not None:
            stop_child(self.process, signals=[(signal.SIGTERM, 15.0)])
            self.process = None

    def read_access_again(self) -> None:
        assert self.process is not None
        self.give_to_its_user()
        self.process.send_signal(signal.SIGHUP)
        time.sleep(QUIET_S)

    @property
    def service_url(self) -> str:
        return (self.secrets / "mqtt_url").read_text()

    def service(self, client_id: str = "suiden-gateway-1", *, keep: bool = False) -> "Visitor":
        """Connect as one of our own processes."""
        login = self.service_url.removeprefix("mqtt://").partition("@")[0]
        name, _, password = login.partition(":")
        return Visitor(self.ports["1884"], client_id=client_id, user=name, password=password, keep=keep)

    def sender(self, name: str, *, password: str = "", client_id: str = "", keep: bool = False) -> "Visitor":
        """Connect as a meter or concentrator, by password; the first one is the town's."""
        given = password or (self.secrets / "meter_password").read_text()
        return Visitor(self.ports["1883"], client_id=client_id or name, user=name, password=given, keep=keep)


class Visitor:
    """A client that connects when it is made, and what came of it."""

    def __init__(
        self,
        port: int,
        *,
        client_id: str,
        user: str | None = None,
        password: str | None = None,
        keep: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.received: queue.Queue[tuple[str, str]] = queue.Queue()
        self.lost: queue.Queue[str] = queue.Queue()
        answered: queue.Queue[str] = queue.Queue()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=not keep, reconnect_on_failure=False
        )
        client = self._client
        if user is not None:
            client.username_pw_set(user, password)
        if tls is not None:
            client.tls_set_context(tls)
        client.max_inflight_messages_set(1000)
        client.on_message = lambda _c, _d, message: self.received.put((message.topic, bytes(message.payload).decode()))
        client.on_connect = lambda _c, _d, _f, reason, _p: answered.put(str(reason) if reason.is_failure else "")

        def disconnected(_c: object, _d: object, _f: object, reason: object, _p: object) -> None:
            self.lost.put(str(reason))
            answered.put(f"the line was closed: {reason}")

        client.on_disconnect = disconnected
        try:
            client.connect("127.0.0.1", port)
            client.loop_start()
            self.refusal = answered.get(timeout=LIMIT_S)
        except (OSError, queue.Empty) as error:
            self.refusal = str(error) or "no answer"

    def subscribe(self, *topics: str) -> "Visitor":
        """Subscribe; Mosquitto grants also what it will never deliver."""
        granted: queue.Queue[bool] = queue.Queue()
        self._client.on_subscribe = lambda _c, _d, _mid, _reasons, _p: granted.put(True)
        self._client.subscribe([(topic, 1) for topic in topics])
        assert granted.get(timeout=LIMIT_S)
        return self

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(timeout=LIMIT_S)

    def publish_many(self, topic: str, payloads: list[str]) -> None:
        sent = [self._client.publish(topic, payload, qos=1) for payload in payloads]
        for message in sent:
            message.wait_for_publish(timeout=30)
        assert all(message.is_published() for message in sent)

    def heard(self, count: int) -> list[tuple[str, str]]:
        """Wait for so many messages, and see that no other comes behind them."""
        found = [self.received.get(timeout=LIMIT_S) for _ in range(count)]
        time.sleep(QUIET_S)
        assert self.received.empty(), self.received.queue
        return found

    @property
    def is_connected(self) -> bool:
        return self._client.is_connected()

    def leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def production_broker(*, sender_names: tuple[str, ...] = (), with_tls: bool = False) -> Iterator[ProductionBroker]:
    """Start one, in a folder where another user can come: it is not run as root."""
    mosquitto_program()
    folder = Path(tempfile.mkdtemp(prefix="suiden-test-broker-"))
    started = ProductionBroker(folder, sender_names=sender_names, with_tls=with_tls)
    try:
        started.start()
        yield started
    finally:
        started.stop()
        shutil.rmtree(folder)
