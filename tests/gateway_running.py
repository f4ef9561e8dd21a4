"""A gateway in threads of the test's process, and a client of the outside world."""

import json
import os
import secrets
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as paho
import psycopg
from paho.mqtt.enums import CallbackAPIVersion
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import gateway, operations
from ingest_gateway.settings import GatewaySettings
from kernel.database import Scope, enter_scope
from kernel.metrics import Metrics
from tests import gateway_town as town

UP = f"suiden/v1/{town.CODE}/{town.CONCENTRATOR}/up"
AT = "2026-04-01T03:00:00Z"


def allow(_conn: Connection[TupleRow], _command: operations.QueuedCommand, _now: datetime) -> operations.GuardVerdict:
    return operations.GuardVerdict(allowed=True, reason="", proof={"seen": "nothing against it"})


def known_protocol(broker_url: str) -> str:
    """Say what the embedded broker speaks, so that no test waits for it to not answer MQTT 5."""
    is_other = os.environ.get("SUIDEN_TEST_BROKER") or os.environ.get("SUIDEN_TEST_MQTT_URL")
    return broker_url if is_other else f"{broker_url}?protocol=3.1.1"


class Client:
    """An MQTT client of the outside world: publishes, and keeps what it is sent."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self.received: list[tuple[str, dict[str, Any]]] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"test-{secrets.token_hex(4)}")
        self._client.username_pw_set(address.username, address.password)
        self._client.on_message = lambda _client, _userdata, message: self.received.append(
            (message.topic, json.loads(message.payload))
        )
        self._client.connect(address.hostname or "", address.port or 1883)
        self._client.loop_start()
        self._client.subscribe([("suiden/v1/+/+/ack", 1), ("suiden/v1/+/+/down", 1)])

    def publish(self, topic: str, payload: object) -> None:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self._client.publish(topic, data, qos=1).wait_for_publish(10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Running:
    """A gateway in threads of this process, and what is asked of its database."""

    def __init__(
        self,
        database_url: str,
        mqtt_url: str,
        guard: operations.ReleaseGuard = allow,
        *,
        deadline_s: float = 60.0,
        **settings: float,
    ) -> None:
        self.database_url = database_url
        self.stop = threading.Event()
        self.metrics = Metrics()
        self._thread = threading.Thread(
            target=gateway.run,
            kwargs={
                "database_url": database_url,
                "mqtt_url": mqtt_url,
                "client_id": f"gateway-{secrets.token_hex(4)}",
                "release_guard": guard,
                "stop": self.stop,
                "settings": GatewaySettings(
                    batch_age_s=0.05,
                    command_poll_s=0.05,
                    command_resend_s=0.5,
                    database_deadline_s=deadline_s,
                    **settings,  # type: ignore[arg-type]
                ),
                "metrics": self.metrics,
            },
        )
        self._thread.start()
        self.wait_for(lambda: self.health().get("broker_connected") is True)

    def close(self) -> None:
        self.stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def ask(self, query: str) -> list[TupleRow]:
        with psycopg.connect(self.database_url) as conn:
            return conn.execute(query.encode()).fetchall()

    def health(self) -> dict[str, Any]:
        rows = self.ask("SELECT health FROM heartbeat WHERE process = 'gateway'")
        return rows[0][0] if rows else {}

    def count(self, outcome: str) -> float:
        return self.metrics.registry.get_sample_value("suiden_readings_total", {"outcome": outcome}) or 0.0

    def counts(self) -> dict[str, int]:
        return {name: int(self.count(name)) for name in ("received", "stored", "duplicate", "rejected")}

    def wait_for(self, is_so: Callable[[], bool], *, timeout_s: float = 20) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not is_so():
            assert time.monotonic() < deadline_s, f"it did not come to that: {self.health()} {self.counts()}"
            time.sleep(0.02)

    def wait_for_received(self, count: int) -> None:
        """Wait until so many readings were taken in since the start, and what follows from them was made."""
        self.wait_for(lambda: self.count("received") >= count)
        self.wait_for(lambda: self.ask("SELECT count(*) FROM intake_pending") == [(0,)])


def reading(meter: str, at: str = AT, register: int | None = 100, **more: object) -> dict[str, object]:
    return {"meter": meter, "at": at, "register": register, **more}


def reasons(running: Running) -> dict[str, int]:
    return dict(running.ask("SELECT reason, sum(times)::int FROM rejected_message GROUP BY reason ORDER BY reason"))


def enter(conn: Connection[TupleRow], utility_id: int) -> None:
    enter_scope(conn, scope=Scope(utility_id=utility_id, actor="test", now=town.START))
