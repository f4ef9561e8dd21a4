"""The process that keeps customers' Home Assistants told; apart from intake, which it neither delays nor needs."""

import threading
import time
from collections.abc import Mapping
from datetime import UTC
from typing import Any

import msgspec
import paho.mqtt.client as paho
import psycopg
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from ingest_gateway.domain import home_assistant as words
from ingest_gateway.domain.home_assistant import HomeMeter, Measures
from ingest_gateway.mqtt.link import BrokerAddress
from ingest_gateway.queries.homes import home_meters
from ingest_gateway.store import latest
from ingest_gateway.store.latest import LatestReading
from kernel import events
from kernel.clock import Clock, UtilityClock, wall_now
from kernel.database import Pool, open_pool
from kernel.heartbeat import beat
from registry import queries as registry

log = structlog.get_logger()

PROCESS = "home"
CLIENT_ID = "suiden-home"
OURS = f"{words.PREFIX}/sensor/+/+/config"
PAUSE_S = 1.0  # between two looks, however much comes in
LOOK_S = 5.0  # also when nothing was told
BOOK_S = 30.0  # after which homes and their meters are read again
RETRY_S = 2.0
KEEPALIVE_S = 30
NUMBERS = msgspec.json.Encoder(decimal_format="number")


def run(*, database_url: str, mqtt_url: str, stop: threading.Event, clock: Clock | None = None) -> None:
    """Publish each home's meters until `stop`: their descriptions, and each newest reading; all of it retained."""
    pool = open_pool(database_url, role="suiden_gateway", process=PROCESS, max_size=2)
    told = threading.Event()
    listener = threading.Thread(
        target=events.listen,
        args=(database_url,),
        kwargs={"channel": events.POSITIONED, "wake": lambda _: told.set(), "stop": stop},
        name="listener",
        daemon=True,
    )
    listener.start()
    homes = Homes(pool=pool, address=BrokerAddress.of(mqtt_url), clock=clock or UtilityClock(pool))
    try:
        while not stop.is_set():
            pause_s = homes.look()
            told.wait(LOOK_S)
            told.clear()
            stop.wait(pause_s)
    finally:
        homes.close()
        listener.join(RETRY_S)
        pool.close()


class Homes:
    """What is published, and what should be; only the difference leaves."""

    def __init__(self, *, pool: Pool, address: BrokerAddress, clock: Clock) -> None:
        self._pool, self._clock, self._address = pool, clock, address
        self._published: dict[str, bytes] = {}  # by topic, on this connection
        self._kept_before: set[str] = set()  # topics that an earlier life left at the broker
        self._lock = threading.Lock()
        self._book: list[tuple[registry.Utility, str, str, HomeMeter]] = []
        self._book_s = float("-inf")
        self._described: dict[tuple[str, HomeMeter, tuple[str, ...]], dict[str, bytes]] = {}
        self._is_up = False
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=CLIENT_ID)
        client = self._client
        if address.username:
            client.username_pw_set(address.username, address.password)
        if address.tls:
            client.tls_set_context(address.tls_context())
        client.on_connect, client.on_disconnect = self._connected, self._disconnected
        client.on_subscribe, client.on_message = self._subscribed, self._found
        client.connect_async(address.host, address.port, keepalive=KEEPALIVE_S)
        client.loop_start()

    def look(self) -> float:
        """Publish what changed; return for how many seconds to rest."""
        try:
            with self._pool.connection() as conn:
                wanted = self._wanted(conn)
                health = {"broker_connected": self._is_up, "meters": len(self._book)}
                beat(conn, process=PROCESS, health=health, wall_now=wall_now())
            self._publish(wanted)
        except (psycopg.Error, OSError) as error:
            log.warning("homes.interrupted", error=str(error)[:300])
            return RETRY_S
        return PAUSE_S

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _wanted(self, conn: psycopg.Connection[Any]) -> dict[str, bytes]:
        if time.monotonic() - self._book_s > BOOK_S:
            self._book = [
                (utility, home.name, home.locale, meter)
                for utility in registry.utilities(conn)
                for home in home_meters(conn, utility_id=utility.utility_id, at=self._clock.now())
                for meter in home.meters
            ]
            self._book_s = time.monotonic()
            self._described.clear()
        by_utility: dict[int, list[int]] = {}
        for utility, _, _, meter in self._book:
            by_utility.setdefault(utility.utility_id, []).append(meter.meter_id)
        newest = {
            (utility_id, one.meter_id): _measures(one)
            for utility_id, meter_ids in by_utility.items()
            for one in latest.of_meters(conn, utility_id=utility_id, meter_ids=meter_ids)
        }
        wanted: dict[str, bytes] = {}
        for utility, name, locale, meter in self._book:
            measures = newest.get((utility.utility_id, meter.meter_id))
            if measures is None:
                continue
            wanted |= self._descriptions(utility, name, locale, meter, measures)
            state = words.state(meter, measures=measures)
            wanted[words.state_topic(name, meter.meter_id)] = NUMBERS.encode(state)
        return wanted

    def _descriptions(
        self, utility: registry.Utility, name: str, locale: str, meter: HomeMeter, measures: Measures
    ) -> dict[str, bytes]:
        """Describe a meter's sensors; they change only with what it tells, and this is asked each second."""
        key = (name, meter, tuple(measure for measure, told in measures.items() if told is not None))
        if key not in self._described:
            described = words.configurations(
                name, meter, measures=measures, utility=utility.code, utility_name=utility.name, locale=locale
            )
            self._described[key] = {topic: msgspec.json.encode(told) for topic, told in described.items()}
        return self._described[key]

    def _publish(self, wanted: Mapping[str, bytes]) -> None:
        """Send the difference, descriptions before states; an empty message takes back what is no longer wanted."""
        with self._lock:
            if not self._is_up:
                return
            known, before = dict(self._published), set(self._kept_before)
        for topic in sorted((known.keys() | before) - wanted.keys()):
            self._send(topic, b"")
        for topic, payload in wanted.items():
            if known.get(topic) != payload:
                self._send(topic, payload)

    def _send(self, topic: str, payload: bytes) -> None:
        if self._client.publish(topic, payload, qos=1, retain=True).rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return
        with self._lock:
            self._kept_before.discard(topic)
            if payload:
                self._published[topic] = payload
            else:
                self._published.pop(topic, None)

    def _connected(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.warning("homes.refused", reason=str(reason))
            return
        client.subscribe([(OURS, 1), (f"{words.PREFIX}/sensor/+/+/state", 1)])

    def _subscribed(self, *_: Any) -> None:
        with self._lock:
            self._published.clear()  # whatever this broker lost meanwhile is told anew
            self._is_up = True

    def _disconnected(self, *_: Any) -> None:
        with self._lock:
            self._is_up = False

    def _found(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        """Remember what was kept before we came, of our own topics."""
        if message.retain and message.payload and message.topic.split("/")[2].startswith("suiden-home-"):
            with self._lock:
                if message.topic not in self._published:
                    self._kept_before.add(message.topic)


def _measures(newest: LatestReading) -> Measures:
    return {
        "register": newest.register,
        "export_register": newest.export_register,
        "flow": newest.flow,
        "pressure_kpa": newest.pressure_kpa,
        "voltage_1_v": newest.voltage_1_v,
        "voltage_2_v": newest.voltage_2_v,
        "voltage_3_v": newest.voltage_3_v,
        "battery_pct": newest.battery_pct,
        "read_at": newest.read_at.astimezone(UTC).isoformat(),
    }
