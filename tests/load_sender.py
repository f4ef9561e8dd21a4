"""A concentrator for tests under load: numbers its messages, keeps them until the gateway has acknowledged them."""

import json
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

RESEND_S = 2.0
WINDOW = 200  # kept and not acknowledged: a sender that may send again sends nothing new beyond it
RESENDS_AT_ONCE = 4  # so that a slow machine is not flooded with what it has not got round to


class LoadSender:
    """Publishes one message after the other, each with one reading of every meter, until stopped."""

    def __init__(
        self,
        *,
        mqtt_url: str,
        utility: str,
        name: str,
        serials: list[str],
        first_at: datetime,
        resends: bool,
        rate: float,
    ) -> None:
        """Take how many messages a second to publish; `resends`: publish again what the gateway did not acknowledge."""
        address = urlsplit(mqtt_url)
        self._topic = f"suiden/v1/{utility}/{name}"
        self._serials = serials
        self._first_at = first_at
        self._resends = resends
        self._interval_s = 1 / rate
        self._lock = threading.Lock()
        self._kept: dict[int, float] = {}  # number: when it was published last
        self.sent = 0
        self.acknowledged: set[int] = set()
        self._stopped = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=True)
        self._client.username_pw_set(address.username, address.password)
        self._client.on_connect = self._on_connect
        self._client.on_message = lambda _client, _userdata, message: self._take_ack(json.loads(message.payload))
        self._client.max_inflight_messages_set(1000)
        self._client.connect(address.hostname or "", address.port or 1883)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop_sending(self) -> None:
        """Send nothing new; what is not acknowledged is still sent again."""
        self._stopped.set()
        self._thread.join()
        self._thread = threading.Thread(target=self._resend_until_acknowledged, daemon=True)
        self._thread.start()

    def wait_until_acknowledged(self, timeout_s: float) -> bool:
        """Wait until nothing is kept any more."""
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            with self._lock:
                if not self._kept:
                    return True
            time.sleep(0.05)
        return False

    def close(self) -> None:
        self._stopped.set()
        self._resends = False
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()

    def readings(self, number: int) -> Mapping[str, tuple[datetime, int]]:
        """Tell what the message of a number says: the instant and register of each meter."""
        at = self._first_at + timedelta(seconds=number)
        return {serial: (at, number * 10 + index) for index, serial in enumerate(self._serials)}

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        client.subscribe(f"{self._topic}/ack", 1)

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_s):
            if not self._resends or len(self._kept) < WINDOW:
                self.sent += 1
                self._publish(self.sent)
            self._resend_due()

    def _resend_until_acknowledged(self) -> None:
        while self._resends and not self.wait_until_acknowledged(0.05):
            self._resend_due()

    def _resend_due(self) -> None:
        if not self._resends:
            return
        with self._lock:
            due = [number for number, sent_s in self._kept.items() if time.monotonic() - sent_s > RESEND_S]
        for number in due[:RESENDS_AT_ONCE]:
            self._publish(number)

    def _publish(self, number: int) -> None:
        readings = [
            {"meter": serial, "at": at.isoformat(), "register": register}
            for serial, (at, register) in self.readings(number).items()
        ]
        with self._lock:
            self._kept[number] = time.monotonic()
        self._client.publish(f"{self._topic}/up", json.dumps({"seq": number, "readings": readings}), qos=1)

    def _take_ack(self, ack: Mapping[str, object]) -> None:
        through, missing = ack["through"], ack["missing"]
        assert isinstance(through, int)
        assert isinstance(missing, list)
        with self._lock:
            for number in [number for number in self._kept if number <= through and number not in missing]:
                del self._kept[number]
                self.acknowledged.add(number)
