"""The meters of the live benchmark: one process that publishes messages of one reading each, at a steady rate.

It speaks MQTT 3.1.1 by itself over one connection, so that it takes little of the machine that is measured. When it
published which message it writes to a file.
"""

import json
import math
import select
import socket
import struct
import sys
import time
from array import array
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

TICK_S = 0.004
LAST_ACKS_S = 10.0
GOLDEN = 0.618


class LineLost(Exception):
    """The broker refused or closed the connection."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to publish: `count` messages, `rate_per_s` a second, of the meters `serials` in turn."""

    mqtt_url: str
    utility: str
    serials: list[str]
    rate_per_s: float
    count: int
    begun_file: str  # made when the first message leaves
    times_file: str  # of each message the millisecond when it was published, as 64-bit integers

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "Plan":
        return cls(**json.loads(path.read_text()))

    def meter_of(self, number: int) -> int:
        """Tell whose turn message `number` is: neighbours in the list are far apart in time."""
        return number * stride(len(self.serials)) % len(self.serials)


def stride(count: int) -> int:
    """Choose a step that visits all of `count` once, in an even scatter."""
    step = max(1, int(count * GOLDEN))
    while math.gcd(step, count) != 1:
        step += 1
    return step


class Line:
    """A connection to the broker that can publish and count acknowledgements."""

    def __init__(self, mqtt_url: str) -> None:
        """:raises LineLost: if the broker refuses"""
        address = urlsplit(mqtt_url)
        self._socket = socket.create_connection((address.hostname or "127.0.0.1", address.port or 1883), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        user, password = (address.username or "").encode(), (address.password or "").encode()
        body = _text(b"MQTT") + bytes([4, 0b1100_0010]) + struct.pack("!H", 300) + _text(b"suiden-bench-live")
        body += _text(user) + _text(password)
        self._socket.sendall(bytes([0x10]) + _length(len(body)) + body)
        if self._socket.recv(4)[:4] != b"\x20\x02\x00\x00":
            raise LineLost("the broker refused the publisher of the live benchmark")
        self.acknowledged_bytes = 0

    def send(self, packets: bytes) -> None:
        self._socket.sendall(packets)

    def take_acks(self, *, within_s: float) -> None:
        """Read acknowledgements, waiting for the first at most so long.

        :raises LineLost: if the broker closed the connection
        """
        while select.select([self._socket], [], [], within_s)[0]:
            found = self._socket.recv(262_144)
            if not found:
                raise LineLost("the broker closed the connection of the live benchmark's publisher")
            self.acknowledged_bytes += len(found)
            within_s = 0.0

    @property
    def acknowledged(self) -> int:
        return self.acknowledged_bytes // 4

    def close(self) -> None:
        self._socket.sendall(b"\xe0\x00")
        self._socket.close()


def publish(topic: bytes, payload: bytes, *, packet_id: int) -> bytes:
    """Make a packet of quality 1."""
    body = _text(topic) + struct.pack("!H", packet_id) + payload
    return b"\x32" + _length(len(body)) + body


def run(plan: Plan) -> None:
    """Publish all, and write when."""
    line = Line(plan.mqtt_url)
    topics = [f"suiden/v1/{plan.utility}/{serial}/up".encode() for serial in plan.serials]
    heads = [
        f'{{"seq":%d,"readings":[{{"meter":"{serial}","at":%d,"register":%d,"flow":%d}}]}}' for serial in plan.serials
    ]
    times_ms = array("q")
    meters = len(plan.serials)
    Path(plan.begun_file).touch()
    begun_s = time.perf_counter()
    while len(times_ms) < plan.count:
        elapsed_s = time.perf_counter() - begun_s
        due = min(plan.count, int(elapsed_s * plan.rate_per_s) + 1)
        at_ms = int(time.time() * 1000)
        packets: list[bytes] = []
        for number in range(len(times_ms), due):
            meter, turn = plan.meter_of(number), number // meters
            payload = heads[meter] % (turn + 1, at_ms, 100_000 + turn, 300 + number % 100)
            packets.append(publish(topics[meter], payload.encode(), packet_id=number % 65_535 + 1))
            times_ms.append(at_ms)
        line.send(b"".join(packets))
        line.take_acks(within_s=TICK_S)
        time.sleep(max(0.0, TICK_S - (time.perf_counter() - begun_s - elapsed_s)))
    deadline_s = time.monotonic() + LAST_ACKS_S
    while line.acknowledged < plan.count and time.monotonic() < deadline_s:
        line.take_acks(within_s=0.05)
    line.close()
    Path(plan.times_file).write_bytes(times_ms.tobytes())


def _text(text: bytes) -> bytes:
    return struct.pack("!H", len(text)) + text


def _length(count: int) -> bytes:
    found = bytearray()
    while True:
        count, digit = divmod(count, 128)
        found.append(digit | 0x80 if count else digit)
        if not count:
            return bytes(found)


if __name__ == "__main__":
    run(Plan.read(Path(sys.argv[1])))
